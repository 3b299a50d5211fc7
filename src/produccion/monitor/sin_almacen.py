"""Executes a triggered stop while the store is down: the exchange's memory of client ids stands in."""

from __future__ import annotations

import asyncio
from itertools import count

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
from src.produccion.supervision.hilo import HiloSuelto

_FALLOS = 5  # orders of one stop that ended without a fill
_SEGUIDOS = 3  # tries of one call that fail for certain
_DISCO_S = 0.5  # that what was done may take to be on disk, once it is done

log = structlog.get_logger(__name__)


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
        fallos = 0
        for intento in count(1):
            id_cliente = id_cliente_de(ficha_de_intento(token, intento))
            conocida = await self._bolsa.consultar(operacion.simbolo, id_cliente)
            if conocida is None:
                break
            if not conocida.estado.es_final:
                return Resultado(disparada, Final.UNKNOWN, motivo="an order of this stop is working")
            fallos += conocida.cantidad_ejecutada == 0.0
            if fallos >= _FALLOS:
                return Resultado(
                    disparada, Final.FAILED, motivo=f"{fallos} orders of this stop were not filled"
                )
        orden = Orden(
            operacion.simbolo,
            operacion.lado_salida,
            self._salida.que_quepa(operacion.simbolo, posicion),
            True,
            id_cliente,
        )
        return await self._enviar(Curso(disparada, token, intento), orden, posicion)

    async def aplanar(self, disparada: Disparada, pausa_s: float) -> Resultado:
        """`ejecutar` until the position has gone, or no further order may help.

        Args:
            disparada: The trigger.
            pausa_s: Wall seconds between two orders.

        Raises:
            ErrorBolsa: The exchange did not answer.
        """
        fallos = 0
        while True:
            resultado = await self.ejecutar(disparada)
            fallos += resultado.final is Final.FAILED
            if resultado.final not in (Final.EXECUTED, Final.FAILED) or fallos >= _SEGUIDOS:
                return resultado
            await asyncio.sleep(pausa_s)

    async def _enviar(self, curso: Curso, orden: Orden, posicion: float) -> Resultado:
        """Send it, with what is done written down beside it: the exchange knows the order by its name."""
        ahora_ms = self._reloj.ahora_ms()
        log.critical("stop_sin_almacen", operacion=curso.disparada.operacion.operation_id)
        disparo = self._relator.disparo(curso, orden)
        envio = self._relator.envio(curso, ahora_ms, orden)
        with HiloSuelto("cuaderno") as hilo:
            antes = self._anotar(hilo, *((disparo,) if curso.intento == 1 else ()), envio)
            suerte = await self._salida.enviar(orden, posicion)
            resultado, final = self._asentar(curso, suerte)
            despues = [self._anotar(hilo, final)] if final is not None else []
            await _esperar([antes, *despues])
        return resultado

    def _asentar(self, curso: Curso, suerte: Suerte) -> tuple[Resultado, EventoStopNuevo | None]:
        disparada, ahora_ms = curso.disparada, self._reloj.ahora_ms()
        operacion = disparada.operacion
        if not suerte.terminada:
            return Resultado(disparada, Final.UNKNOWN, motivo=suerte.motivo), None
        if suerte.ejecutada == 0.0:
            fallo = self._relator.fallo(curso, ahora_ms, suerte.motivo)
            return Resultado(disparada, Final.FAILED, motivo=suerte.motivo), fallo
        peor = peor_que(disparada.esperado, suerte.precio, largo=operacion.largo)
        resultado = Resultado(
            disparada, Final.EXECUTED, suerte.ejecutada, suerte.precio, peor, suerte.id_bolsa
        )
        return resultado, self._relator.hecho(curso, ahora_ms, suerte)

    def _anotar(self, hilo: HiloSuelto, *eventos: EventoStopNuevo) -> asyncio.Future[None]:
        return asyncio.get_running_loop().run_in_executor(hilo, self._cuaderno.guardar, *eventos)


async def _esperar(apuntes: list[asyncio.Future[None]]) -> None:
    """Give the disk a moment; what is done is done, wherever it is written."""
    hechos, colgados = await asyncio.wait(apuntes, timeout=_DISCO_S)
    for apunte in hechos:
        apunte.result()
    if colgados:
        log.critical("cuaderno_sin_respuesta", efecto="the exchange's list of orders has to tell it")
