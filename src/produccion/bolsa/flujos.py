"""The market's socket: reconnected without end, watched for silence, renewed before the exchange ends it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import aiohttp
import structlog

from src.nucleo.errores import LecturaFallida
from src.produccion.bolsa.enchufe import FALLOS_DE_SOCKET, Retroceso, Vigia, abrir, cerrar, recibir
from src.produccion.bolsa.lectura_flujo import leer_evento
from src.produccion.puertos import (
    EventoConexion,
    EventoMark,
    EventoMercado,
    EventoVela,
    Reloj,
)

_SOLAPE_S = 60.0
_OTRO_INTENTO_S = 600.0

log = structlog.get_logger(__name__)


class AjustesFlujos(NamedTuple):
    """How the sockets are looked after; wall seconds."""

    silencio_mark_s: float | None = 60.0  # of the mark price; ``None`` waits for ever
    silencio_vela_s: float | None = 60.0  # of the klines
    espera_max_s: float = 30.0  # between two tries to reconnect
    renovar_s: float = 23 * 3_600.0  # a new socket takes over; the exchange ends it after 24 h
    prolongar_s: float = 30 * 60.0  # the listen key is extended; it lives for an hour
    anuncia_al_abrir: bool = False  # for a market that says nothing before its agents have joined


class Oyente(Protocol):
    """Whoever wants to know whether a socket is down."""

    def cae(self, motivo: str) -> None:
        """It has failed, or could not be opened."""
        ...

    def vuelve(self) -> None:
        """It speaks."""
        ...


@dataclass(slots=True)
class _Relevo:
    """A socket that has spoken on every stream and can take over."""

    socket: aiohttp.ClientWebSocketResponse
    eventos: list[EventoMercado]
    primeros_ms: dict[str, int]

    def continua(self, ultimos: dict[str, EventoMercado]) -> bool:
        """Whether nothing lies between what the old socket said last and what this one said first."""
        return all(
            flujo in ultimos and ultimos[flujo].instante_ms >= primero_ms
            for flujo, primero_ms in self.primeros_ms.items()
        )


@dataclass(slots=True)
class _Vida:
    """The socket in use, and the one that will take over."""

    socket: aiohttp.ClientWebSocketResponse
    renovar_s: float
    ultimos: dict[str, EventoMercado] = field(default_factory=dict)
    pendientes: deque[EventoMercado] = field(default_factory=deque)
    marcas: dict[str, EventoMercado] = field(default_factory=dict)
    relevo: asyncio.Task[_Relevo] | None = None

    def relevar(self, relevo: _Relevo) -> None:
        """Go over to another socket, which begins before this one ends."""
        self.socket, self.relevo = relevo.socket, None
        self.pendientes.extend(relevo.eventos)
        self.marcas = dict(self.ultimos)

    def repite(self, flujo: str, evento: EventoMercado) -> bool:
        """Whether the former socket has said this already."""
        marca = self.marcas.get(flujo)
        if marca is None:
            return False
        if evento.instante_ms < marca.instante_ms or evento == marca:
            return True
        del self.marcas[flujo]
        return False

    async def cerrar(self) -> None:
        """Close both."""
        if self.relevo is not None:
            self.relevo.cancel()
            preparado = (await asyncio.gather(self.relevo, return_exceptions=True))[0]
            if isinstance(preparado, _Relevo):
                await cerrar(preparado.socket)
        await cerrar(self.socket)


class FlujoMercado:
    """Mark price and klines of one symbol, in the order the exchange sent them.

    Args:
        sesion: HTTP session that opens the sockets.
        base: WebSocket address without the routed category.
        reloj: Learns the time of every event.
        ajustes: How the sockets are looked after.
        oyente: Told when the stream is down and when it is back.
    """

    def __init__(
        self,
        sesion: aiohttp.ClientSession,
        base: str,
        reloj: Reloj,
        ajustes: AjustesFlujos | None = None,
        oyente: Oyente | None = None,
    ) -> None:
        self._oyente = oyente
        self._sesion = sesion
        self._base = base
        self._reloj = reloj
        self._ajustes = ajustes or AjustesFlujos()

    async def eventos(self, simbolo: str, intervalo: str) -> AsyncIterator[EventoMercado]:
        """Events for ever; every (re)connection is announced by an `EventoConexion` once it has spoken."""
        mark, vela = f"{simbolo.lower()}@markPrice@1s", f"{simbolo.lower()}@kline_{intervalo}"
        url = f"{self._base}/market/stream?streams={mark}/{vela}"
        retroceso = Retroceso(self._ajustes.espera_max_s)
        vigia = Vigia({mark: self._ajustes.silencio_mark_s, vela: self._ajustes.silencio_vela_s})
        while True:
            try:
                vida = _Vida(await abrir(self._sesion, url), self._cuando_renovar())
                try:
                    async with aclosing(self._vivir(vida, vigia, url, (mark, vela))) as eventos:
                        async for evento in eventos:
                            if self._oyente is not None and isinstance(evento, EventoConexion):
                                self._oyente.vuelve()
                            yield evento
                finally:
                    await vida.cerrar()
            except (LecturaFallida, *FALLOS_DE_SOCKET) as fallo:
                motivo = f"{type(fallo).__name__}: {fallo}"
                log.warning("flujo_caido", flujo="market", motivo=motivo)
                if self._oyente is not None:
                    self._oyente.cae(motivo)
            await retroceso.esperar()

    async def _vivir(
        self, vida: _Vida, vigia: Vigia, url: str, flujos: tuple[str, str]
    ) -> AsyncGenerator[EventoMercado]:
        vigia.abrir()
        anunciada = self._ajustes.anuncia_al_abrir
        if anunciada:
            yield EventoConexion(self._reloj.ahora_ms())
        while True:
            evento = vida.pendientes.popleft() if vida.pendientes else await _escuchar(vida.socket, vigia)
            if evento is None:
                continue
            if not anunciada:
                anunciada = True
                yield EventoConexion(self._reloj.ahora_ms())
            flujo = _flujo_de(evento, flujos)
            vigia.oir(flujo)
            if not vida.repite(flujo, evento):
                vida.ultimos[flujo] = evento
                self._reloj.observar(evento.instante_ms)
                yield evento
            await self._relevar(vida, url, flujos)

    async def _relevar(self, vida: _Vida, url: str, flujos: tuple[str, str]) -> None:
        """Prepare the next socket when it is time, and go over to it when it continues this one."""
        ahora = asyncio.get_running_loop().time()
        if vida.relevo is None:
            if ahora >= vida.renovar_s:
                vida.relevo = asyncio.create_task(self._preparar(url, flujos), name="relevo")
            return
        if not vida.relevo.done():
            return
        if (fallo := vida.relevo.exception()) is not None:
            log.warning("relevo_fallido", flujo="market", motivo=repr(fallo))
            vida.relevo, vida.renovar_s = None, ahora + _OTRO_INTENTO_S
            return
        relevo = vida.relevo.result()
        if relevo.continua(vida.ultimos):
            viejo = vida.socket
            vida.relevar(relevo)
            vida.renovar_s = self._cuando_renovar()
            await cerrar(viejo)
            log.info("flujo_renovado", flujo="market")

    async def _preparar(self, url: str, flujos: tuple[str, str]) -> _Relevo:
        socket = await abrir(self._sesion, url)
        relevo = _Relevo(socket, [], {})
        try:
            async with asyncio.timeout(_SOLAPE_S):
                while len(relevo.primeros_ms) < len(flujos):
                    evento = leer_evento(await recibir(socket, None) or "")
                    if isinstance(evento, EventoMark | EventoVela):
                        relevo.eventos.append(evento)
                        relevo.primeros_ms.setdefault(_flujo_de(evento, flujos), evento.instante_ms)
        except BaseException:
            await cerrar(socket)
            raise
        return relevo

    def _cuando_renovar(self) -> float:
        return asyncio.get_running_loop().time() + self._ajustes.renovar_s


async def _escuchar(socket: aiohttp.ClientWebSocketResponse, vigia: Vigia) -> EventoMercado | None:
    texto = await recibir(socket, vigia.paciencia_s())
    return None if texto is None else leer_evento(texto)


def _flujo_de(evento: EventoMercado, flujos: tuple[str, str]) -> str:
    mark, vela = flujos
    match evento:
        case EventoMark():
            return mark
        case EventoVela():
            return vela
        case _:
            return ""
