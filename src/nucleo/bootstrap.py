"""How far luck alone could have moved a run: the stationary bootstrap."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from src.nucleo.errores import DatosInvalidos
from src.nucleo.tipos import Matriz

SIN_VARIACION = 1e-12
"""Deviations of returns up to here are rounding noise, not risk."""

_CELDAS_POR_TANDA = 2_000_000


class Intervalo(NamedTuple):
    """The bounds of a bootstrap interval."""

    bajo: float
    alto: float


class IntervalosBootstrap(NamedTuple):
    """How far luck alone could have moved three figures."""

    sharpe: Intervalo
    rendimiento: Intervalo
    max_drawdown: Intervalo
    confianza: float  # share of resamples inside each interval
    muestras: int
    bloque: float  # mean length of the resampled blocks, candles


def largo_de_bloque(cantidad: int) -> float:
    """Mean block of the stationary bootstrap: the cube root of n, the rate Politis and Romano derive."""
    return max(1.0, float(round(cantidad ** (1.0 / 3.0))))


def indices_estacionarios(
    cantidad: int, muestras: int, bloque: float, generador: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Positions of stationary-bootstrap resamples; shape (muestras, cantidad).

    Blocks start anywhere, wrap around the end and have geometric lengths of mean ``bloque``.
    """
    comienza = generador.random((muestras, cantidad), dtype=np.float32) < 1.0 / bloque
    comienza[:, 0] = True
    columna = np.arange(cantidad)
    ultimo = np.maximum.accumulate(np.where(comienza, columna, 0), axis=1)
    inicios = generador.integers(cantidad, size=(muestras, cantidad))
    posicion: npt.NDArray[np.int64] = np.take_along_axis(inicios, ultimo, axis=1) + columna - ultimo
    return np.where(posicion >= cantidad, posicion - cantidad, posicion)


def intervalos_bootstrap(
    retornos: Matriz,
    velas_ano: float,
    *,
    generador: np.random.Generator,
    muestras: int = 1_000,
    confianza: float = 0.95,
    bloque: float | None = None,
) -> IntervalosBootstrap:
    """Percentile intervals of Sharpe, return and maximum drawdown by stationary bootstrap.

    Args:
        retornos: Returns per candle, (n,) with n >= 2.
        velas_ano: Candles in a year.
        generador: Seeded source of chance.
        muestras: Resamples.
        confianza: Share of resamples inside the interval, 0 … 1.
        bloque: Mean block length, candles; `largo_de_bloque` when ``None``.

    Raises:
        DatosInvalidos: Fewer than two returns, or a share outside (0, 1).
    Source: Politis and Romano (1994), "The Stationary Bootstrap".
    """
    cantidad = len(retornos)
    if cantidad < 2 or muestras < 1 or not 0.0 < confianza < 1.0:
        raise DatosInvalidos(
            f"bootstrap needs two returns or more, one resample or more and a confidence in (0, 1); "
            f"got {cantidad}, {muestras} and {confianza}"
        )
    largo = bloque if bloque is not None else largo_de_bloque(cantidad)
    tanda = max(1, _CELDAS_POR_TANDA // cantidad)
    partes = [
        _medir_muestras(retornos[indices_estacionarios(cantidad, filas, largo, generador)], velas_ano)
        for filas in (min(tanda, muestras - hechas) for hechas in range(0, muestras, tanda))
    ]
    cola = (1.0 - confianza) / 2.0
    bordes = np.quantile(np.concatenate(partes), (cola, 1.0 - cola), axis=0)
    sharpe, rendimiento, caida = (Intervalo(float(bajo), float(alto)) for bajo, alto in bordes.T)
    return IntervalosBootstrap(sharpe, rendimiento, caida, confianza, muestras, largo)


def _medir_muestras(muestras: Matriz, velas_ano: float) -> Matriz:
    """Sharpe, return and maximum drawdown of each row; (m, n) → (m, 3)."""
    desviacion = muestras.std(axis=1, ddof=1)
    salida = np.zeros((len(muestras), 3))
    np.divide(
        muestras.mean(axis=1) * np.sqrt(velas_ano),
        desviacion,
        out=salida[:, 0],
        where=desviacion > SIN_VARIACION,
    )
    riqueza = np.cumprod(muestras + 1.0, axis=1)
    salida[:, 1] = riqueza[:, -1] - 1.0
    maximos = np.maximum(np.maximum.accumulate(riqueza, axis=1), 1.0)
    salida[:, 2] = 1.0 - np.min(riqueza / maximos, axis=1, initial=1.0)
    return salida
