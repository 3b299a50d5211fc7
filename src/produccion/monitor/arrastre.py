"""Trails the stops of hand-made operations: place before cancel, each effect under a claim."""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import NamedTuple

import structlog
from sqlalchemy import Connection, update

from src.nucleo.disparos import texto_precio
from src.nucleo.errores import AlmacenCaido, ErrorBolsa, PosicionDesprotegida, StopFueraDeFiltro
from src.nucleo.frenos import Freno, ReglaFreno, ajustar, tipo_por_defecto
from src.nucleo.stops import OrdenStop
from src.produccion.almacen.esquema import ahora_bd, operations
from src.produccion.almacen.eventos_stop import FuenteStop, ejecucion_de
from src.produccion.almacen.operaciones import StopPuesto, leer_operacion, poner_stop
from src.produccion.almacen.reclamos import Reclamo
from src.produccion.monitor import residentes
from src.produccion.monitor.ejecucion import AjustesEjecucion, EjecutorStops
from src.produccion.monitor.libro import Libro, vigilada_de
from src.produccion.monitor.monitor import nombre_propio
from src.produccion.monitor.partida import posicion_de
from src.produccion.monitor.residentes import Papel
from src.produccion.monitor.tipos import Vigilada
from src.produccion.ordenes.ejecutor import id_cliente_de
from src.produccion.puertos import Bolsa, Reloj

log = structlog.get_logger(__name__)


class Hecho(StrEnum):
    """What came of looking at one operation, or would have come of it in a dry run."""

    ADJUSTED = "ADJUSTED"
    UNCHANGED = "UNCHANGED"
    REARMED = "REARMED"  # something that should have waited at the exchange was placed again
    CLOSED = "CLOSED"  # the position had gone
    BUSY = "BUSY"  # another process has it, or its stop is being executed
    FAILED = "FAILED"


class Arrastrada(NamedTuple):
    """One operation after the look."""

    operacion: Vigilada
    hecho: Hecho
    antes: float | None  # the stop before it
    despues: float | None
    nivel: str = ""
    motivo: str = ""


class Arrastre:
    """Trails the hand-made operations of one account.

    Args:
        libro: The shared store.
        bolsa: The exchange.
        reloj: Market time.
        account_id: The account.
        costo_fraccion: How far beyond the entry break-even lies.
        ensayo: Whether nothing is done.
        ajustes: Waits and tries.
    """

    def __init__(
        self,
        libro: Libro,
        bolsa: Bolsa,
        reloj: Reloj,
        account_id: str,
        costo_fraccion: float,
        *,
        ensayo: bool = False,
        ajustes: AjustesEjecucion | None = None,
    ) -> None:
        self._libro = libro
        self._bolsa = bolsa
        self._reloj = reloj
        self._account_id = account_id
        self._costo = costo_fraccion
        self._ensayo = ensayo
        self._quien = nombre_propio()
        self._ajustes = ajustes or AjustesEjecucion()
        self._ejecutor = EjecutorStops(libro, bolsa, reloj, self._quien, FuenteStop.CRON, self._ajustes)

    async def recorrer(
        self, client_id: str | None = None, operation_id: str | None = None
    ) -> AsyncIterator[Arrastrada]:
        """Look at each hand-made operation, of a tenant or one by name; one that fails stops no other.

        Raises:
            AlmacenCaido: The operations cannot be read.
        """
        for operacion in await self._libro.activas(self._account_id, client_id):
            if not operacion.a_mano or operation_id not in (None, operacion.operation_id):
                continue
            try:
                yield await self._mirar(operacion)
            except (ErrorBolsa, AlmacenCaido, PosicionDesprotegida, StopFueraDeFiltro) as fallo:
                log.error("arrastre_fallido", operacion=operacion.operation_id, motivo=str(fallo))
                yield Arrastrada(
                    operacion, Hecho.FAILED, operacion.stop, operacion.stop, operacion.nivel, str(fallo)
                )

    async def _mirar(self, operacion: Vigilada) -> Arrastrada:
        if await self._libro.ocupada(operacion.account_id, operacion.simbolo):
            stop, motivo = operacion.stop, "a daemon trades the symbol"
            return Arrastrada(operacion, Hecho.BUSY, stop, stop, operacion.nivel, motivo)
        posicion = await posicion_de(self._bolsa, self._reloj, operacion, self._ajustes.pausa_s)
        if posicion is None:
            if not self._ensayo:
                await self._ejecutor.concluir(operacion)
            return Arrastrada(operacion, Hecho.CLOSED, operacion.stop, None)
        if operacion.stop is None or operacion.stop_inicial is None:
            return Arrastrada(operacion, Hecho.UNCHANGED, None, None, motivo="it has no stop to trail")
        viva = operacion._replace(cantidad=abs(posicion.cantidad), entrada=posicion.precio_entrada)
        nuevo = await self._freno(viva, operacion.stop, operacion.stop_inicial)
        if self._ensayo:
            return await self._prever(operacion, viva, nuevo)
        return await self._bajo_reclamo(operacion, viva, nuevo)

    async def _prever(self, guardada: Vigilada, viva: Vigilada, nuevo: Freno) -> Arrastrada:
        """What would come of it, from reading alone."""
        hecho = Hecho.ADJUSTED
        if nuevo.stop == guardada.stop:
            faltan = await residentes.faltantes(self._bolsa, viva)
            hecho = Hecho.REARMED if faltan else Hecho.UNCHANGED
        return Arrastrada(viva, hecho, guardada.stop, nuevo.stop, nuevo.nivel)

    async def _freno(self, viva: Vigilada, stop: float, inicial: float) -> Freno:
        mark = await self._bolsa.precio_mark(viva.simbolo)
        filtros = (await self._bolsa.info_simbolo(viva.simbolo)).mercado.filtros
        freno = Freno(
            viva.entrada,
            viva.largo,
            inicial,
            stop,
            viva.objetivo,
            viva.nivel,
            mark,
            viva.abierta_ms,
            viva.ajustada_ms or viva.abierta_ms,
        )
        regla = ReglaFreno(tipo_por_defecto(viva.objetivo), costo_fraccion=self._costo)
        return ajustar(freno, mark, self._reloj.ahora_ms(), regla, filtros.escala_precio)

    async def _bajo_reclamo(self, guardada: Vigilada, viva: Vigilada, nuevo: Freno) -> Arrastrada:
        """Bring the exchange to what is wanted, as the only one who does."""
        ficha = f"trail:{viva.operation_id}:{texto_precio(nuevo.stop)}:{self._reloj.ahora_ms()}"
        reclamo = await self._libro.tomar(f"trail:{viva.operation_id}", self._quien, id_cliente_de(ficha))
        sigue = await self._libro.leyendo(lambda c: _sigue_igual(c, guardada))
        if not (reclamo.mio and sigue):
            if reclamo.mio:
                await self._libro.soltar(reclamo, hecho=False)
            return Arrastrada(viva, Hecho.BUSY, guardada.stop, guardada.stop, guardada.nivel)
        try:
            return await self._mover(reclamo, guardada, viva, nuevo)
        finally:
            await self._libro.soltar(reclamo, hecho=False)

    async def _mover(self, reclamo: Reclamo, guardada: Vigilada, viva: Vigilada, nuevo: Freno) -> Arrastrada:
        """Each effect renews the claim first; one that was taken over leaves the rest to its new holder."""

        async def puedo() -> bool:
            ocupada = await self._libro.ocupada(viva.account_id, viva.simbolo)
            return await self._libro.renovar(reclamo) and not ocupada

        perdida = Arrastrada(viva, Hecho.BUSY, guardada.stop, guardada.stop, guardada.nivel)
        quiere = viva._replace(stop=nuevo.stop, nivel=nuevo.nivel)
        if nuevo.stop != guardada.stop:
            orden = residentes.orden_residente(quiere, Papel.TRAIL, nuevo.stop)
            if not await puedo():
                return perdida
            await residentes.colocar(self._bolsa, orden)
            if not await puedo() or not await self._libro.escribiendo(
                lambda c: _poner(c, guardada, nuevo, self._reloj.ahora_ms())
            ):
                await self._retirar(viva, orden)
                return perdida
        puestos = await residentes.reconciliar(self._bolsa, quiere, puedo)
        if (viva.cantidad, viva.entrada, guardada.residente) != (guardada.cantidad, guardada.entrada, True):
            await self._libro.escribiendo(lambda c: _poner_al_dia(c, viva))
        if nuevo.stop != guardada.stop:
            log.info("stop_arrastrado", operacion=viva.operation_id, stop=nuevo.stop, nivel=nuevo.nivel)
            return Arrastrada(quiere, Hecho.ADJUSTED, guardada.stop, nuevo.stop, nuevo.nivel)
        hecho = Hecho.REARMED if puestos else Hecho.UNCHANGED
        return Arrastrada(quiere, hecho, guardada.stop, nuevo.stop, nuevo.nivel)

    async def _retirar(self, viva: Vigilada, orden: OrdenStop) -> None:
        """Take back a stop that came too late, unless it is as tight as what is wanted now."""
        actual = await self._libro.releer(viva.operation_id)
        if actual is not None and actual.stop is not None:
            floja = orden.gatillo < actual.stop if viva.largo else orden.gatillo > actual.stop
            if not floja:
                return
        await residentes.cancelar(self._bolsa, viva.simbolo, orden.id_cliente)


def _sigue_igual(conexion: Connection, operacion: Vigilada) -> bool:
    """Whether nobody has moved its stop, executed it or closed it since it was read."""
    fila = leer_operacion(conexion, operacion.operation_id)
    if fila is None or fila.closed_at_ms is not None or vigilada_de(fila).token != operacion.token:
        return False
    return operacion.token is None or ejecucion_de(conexion, operacion.token) is None


def _poner(conexion: Connection, operacion: Vigilada, nuevo: Freno, ahora_ms: int) -> bool:
    if not _sigue_igual(conexion, operacion):
        return False
    puesto = StopPuesto(nuevo.stop, ahora_ms, nuevo.nivel, resident=True)
    return poner_stop(conexion, operacion.operation_id, puesto) is not None


def _poner_al_dia(conexion: Connection, operacion: Vigilada) -> None:
    """Its size as the exchange has it, and that its stop waits there."""
    conexion.execute(
        update(operations)
        .where(operations.c.operation_id == operacion.operation_id)
        .values(
            quantity=operacion.cantidad,
            average_entry_price=operacion.entrada,
            resident_stop=True,
            updated_at_ms=ahora_bd(),
        )
    )
