"""Finds out what became of an order whose answer did not arrive, or did not say the end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from math import isclose
from operator import attrgetter
from typing import NamedTuple

import structlog

from src.nucleo.errores import ErrorBolsa, OrdenRechazada
from src.nucleo.tipos import LadoOrden
from src.nucleo.vida_orden import Ausente, EstadoVida, Incierta, Rechazada, VidaOrden, Vista
from src.produccion.ordenes.ordenes_recordadas import OrdenesRecordadas, hecho_de
from src.produccion.puertos import Bolsa, RespuestaOrden, Transaccion

_CANDIDATAS = 3  # how many unexplained orders among the latest fills are asked for their client id
_TOLERANCIA_RELATIVA = 1e-9
_OLVIDADA = "UNKNOWN_TO_THE_EXCHANGE"  # in place of the exchange's word for how an order ended

log = structlog.get_logger(__name__)


class AjustesEjecutor(NamedTuple):
    """How patiently orders are sent and looked for; wall time."""

    intentos: int = 3  # sends of an order that is refused for a passing reason
    pausa_reintento_s: float = 1.0
    espera_limite_max_s: float = 60.0  # an exit that would have to wait for longer is refused
    pausa_limite_s: float = 3.0  # of an exit that was refused for the exchange's request limits
    plazo_diario_s: float = 2.0  # for an entry to be on disk; beyond it, it is not sent
    ventana_ms: int = 10_000  # recvWindow: how long a request is valid
    margen_ms: int = 2_000  # beyond it, before an order counts as absent
    miradas: int = 3  # look-ups that must not find an order before it counts as absent
    pausa_mirada_s: float = 1.0
    plazo_s: float = 30.0  # for finding out, before an order is reported as unresolved
    reenvios: int = 1  # how many times an absent order is sent again
    plazo_transacciones_s: float = 1.0  # for the fills of an order to be listed
    pausa_transacciones_s: float = 0.1

    @property
    def validez_s(self) -> float:
        """After how long a request that was sent can no longer arrive."""
        return (self.ventana_ms + self.margen_ms) / 1_000


AJUSTES = AjustesEjecutor()
"""What suits the real exchange."""


@dataclass
class _Busqueda:
    """What looking for one order has shown so far; begins when its last request had ended."""

    desde_s: float
    ausencias: int = 0
    posicion_igual: bool = False
    ajenas: set[int] = field(default_factory=set)  # the exchange's ids of orders that are not it
    aviso: asyncio.Event = field(default_factory=asyncio.Event)


class Averiguacion:
    """Looks for orders by client id, among the fills, in user events and in the position.

    Args:
        bolsa: The exchange.
        ordenes: What is known; everything found out goes there.
        ajustes: How patiently.
    """

    def __init__(self, bolsa: Bolsa, ordenes: OrdenesRecordadas, ajustes: AjustesEjecutor) -> None:
        self._bolsa = bolsa
        self._ordenes = ordenes
        self._ajustes = ajustes
        self._busquedas: dict[str, _Busqueda] = {}

    def tomar_evento(self, respuesta: RespuestaOrden) -> None:
        """Learn what an event says of an order; of others than the agent's it says nothing."""
        if respuesta.id_cliente not in self._ordenes:
            return
        try:
            self._tomar(respuesta)
        except ValueError as fallo:
            log.critical("orden_contradictoria", motivo=str(fallo))

    async def averiguar(self, id_cliente: str, *, enseguida: bool = False) -> bool:
        """Look for an order until it is over, proved absent, or the deadline has passed.

        Args:
            id_cliente: Of a known order that was sent, or may have been.
            enseguida: Whether the first look does not wait for the exchange to list it.

        Returns:
            Whether it may be sent again: it is absent and the position is what it was before it.
        """
        busqueda = self._dudar(id_cliente)
        reloj = asyncio.get_running_loop()
        limite = reloj.time() + self._ajustes.plazo_s
        while True:
            if not enseguida:
                await self._esperar_aviso(busqueda)
            enseguida = False
            try:
                ausente = await self._mirar(id_cliente, busqueda)
            except ErrorBolsa as fallo:
                log.warning("consulta_fallida", id_cliente=id_cliente, motivo=str(fallo))
                ausente = False
            if ausente:
                return self._dar_por_ausente(id_cliente, busqueda)
            if self._ordenes[id_cliente].terminada:
                self._busquedas.pop(id_cliente, None)
                return False
            if reloj.time() >= limite:
                return False

    async def preguntar(self, id_cliente: str, *, miradas: int) -> None:
        """Look for an order now, and again only while the repetition may prove it absent.

        An absent one counts as refused: whoever wanted it has gone on.

        Raises:
            ErrorBolsa: The exchange could not be asked.
        """
        busqueda = self._dudar(id_cliente)
        for mirada in range(miradas):
            if mirada:
                await self._esperar_aviso(busqueda)
            if await self._mirar(id_cliente, busqueda):
                if self._dar_por_ausente(id_cliente, busqueda):
                    self.descartar(id_cliente)
                return
            if self._ordenes[id_cliente].terminada:
                self._busquedas.pop(id_cliente, None)
                return
            if not busqueda.ausencias:
                return

    def descartar(self, id_cliente: str) -> None:
        """An absent order is not sent again."""
        motivo = self._ordenes[id_cliente].motivo
        texto = f"order {id_cliente} never reached the exchange: {motivo}"
        self._ordenes.aplicar(id_cliente, Rechazada(texto))

    def _tomar(self, respuesta: RespuestaOrden) -> None:
        vida = self._ordenes.aplicar(respuesta.id_cliente, hecho_de(respuesta))
        busqueda = self._busquedas.get(respuesta.id_cliente)
        if vida.terminada and busqueda is not None:
            busqueda.aviso.set()

    def _dudar(self, id_cliente: str) -> _Busqueda:
        self._ordenes.aplicar(id_cliente, Incierta("its answer was never read"))
        return self._busquedas.setdefault(id_cliente, _Busqueda(asyncio.get_running_loop().time()))

    def _dar_por_ausente(self, id_cliente: str, busqueda: _Busqueda) -> bool:
        self._ordenes.aplicar(id_cliente, Ausente())
        self._busquedas.pop(id_cliente, None)
        if not busqueda.posicion_igual:
            self.descartar(id_cliente)
        return busqueda.posicion_igual

    async def _esperar_aviso(self, busqueda: _Busqueda) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._ajustes.pausa_mirada_s):
                await busqueda.aviso.wait()

    async def _mirar(self, id_cliente: str, busqueda: _Busqueda) -> bool:
        """One look at everything that may show the order; true when it proves that it cannot be there.

        Only looks after the request could no longer arrive prove anything.
        """
        vida = self._ordenes[id_cliente]
        if vida.terminada:
            return False
        transcurrido_s = asyncio.get_running_loop().time() - busqueda.desde_s
        respuesta = await self._bolsa.consultar(vida.simbolo, id_cliente)
        if respuesta is not None:
            busqueda.ausencias = 0
            self._tomar(respuesta)
            return False
        vida = self._ordenes[id_cliente]
        if transcurrido_s < self._ajustes.validez_s or vida.terminada:
            return False
        busqueda.ausencias += 1
        if busqueda.ausencias < self._ajustes.miradas:
            return False
        # A position that changed is somebody else's doing once the order was looked for long enough.
        agotado = transcurrido_s >= self._ajustes.plazo_s
        if vida.abierta and vida.id_bolsa is not None:
            await self._dar_por_acabada(vida, vida.id_bolsa, agotado=agotado)
            return False
        # Fills and position may show an order that its look-up does not.
        vista = await self._entre_las_transacciones(vida, busqueda)
        if vista is not None:
            self._ordenes.aplicar(vida.id_cliente, vista)
            return False
        busqueda.posicion_igual = await self._posicion_igual(vida)
        return self._ordenes[id_cliente].incierta and (busqueda.posicion_igual or agotado)

    async def _dar_por_acabada(self, vida: VidaOrden, id_bolsa: int, *, agotado: bool) -> None:
        """The exchange had the order and no longer knows it: it ended with what its fills say."""
        filas = await self._bolsa.transacciones(vida.simbolo, id_orden=id_bolsa)
        vista = _vista_de(vida, id_bolsa, filas)
        falta = vista.ejecutada < vida.ejecutada * (1.0 - _TOLERANCIA_RELATIVA)
        con_signo = vista.ejecutada if vida.lado is LadoOrden.BUY else -vista.ejecutada
        if falta or not (agotado or await self._posicion_igual(vida, con_signo)):
            return
        if vista.estado is not EstadoVida.EJECUTADA:
            vista = vista._replace(estado=EstadoVida.CANCELADA, motivo=_OLVIDADA)
        log.warning("orden_olvidada_por_la_bolsa", id_cliente=vida.id_cliente, ejecutada=vista.ejecutada)
        if not self._ordenes[vida.id_cliente].terminada:
            self._ordenes.aplicar(vida.id_cliente, vista)

    async def _posicion_igual(self, vida: VidaOrden, ejecutada: float = 0.0) -> bool:
        """Whether the position is what it was before the order, but for what is known to be filled."""
        if vida.posicion_previa is None:
            return False
        ahora = (await self._bolsa.cuenta(vida.simbolo)).estado.cantidad
        esperada = vida.posicion_previa + ejecutada
        return isclose(ahora, esperada, rel_tol=_TOLERANCIA_RELATIVA, abs_tol=_TOLERANCIA_RELATIVA)

    async def _entre_las_transacciones(self, vida: VidaOrden, busqueda: _Busqueda) -> Vista | None:
        conocidas = {otra.id_bolsa for otra in self._ordenes} | busqueda.ajenas
        compra = vida.lado is LadoOrden.BUY
        filas = [
            fila
            for fila in await self._bolsa.transacciones(vida.simbolo)
            if fila.id_orden not in conocidas and (fila.cantidad > 0.0) is compra
        ]
        por_orden = groupby(sorted(filas, key=attrgetter("id_orden")), key=attrgetter("id_orden"))
        candidatas = [(id_bolsa, tuple(grupo)) for id_bolsa, grupo in por_orden][-_CANDIDATAS:]
        for id_bolsa, grupo in reversed(candidatas):
            try:
                id_cliente = await self._bolsa.id_cliente_de(vida.simbolo, id_bolsa)
            except OrdenRechazada:
                continue  # the exchange no longer tells whose it was
            if id_cliente == vida.id_cliente:
                return _vista_de(vida, id_bolsa, grupo)
            busqueda.ajenas.add(id_bolsa)
        return None


def _vista_de(vida: VidaOrden, id_bolsa: int, filas: Sequence[Transaccion]) -> Vista:
    """How an order stands by its fills alone."""
    unicas = {fila.id: fila for fila in filas}.values()
    ejecutada = sum(abs(fila.cantidad) for fila in unicas)
    importe = sum(abs(fila.cantidad) * fila.precio for fila in unicas)
    precio = importe / ejecutada if ejecutada else None
    completa = ejecutada >= vida.cantidad * (1.0 - _TOLERANCIA_RELATIVA)
    return Vista(EstadoVida.EJECUTADA if completa else EstadoVida.PARCIAL, id_bolsa, ejecutada, precio)
