"""The gate before each order, the drawdown monitor, the emergency protocol and its latch."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

import structlog

from src.nucleo.errores import ErrorBolsa, LecturaFallida
from src.nucleo.ordenes import LimitesPlan, Plan, trocear
from src.nucleo.registro import texto_utc
from src.nucleo.riesgo import (
    FRACCION_AVISO,
    EstadoRiesgo,
    Rechazo,
    Validacion,
    Vigilancia,
    validar_accion_pre,
    validar_brecha,
    vigilar_drawdown,
)
from src.nucleo.tipos import EstadoCuenta, Mercado, Operacion
from src.produccion.diario import EventoDiario
from src.produccion.ejecutor import Ejecutor
from src.produccion.puertos import Bolsa, Diario, Reloj, Transaccion

AGREGADO = "risk"
FRACCION_FUERA_AVISO = 0.2
"""Share of cells outside the training range from which a warning is due."""

_FRACCION_CALMA = 0.5 * FRACCION_AVISO
_ESPERA_MAXIMA_S = 30.0
_REDUCCION_RECHAZADA = frozenset({-2022, -4118})

log = structlog.get_logger(__name__)


class Razon(StrEnum):
    """Why the emergency protocol ran; only `DRAWDOWN` latches."""

    DRAWDOWN = "max_drawdown"
    OPERACIONAL = "operational_error"


class Bloqueo(StrEnum):
    """Why nothing may be opened now."""

    INCIERTO = "an order is unresolved"
    CIERRE = "closing everything"
    FUERA_DE_RANGO = "the market is outside what training saw"


class Memoria(NamedTuple):
    """What survives restarts: a fold of the journal."""

    equity_maximo: float | None = None
    con_libro: bool | None = None  # whether that peak is of an agent's own ledger
    enclavado: str = ""  # what latched it; empty when it is not


def recordar(eventos: Iterable[EventoDiario]) -> Memoria:
    """Fold the ``risk`` events of an account and symbol."""
    memoria = Memoria()
    for evento in eventos:
        match evento.tipo:
            case "PEAK":
                memoria = memoria._replace(
                    equity_maximo=float(str(evento.contenido["equity"])),
                    con_libro=bool(evento.contenido["ledger"]),
                )
            case "LATCHED":
                memoria = memoria._replace(
                    enclavado=f"{evento.contenido['reason']} at {texto_utc(int(str(evento.contenido['at'])))}"
                )
            case "UNLOCKED":
                memoria = Memoria()
    return memoria


class ControlRiesgo:
    """Risk of one agent.

    Args:
        bolsa: The exchange.
        ejecutor: Sends the exits.
        diario: Keeps peak and latch.
        reloj: Market time.
        mercado: Symbol, filters, brackets.
        limites: Leverage and caps the plans were made with.
        limite: Largest drawdown allowed, as a fraction of the peak.
        equity_maximo: Peak so far.
        con_libro: Whether the agent trades on a ledger of its own.
        fraccion_fuera_max: Share of cells outside the training range beyond which nothing is opened.
    """

    def __init__(
        self,
        bolsa: Bolsa,
        ejecutor: Ejecutor,
        diario: Diario,
        reloj: Reloj,
        mercado: Mercado,
        limites: LimitesPlan,
        limite: float,
        equity_maximo: float,
        *,
        con_libro: bool = False,
        fraccion_fuera_max: float = 1.0,
    ) -> None:
        self._bolsa = bolsa
        self._ejecutor = ejecutor
        self._diario = diario
        self._reloj = reloj
        self._mercado = mercado
        self._limites = limites
        self._limite = limite
        self._pico_guardado = 0.0
        self._con_libro = con_libro
        self._avisado = False
        self._avisado_rango = False
        self._fraccion_fuera_max = fraccion_fuera_max
        self.estado = EstadoRiesgo(equity_maximo)
        self.bloqueos: set[Bloqueo] = set()

    def verificar_drawdown(self, equity: float, instante_ms: int) -> Vigilancia:
        """Fold one equity into the monitor; a confirmed breach blocks entries at once."""
        vigilancia = vigilar_drawdown(self.estado, equity, instante_ms, self._limite)
        self.estado = vigilancia.estado
        if vigilancia.drawdown.aviso and not self._avisado:
            self._avisado = True
            log.warning(
                "drawdown_cerca_del_limite",
                drawdown=round(vigilancia.drawdown.actual, 6),
                limite=self._limite,
            )
        if vigilancia.drawdown.actual < _FRACCION_CALMA * self._limite:
            self._avisado = False
        return vigilancia

    def vigilar_rango(self, fraccion_fuera: float) -> None:
        """Warn, then hold entries, when the features leave the range that training saw."""
        fuera = fraccion_fuera > self._fraccion_fuera_max
        (self.bloqueos.add if fuera else self.bloqueos.discard)(Bloqueo.FUERA_DE_RANGO)
        avisar = fraccion_fuera >= FRACCION_FUERA_AVISO
        if avisar and not self._avisado_rango:
            log.warning("rasgos_fuera_de_rango", fraccion=round(fraccion_fuera, 4), entradas_retenidas=fuera)
        self._avisado_rango = avisar

    def guardar_pico(self) -> None:
        """Put a peak that the journal does not have into it."""
        if self.estado.equity_maximo != self._pico_guardado:
            self._pico_guardado = self.estado.equity_maximo
            self._diario.anotar_luego(
                AGREGADO,
                "PEAK",
                self._reloj.ahora_ms(),
                {"equity": self._pico_guardado, "ledger": self._con_libro},
            )

    def escalar(self, factor: float) -> None:
        """Follow a deposit or withdrawal: the peak is scaled, it is no profit or loss."""
        self.estado = self.estado._replace(equity_maximo=self.estado.equity_maximo * factor)
        self.guardar_pico()

    def validar_accion_pre(
        self, plan: Plan, cuenta: EstadoCuenta, precio_orden: float, mark: float
    ) -> Validacion:
        """Check a plan before anything is sent; exits always pass."""
        if self.bloqueos and plan.operacion.aumenta_exposicion:
            return Validacion(Rechazo.BLOQUEO, ", ".join(sorted(self.bloqueos)))
        brecha = validar_brecha(plan, self.estado)
        if not brecha.valida:
            return brecha
        return validar_accion_pre(
            plan, cuenta, precio_orden, mark, self._mercado, self._limites.apalancamiento
        )

    async def enclavar(self, detalle: str) -> None:
        """Lock account and symbol until an operator clears it."""
        ahora = self._reloj.ahora_ms()
        await self._diario.anotar(
            AGREGADO, "LATCHED", ahora, {"reason": Razon.DRAWDOWN.value, "at": ahora, "detail": detalle}
        )

    async def cerrar_todo(self, ficha: str) -> tuple[Transaccion, ...]:
        """Flatten until the exchange says that the account is flat; never gives up.

        Resting orders are cancelled first, which may fail; then the whole live quantity goes out reduce-only.
        """
        self.bloqueos.add(Bloqueo.CIERRE)
        filas: list[Transaccion] = []
        intento, espera, solo_reduce = 0, 1.0, True
        while True:
            intento += 1
            try:
                await self._cancelar_ordenes()
                nada_en_camino = await self._nada_en_camino()
                cantidad = (await self._bolsa.cuenta(self._mercado.simbolo)).estado.cantidad
                if cantidad == 0.0:
                    if nada_en_camino:
                        return tuple(filas)
                    raise LecturaFallida("flat, but an order is unresolved and may still arrive")
                solo_reduce = solo_reduce or not nada_en_camino
                plan = Plan(_cierre(cantidad), trocear(-cantidad, self._mercado.filtros), solo_reduce)
                informe = await self._ejecutor.ejecutar(plan, f"{ficha}:{intento}")
                filas += informe.transacciones
                if informe.error:
                    log.critical("cierre_rechazado", intento=intento, motivo=informe.error)
                    solo_reduce = informe.codigo not in _REDUCCION_RECHAZADA
                else:
                    espera = 0.0
            except Exception:  # whatever it is, the position is still open: try again
                log.exception("cierre_fallido", intento=intento)
            if espera:
                await asyncio.sleep(espera)
            espera = min(_ESPERA_MAXIMA_S, max(1.0, espera * 2))

    async def _nada_en_camino(self) -> bool:
        """Whether no order is unresolved; not being told must not keep the exit from going out."""
        try:
            return await self._ejecutor.resolver_pendiente()
        except ErrorBolsa as fallo:
            log.critical("orden_sin_resolver", motivo=str(fallo))
            return False

    async def _cancelar_ordenes(self) -> None:
        """Cancel what rests on the symbol; a failure must not keep the exit from going out."""
        try:
            await self._bolsa.cancelar_todas(self._mercado.simbolo)
        except ErrorBolsa as fallo:
            log.critical("cancelacion_fallida", motivo=str(fallo))


def _cierre(cantidad: float) -> Operacion:
    return Operacion.CERRAR_LONG if cantidad > 0 else Operacion.CERRAR_SHORT
