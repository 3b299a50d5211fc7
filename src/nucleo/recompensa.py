"""The reward of one step; also a column of the session CSV."""

from __future__ import annotations

from enum import StrEnum
from math import log, tanh
from typing import NamedTuple

_EQUITY_MINIMA = 1e-8


class FormaRecompensa(StrEnum):
    """Which formula an artefact was trained with."""

    LOGARITMICA = "logaritmica"
    SEMILLA = "semilla"


_LOGARITMICA = FormaRecompensa.LOGARITMICA


class ReglaRecompensa(NamedTuple):
    """The formula and its weights."""

    forma: FormaRecompensa = FormaRecompensa.LOGARITMICA
    factor_aversion_riesgo: float = 0.1
    penalizacion_no_operar: float = 0.0
    normalizar: bool = False  # `semilla` only: squash with tanh


class Paso(NamedTuple):
    """What a reward looks at: two equities, their running peaks, and whether the agent stood aside."""

    equity: float
    equity_nueva: float
    maximo: float
    maximo_nuevo: float
    inactivo: bool


def calcular_recompensa(paso: Paso, regla: ReglaRecompensa) -> float:
    """Reward in percent of equity.

    ``logaritmica``: log return minus aversion to increases of drawdown below the running peak.
    ``semilla``: simple return, losses weighted by the aversion factor.
    Both subtract ``penalizacion_no_operar`` from a step without position.
    """
    forma, factor, castigo, normalizar = regla
    if not paso.inactivo:
        castigo = 0.0
    if forma is _LOGARITMICA:
        return retorno_logaritmico(paso) - aversion(paso, factor) - castigo
    simple = 100.0 * (paso.equity_nueva / paso.equity - 1.0)
    if simple < 0.0:
        simple *= factor
    recompensa = simple - castigo
    return tanh(recompensa) if normalizar else recompensa


def retorno_logaritmico(paso: Paso) -> float:
    """``100 · log(equity₊ / equity)``; an equity of zero or less counts as the smallest amount there is."""
    antes, despues, _, _, _ = paso
    if despues < _EQUITY_MINIMA or antes < _EQUITY_MINIMA:
        antes, despues = max(antes, _EQUITY_MINIMA), max(despues, _EQUITY_MINIMA)
    return 100.0 * log(despues / antes)


def aversion(paso: Paso, factor: float) -> float:
    """The cost, >= 0, of falling further below the running peak."""
    equity, equity_nueva, maximo, maximo_nuevo, _ = paso
    antes = 1.0 - equity / maximo
    despues = 1.0 - equity_nueva / maximo_nuevo
    return factor * 100.0 * (despues - antes) if despues > antes else 0.0
