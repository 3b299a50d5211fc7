"""Watches open operations by REST, on any number of machines; who is first executes."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Sequence
from typing import NamedTuple

import structlog

from src.nucleo.disparos import Espera, esperar, precio_de_salida, vencida
from src.nucleo.errores import AlmacenCaido, ErrorBolsa
from src.produccion.almacen.eventos_stop import FuenteStop
from src.produccion.monitor.cuaderno import Cuaderno
from src.produccion.monitor.ejecucion import AjustesEjecucion, EjecutorStops
from src.produccion.monitor.libro import PLAZO_S, Libro
from src.produccion.monitor.partida import posicion_de
from src.produccion.monitor.sin_almacen import EjecutorSinAlmacen
from src.produccion.monitor.tipos import Disparada, Final, Precios, Resultado, Ronda, Vigilada
from src.produccion.puertos import Bolsa, Reloj

log = structlog.get_logger(__name__)


class AjustesMonitor(NamedTuple):
    """How the monitor executes."""

    ejecucion: AjustesEjecucion = AjustesEjecucion()


class MonitorStops:
    """The stop monitor of one account.

    Args:
        libro: The shared store.
        bolsa: The exchange.
        reloj: Market time.
        account_id: Whose operations are watched.
        cuaderno: Where events wait while the store is down.
        ensayo: Whether triggers are told and nothing is done.
        ajustes: Waits and tries.
    """

    def __init__(
        self,
        libro: Libro,
        bolsa: Bolsa,
        reloj: Reloj,
        account_id: str,
        cuaderno: Cuaderno,
        *,
        ensayo: bool = False,
        ajustes: AjustesMonitor | None = None,
    ) -> None:
        self._libro = libro
        self._bolsa = bolsa
        self._reloj = reloj
        self._account_id = account_id
        self._ensayo = ensayo
        self._ajustes = ajustes or AjustesMonitor()
        ejecucion, fuente = self._ajustes.ejecucion, FuenteStop.CRON
        self._ejecutor = EjecutorStops(libro, bolsa, reloj, nombre_propio(), fuente, ejecucion)
        self._cuaderno = cuaderno
        self._sin_almacen = EjecutorSinAlmacen(bolsa, reloj, cuaderno, fuente, ejecucion.paciencia)
        self._esperas: dict[str, Espera] = {}
        self._operaciones: Sequence[Vigilada] = ()
        self._con_demonio: frozenset[str] = frozenset()  # symbols
        self._caido: AlmacenCaido | None = None  # that the store did not answer at this look
        self._planas: set[str] = set()  # seen flat: over, whatever the store says and opens next

    async def revisar(self) -> Ronda:
        """Look at every open operation by REST, and execute what has been reached.

        While the store is down, the operations are those it had last.

        Raises:
            AlmacenCaido: The operations could not be read even once.
        """
        caido = await self._releer()
        if caido is not None and not self._operaciones:
            raise caido
        resultados: list[Resultado] = []
        vistas: list[str] = []
        sin_leer = 0
        for operacion in self._operaciones:
            try:
                resultados += await self._mirar(operacion)
                vistas.append(operacion.operation_id)
            except (ErrorBolsa, AlmacenCaido) as fallo:
                sin_leer += 1
                log.error("operacion_sin_mirar", operacion=operacion.operation_id, motivo=str(fallo))
        sin_leer += await self._concluir_planas()
        if not self._ensayo and self._caido is None:
            await self._revisadas(vistas)
        vivas = {operacion.operation_id for operacion in self._operaciones}
        self._esperas = {clave: espera for clave, espera in self._esperas.items() if clave in vivas}
        atendidas = {resultado.disparada.operacion.operation_id for resultado in resultados}
        esperando = len(self._esperas.keys() - atendidas)
        return Ronda(len(self._operaciones), tuple(resultados), esperando, sin_leer)

    async def _concluir_planas(self) -> int:
        """Close what was seen flat, after every exit was sent; how many could not be."""
        pendientes = [o for o in self._operaciones if o.operation_id in self._planas and not self._ensayo]
        for hechas, operacion in enumerate(pendientes):
            try:
                if self._caido is not None:
                    raise self._caido
                await self._ejecutor.concluir(operacion)
            except AlmacenCaido as fallo:
                log.error("operaciones_sin_concluir", cuantas=len(pendientes) - hechas, motivo=str(fallo))
                self._caido = fallo
                return len(pendientes) - hechas
            except ErrorBolsa as fallo:
                log.error("operacion_sin_concluir", operacion=operacion.operation_id, motivo=str(fallo))
        return 0

    async def ejecutar(self, disparada: Disparada) -> Resultado:
        """Execute what was reached, as the store knows the operation now; failures are told, not raised."""
        if self._ensayo:
            return Resultado(disparada, Final.DRY_RUN)
        operacion = disparada.operacion
        if operacion.operation_id in self._planas:
            return Resultado(disparada, Final.CLOSED, motivo="it was seen flat already")
        try:
            if self._caido is not None:
                return await self._ejecutar_sin_almacen(disparada, self._caido)
            with self._libro.con_prisa():
                return await self._con_almacen(disparada)
        except AlmacenCaido as fallo:
            self._caido = fallo  # for the rest of this look
            return await self._ejecutar_sin_almacen(disparada, fallo)
        except ErrorBolsa as fallo:
            return _sin_ejecutar(disparada, str(fallo))

    async def _con_almacen(self, disparada: Disparada) -> Resultado:
        actual = await self._libro.releer(disparada.operacion.operation_id)
        if actual is None:
            return Resultado(disparada, Final.CLOSED, motivo="the operation was closed already")
        if actual.niveles.alcanzado(disparada.precio) is not disparada.disparo:
            return Resultado(disparada, Final.CLOSED, motivo="its stop was moved meanwhile")
        return await self._ejecutor.ejecutar(disparada._replace(operacion=actual))

    async def _releer(self) -> AlmacenCaido | None:
        """Take the open operations as the store has them now; the last ones stay while it is down."""
        self._caido = None
        try:
            with self._libro.con_prisa(None if self._operaciones else PLAZO_S):
                await self._leer_operaciones()
        except AlmacenCaido as fallo:
            log.critical("almacen_caido", motivo=str(fallo))
            self._caido = fallo
        return self._caido

    async def _leer_operaciones(self) -> None:
        await self._asentar_lo_pendiente()
        self._operaciones = await self._libro.activas(self._account_id)
        if any(operacion.a_mano for operacion in self._operaciones):
            self._con_demonio = await self._libro.con_demonio(self._account_id)
        self._planas &= {operacion.operation_id for operacion in self._operaciones}

    async def _asentar_lo_pendiente(self) -> None:
        if self._cuaderno.vacio or self._ensayo:
            return
        nuevos = await self._libro.llamando(self._cuaderno.asentar)
        log.warning("cuaderno_asentado", eventos=nuevos)

    async def _ejecutar_sin_almacen(self, disparada: Disparada, caido: AlmacenCaido) -> Resultado:
        """Protection does not wait for the store."""
        log.critical("almacen_caido", motivo=str(caido))
        try:
            return await self._sin_almacen.ejecutar(disparada)
        except ErrorBolsa as fallo:
            return _sin_ejecutar(disparada, str(fallo))

    async def _revisadas(self, vistas: Sequence[str]) -> None:
        try:
            await self._libro.revisadas(vistas, self._reloj.ahora_ms())
        except AlmacenCaido as fallo:
            log.warning("revision_sin_anotar", motivo=str(fallo))

    async def _mirar(self, operacion: Vigilada) -> list[Resultado]:
        if operacion.operation_id in self._planas or await self._se_fue(operacion):
            self._planas.add(operacion.operation_id)
            return []
        if operacion.token is None or self._es_de_un_demonio(operacion):
            return []
        disparada = self._alcanzada(operacion, await self._precios(operacion))
        return [] if disparada is None else [await self.ejecutar(disparada)]

    def _es_de_un_demonio(self, operacion: Vigilada) -> bool:
        """Whether a daemon trades what a person had opened: it protects the position itself."""
        return operacion.a_mano and (
            operacion.simbolo in self._con_demonio
            or self._libro.con_candado(operacion.account_id, operacion.simbolo)
        )

    async def _se_fue(self, operacion: Vigilada) -> bool:
        pausa_s = self._ajustes.ejecucion.pausa_s
        return await posicion_de(self._bolsa, self._reloj, operacion, pausa_s) is None

    async def _precios(self, operacion: Vigilada) -> Precios:
        if operacion.residente:
            mark = await self._bolsa.precio_mark(operacion.simbolo)
            return Precios(mark, mark, mark, self._reloj.ahora_ms(), self._reloj.ahora_ms())
        bid, ask, instante_ms = await self._bolsa.precio_bidask(operacion.simbolo)
        return Precios(bid, ask, bid, instante_ms, instante_ms)

    def _alcanzada(self, operacion: Vigilada, precios: Precios) -> Disparada | None:
        """A resident order has its own price and its time first; bid and ask count without one."""
        niveles, ahora_ms = operacion.niveles, self._reloj.ahora_ms()
        if not operacion.residente:
            precio = precio_de_salida(precios.bid, precios.ask, largo=operacion.largo)
            disparo = niveles.alcanzado(precio)
            return (
                None
                if disparo is None
                else Disparada(operacion, disparo, precio, precios.instante_ms, ahora_ms)
            )
        clave = operacion.operation_id
        espera = esperar(self._esperas.get(clave), niveles, precios.mark, precios.mark_ms)
        if espera is None:
            self._esperas.pop(clave, None)
            return None
        self._esperas[clave] = espera
        if not vencida(espera, precios.mark_ms):
            return None
        return Disparada(operacion, espera.disparo, precios.mark, precios.mark_ms, ahora_ms)


def _sin_ejecutar(disparada: Disparada, motivo: str) -> Resultado:
    log.critical("stop_sin_ejecutar", operacion=disparada.operacion.operation_id, motivo=motivo)
    return Resultado(disparada, Final.UNKNOWN, motivo=motivo)


def nombre_propio() -> str:
    """Who claims: unique among machines, processes and monitors."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
