"""Requests at a constant rate, whatever the answers do: ``python -m bench.carga``, told what as JSON.

Every request has its instant, fixed beforehand, and is counted from it: one that could not be sent because
the answers before it were late has waited all the same.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from typing import Any, NamedTuple, cast

import uvloop

_POR_CLIENTE = 4  # connections that each client keeps open
_ADELANTO_S = 0.5
_ACABAR_S = 10.0  # that the last answers get


class Pedido(NamedTuple):
    """One request."""

    instante_s: float
    bytes_: bytes
    esperado: bytes  # what its answer has to contain


class Cliente:
    """The connections of one tenant; what finds none free waits in line."""

    def __init__(self, resultado: Resultado) -> None:
        self._resultado = resultado
        self._libres: deque[Conexion] = (
            deque()
        )  # that which has waited longest first: a server closes idle ones
        self._cola: deque[Pedido] = deque()

    async def conectar(self, anfitrion: str, puerto: int) -> None:
        """Open them all."""
        bucle = asyncio.get_running_loop()
        for _ in range(_POR_CLIENTE):
            await bucle.create_connection(lambda: Conexion(self, self._resultado), anfitrion, puerto)

    def pedir(self, pedido: Pedido) -> None:
        """Send, or wait for an answer to send after."""
        if self._libres:
            self._libres.popleft().enviar(pedido)
        else:
            self._cola.append(pedido)

    def libre(self, conexion: Conexion) -> None:
        """A connection has its answer."""
        if self._cola:
            conexion.enviar(self._cola.popleft())
        else:
            self._libres.append(conexion)

    def cerrar(self) -> None:
        """Close what is free."""
        for conexion in tuple(self._libres):
            conexion.cerrar()

    def perdida(self, conexion: Conexion) -> None:
        """A connection is no more."""
        if conexion in self._libres:
            self._libres.remove(conexion)


class Resultado:
    """What came of the requests."""

    def __init__(self, desde_s: float, cuantas: int) -> None:
        self._desde_s = desde_s
        self._faltan = cuantas
        self.latencias_ms: list[float] = []
        self.malas: list[str] = []
        self.acabado = asyncio.Event()

    def contestada(self, pedido: Pedido, cabeza: bytes, cuerpo: bytes) -> None:
        """An answer is whole."""
        ahora_s = time.perf_counter()
        if not cabeza.startswith(b"HTTP/1.1 200 ") or pedido.esperado not in cuerpo:
            self.malas.append(f"{pedido.bytes_[:60]!r}: {cabeza[:40]!r} {cuerpo[:200]!r}")
        if pedido.instante_s >= self._desde_s:
            self.latencias_ms.append(1e3 * (ahora_s - pedido.instante_s))
        self._faltan -= 1
        if not self._faltan:
            self.acabado.set()


class Conexion(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self, cliente: Cliente, resultado: Resultado) -> None:
        self._cliente = cliente
        self._resultado = resultado
        self._pedido: Pedido | None = None
        self._recibido = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is free."""
        self._transporte = cast(asyncio.Transport, transport)
        self._cliente.libre(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """No answer comes any more."""
        self._cliente.perdida(self)
        if self._pedido is not None:
            self._resultado.contestada(self._pedido, b"", f"connection lost: {exc}".encode())

    def cerrar(self) -> None:
        """Hang up."""
        self._transporte.close()

    def enviar(self, pedido: Pedido) -> None:
        """Send one request."""
        self._pedido = pedido
        self._transporte.write(pedido.bytes_)

    def data_received(self, data: bytes) -> None:
        """Take bytes; free again once the answer is whole."""
        self._recibido += data
        cabeza, hay, cuerpo = self._recibido.partition(b"\r\n\r\n")
        if not hay or len(cuerpo) < _largo(cabeza):
            return
        pedido, self._pedido, self._recibido = self._pedido, None, b""
        assert pedido is not None
        self._resultado.contestada(pedido, cabeza, cuerpo)
        self._cliente.libre(self)


def _largo(cabeza: bytes) -> int:
    despues = cabeza.lower().partition(b"content-length:")[2]
    return int(despues.partition(b"\r\n")[0])


async def cargar(encargo: dict[str, Any]) -> dict[str, Any]:
    """Send everything at its instant, and wait for all answers."""
    ritmo, tokens = encargo["per_second"], encargo["tokens"]
    cuantas = int(ritmo * (encargo["warm_up_s"] + encargo["seconds"]))
    empieza_s = time.perf_counter() + _ADELANTO_S
    resultado = Resultado(empieza_s + encargo["warm_up_s"], cuantas)
    clientes = [Cliente(resultado) for _ in tokens]
    for cliente in clientes:
        await cliente.conectar("127.0.0.1", encargo["port"])
    crudos = [[_peticion(ruta, token) for ruta in encargo["paths"]] for token in tokens]
    esperados = [[texto.encode() for texto in textos] for textos in encargo["expected"]]
    for i in range(cuantas):
        instante_s = empieza_s + i / ritmo
        quien, que = i % len(tokens), i // len(tokens) % len(encargo["paths"])
        if (falta_s := instante_s - time.perf_counter()) > 0:
            await asyncio.sleep(falta_s)
        clientes[quien].pedir(Pedido(instante_s, crudos[quien][que], esperados[quien][que]))
    async with asyncio.timeout(_ACABAR_S):
        await resultado.acabado.wait()
    for cliente in clientes:
        cliente.cerrar()
    return {"latencies_ms": resultado.latencias_ms, "bad": resultado.malas}


def _peticion(ruta: str, token: str) -> bytes:
    return f"GET {ruta} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


def principal() -> None:
    """Read what to do from standard input, print what came of it."""
    print(json.dumps(uvloop.run(cargar(json.loads(sys.stdin.read())))))


if __name__ == "__main__":
    principal()
