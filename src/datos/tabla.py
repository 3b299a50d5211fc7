"""A table of closed candles: immutable columns, and the checks every table passes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from src.nucleo.errores import DatosInvalidos
from src.nucleo.tipos import Matriz, Vela

Enteros = npt.NDArray[np.int64]

COLUMNAS = ("open_time", "open", "high", "low", "close", "volume")
PRECIOS = ("open", "high", "low", "close")
_INSTANTE_MIN_MS = 10**11  # 1973; smaller numbers are seconds
_INSTANTE_MAX_MS = 10**14  # year 5138; larger ones are microseconds


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TablaVelas:
    """Closed candles, oldest first; every column has the same length and is read-only.

    Raises:
        ValueError: The columns differ in length or are not one-dimensional.
    """

    apertura_ms: Enteros  # UTC milliseconds, candle open
    open: Matriz
    high: Matriz
    low: Matriz
    close: Matriz
    volume: Matriz  # base asset
    origen: str = field(default="candles")  # where they came from, for messages

    def __post_init__(self) -> None:
        columnas: dict[str, npt.NDArray[np.generic]] = {
            "apertura_ms": _fija(self.apertura_ms, np.dtype(np.int64))
        }
        for nombre in (*PRECIOS, "volume"):
            columnas[nombre] = _fija(getattr(self, nombre), np.dtype(np.float64))
        if len({columna.shape for columna in columnas.values()}) != 1 or columnas["open"].ndim != 1:
            formas = ", ".join(f"{nombre} {columna.shape}" for nombre, columna in columnas.items())
            raise ValueError(f"candle columns must be vectors of one length, not {formas}")
        for nombre, columna in columnas.items():
            object.__setattr__(self, nombre, columna)

    def __len__(self) -> int:
        return len(self.apertura_ms)

    def __getitem__(self, rango: slice) -> TablaVelas:
        return replace(
            self,
            apertura_ms=self.apertura_ms[rango],
            open=self.open[rango],
            high=self.high[rango],
            low=self.low[rango],
            close=self.close[rango],
            volume=self.volume[rango],
        )

    def __iter__(self) -> Iterator[Vela]:
        columnas = (self.apertura_ms, self.open, self.high, self.low, self.close, self.volume)
        return map(Vela._make, zip(*(columna.tolist() for columna in columnas), strict=True))

    def vela(self, indice: int) -> Vela:
        """One candle, in Python numbers."""
        return Vela(
            int(self.apertura_ms[indice]),
            float(self.open[indice]),
            float(self.high[indice]),
            float(self.low[indice]),
            float(self.close[indice]),
            float(self.volume[indice]),
        )

    def entre(self, desde_ms: int, hasta_ms: int) -> TablaVelas:
        """The candles that open in ``[desde_ms, hasta_ms)``."""
        primera, ultima = np.searchsorted(self.apertura_ms, (desde_ms, hasta_ms))
        return self[int(primera) : int(ultima)]

    def huella(self) -> str:
        """SHA-256 of the contents, whatever file they came from."""
        suma = hashlib.sha256(",".join(COLUMNAS).encode())
        suma.update(self.apertura_ms.astype("<i8").tobytes())
        for nombre in (*PRECIOS, "volume"):
            suma.update(getattr(self, nombre).astype("<f8").tobytes())
        return suma.hexdigest()


def _fija(columna: npt.NDArray[np.generic], tipo: np.dtype[np.generic]) -> npt.NDArray[np.generic]:
    """A read-only view, so that whoever made the array keeps the right to write to it."""
    fija = np.ascontiguousarray(columna, dtype=tipo).view()
    fija.flags.writeable = False
    return fija


class Falta(NamedTuple):
    """The first thing wrong with a table."""

    indice: int
    columna: str
    motivo: str  # why the value cannot stand
    remedio: str


_CORREGIR = "Remove or correct the row."
Ubicar = Callable[[int], str]
"""Names the place of a row in its source."""


def por_fila(indice: int) -> str:
    """The place of a row in a source without lines."""
    return f"row {indice + 1}"


def revisar(tabla: TablaVelas, ubicar: Ubicar = por_fila) -> TablaVelas:
    """Return the table when every candle can be one.

    Args:
        tabla: What was read.
        ubicar: Names the place of a row in its source; ``row N`` by default.
    Raises:
        DatosInvalidos: Times out of order or twice, prices or volumes that no candle can have; names
            the first such row, its column and its value.
    """
    for falta in _faltas(tabla, ubicar):
        valor = _valor(tabla, falta)
        raise DatosInvalidos(
            f"{tabla.origen} {ubicar(falta.indice)}: {falta.columna} is '{valor}'; {falta.motivo}. "
            f"{falta.remedio}"
        )
    return tabla


def _valor(tabla: TablaVelas, falta: Falta) -> str:
    nombre = "apertura_ms" if falta.columna == "open_time" else falta.columna
    return str(getattr(tabla, nombre)[falta.indice].item())


def _faltas(tabla: TablaVelas, lugar: Ubicar) -> Iterator[Falta]:
    yield from _faltas_de_tiempo(tabla.apertura_ms, lugar)
    for nombre in PRECIOS:
        columna = getattr(tabla, nombre)
        yield from _primera(~np.isfinite(columna), nombre, "prices must be finite numbers")
        yield from _primera(columna <= 0.0, nombre, "prices must be positive")
    volumen = tabla.volume
    yield from _primera(~np.isfinite(volumen), "volume", "volume must be a finite number")
    yield from _primera(volumen < 0.0, "volume", "volume must not be negative")
    yield from _faltas_de_forma(tabla)


def _faltas_de_tiempo(apertura_ms: Enteros, lugar: Ubicar) -> Iterator[Falta]:
    milisegundos = "open_time must be UTC milliseconds"
    for mala, unidad in (
        (apertura_ms < _INSTANTE_MIN_MS, "seconds"),
        (apertura_ms > _INSTANTE_MAX_MS, "microseconds"),
    ):
        remedio = f"It looks like {unidad}; convert the column to milliseconds."
        yield from _primera(mala, "open_time", milisegundos, remedio)
    paso = np.diff(apertura_ms)
    for indice in np.flatnonzero(paso <= 0)[:1]:
        i = int(indice)
        if paso[i] == 0:
            yield Falta(
                i + 1,
                "open_time",
                f"{lugar(i)} has the same open_time",
                "Keep one candle for each open_time.",
            )
        else:
            yield Falta(
                i + 1,
                "open_time",
                f"it is earlier than {lugar(i)}'s {apertura_ms[i]}",
                "Sort the rows by open_time.",
            )


def _faltas_de_forma(tabla: TablaVelas) -> Iterator[Falta]:
    for nombre in ("open", "close"):
        precio = getattr(tabla, nombre)
        for indice in np.flatnonzero(tabla.high < precio)[:1]:
            yield Falta(int(indice), "high", f"it is below the {nombre} {precio[indice]}", _CORREGIR)
        for indice in np.flatnonzero(tabla.low > precio)[:1]:
            yield Falta(int(indice), "low", f"it is above the {nombre} {precio[indice]}", _CORREGIR)


def _primera(
    mala: npt.NDArray[np.bool_], columna: str, motivo: str, remedio: str = _CORREGIR
) -> Iterator[Falta]:
    for indice in np.flatnonzero(mala)[:1]:
        yield Falta(int(indice), columna, motivo, remedio)
