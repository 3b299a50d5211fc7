"""From a price's arrival at the API to its receipt by each of a hundred sockets."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
from aiohttp import web
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from bench.medida import Cota, Medida, percentil
from src.produccion.almacen.conexion import abrir_almacen
from src.produccion.api.identificacion import Rol
from src.produccion.api.usuarios import HORA_MS, anadir_usuario, dar_ficha

_CLIENTES = 100
_SIMBOLOS = ("BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT")
_DURACION_S, _DURACION_RAPIDA_S = 30.0, 8.0
_LISTOS_S = 60.0
_ULTIMO_S = 1.0  # for what is under way when the measurement ends
_NS_POR_MS = 1e6


class BolsaDePrecios:
    """Shows other prices at every look, and remembers when it did."""

    def __init__(self) -> None:
        self.dichos_ns: dict[tuple[str, str], int] = {}  # by kind and price
        self._cuenta = count(10_000)
        self.url = ""

    async def empezar(self) -> web.AppRunner:
        """Listen on a free port."""
        aplicacion = web.Application()
        aplicacion.router.add_get("/fapi/v1/ticker/bookTicker", self._mejores)
        aplicacion.router.add_get("/fapi/v1/ticker/price", self._ultimos)
        corredor = web.AppRunner(aplicacion, access_log=None)
        await corredor.setup()
        await web.TCPSite(corredor, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{corredor.addresses[0][1]}"
        return corredor

    async def _mejores(self, _: web.Request) -> web.Response:
        bid = f"{next(self._cuenta)}.00"
        filas = [
            {"symbol": s, "bidPrice": bid, "bidQty": "1", "askPrice": bid, "askQty": "1", "time": 1}
            for s in _SIMBOLOS
        ]
        return self._decir("bid", bid, filas)

    async def _ultimos(self, _: web.Request) -> web.Response:
        ultimo = f"{next(self._cuenta)}.00"
        return self._decir("last", ultimo, [{"symbol": s, "price": ultimo, "time": 1} for s in _SIMBOLOS])

    def _decir(self, que: str, precio: str, filas: list[dict[str, Any]]) -> web.Response:
        cuerpo = orjson.dumps(filas)
        # Before it is written: reading it counts as well.
        self.dichos_ns[que, precio] = time.perf_counter_ns()
        return web.Response(body=cuerpo, content_type="application/json")


class Oyente(asyncio.Protocol):
    """A client that notes when bytes came, and reads them later.

    Args:
        url: Of the socket.
        ficha: The token that opens it.
    """

    def __init__(self, url: str, ficha: str) -> None:
        self._protocolo = ClientProtocol(parse_uri(url))
        self._ficha = ficha
        self.listo: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.llegados: list[tuple[int, bytes]] = []  # nanoseconds, text

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the socket."""
        assert isinstance(transport, asyncio.Transport)
        self.transporte = transport
        peticion = self._protocolo.connect()
        peticion.headers["Authorization"] = f"Bearer {self._ficha}"
        self._protocolo.send_request(peticion)
        self._escribir()

    def data_received(self, data: bytes) -> None:
        """Note the time first."""
        ahora_ns = time.perf_counter_ns()
        self._protocolo.receive_data(data)
        for suceso in self._protocolo.events_received():
            if isinstance(suceso, Frame) and suceso.opcode is Opcode.TEXT:
                self.llegados.append((ahora_ns, bytes(suceso.data)))
        if len(self.llegados) > 1 and not self.listo.done():
            self.listo.set_result(None)
        self._escribir()

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits for it waits in vain."""
        if not self.listo.done():
            self.listo.set_exception(RuntimeError(f"the socket was not opened: {self._protocolo.close_exc}"))

    def _escribir(self) -> None:
        self.transporte.write(b"".join(self._protocolo.data_to_send()))


def medir_mensajes(*, rapido: bool) -> list[Medida]:
    """The real server in a process of its own, a hundred authenticated sockets over loopback in this one."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir="build") as nombre:
        muestras = asyncio.run(_medir(Path(nombre), _DURACION_RAPIDA_S if rapido else _DURACION_S))
    nota = (
        f"{_CLIENTES} sockets, {len(_SIMBOLOS)} symbols, {len(muestras):,} messages: from the exchange's"
        f" answer to the bytes at each client; worst {max(muestras):.1f} ms"
    )
    return [
        Medida(
            nombre="ws_fanout_p99_ms",
            valor=percentil(muestras, 99.0),
            unidad="ms",
            cota=Cota(100.0),
            nota=nota,
        ),
        Medida(nombre="ws_fanout_p50_ms", valor=percentil(muestras, 50.0), unidad="ms", nota=nota),
    ]


async def _medir(carpeta: Path, duracion_s: float) -> list[float]:
    ficha = _preparar(carpeta)
    bolsa = BolsaDePrecios()
    corredor = await bolsa.empezar()
    try:
        with _api(carpeta, bolsa.url) as servida:
            url = await asyncio.to_thread(servida.escucha)
            oyentes = [await _abrir(url, ficha) for _ in range(_CLIENTES)]
            async with asyncio.timeout(_LISTOS_S):
                await asyncio.gather(*(oyente.listo for oyente in oyentes))
            desde_ns = time.perf_counter_ns()
            await asyncio.sleep(duracion_s)
            hasta_ns = time.perf_counter_ns()
            await asyncio.sleep(_ULTIMO_S)
            for oyente in oyentes:
                oyente.transporte.abort()
    finally:
        await corredor.cleanup()
    return _muestras(bolsa, oyentes, desde_ns, hasta_ns)


def _preparar(carpeta: Path) -> str:
    """A store with a user; its token."""
    motor = abrir_almacen(f"sqlite:///{carpeta / 'timonel.sqlite'}", carpeta)
    try:
        anadir_usuario(motor, "bench", Rol.LECTOR, "default", None)
        return dar_ficha(motor, "bench", HORA_MS, "bench").ficha.texto
    finally:
        motor.dispose()


class _Servida:
    """The API as a process."""

    def __init__(self, proceso: subprocess.Popen[str]) -> None:
        self.proceso = proceso

    def escucha(self) -> str:
        """Its address, once it listens. Blocks."""
        assert self.proceso.stderr is not None
        linea = self.proceso.stderr.readline()
        if not linea.startswith("listening on "):
            raise RuntimeError(f"the API did not start: {linea}")
        return linea.split()[-1]


@contextmanager
def _api(carpeta: Path, bolsa: str) -> Iterator[_Servida]:
    limpio = {clave: valor for clave, valor in os.environ.items() if not clave.startswith("TIMONEL_")}
    proceso = subprocess.Popen(
        [sys.executable, "-m", "src.cli.app", "api", "--state-dir", str(carpeta), "--port", "0"],
        env=limpio | {"TIMONEL_EXCHANGE_URL": bolsa},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield _Servida(proceso)
    finally:
        proceso.terminate()
        try:
            proceso.communicate(timeout=_LISTOS_S)
        finally:
            proceso.kill()


async def _abrir(url: str, ficha: str) -> Oyente:
    partes = urlsplit(url)
    destino = f"ws://{partes.netloc}/api/v1/message/ws?subscribe=prices&symbols={','.join(_SIMBOLOS)}"
    _, oyente = await asyncio.get_running_loop().create_connection(
        lambda: Oyente(destino, ficha), partes.hostname, partes.port
    )
    return oyente


def _muestras(bolsa: BolsaDePrecios, oyentes: Sequence[Oyente], desde_ns: int, hasta_ns: int) -> list[float]:
    """Milliseconds of each price at each client.

    Raises:
        RuntimeError: Somebody was not told a price that others were told.
    """
    muestras: list[float] = []
    oidos: list[set[tuple[str, str]]] = []
    for oyente in oyentes:
        oidos.append(set())
        for llegado_ns, crudo in oyente.llegados:
            mensaje = orjson.loads(crudo)
            if mensaje["type"] != "price":
                continue
            precio = mensaje["payload"]
            # It has arrived when both of its answers have.
            dicho_ns = max(bolsa.dichos_ns["bid", precio["bid"]], bolsa.dichos_ns["last", precio["last"]])
            if desde_ns <= dicho_ns < hasta_ns:
                oidos[-1].add((precio["symbol"], precio["bid"]))
                muestras.append((llegado_ns - dicho_ns) / _NS_POR_MS)
    if any(oido != oidos[0] for oido in oidos) or not muestras:
        raise RuntimeError("not every client was told every price")
    return muestras
