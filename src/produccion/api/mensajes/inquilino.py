"""One tenant's sockets and the one reader of the store that works for all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as SinConexion

from src.produccion.api.acceso import Entorno
from src.produccion.api.mensajes.buzon import Carta, escribir_carta
from src.produccion.api.mensajes.cliente import Cliente, Deseo
from src.produccion.api.mensajes.contrato import SIMBOLOS_MAXIMOS, Canal, Cierre, LimitesMensajes
from src.produccion.api.mensajes.lectura import (
    CON_HISTORIA,
    FUENTES,
    AlmacenRetrocedido,
    Fuente,
    Lector,
    Suceso,
    toca,
)
from src.produccion.api.mensajes.posicion import IdLeido, Posicion

T = TypeVar("T")

_NO_RESPONDE = (DBAPIError, SinConexion)

log = structlog.get_logger(__name__)


class EnHilo(Protocol):
    """Calls something that blocks, off the loop, a few at a time."""

    def __call__(self, hacer: Callable[[], T]) -> Awaitable[T]:
        """What it returns."""


class Peticion(NamedTuple):
    """What a client asked for and has not been answered yet."""

    deseo: Deseo
    desde: IdLeido | None  # where it was
    perdido: bool  # it was somewhere, and nobody knows where


class Inquilino:
    """Reads what is new of a tenant and tells it to those who want it.

    Everything that reads the store for events happens in one task: a client joins between two readings, and
    neither misses a row nor gets one twice.

    Args:
        entorno: What the API's routes share.
        client_id: The tenant.
        limites: Of all sockets.
        en_hilo: Calls what blocks.
        al_unirse: Told of each client whose wish counts from now on.
    """

    def __init__(
        self,
        entorno: Entorno,
        client_id: str,
        limites: LimitesMensajes,
        en_hilo: EnHilo,
        al_unirse: Callable[[Cliente], None],
    ) -> None:
        self._entorno = entorno
        self._client_id = client_id
        self._limites = limites
        self._en_hilo = en_hilo
        self._al_unirse = al_unirse
        self._lector = Lector(entorno.almacen, client_id)
        self._posicion: Posicion | None = None
        self._clientes: set[Cliente] = set()
        self._peticiones: dict[Cliente, Peticion] = {}
        self._despertar = asyncio.Event()
        self._propios: frozenset[str] | None = None
        self._propios_s = -float("inf")

    @property
    def clientes(self) -> Collection[Cliente]:
        """Those who want something."""
        return self._clientes | self._peticiones.keys()

    def pedir(self, cliente: Cliente, deseo: Deseo, desde: IdLeido | None, *, perdido: bool) -> None:
        """Take what a client wants from now on."""
        antes = self._peticiones.get(cliente)
        if antes is not None:
            desde, perdido = desde or antes.desde, perdido or antes.perdido
        if cliente in self._clientes:
            desde, perdido = None, False  # it has missed nothing
        self._peticiones[cliente] = Peticion(deseo, desde, perdido)
        self._despertar.set()

    def quitar(self, cliente: Cliente) -> None:
        """A client has gone."""
        self._clientes.discard(cliente)
        self._peticiones.pop(cliente, None)
        self._despertar.set()

    def posicion_de(self, cliente: Cliente) -> Posicion | None:
        """Where a client is who was sent everything; ``None`` while it does not get what happens."""
        return self._posicion if cliente in self._clientes else None

    def simbolos_de(self, cliente: Cliente) -> frozenset[str] | None:
        """What prices a client wants; ``None`` while that is not known."""
        return cliente.deseo.simbolos or self._propios

    async def correr(self) -> None:
        """Read and tell until nobody wants anything."""
        pausa_s = self._limites.sondeo_s
        while self.clientes:
            self._despertar.clear()
            try:
                await self._mirar()
            except _NO_RESPONDE as fallo:
                # The statement's parameters may hold what a person wrote.
                log.warning("mensajes_sin_almacen", client_id=self._client_id, motivo=type(fallo).__name__)
                self._decir_almacen(caido=True)
                pausa_s = min(2 * pausa_s, self._limites.descanso_s)
                await asyncio.sleep(pausa_s)
                continue
            except AlmacenRetrocedido:
                log.warning("mensajes_almacen_retrocedido", client_id=self._client_id)
                for cliente in self._clientes:
                    cliente.acabar(Cierre.OTRO_ALMACEN)
            self._decir_almacen(caido=False)
            pausa_s = self._limites.sondeo_s
            await self._esperar(pausa_s)

    async def _mirar(self) -> None:
        hay_mas = True
        while hay_mas:
            sucesos = await self._en_hilo(partial(self._lector.novedades, time.monotonic()))
            if self._lector.saltadas:
                # First: who has been told of one of these rows must know what may lie before it.
                await self._saltar(self._lector.saltadas)
            for suceso in sucesos:
                self._contar(suceso)
            # Only now: what is behind this position has to be in the queues.
            self._posicion, hay_mas = self._lector.posicion, self._lector.atrasado
        await self._mirar_propios()
        for cliente, peticion in list(self._peticiones.items()):
            cartas = await self._en_hilo(partial(self._respuesta, cliente, peticion))
            if self._peticiones.get(cliente) is peticion:
                del self._peticiones[cliente]
                self._unir(cliente, peticion, cartas)

    async def _saltar(self, fuentes: Collection[Fuente]) -> None:
        """Tell whoever listens to these tables that rows may be missing, and how things stand."""
        letras = [fuente.letra for fuente in fuentes]
        log.warning("mensajes_saltados", client_id=self._client_id, tablas=letras)
        for cliente in list(self._clientes):
            deseo = cliente.deseo
            canales = {canal for fuente in fuentes for canal in fuente.canales_de(deseo.canales)}
            motivos = dict.fromkeys(sorted(canales), "too_many")
            cliente.buzon.poner_debidas(await self._en_hilo(partial(self._huecos, deseo, motivos)))

    async def _mirar_propios(self) -> None:
        ahora_s = time.monotonic()
        if ahora_s - self._propios_s >= self._limites.propios_s:
            self._propios = frozenset((await self._en_hilo(self._lector.propios))[:SIMBOLOS_MAXIMOS])
            self._propios_s = ahora_s

    def _contar(self, suceso: Suceso) -> None:
        cartas: dict[tuple[Canal, ...], list[Carta]] = {}
        for cliente in self._clientes:
            canales = suceso.fuente.canales_de(cliente.deseo.canales)
            if canales and toca(suceso.simbolo, cliente.deseo.simbolos):
                if canales not in cartas:
                    cartas[canales] = _cartas_de(suceso, canales)
                for carta in cartas[canales]:
                    cliente.contar(carta)

    def _respuesta(self, cliente: Cliente, peticion: Peticion) -> list[Carta]:
        """What a client is told before it gets what happens. Blocks."""
        deseo = peticion.deseo
        if peticion.desde is not None:
            return self._lo_perdido(deseo, peticion.desde.posicion)
        antes = cliente.deseo if cliente in self._clientes else Deseo()
        ya = antes.canales if antes.simbolos == deseo.simbolos else frozenset()
        cartas = []
        for canal in sorted(deseo.canales & CON_HISTORIA - ya):
            if peticion.perdido:
                cartas.append(_hueco(canal, "unknown_id"))
            cartas.append(self._foto(deseo, canal))
        return cartas

    def _lo_perdido(self, deseo: Deseo, desde: Posicion) -> list[Carta]:
        cartas: list[Carta] = []
        huecos: dict[Canal, str] = {}
        for fuente in FUENTES:
            canales = fuente.canales_de(deseo.canales)
            if not canales:
                continue
            perdidos = self._lector.perdidos(fuente, desde, deseo.simbolos, self._limites.perdidos)
            if isinstance(perdidos, str):
                huecos.update(dict.fromkeys(canales, perdidos))
                continue
            for suceso in perdidos:
                cartas += _cartas_de(suceso, canales)
            desde = perdidos[-1].posicion if perdidos else desde
        return cartas + self._huecos(deseo, huecos)

    def _huecos(self, deseo: Deseo, motivos: Mapping[Canal, str]) -> list[Carta]:
        """What is said in place of what is missing. Blocks."""
        cartas: list[Carta] = []
        for canal, motivo in motivos.items():
            cartas += [_hueco(canal, motivo), self._foto(deseo, canal)]
        return cartas

    def _foto(self, deseo: Deseo, canal: Canal) -> Carta:
        contenido = self._lector.foto(canal, deseo.simbolos, self._limites.recientes)
        return escribir_carta("snapshot", canal, contenido, time.time())

    def _unir(self, cliente: Cliente, peticion: Peticion, cartas: list[Carta]) -> None:
        deseo, desde = peticion.deseo, peticion.desde
        if desde is not None:
            cliente.continuar(desde.numero, desde.posicion)
        cliente.deseo = deseo
        entorno = deseo.entorno or self._entorno.mercados.por_defecto
        suscrito = {
            "channels": sorted(deseo.canales),
            "symbols": None if deseo.simbolos is None else sorted(deseo.simbolos),
            "environment": None if entorno is None else entorno.value,
            "resumed": desde is not None,
        }
        cartas = [escribir_carta("subscribed", None, suscrito, time.time()), *cartas]
        if cartas[-1].posicion is None and not (desde is not None and len(cartas) == 1):
            # Who is cut off before the last snapshot has to begin anew.
            cartas[-1] = cartas[-1]._replace(posicion=self._posicion)
        cliente.buzon.poner_debidas(cartas)
        self._clientes.add(cliente)
        self._al_unirse(cliente)

    def _decir_almacen(self, *, caido: bool) -> None:
        for cliente in self.clientes:
            cliente.estado_almacen(caido=caido)

    async def _esperar(self, plazo_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(plazo_s):
                await self._despertar.wait()


def _cartas_de(suceso: Suceso, canales: tuple[Canal, ...]) -> list[Carta]:
    """The messages of a row; who gets several has come further with the last one only."""
    contenido, ahora_s = suceso.fuente.ver(suceso.fila), time.time()
    tipos = suceso.fuente.canales
    cartas = [escribir_carta(tipos[canal], canal, contenido, ahora_s) for canal in canales]
    return [*cartas[:-1], cartas[-1]._replace(posicion=suceso.posicion)]


def _hueco(canal: Canal, motivo: str) -> Carta:
    return escribir_carta("gap", None, {"channel": canal, "reason": motivo}, time.time())
