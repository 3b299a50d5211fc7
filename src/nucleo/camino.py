"""The way of the price inside a candle."""

from __future__ import annotations

from typing import NamedTuple

from src.nucleo.tipos import Camino, Vela


class Punto(NamedTuple):
    """One market step inside a candle."""

    precio: float
    fraccion: float  # of the candle's time that has passed
    salto: bool  # the price jumped here; otherwise it travelled from the previous point


def camino_intravela(vela: Vela, camino: Camino = Camino.OHLC) -> tuple[Punto, ...]:
    """The points of a candle in time order; the last one is always the close."""
    if camino is Camino.CLOSE:
        return (Punto(vela.close, 1.0, True),)
    primero, segundo = (vela.low, vela.high) if vela.close >= vela.open else (vela.high, vela.low)
    return (
        Punto(vela.open, 0.0, True),
        Punto(primero, 0.25, False),
        Punto(segundo, 0.5, False),
        Punto(vela.close, 1.0, False),
    )
