"""Guardrails around executions: they block entries, write events and alerts, and never hold an exit back."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from sqlalchemy import Connection

from src.nucleo.disparos import REGLA_EJECUCIONES, Barrera, Situacion, barreras, slippage_pct
from src.nucleo.disyuntores import EstadoDisyuntor
from src.nucleo.errores import AlmacenCaido
from src.produccion.almacen.eventos_stop import EventoStopNuevo, TipoEventoStop
from src.produccion.monitor import reglas
from src.produccion.monitor.libro import Libro
from src.produccion.monitor.reglas import Alerta, Nivel
from src.produccion.monitor.relato import Curso, Relator
from src.produccion.monitor.tipos import Disparada
from src.produccion.puertos import Reloj

_EVENTOS = {
    Barrera.KILL_SWITCH: TipoEventoStop.KILL_SWITCH,
    Barrera.CIRCUIT_BREAKER: TipoEventoStop.CIRCUIT_BREAKER,
    Barrera.STALE_PRICE: TipoEventoStop.STALE_PRICE,
    Barrera.SLIPPAGE: TipoEventoStop.SLIPPAGE_BREACH,
    Barrera.RATE_LIMIT: TipoEventoStop.BLOCKED,
}
"""What is written of each; a duplicate is never executed, so that nothing is."""

log = structlog.get_logger(__name__)


class Guardarrailes:
    """What stands around one account's executions.

    Args:
        libro: The shared store.
        reloj: Market time.
        relator: Writes the events.
    """

    def __init__(self, libro: Libro, reloj: Reloj, relator: Relator) -> None:
        self._libro = libro
        self._reloj = reloj
        self._relator = relator

    async def ante(self, curso: Curso) -> list[EventoStopNuevo]:
        """The events of what would hold an entry back, for an exit that is executed all the same."""
        disparada = curso.disparada
        operacion = disparada.operacion
        ahora_ms = self._reloj.ahora_ms()
        inquilino, disyuntor, en_un_minuto, en_una_hora = await self._libro.vallas(
            operacion.client_id, operacion.simbolo, ahora_ms
        )
        situacion = Situacion(
            disyuntor=disyuntor.en(ahora_ms, REGLA_EJECUCIONES).estado,
            edad_precio_ms=ahora_ms - disparada.instante_ms,
            slippage_pct=slippage_pct(disparada.esperado, disparada.precio, largo=operacion.largo),
            en_un_minuto=en_un_minuto,
            en_una_hora=en_una_hora,
        )
        levantadas = barreras(situacion, inquilino)
        if levantadas:
            nombres = [barrera.value for barrera in levantadas]
            log.warning("guardarrail_superado", operacion=operacion.operation_id, barreras=nombres)
        return [self._de(barrera, curso, ahora_ms, situacion) for barrera in levantadas]

    async def avisar(self, disparada: Disparada, eventos: Sequence[EventoStopNuevo]) -> None:
        """Alert of what `ante` found, once the exit was sent; a store that fails by now is told."""
        if not eventos:
            return
        nombres = ", ".join(str(evento.payload["guardrail"]) for evento in eventos)
        mensaje = f"{nombres}: the exit of {disparada.operacion.operation_id} is executed all the same"
        try:
            await self._alertar(disparada, Nivel.WARNING, "guardrail_passed_by_exit", mensaje)
        except AlmacenCaido as fallo:
            log.warning("aviso_sin_guardar", mensaje=mensaje, motivo=str(fallo))

    async def fallida(self, disparada: Disparada, motivo: str) -> None:
        """An order of an exit did nothing."""
        operacion = disparada.operacion
        disyuntor = await self._tras(disparada, bien=False)
        log.error("stop_fallido", operacion=operacion.operation_id, motivo=motivo, disyuntor=disyuntor)
        await self._alertar(
            disparada,
            Nivel.CRITICAL,
            "stop_failed",
            f"the exit of {operacion.operation_id} failed and is tried again: {motivo}",
        )

    async def ejecutada(self, disparada: Disparada, peor: float | None) -> None:
        """An exit was filled; one far from its level pauses the tenant's entries."""
        operacion = disparada.operacion
        await self._tras(disparada, bien=True)
        if peor is None:
            return
        client_id, ahora_ms = operacion.client_id, self._reloj.ahora_ms()
        limite = (await self._libro.vallas(client_id, operacion.simbolo, ahora_ms)).reglas.slippage_pausa_pct
        if peor <= limite:
            return
        motivo = f"slippage of {peor:.2f}% in {operacion.operation_id} is above {limite:g}%"
        await self._libro.escribiendo(lambda c: reglas.pausar(c, client_id, motivo, ahora_ms))
        log.critical("entradas_en_pausa", client_id=client_id, motivo=motivo)
        await self._alertar(disparada, Nivel.CRITICAL, "trading_paused", f"entries are paused: {motivo}")

    async def _tras(self, disparada: Disparada, *, bien: bool) -> EstadoDisyuntor:
        operacion, ahora_ms = disparada.operacion, self._reloj.ahora_ms()

        def anotar(conexion: Connection) -> EstadoDisyuntor:
            despues, cambio = reglas.tras_un_resultado(
                conexion, operacion.client_id, operacion.simbolo, ahora_ms, bien=bien
            )
            if cambio:
                reglas.alertar(conexion, _cambio(disparada, despues.estado), ahora_ms)
            return despues.estado

        return await self._libro.escribiendo(anotar)

    async def _alertar(self, disparada: Disparada, nivel: Nivel, clase: str, mensaje: str) -> None:
        alerta = _alerta(disparada, nivel, clase, mensaje)
        await self._libro.escribiendo(lambda c: reglas.alertar(c, alerta, self._reloj.ahora_ms()))

    def _de(self, barrera: Barrera, curso: Curso, ahora_ms: int, situacion: Situacion) -> EventoStopNuevo:
        evento = self._relator.evento(_EVENTOS[barrera], curso, ahora_ms, 0.0)
        datos = {
            "guardrail": barrera.value,
            "held_back": False,
            "price_age_ms": situacion.edad_precio_ms,
            "slippage_pct": situacion.slippage_pct,
            "executions_last_minute": situacion.en_un_minuto,
            "executions_last_hour": situacion.en_una_hora,
        }
        return evento._replace(payload={**evento.payload, **datos})


def _cambio(disparada: Disparada, estado: EstadoDisyuntor) -> Alerta:
    nivel = Nivel.ERROR if estado is EstadoDisyuntor.OPEN else Nivel.INFO
    mensaje = f"the breaker of {disparada.operacion.simbolo} is {estado.value}: it blocks entries while OPEN"
    return _alerta(disparada, nivel, "circuit_breaker", mensaje)


def _alerta(disparada: Disparada, nivel: Nivel, clase: str, mensaje: str) -> Alerta:
    operacion = disparada.operacion
    return Alerta(
        nivel,
        clase,
        mensaje,
        operacion.client_id,
        operacion.account_id,
        operacion.simbolo,
        {"operation_id": operacion.operation_id, "trigger": disparada.disparo.value},
    )
