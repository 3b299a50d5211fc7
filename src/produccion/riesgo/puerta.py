"""The gate before each order: what keeps anything from being opened now."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import structlog

from src.nucleo.disyuntores import ClaseDisyuntor
from src.nucleo.errores import DisyuntorAbierto, LimiteDeRiesgo
from src.nucleo.ordenes import LimitesPlan, Plan
from src.nucleo.riesgo import (
    Anclas,
    EstadoRiesgo,
    ModoRiesgo,
    Rechazo,
    Validacion,
    validar_accion_pre,
    validar_brecha,
    validar_escalones,
    validar_modo,
)
from src.nucleo.tipos import EstadoCuenta, Mercado
from src.nucleo.veto import Veto, validar_veto

FRACCION_FUERA_AVISO = 0.2
"""Share of cells outside the training range from which a warning is due."""

log = structlog.get_logger(__name__)


class Bloqueo(StrEnum):
    """Why nothing may be opened now."""

    INCIERTO = "an order is unresolved"
    CIERRE = "closing everything"
    FUERA_DE_RANGO = "the market is outside what training saw"
    SIN_PROTECCION = "no stop is confirmed over the position"
    STOP_ANTERIOR = "a stop of a former operation lives"
    MARGEN = "liquidation is near"
    SIN_REGISTRO = "the journal cannot be written"
    CUENTA = "the account is not what the agent needs"
    INQUILINO = "the tenant has paused trading"
    CORTACIRCUITOS = "the symbol's circuit breaker is open"
    RITMO = "too many executions lately"
    VALLAS_SIN_SABER = "the guardrails are not known yet"
    LATENCIA = "the latency breaker is open"
    SPREAD = "the spread breaker is open"
    VOLATILIDAD = "the volatility breaker is open"
    ERRORES = "the error rate breaker is open"
    PERDIDA = "the drawdown breaker is open"
    A_MANO = "a position opened by hand is open"


BLOQUEO_DE: Mapping[ClaseDisyuntor, Bloqueo] = MappingProxyType(
    {
        ClaseDisyuntor.LATENCY: Bloqueo.LATENCIA,
        ClaseDisyuntor.SPREAD: Bloqueo.SPREAD,
        ClaseDisyuntor.VOLATILITY: Bloqueo.VOLATILIDAD,
        ClaseDisyuntor.ERROR_RATE: Bloqueo.ERRORES,
        ClaseDisyuntor.DRAWDOWN: Bloqueo.PERDIDA,
        ClaseDisyuntor.STOP_EXECUTION: Bloqueo.CORTACIRCUITOS,
    }
)
"""What each breaker holds entries for while it is not closed."""

_DE_DISYUNTORES = frozenset(BLOQUEO_DE.values())


class Puerta:
    """Lets exits pass always, and entries while nothing speaks against them.

    Args:
        mercado: Symbol, filters, fees.
        limites: Leverage and caps the plans were made with.
        limite: Drawdown limit, fraction of the peak.
        fraccion_fuera_max: Share of cells outside the training range beyond which nothing is opened.
        escalones: Whether the losses of a day and of a month pause entries.
    """

    def __init__(
        self,
        mercado: Mercado,
        limites: LimitesPlan,
        limite: float,
        *,
        fraccion_fuera_max: float,
        escalones: bool,
    ) -> None:
        self._mercado = mercado
        self._limites = limites
        self._limite = limite
        self._fraccion_fuera_max = fraccion_fuera_max
        self._escalones = escalones
        self._avisado_rango = False
        self.bloqueos: set[Bloqueo] = set()
        self.modo = ModoRiesgo.ACTIVE
        """What a person lets the agent do."""
        self.veto: Veto | None = None
        """What entries wait for after an exit that the agent did not decide."""

    def fijar(self, bloqueo: Bloqueo, *, activo: bool) -> None:
        """Put one reason up or take it down."""
        (self.bloqueos.add if activo else self.bloqueos.discard)(bloqueo)

    def vigilar_rango(self, fraccion_fuera: float) -> None:
        """Warn, then hold entries, when the features leave the range that training saw."""
        fuera = fraccion_fuera > self._fraccion_fuera_max
        self.fijar(Bloqueo.FUERA_DE_RANGO, activo=fuera)
        avisar = fraccion_fuera >= FRACCION_FUERA_AVISO
        if avisar and not self._avisado_rango:
            log.warning("rasgos_fuera_de_rango", fraccion=round(fraccion_fuera, 4), entradas_retenidas=fuera)
        self._avisado_rango = avisar

    def exigir(self) -> None:
        """Refuse an entry that a person asks for while anything speaks against one.

        Raises:
            DisyuntorAbierto: Breakers are not closed, and nothing else forbids it.
            LimiteDeRiesgo: Something else does.
        """
        if self.modo is not ModoRiesgo.ACTIVE:
            raise LimiteDeRiesgo(f"risk mode {self.modo.value}: nothing is opened or increased")
        if self.bloqueos:
            clase = DisyuntorAbierto if self.bloqueos <= _DE_DISYUNTORES else LimiteDeRiesgo
            raise clase(f"nothing is opened or increased now: {', '.join(sorted(self.bloqueos))}")

    def validar(
        self,
        plan: Plan,
        cuenta: EstadoCuenta,
        equity: float,
        precio_orden: float,
        mark: float,
        riesgo: EstadoRiesgo,
        anclas: Anclas | None,
    ) -> Validacion:
        """The verdict on a plan; the parameters are those of `ControlRiesgo.validar_accion_pre`."""
        permitida = validar_modo(plan, self.modo)
        if not permitida.valida:
            return permitida
        if self.bloqueos and plan.operacion.aumenta_exposicion:
            return Validacion(Rechazo.BLOQUEO, ", ".join(sorted(self.bloqueos)))
        brecha = validar_brecha(plan, riesgo)
        if not brecha.valida:
            return brecha
        if self._escalones and anclas is not None:
            escalones = validar_escalones(plan, equity, anclas, self._limite)
            if not escalones.valida:
                return escalones
        if self.veto is not None:
            vetada = validar_veto(plan, cuenta.cantidad, self.veto)
            if not vetada.valida:
                return vetada
        return validar_accion_pre(
            plan, cuenta, precio_orden, mark, self._mercado, self._limites.apalancamiento
        )
