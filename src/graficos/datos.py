"""What a plot needs to know about a run, and how long series are thinned for drawing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from src.nucleo.errores import DatosInvalidos
from src.nucleo.tipos import Matriz

PUNTOS_MAXIMOS = 1_600
"""More points than a plot is wide, in pixels, only make the picture heavier."""


class TramoPosicion(NamedTuple):
    """One position from entry to exit; ``None`` while it is still open."""

    largo: bool
    entrada_ms: int
    precio_entrada: float
    salida_ms: int | None
    precio_salida: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatosGrafico:
    """One run, one point per closed candle."""

    tiempo_ms: npt.NDArray[np.int64]  # (n,) UTC, close of the candle
    precio: Matriz  # (n,) close, quote asset per unit
    equity: Matriz  # (n,) margin asset
    exposicion: Matriz  # (n,) signed notional / equity, held from this point to the next
    accion: Matriz  # (n,) −1 … 1; NaN where nothing was decided
    posiciones: tuple[TramoPosicion, ...] = ()
    huecos_ms: tuple[tuple[int, int], ...] = ()  # spans without data
    moneda: str = "USDT"

    def __post_init__(self) -> None:
        columnas = (self.tiempo_ms, self.precio, self.equity, self.exposicion, self.accion)
        largos = sorted({len(columna) for columna in columnas})
        if len(largos) != 1 or largos[0] < 1:
            raise DatosInvalidos(f"a plot needs at least one point and columns of one length, not {largos}")

    @property
    def fechas(self) -> npt.NDArray[np.datetime64]:
        """The times as matplotlib wants them; (n,)."""
        return self.tiempo_ms.astype("datetime64[ms]")

    @property
    def exposicion_media(self) -> float:
        """Mean signed exposure, notional / equity."""
        return float(self.exposicion[:-1].mean()) if len(self.exposicion) > 1 else 0.0


def fecha(instante_ms: int) -> np.datetime64:
    """An instant as matplotlib wants it."""
    return np.datetime64(instante_ms, "ms")


def adelgazar(valores: Matriz, puntos: int = PUNTOS_MAXIMOS) -> npt.NDArray[np.int64]:
    """Indices that keep the first, the last and each stretch's lowest and highest value.

    Args:
        valores: Series, (n,), without NaN.
        puntos: Most indices wanted; everything is kept when there are no more values than this.

    Returns:
        Ascending indices, (m,), m <= max(puntos, 4).
    """
    cantidad = len(valores)
    if cantidad <= puntos:
        return np.arange(cantidad)
    tramos = max(1, (puntos - 2) // 2)
    ancho = -(-cantidad // tramos)
    relleno = np.pad(valores, (0, ancho * tramos - cantidad), mode="edge").reshape(tramos, ancho)
    base = np.arange(tramos) * ancho
    indices = np.concatenate(
        ([0, cantidad - 1], base + relleno.argmin(axis=1), base + relleno.argmax(axis=1))
    )
    return np.unique(np.minimum(indices, cantidad - 1))
