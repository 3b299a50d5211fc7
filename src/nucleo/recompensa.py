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
    castigo = regla.penalizacion_no_operar if paso.inactivo else 0.0
    if regla.forma is FormaRecompensa.LOGARITMICA:
        return retorno_logaritmico(paso) - aversion(paso, regla.factor_aversion_riesgo) - castigo
    simple = 100.0 * (paso.equity_nueva / paso.equity - 1.0)
    if simple < 0.0:
        simple *= regla.factor_aversion_riesgo
    recompensa = simple - castigo
    return tanh(recompensa) if regla.normalizar else recompensa


def retorno_logaritmico(paso: Paso) -> float:
    """``100 · log(equity₊ / equity)``; an equity of zero or less counts as the smallest amount there is."""
    return 100.0 * log(max(paso.equity_nueva, _EQUITY_MINIMA) / max(paso.equity, _EQUITY_MINIMA))


def aversion(paso: Paso, factor: float) -> float:
    """The cost, >= 0, of falling further below the running peak."""
    antes = 1.0 - paso.equity / paso.maximo
    despues = 1.0 - paso.equity_nueva / paso.maximo_nuevo
    return factor * 100.0 * (despues - antes) if despues > antes else 0.0
