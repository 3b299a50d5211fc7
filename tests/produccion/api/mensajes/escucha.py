"""A client of the socket of messages."""

from __future__ import annotations

import asyncio
import socket as enchufes
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from tests.produccion.api.banco import Api

RUTA = "/api/v1/message/ws"
PLAZO_S = 20.0


class Escucha:
    """What one socket was told."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.vistos: list[dict[str, Any]] = []

    async def pedir(self, *canales: str, **otros: Any) -> None:
        """Subscribe."""
        await self.decir({"subscribe": list(canales), **otros})

    async def decir(self, mensaje: Any) -> None:
        await self.socket.send_bytes(mensaje) if isinstance(mensaje, bytes) else await self.socket.send_str(
            mensaje if isinstance(mensaje, str) else orjson.dumps(mensaje).decode()
        )

    async def siguiente(self) -> dict[str, Any]:
        """The next message; a socket that ends is a failure."""
        async with asyncio.timeout(PLAZO_S):
            crudo = await self.socket.receive()
        assert crudo.type is aiohttp.WSMsgType.TEXT, (crudo, self.socket.close_code)
        mensaje = orjson.loads(crudo.data)
        self.vistos.append(mensaje)
        return mensaje

    async def hasta(
        self, tipo: str, cuando: Callable[[dict[str, Any]], bool] = lambda _: True
    ) -> dict[str, Any]:
        """The next message of a kind."""
        while True:
            mensaje = await self.siguiente()
            if mensaje["type"] == tipo and cuando(mensaje):
                return mensaje

    async def cierre(self) -> int | None:
        """The code that the socket ends with."""
        async with asyncio.timeout(PLAZO_S):
            while (ultimo := await self.socket.receive()).type is aiohttp.WSMsgType.TEXT:
                self.vistos.append(orjson.loads(ultimo.data))
        return ultimo.data if ultimo.type is aiohttp.WSMsgType.CLOSE else self.socket.close_code

    def de(self, tipo: str) -> list[dict[str, Any]]:
        """Payloads of the messages of a kind so far."""
        return [mensaje["payload"] for mensaje in self.vistos if mensaje["type"] == tipo]


@asynccontextmanager
async def escuchando(
    api: Api, ficha: str | None = None, campos: str = "", **otros: Any
) -> AsyncIterator[Escucha]:
    """A socket, with a token unless `otros` brings headers."""
    fabrica = _estrecho if otros.pop("estrecho", False) else None
    cabeceras = dict(otros.pop("headers", {}))
    if ficha is not None:
        cabeceras["Authorization"] = f"Bearer {ficha}"
    url = api.url.replace("http", "ws", 1) + RUTA + campos
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=fabrica)) as sesion,
        sesion.ws_connect(url, headers=cabeceras, **otros) as socket,
    ):
        yield Escucha(socket)


def _estrecho(direccion: Any) -> enchufes.socket:
    """A socket that takes little before somebody reads it."""
    uno = enchufes.socket(*direccion[:3])
    uno.setsockopt(enchufes.SOL_SOCKET, enchufes.SO_RCVBUF, 8_192)
    return uno


async def rechazo(api: Api, ficha: str | None = None, campos: str = "", **otros: Any) -> int:
    """The status that refuses a socket."""
    try:
        async with escuchando(api, ficha, campos, **otros):
            raise AssertionError("the socket was opened")
    except aiohttp.WSServerHandshakeError as fallo:
        return fallo.status
