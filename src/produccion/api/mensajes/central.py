"""All sockets of the process: how many there are, what is read for them, and when they end."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as SinConexion

from src.produccion.api.acceso import Entorno
from src.produccion.api.mensajes.buzon import escribir_carta
from src.produccion.api.mensajes.cliente import Cliente, Deseo, Portador
from src.produccion.api.mensajes.contrato import Canal, Cierre
from src.produccion.api.mensajes.credenciales import vigentes
from src.produccion.api.mensajes.inquilino import Inquilino
from src.produccion.api.mensajes.posicion import IdLeido
from src.produccion.api.mensajes.posiciones import Posiciones
from src.produccion.api.mensajes.precios import Bomba
from src.produccion.api.problemas import Problema
from src.produccion.config.config import Modo

T = TypeVar("T")

_LECTURAS_A_LA_VEZ = 3
_SEGUNDOS_LLENO = "10"

log = structlog.get_logger(__name__)


class _Servicio(Protocol):
    """Something that runs while clients want it."""

    @property
    def clientes(self) -> Collection[Cliente]:
        """Whom it serves."""

    async def correr(self) -> None:
        """Serve until nobody wants it."""


class Central:
    """Knows every client, and keeps one reader of each kind at work while somebody wants what it reads.

    Args:
        entorno: What the API's routes share.
    """

    def __init__(self, entorno: Entorno) -> None:
        self.entorno = entorno
        self._limites = entorno.mensajes
        self._clientes: set[Cliente] = set()
        self._por_inquilino: Counter[str] = Counter()
        self._inquilinos: dict[str, Inquilino] = {}
        self._posiciones: dict[str, Posiciones] = {}
        self._bombas: dict[Modo, Bomba] = {}
        self._tareas: dict[_Servicio, asyncio.Task[None]] = {}
        self._vigilante = _Vigilante(self)
        self._turno = asyncio.Semaphore(_LECTURAS_A_LA_VEZ)

    @property
    def clientes(self) -> Collection[Cliente]:
        """Every socket."""
        return self._clientes

    def __len__(self) -> int:
        """How many sockets are open."""
        return len(self._clientes)

    @contextmanager
    def cliente(self, portador: Portador) -> Iterator[Cliente]:
        """A socket, known within the block.

        Raises:
            Problema: 429: its tenant has as many as it may.
        """
        client_id, tope = portador.client_id, self._limites.por_inquilino
        if self._por_inquilino[client_id] >= tope:
            raise Problema(
                429,
                f"{tope} sockets are open already; close one first",
                cabeceras={"Retry-After": _SEGUNDOS_LLENO},
            )
        cliente = Cliente(portador, self._limites)
        self._por_inquilino[client_id] += 1
        self._clientes.add(cliente)
        self._asegurar(self._vigilante)
        try:
            yield cliente
        finally:
            self._despedir(cliente)

    def pedir(self, cliente: Cliente, deseo: Deseo, desde: IdLeido | None, *, perdido: bool = False) -> None:
        """Take what a client wants from now on, instead of what it wanted.

        Args:
            cliente: A socket.
            deseo: What it wants.
            desde: Where it was before it came.
            perdido: It was somewhere, and nobody can tell where.
        """
        if not deseo.canales:
            cliente.ocioso_desde_s = cliente.ocioso_desde_s or time.monotonic()
        else:
            cliente.ocioso_desde_s = None
        inquilino = self._inquilino(cliente)
        inquilino.pedir(cliente, deseo, desde, perdido=perdido)
        self._asegurar(inquilino)

    def sellar(self, cliente: Cliente) -> str | None:
        """The next message of a client as it is sent; ``None`` when there is none."""
        carta = cliente.buzon.sacar()
        if carta is None:
            return None
        inquilino = self._inquilinos.get(cliente.portador.client_id)
        return cliente.sellar(carta, None if inquilino is None else inquilino.posicion_de(cliente))

    async def cerrar(self) -> None:
        """End all that is under way."""
        tareas = list(self._tareas.values())
        for tarea in tareas:
            tarea.cancel()
        await asyncio.gather(*tareas, return_exceptions=True)

    def _inquilino(self, cliente: Cliente) -> Inquilino:
        client_id = cliente.portador.client_id
        if client_id not in self._inquilinos:
            self._inquilinos[client_id] = Inquilino(
                self.entorno, client_id, self._limites, self.en_hilo, self._unido
            )
        return self._inquilinos[client_id]

    def _unido(self, cliente: Cliente) -> None:
        """What a client wants counts from now on: start or stop what reads prices and positions for it."""
        deseo, client_id = cliente.deseo, cliente.portador.client_id
        for bomba in self._bombas.values():
            bomba.quitar(cliente)
        modo = deseo.entorno or self.entorno.mercados.por_defecto
        plaza = self.entorno.mercados.una(modo)
        if Canal.PRECIOS in deseo.canales and modo is not None and plaza is not None:
            if modo not in self._bombas:
                self._bombas[modo] = Bomba(modo, plaza, self._simbolos_de, self._limites.precios_s)
            bomba = self._bombas[modo]
            bomba.poner(cliente)
            self._asegurar(bomba)
        posiciones = self._posiciones.setdefault(
            client_id, Posiciones(self.entorno, client_id, self._limites.posiciones_s)
        )
        posiciones.quitar(cliente)
        if Canal.POSICIONES in deseo.canales:
            posiciones.poner(cliente)
            self._asegurar(posiciones)

    def _simbolos_de(self, cliente: Cliente) -> frozenset[str] | None:
        return self._inquilinos[cliente.portador.client_id].simbolos_de(cliente)

    def _despedir(self, cliente: Cliente) -> None:
        client_id = cliente.portador.client_id
        self._clientes.discard(cliente)
        self._por_inquilino[client_id] -= 1
        for bomba in self._bombas.values():
            bomba.quitar(cliente)
        if client_id in self._posiciones:
            self._posiciones[client_id].quitar(cliente)
        if client_id in self._inquilinos:
            self._inquilinos[client_id].quitar(cliente)
        if not self._por_inquilino[client_id]:
            del self._por_inquilino[client_id]
            # Whoever comes next begins with a reader that knows nothing.
            self._inquilinos.pop(client_id, None)
            self._posiciones.pop(client_id, None)

    async def en_hilo(self, hacer: Callable[[], T]) -> T:
        """Call something that blocks, off the loop, a few at a time."""
        async with self._turno:
            return await asyncio.to_thread(hacer)

    def _asegurar(self, quien: _Servicio) -> None:
        """Let something run, unless it does."""
        antes = self._tareas.get(quien)
        if antes is not None and not antes.done():
            return
        tarea = asyncio.get_running_loop().create_task(quien.correr())
        self._tareas[quien] = tarea
        tarea.add_done_callback(lambda acabada: self._acabada(quien, acabada))

    def _acabada(self, quien: _Servicio, tarea: asyncio.Task[None]) -> None:
        if self._tareas.get(quien) is tarea:
            del self._tareas[quien]
        if tarea.cancelled() or tarea.exception() is None:
            return
        log.error("mensajes_interrumpidos", exc_info=tarea.exception())
        for cliente in quien.clientes:
            cliente.acabar(Cierre.DEFECTO)


class _Vigilante:
    """Tells clients that the line is alive, and ends those whose time is over."""

    def __init__(self, central: Central) -> None:
        self._central = central

    @property
    def clientes(self) -> Collection[Cliente]:
        """Every socket."""
        return self._central.clientes

    async def correr(self) -> None:
        """Watch until there are none."""
        limites = self._central.entorno.mensajes
        latido_s = time.monotonic()
        while self.clientes:
            await asyncio.sleep(limites.credenciales_s)
            ahora_s = time.monotonic()
            if ahora_s - latido_s >= limites.latido_s:
                latido_s = ahora_s
                self._latir()
            self._despedir(ahora_s)
            # What cannot be looked up has not been revoked as far as anybody knows.
            with suppress(DBAPIError, SinConexion):
                await self._comprobar()

    def _latir(self) -> None:
        carta = escribir_carta("heartbeat", None, {}, time.time())
        for cliente in self.clientes:
            cliente.buzon.poner_estado("heartbeat", carta)

    def _despedir(self, ahora_s: float) -> None:
        entorno = self._central.entorno
        ahora_ms = entorno.ahora_ms()
        for cliente in self.clientes:
            desde_s, vence_ms = cliente.ocioso_desde_s, cliente.portador.vence_ms
            if desde_s is not None and ahora_s - desde_s >= entorno.mensajes.ocioso_s:
                cliente.acabar(Cierre.OCIOSO)
            if vence_ms is not None and ahora_ms >= vence_ms:
                cliente.acabar(Cierre.FICHA)

    async def _comprobar(self) -> None:
        portadores = {cliente.portador for cliente in self.clientes}
        almacen = self._central.entorno.almacen
        buenos = await self._central.en_hilo(lambda: vigentes(almacen, portadores))
        for cliente in self.clientes:
            if cliente.portador in portadores - buenos:
                cliente.acabar(Cierre.FICHA)
