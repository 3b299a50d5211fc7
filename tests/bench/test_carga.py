"""The load keeps its rate whatever the answers do, and counts the wait of what could not be sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bench.carga import cargar

HOLA = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhola"
RETENIDO_S = 0.3


class Servidor:
    """Answers nobody before it is let, and knows who waits."""

    def __init__(self, respuesta: bytes) -> None:
        self._respuesta = respuesta
        self._esperan: list[asyncio.Transport] = []
        self._abierto = False
        self.pedidas = 0
        self.todas = asyncio.Event()  # the connections of a client are busy

    def abrir(self) -> None:
        self._abierto = True
        for transporte in self._esperan:
            transporte.write(self._respuesta)

    def pedir(self, transporte: asyncio.Transport) -> None:
        self.pedidas += 1
        if self._abierto:
            transporte.write(self._respuesta)
            return
        self._esperan.append(transporte)
        if len(self._esperan) == 4:
            self.todas.set()


class Conexion(asyncio.Protocol):
    def __init__(self, servidor: Servidor) -> None:
        self._servidor = servidor

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transporte = transport

    def data_received(self, data: bytes) -> None:
        assert data.endswith(b"\r\n\r\n")
        self._servidor.pedir(self._transporte)  # type: ignore[arg-type]


@asynccontextmanager
async def un_servidor(
    respuesta: bytes = HOLA, *, abierto: bool = True
) -> AsyncIterator[tuple[Servidor, int]]:
    servidor = Servidor(respuesta)
    if abierto:
        servidor.abrir()
    bucle = asyncio.get_running_loop()
    async with await bucle.create_server(lambda: Conexion(servidor), "127.0.0.1", 0) as escucha:
        yield servidor, escucha.sockets[0].getsockname()[1]


def un_encargo(puerto: int, **cambios: Any) -> dict[str, Any]:
    comunes = {"port": puerto, "tokens": ["t"], "paths": ["/a"], "expected": [["hola"]]}
    return {**comunes, "per_second": 100, "warm_up_s": 0.0, "seconds": 0.2, **cambios}


async def test_lo_que_no_se_pudo_enviar_a_tiempo_cuenta_desde_que_debia():
    """Of 20 requests four fit into the connections; the others wait for them, and their wait counts."""
    async with un_servidor(abierto=False) as (servidor, puerto):
        tarea = asyncio.create_task(cargar(un_encargo(puerto)))
        await servidor.todas.wait()
        await asyncio.sleep(RETENIDO_S)
        assert servidor.pedidas == 4
        servidor.abrir()
        resultado = await tarea

    assert resultado["bad"] == []
    assert len(resultado["latencies_ms"]) == 20
    assert sum(ms >= 1_000 * RETENIDO_S - 200 for ms in resultado["latencies_ms"]) == 20


async def test_lo_que_es_de_antes_de_contar_no_se_cuenta():
    async with un_servidor() as (_, puerto):
        resultado = await cargar(un_encargo(puerto, warm_up_s=0.1, seconds=0.1))

    assert len(resultado["latencies_ms"]) == 10


async def test_una_respuesta_que_no_es_la_que_debe_se_dice():
    async with un_servidor(b"HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nhola") as (_, puerto):
        resultado = await cargar(un_encargo(puerto, seconds=0.05))

    assert len(resultado["bad"]) == 5
    assert "503" in resultado["bad"][0]


async def test_lo_de_otro_tambien_es_una_mala_respuesta():
    async with un_servidor() as (_, puerto):
        resultado = await cargar(un_encargo(puerto, seconds=0.05, expected=[["adios"]]))

    assert len(resultado["bad"]) == 5
