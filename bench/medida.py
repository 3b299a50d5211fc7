"""What one figure is, and the statistics behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple


class Cota(NamedTuple):
    """A goal for a figure; it is printed beside it and decides nothing."""

    limite: float
    minimo: bool = False  # the figure shall be at least the limit; otherwise at most

    def cumple(self, valor: float) -> bool:
        """Whether a value reaches the goal."""
        return valor >= self.limite if self.minimo else valor <= self.limite

    def __str__(self) -> str:
        return f"{'≥' if self.minimo else '≤'} {self.limite:,g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Medida:
    """One row of the table and of ``bench.json``."""

    nombre: str
    valor: float
    unidad: str
    par: float | None = None  # the peer's figure
    razon: float | None = None  # how many times better than the peer
    cota: Cota | None = None
    nota: str = ""  # what was measured

    @property
    def cumple(self) -> bool | None:
        """Whether the goal is reached; ``None`` without a goal."""
        return None if self.cota is None else self.cota.cumple(self.valor)


def percentil(muestras: Sequence[float], por_ciento: float) -> float:
    """The nearest-rank percentile: the smallest sample that covers this share of them.

    Raises:
        ValueError: There are no samples, or the share is not in (0, 100].
    """
    if not muestras or not 0.0 < por_ciento <= 100.0:
        raise ValueError(f"no percentile {por_ciento} of {len(muestras)} samples")
    return sorted(muestras)[ceil(por_ciento / 100.0 * len(muestras)) - 1]


def mediana(muestras: Sequence[float]) -> float:
    """The middle sample; the lower one of two."""
    return percentil(muestras, 50.0)


def a_json(medidas: Sequence[Medida]) -> dict[str, dict[str, float | str | None]]:
    """The contents of ``bench.json``: value, unit, peer and ratio by name.

    Raises:
        ValueError: Two figures have the same name.
    """
    contenido: dict[str, dict[str, float | str | None]] = {}
    for medida in medidas:
        if medida.nombre in contenido:
            raise ValueError(f"two figures are called {medida.nombre}")
        contenido[medida.nombre] = {
            "value": medida.valor,
            "unit": medida.unidad,
            "peer": medida.par,
            "ratio": medida.razon,
        }
    return contenido
