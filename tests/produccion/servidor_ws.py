"""A server of sockets that plays scripts, and what it takes to listen to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

KLINE: dict[str, Any] = {
    "e": "kline",
    "E": 1_000,
    "s": "BTCUSDT",
    "k": {"t": 0, "T": 59_999, "i": "1m", "o": "1", "h": "3", "l": "0.5", "c": "2", "v": "10", "x": True},
}
MARK: dict[str, Any] = {
    "e": "markPriceUpdate",
    "E": 2_000,
    "s": "BTCUSDT",
    "p": "30000.5",
    "i": "30000",
    "r": "0.0001",
}

Atender = Callable[[web.WebSocketResponse], Awaitable[None]]


class Servidor:
    """Each connection is served by the next script; the last one stays."""

    def __init__(self) -> None:
        self.guiones: list[Atender] = []
        self.conexiones: list[str] = []
        self.rechaza = 0
        self.abiertas = 0
        self.base = ""

    async def atender(self, peticion: web.Request) -> web.StreamResponse:
        """Serve one connection."""
        self.conexiones.append(str(peticion.rel_url))
        if self.rechaza > 0:
            self.rechaza -= 1
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(peticion)
        guion = self.guiones.pop(0) if len(self.guiones) > 1 else self.guiones[0]
        self.abiertas += 1
        try:
            await guion(socket)
        except ConnectionResetError:
            pass
        finally:
            self.abiertas -= 1
        return socket


@asynccontextmanager
async def un_servidor() -> AsyncIterator[Servidor]:
    """One that listens."""
    suyo = Servidor()
    aplicacion = web.Application()
    aplicacion.router.add_get("/{resto:.*}", suyo.atender)
    corredor = web.AppRunner(aplicacion, access_log=None, shutdown_timeout=0.1)
    await corredor.setup()
    await web.TCPSite(corredor, "127.0.0.1", 0).start()
    suyo.base = f"ws://127.0.0.1:{corredor.addresses[0][1]}"
    try:
        yield suyo
    finally:
        await corredor.cleanup()


def envia(*mensajes: Any, combinado: bool = True, calla: bool = True, cada_s: float = 0.0) -> Atender:
    """Send messages, then stay silent or close."""

    async def guion(socket: web.WebSocketResponse) -> None:
        for mensaje in mensajes:
            await socket.send_str(json.dumps({"stream": "x", "data": mensaje} if combinado else mensaje))
            if cada_s:
                await asyncio.sleep(cada_s)
        if calla:
            await socket.receive()

    return guion


def dice(texto: str) -> Atender:
    """Send one text as it is, then stay silent."""

    async def guion(socket: web.WebSocketResponse) -> None:
        await socket.send_str(texto)
        await socket.receive()

    return guion


async def tomar(eventos: AsyncIterator[Any], cuantos: int, limite_s: float = 10.0) -> list[Any]:
    """The first events."""
    tomados: list[Any] = []
    try:
        async with asyncio.timeout(limite_s):
            async for evento in eventos:
                tomados.append(evento)
                if len(tomados) == cuantos:
                    break
    finally:
        await eventos.aclose()  # type: ignore[attr-defined]
    return tomados
