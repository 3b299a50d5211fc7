"""Executes a triggered stop while the store is down: the exchange's memory of client ids stands in."""

from __future__ import annotations

import asyncio

import structlog

from src.nucleo.disparos import ficha_de_intento
from src.nucleo.ordenes import Orden
from src.produccion.almacen.eventos_stop import EventoStopNuevo, FuenteStop
from src.produccion.monitor.cuaderno import Cuaderno
from src.produccion.monitor.desenlace import Paciencia, Suerte
from src.produccion.monitor.ejecucion import ajena
from src.produccion.monitor.relato import Curso, Relator, peor_que
from src.produccion.monitor.salida import Salida
from src.produccion.monitor.tipos import Disparada, Final, Resultado
from src.produccion.ordenes.ejecutor import id_cliente_de
from src.produccion.puertos import Bolsa, Reloj

_INTENTOS = 5

log = structlog.get_logger(__name__)


async def _nada() -> None:
    return None


class EjecutorSinAlmacen:
    """Sends exits without a claim; two processes at once cannot do more than flatten the position.

    Args:
        bolsa: The exchange.
        reloj: Market time.
        cuaderno: Keeps the events until the store is back.
        fuente: Who sees the triggers.
        paciencia: How long an order without an answer is looked for.
    """

    def __init__(
        self, bolsa: Bolsa, reloj: Reloj, cuaderno: Cuaderno, fuente: FuenteStop, paciencia: Paciencia
    ) -> None:
        self._bolsa = bolsa
        self._reloj = reloj
        self._cuaderno = cuaderno
        self._salida = Salida(bolsa, paciencia)
        self._relator = Relator(fuente)

    async def ejecutar(self, disparada: Disparada) -> Resultado:
        """One order more, unless the exchange knows one of this token that did its work.

        Raises:
            ErrorBolsa: The exchange did not answer; nothing was sent.
        """
        operacion = disparada.operacion
        token = operacion.token or ""
        posicion = operacion.suya((await self._bolsa.cuenta(operacion.simbolo)).estado.posicion)
        if posicion is None:
            return ajena(disparada)
        if posicion == 0.0:
            return Resultado(disparada, Final.CLOSED, motivo="the position had gone already")
        for intento in range(1, _INTENTOS + 1):
            id_cliente = id_cliente_de(ficha_de_intento(token, intento))
            conocida = await self._bolsa.consultar(operacion.simbolo, id_cliente)
            if conocida is None:
                orden = Orden(
                    operacion.simbolo,
                    operacion.lado_salida,
                    self._salida.que_quepa(operacion.simbolo, posicion),
                    True,
                    id_cliente,
                )
                return await self._enviar(Curso(disparada, token, intento), orden)
            if not conocida.estado.es_final:
                return Resultado(disparada, Final.UNKNOWN, motivo="an order of this stop is working")
        return Resultado(
            disparada, Final.FAILED, motivo=f"{_INTENTOS} orders of this stop did not flatten it"
        )

    async def _enviar(self, curso: Curso, orden: Orden) -> Resultado:
        ahora_ms = self._reloj.ahora_ms()
        log.critical("stop_sin_almacen", operacion=curso.disparada.operacion.operation_id)
        disparo = self._relator.disparo(curso, orden)
        envio = self._relator.envio(curso, ahora_ms, orden)
        await self._guardar(*((disparo,) if curso.intento == 1 else ()), envio)
        suerte = await self._salida.enviar(orden, _nada)
        return await self._asentar(curso, suerte)

    async def _asentar(self, curso: Curso, suerte: Suerte) -> Resultado:
        disparada, ahora_ms = curso.disparada, self._reloj.ahora_ms()
        operacion = disparada.operacion
        if not suerte.terminada:
            return Resultado(disparada, Final.UNKNOWN, motivo=suerte.motivo)
        if suerte.ejecutada == 0.0:
            await self._guardar(self._relator.fallo(curso, ahora_ms, suerte.motivo))
            return Resultado(disparada, Final.FAILED, motivo=suerte.motivo)
        await self._guardar(self._relator.hecho(curso, ahora_ms, suerte))
        peor = peor_que(disparada.esperado, suerte.precio, largo=operacion.largo)
        return Resultado(disparada, Final.EXECUTED, suerte.ejecutada, suerte.precio, peor, suerte.id_bolsa)

    async def _guardar(self, *eventos: EventoStopNuevo) -> None:
        await asyncio.to_thread(self._cuaderno.guardar, *eventos)
