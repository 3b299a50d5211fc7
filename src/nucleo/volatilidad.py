"""How far prices move, and how far from an entry its stop and its target lie."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import pairwise
from math import fsum
from typing import NamedTuple

from src.nucleo.dinero import al_tick
from src.nucleo.tipos import EscalaPrecio, Vela

VELAS_ATR = 14
"""Candles that the average true range spans unless told otherwise."""


class ModoDistancia(StrEnum):
    """What the distance from an entry is measured in."""

    PORCENTAJE = "porcentaje"  # of the entry price
    ATR = "atr"  # average true ranges of the observed candle
    SPAN = "span"  # distances from the entry to its initial stop; targets only


class Distancia(NamedTuple):
    """A distance from an entry price."""

    modo: ModoDistancia
    valor: float  # > 0


def rango_verdadero(anterior: Vela, vela: Vela) -> float:
    """The largest of the candle's range and the ways from the close before it to its high and its low."""
    _, _, alto, bajo, _, _ = vela
    cierre = anterior.close
    return max(alto - bajo, abs(alto - cierre), abs(bajo - cierre))


def serie_atr(velas: Iterable[Vela], n: int = VELAS_ATR) -> list[float | None]:
    """Average true range at each candle; ``None`` where fewer than ``n`` true ranges came before its close.

    Each value is the plain mean of the last ``n`` true ranges, added up exactly, so that it depends on
    ``n`` + 1 candles and on nothing before them.
    """
    todas = list(velas)
    rangos = [rango_verdadero(anterior, vela) for anterior, vela in pairwise(todas)]
    return [fsum(rangos[i - n : i]) / n if i >= n else None for i in range(len(todas))]


def atr(velas: Sequence[Vela], n: int = VELAS_ATR) -> float | None:
    """`serie_atr` at the last candle; ``None`` when there are fewer than ``n`` + 1 of them."""
    if len(velas) <= n:
        return None
    return serie_atr(velas[-n - 1 :], n)[-1]


def precio_stop(
    entrada: float, distancia: Distancia, atr: float | None, escala: EscalaPrecio, *, largo: bool
) -> float | None:
    """The initial stop of a position, on the tick, never nearer than asked.

    Args:
        entrada: Average entry price.
        distancia: From the entry, in percent or in average true ranges.
        atr: Average true range of the observed candle; ``None`` when it is not known.
        escala: The prices that the symbol's orders may name.
        largo: Side of the position.

    Returns:
        ``None`` when no positive price results, or the range is not known.
    """
    return _a_distancia(entrada, _medir(distancia, entrada, atr, None), escala, hacia_arriba=not largo)


def precio_objetivo(
    entrada: float,
    distancia: Distancia,
    atr: float | None,
    stop_inicial: float,
    escala: EscalaPrecio,
    *,
    largo: bool,
) -> float | None:
    """The target of a position, on the tick, never nearer than asked; the rest as for `precio_stop`."""
    medida = _medir(distancia, entrada, atr, abs(entrada - stop_inicial))
    return _a_distancia(entrada, medida, escala, hacia_arriba=largo)


def _medir(distancia: Distancia, entrada: float, atr: float | None, tramo: float | None) -> float | None:
    modo, valor = distancia
    if modo is ModoDistancia.PORCENTAJE:
        return entrada * valor / 100.0
    unidad = atr if modo is ModoDistancia.ATR else tramo
    return None if unidad is None else unidad * valor


def _a_distancia(
    entrada: float, medida: float | None, escala: EscalaPrecio, *, hacia_arriba: bool
) -> float | None:
    if medida is None or medida <= 0.0:
        return None
    return al_tick(entrada + medida if hacia_arriba else entrada - medida, escala, hacia_arriba=hacia_arriba)
