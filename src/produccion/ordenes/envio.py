"""Sends one order and learns what its answer proves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter

import structlog

from src.nucleo.errores import (
    BolsaIncompatible,
    CredencialesInvalidas,
    EmergenciaOperacional,
    FalloPasajero,
    LecturaFallida,
    LimiteExcedido,
    OrdenRechazada,
    ResultadoIncierto,
)
from src.nucleo.ordenes import Orden
from src.nucleo.vida_orden import Hecho, Incierta, Rechazada, Vista
from src.produccion.metricas.histograma import Histograma
from src.produccion.ordenes.averiguacion import AjustesEjecutor, Averiguacion
from src.produccion.ordenes.ordenes_recordadas import OrdenesRecordadas, hecho_de
from src.produccion.puertos import ID_REPETIDO, RELOJ_DESVIADO, Bolsa, EstadoOrden, RespuestaOrden

log = structlog.get_logger(__name__)


@dataclass
class _Espera:
    """An order whose own answer is awaited."""

    avisos: list[RespuestaOrden] = field(default_factory=list)  # what events told meanwhile
    final: RespuestaOrden | None = None  # the one of them that says how it ended
    acabada: asyncio.Event = field(default_factory=asyncio.Event)

    def tomar(self, respuesta: RespuestaOrden) -> None:
        """Keep an event; one that tells a refusal leaves the word to the answer, which has its code."""
        self.avisos.append(respuesta)
        if respuesta.estado.es_final and respuesta.estado is not EstadoOrden.REJECTED:
            self.final = self.final or respuesta
            self.acabada.set()


class Envio:
    """The wire's side of an order's life.

    Args:
        bolsa: The exchange.
        ordenes: Gets each step.
        averiguacion: Gets what events told while an answer was awaited.
        ajustes: Waits and tries.
    """

    def __init__(
        self,
        bolsa: Bolsa,
        ordenes: OrdenesRecordadas,
        averiguacion: Averiguacion,
        ajustes: AjustesEjecutor,
    ) -> None:
        self._bolsa = bolsa
        self._ordenes = ordenes
        self._averiguacion = averiguacion
        self._ajustes = ajustes
        self._escrituras: set[asyncio.Task[None]] = set()  # of exits; nobody waits for them
        self._esperas: dict[str, _Espera] = {}
        self._rezagadas: set[asyncio.Task[Hecho]] = set()  # requests of orders whose end is known already
        self.respuesta_s = Histograma()
        """From sending an order to what its answer says, repeated tries included."""

    def espera_respuesta(self, id_cliente: str) -> bool:
        """Whether an order's answer is awaited."""
        return id_cliente in self._esperas

    def apartar(self, respuesta: RespuestaOrden) -> bool:
        """Keep what an event tells of an order whose answer is awaited; false when none is.

        The answer comes first, so that the journal tells one story whichever of them is faster. An event
        that says how the order ended ends the wait: a lost answer must not leave a position without a stop.
        """
        if respuesta.id_cliente not in self._esperas:
            return False
        self._esperas[respuesta.id_cliente].tomar(respuesta)
        return True

    async def enviar(self, id_cliente: str) -> None:
        """Send an order and write down what is known then.

        Raises:
            EmergenciaOperacional: It adds exposure and cannot be written down in time; it was not sent.
            CredencialesInvalidas: The exchange refused the key.
            BolsaIncompatible: The exchange does not know the symbol.
        """
        espera = self._esperas[id_cliente] = _Espera()
        try:
            hecho = await self._enviar_y_anotar(id_cliente, espera)
            if isinstance(hecho, Rechazada) and espera.avisos:
                hecho = Incierta(hecho.motivo)  # refused, and yet the exchange tells of it
            self._ordenes.aplicar(id_cliente, hecho)
        except (CredencialesInvalidas, BolsaIncompatible) as fallo:
            self._ordenes.aplicar(id_cliente, Rechazada(str(fallo), fallo.codigo))
            raise
        finally:
            for respuesta in self._esperas.pop(id_cliente).avisos:
                self._averiguacion.tomar_evento(respuesta)

    async def _enviar_y_anotar(self, id_cliente: str, espera: _Espera) -> Hecho:
        if self._ordenes[id_cliente].es_salida:
            self._escribir_aparte(id_cliente)
        else:
            await self._escribir_o_desistir(id_cliente)
        peticion = asyncio.create_task(self._pedir_y_medir(self._ordenes[id_cliente].orden, espera))
        await _lo_primero(peticion, espera.acabada)
        if peticion.done() or espera.final is None:
            return await peticion
        log.warning("respuesta_atrasada", id_cliente=id_cliente, estado=espera.final.estado.value)
        self._rezagadas.add(peticion)
        peticion.add_done_callback(partial(self._tomar_rezagada, id_cliente))
        return hecho_de(espera.final)

    async def _pedir_y_medir(self, orden: Orden, espera: _Espera) -> Hecho:
        inicio_s = perf_counter()
        try:
            return await self._pedir(orden, espera)
        finally:
            self.respuesta_s.observar(perf_counter() - inicio_s)

    def _tomar_rezagada(self, id_cliente: str, peticion: asyncio.Task[Hecho]) -> None:
        """Take an answer that came after the order's end; only what it says of the order counts."""
        self._rezagadas.discard(peticion)
        if peticion.cancelled():
            return
        fallo = peticion.exception()
        if fallo is not None:
            log.error("respuesta_tardia_fallida", id_cliente=id_cliente, motivo=repr(fallo))
            return
        hecho = peticion.result()
        if not isinstance(hecho, Vista):
            return
        try:
            self._ordenes.aplicar(id_cliente, hecho)
        except ValueError as contradiccion:
            log.critical("orden_contradictoria", motivo=str(contradiccion))

    def _escribir_aparte(self, id_cliente: str) -> None:
        """An exit neither waits for the disk nor depends on it."""
        try:
            escritura = self._ordenes.marcar_salida(id_cliente)
        except EmergenciaOperacional as fallo:
            log.critical("diario_roto", motivo=str(fallo))
            return
        tarea = asyncio.create_task(_aunque_falle(escritura))
        self._escrituras.add(tarea)
        tarea.add_done_callback(self._escrituras.discard)

    async def _escribir_o_desistir(self, id_cliente: str) -> None:
        try:
            async with asyncio.timeout(self._ajustes.plazo_diario_s):
                await self._ordenes.marcar_envio(id_cliente)
        except EmergenciaOperacional:
            self._ordenes.olvidar(id_cliente)
            raise
        except TimeoutError:
            motivo = f"the journal takes longer than {self._ajustes.plazo_diario_s:g} s to be written"
            # Its events may still reach the disk: this one, behind them, tells that it was never sent.
            self._ordenes.aplicar(id_cliente, Rechazada(motivo))
            raise EmergenciaOperacional(motivo) from None

    async def _pedir(self, orden: Orden, espera: _Espera) -> Hecho:
        """Send, again only after a definite refusal for a passing reason, and say what is known then."""
        for intento in range(1, self._ajustes.intentos + 1):
            try:
                return hecho_de(await self._bolsa.enviar(orden))
            except (OrdenRechazada, LimiteExcedido) as fallo:
                if fallo.codigo == ID_REPETIDO:
                    return Incierta(str(fallo))
                espera_s = self._espera_tras(fallo, orden)
                if espera_s is None or intento == self._ajustes.intentos:
                    return Rechazada(str(fallo), fallo.codigo)
                log.warning(
                    "orden_no_aceptada", id_cliente=orden.id_cliente, intento=intento, motivo=str(fallo)
                )
                await asyncio.sleep(espera_s)
                if espera.final is not None:
                    return Incierta(str(fallo))  # refused, and yet the exchange tells how it ended
            except (ResultadoIncierto, LecturaFallida) as fallo:
                log.warning("orden_incierta", id_cliente=orden.id_cliente, motivo=str(fallo))
                return Incierta(str(fallo))
        raise AssertionError("the loop above returns")

    def _espera_tras(self, fallo: OrdenRechazada | LimiteExcedido, orden: Orden) -> float | None:
        """How long to wait before the same order is sent again; ``None`` when it never is."""
        match fallo:
            case LimiteExcedido(espera_s=espera_s):
                if not orden.solo_reduce or espera_s > self._ajustes.espera_limite_max_s:
                    return None
                # Who sends it knows which requests protect, and lets none through while a ban lasts: when it
                # kept this one back itself there is no code, and only the whole wait will do.
                return espera_s if fallo.codigo is None else min(espera_s, self._ajustes.pausa_limite_s)
            case FalloPasajero(codigo=codigo):
                return 0.0 if codigo == RELOJ_DESVIADO else self._ajustes.pausa_reintento_s
            case _:
                return None


async def _lo_primero(peticion: asyncio.Task[Hecho], acabada: asyncio.Event) -> None:
    """Wait for a request or an event, whichever comes first; who gives up waiting gives the request up."""
    aviso = asyncio.create_task(acabada.wait())
    try:
        await asyncio.wait({peticion, aviso}, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        peticion.cancel()
        raise
    finally:
        aviso.cancel()


async def _aunque_falle(escritura: Awaitable[None]) -> None:
    try:
        await escritura
    except EmergenciaOperacional as fallo:
        log.critical("diario_roto", motivo=str(fallo))
