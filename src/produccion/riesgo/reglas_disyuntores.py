"""From the operator's settings to the rules of the breakers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from src.nucleo.disyuntores import ClaseDisyuntor, ReglaDisyuntor
from src.nucleo.riesgo import FRACCION_DIA
from src.produccion.config.config import SeccionDisyuntores
from src.produccion.riesgo.sensores import AjustesSensores


class ReglasCuadro(NamedTuple):
    """The breakers that are switched on."""

    reglas: Mapping[ClaseDisyuntor, ReglaDisyuntor]
    muestran: frozenset[ClaseDisyuntor]  # those that only show what holds entries back by itself


def reglas_de(
    ajustes: SeccionDisyuntores, limite: float, *, escalones: bool, espera_agentes: bool
) -> ReglasCuadro:
    """The breakers of a session.

    Args:
        ajustes: The operator's.
        limite: The agent's drawdown limit, fraction of the peak.
        escalones: Whether the losses of a day and of a month pause entries anyway.
        espera_agentes: Whether the market waits for its agents: there only what was switched on by name holds
            entries back, so that every run is the same, and the same as in training.
    """
    reglas: dict[ClaseDisyuntor, ReglaDisyuntor] = {}
    for clase, seccion, tope in (
        (ClaseDisyuntor.LATENCY, ajustes.latency, ajustes.latency.limit_ms),
        (ClaseDisyuntor.SPREAD, ajustes.spread, ajustes.spread.limit_bps),
        (ClaseDisyuntor.VOLATILITY, ajustes.volatility, ajustes.volatility.limit_fraction),
        (ClaseDisyuntor.ERROR_RATE, ajustes.error_rate, ajustes.error_rate.limit_fraction),
    ):
        if not espera_agentes if seccion.enabled is None else seccion.enabled:
            enfriamiento_ms = round(1_000 * seccion.cool_down_s)
            reglas[clase] = ReglaDisyuntor(tope, seccion.violations, enfriamiento_ms, seccion.healthy_samples)
    propio = ajustes.drawdown.limit_fraction
    if ajustes.drawdown.enabled and (propio is not None or escalones):
        tope = FRACCION_DIA * limite if propio is None else propio
        # The day's loss is on no trial: it is beyond its limit, or it is not.
        reglas[ClaseDisyuntor.DRAWDOWN] = ReglaDisyuntor(tope, 1, None, 1, exito_cierra=True)
    muestran = frozenset({ClaseDisyuntor.DRAWDOWN} if propio is None else ())
    return ReglasCuadro(reglas, muestran)


def sensores_de(ajustes: SeccionDisyuntores, *, mide_edad: bool) -> AjustesSensores:
    """How things are measured."""
    return AjustesSensores(
        cada_s=ajustes.sample_every_s,
        ventana_precio_ms=round(1_000 * ajustes.volatility.window_s),
        ventana_llamadas_ms=round(1_000 * ajustes.error_rate.window_s),
        llamadas_minimas=ajustes.error_rate.min_calls,
        mide_edad=mide_edad,
    )
