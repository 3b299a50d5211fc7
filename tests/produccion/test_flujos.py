"""The daemon's sockets against a local server that closes, falls silent and talks nonsense."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from src.nucleo.errores import LecturaFallida
from src.nucleo.tipos import Vela
from src.produccion.flujos import FlujoCuenta, FlujoMercado, leer_evento
from src.produccion.puertos import (
    EventoConexion,
    EventoCuenta,
    EventoFin,
    EventoMark,
    EventoMercado,
    EventoVela,
)
from tests.produccion.falsos import RelojFalso

RED = True

KLINE = {
    "e": "kline",
    "E": 1_000,
    "s": "BTCUSDT",
    "k": {"t": 0, "T": 59_999, "i": "1m", "o": "1", "h": "3", "l": "0.5", "c": "2", "v": "10", "x": True},
}
MARK = {"e": "markPriceUpdate", "E": 2_000, "s": "BTCUSDT", "p": "30000.5", "i": "30000", "r": "0.0001"}

Atender = Callable[[web.WebSocketResponse], Awaitable[None]]


class Servidor:
    """Each connection is served by the next script; the last one stays."""

    def __init__(self) -> None:
        self.guiones: list[Atender] = []
        self.conexiones: list[str] = []
        self.rechaza = 0
        self.base = ""

    async def atender(self, peticion: web.Request) -> web.StreamResponse:
        self.conexiones.append(str(peticion.rel_url))
        if self.rechaza > 0:
            self.rechaza -= 1
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(peticion)
        guion = self.guiones.pop(0) if len(self.guiones) > 1 else self.guiones[0]
        await guion(socket)
        return socket


def envia(*mensajes: Any, combinado: bool = True, calla: bool = True) -> Atender:
    """Send messages, then stay silent or close."""

    async def guion(socket: web.WebSocketResponse) -> None:
        for mensaje in mensajes:
            await socket.send_str(json.dumps({"stream": "x", "data": mensaje} if combinado else mensaje))
        if calla:
            await socket.receive()

    return guion


@pytest.fixture
async def servidor() -> AsyncIterator[Servidor]:
    suyo = Servidor()
    aplicacion = web.Application()
    aplicacion.router.add_get("/{resto:.*}", suyo.atender)
    corredor = web.AppRunner(aplicacion, access_log=None, shutdown_timeout=0.1)
    await corredor.setup()
    await web.TCPSite(corredor, "127.0.0.1", 0).start()
    suyo.base = f"ws://127.0.0.1:{corredor.addresses[0][1]}"
    yield suyo
    await corredor.cleanup()


@pytest.fixture
async def sesion() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as abierta:
        yield abierta


async def tomar(eventos: AsyncIterator[Any], cuantos: int, limite_s: float = 10.0) -> list[Any]:
    tomados: list[Any] = []
    async with asyncio.timeout(limite_s):
        async for evento in eventos:
            tomados.append(evento)
            if len(tomados) == cuantos:
                break
    await eventos.aclose()  # type: ignore[attr-defined]
    return tomados


def mercado(servidor: Servidor, sesion: aiohttp.ClientSession, **cambios: Any) -> FlujoMercado:
    return FlujoMercado(sesion, servidor.base, RelojFalso(500), **cambios)


# --- messages ---


@pytest.mark.parametrize(
    ("mensaje", "evento"),
    [
        (KLINE, EventoVela(Vela(0, 1.0, 3.0, 0.5, 2.0, 10.0), True, 1_000)),
        (
            KLINE | {"k": KLINE["k"] | {"x": False}},
            EventoVela(Vela(0, 1.0, 3.0, 0.5, 2.0, 10.0), False, 1_000),
        ),
        (MARK, EventoMark(30_000.5, 2_000)),
        ({"e": "simEnd", "E": 3_000}, EventoFin(3_000)),
        ({"e": "aggTrade", "E": 4_000}, None),
        ({"result": None, "id": 1}, None),
        ({"e": "somethingNew"}, None),
    ],
)  # type: ignore[operator]
def test_cada_mensaje_es_un_evento_o_nada(mensaje: dict[str, Any], evento: EventoMercado | None):
    assert leer_evento(json.dumps(mensaje)) == evento
    assert leer_evento(json.dumps({"stream": "s", "data": mensaje})) == evento


# --- the market socket ---


async def test_se_piden_las_dos_corrientes_en_la_categoria_de_mercado(
    servidor: Servidor, sesion: aiohttp.ClientSession
):
    servidor.guiones = [envia(MARK)]

    await tomar(mercado(servidor, sesion).eventos("BTCUSDT", "1h"), 2)

    assert servidor.conexiones == ["/market/stream?streams=btcusdt@markPrice@1s/btcusdt@kline_1h"]


async def test_los_eventos_llegan_en_orden_y_ponen_el_reloj(
    servidor: Servidor, sesion: aiohttp.ClientSession
):
    servidor.guiones = [envia({"e": "somethingNew", "E": 9}, KLINE, {"result": None, "id": 1}, MARK)]
    reloj = RelojFalso(500)

    eventos = await tomar(FlujoMercado(sesion, servidor.base, reloj).eventos("BTCUSDT", "1m"), 3)

    assert [type(e) for e in eventos] == [EventoConexion, EventoVela, EventoMark]
    assert eventos[0] == EventoConexion(500)
    assert reloj.ahora_ms() == 2_000


async def test_un_cierre_se_reconecta_y_se_anuncia(servidor: Servidor, sesion: aiohttp.ClientSession):
    servidor.guiones = [envia(MARK, calla=False), envia(MARK, calla=False), envia(MARK)]

    eventos = await tomar(mercado(servidor, sesion).eventos("BTCUSDT", "1h"), 6)

    assert [type(e) for e in eventos] == [EventoConexion, EventoMark] * 3
    assert len(servidor.conexiones) == 3


async def test_un_socket_mudo_se_abre_de_nuevo(servidor: Servidor, sesion: aiohttp.ClientSession):
    servidor.guiones = [envia(), envia(MARK)]

    eventos = await tomar(mercado(servidor, sesion, silencio_maximo_s=0.1).eventos("BTCUSDT", "1h"), 3)

    assert [type(e) for e in eventos] == [EventoConexion, EventoConexion, EventoMark]


async def test_sin_limite_de_silencio_se_espera(servidor: Servidor, sesion: aiohttp.ClientSession):
    servidor.guiones = [envia()]

    with pytest.raises(TimeoutError):
        await tomar(mercado(servidor, sesion, silencio_maximo_s=None).eventos("BTCUSDT", "1h"), 2, 0.8)
    assert len(servidor.conexiones) == 1


async def test_una_bolsa_que_no_abre_se_sigue_intentando_cada_vez_mas_despacio(
    servidor: Servidor, sesion: aiohttp.ClientSession, bitacora: list[dict[str, Any]]
):
    servidor.guiones = [envia(MARK)]
    servidor.rechaza = 2
    bucle = asyncio.get_running_loop()
    inicio = bucle.time()

    eventos = await tomar(mercado(servidor, sesion).eventos("BTCUSDT", "1h"), 2)

    assert [type(e) for e in eventos] == [EventoConexion, EventoMark]
    assert [e["event"] for e in bitacora] == ["flujo_caido"] * 2
    assert bucle.time() - inicio >= 0.25 + 0.5


async def test_una_rafaga_no_pierde_nada(servidor: Servidor, sesion: aiohttp.ClientSession):
    servidor.guiones = [envia(*[MARK | {"E": i} for i in range(1_000)])]

    eventos = await tomar(mercado(servidor, sesion).eventos("BTCUSDT", "1h"), 1_001)

    assert [e.instante_ms for e in eventos[1:]] == list(range(1_000))


@pytest.mark.parametrize(
    "texto", ["{not json", "[]", "3", '{"e": "kline", "E": 1, "k": {}}', '{"data": null}']
)
async def test_tras_un_mensaje_ilegible_se_reconecta(
    servidor: Servidor, sesion: aiohttp.ClientSession, texto: str, bitacora: list[dict[str, Any]]
):
    """What it said may have been a candle: the reconnection makes it be read by REST."""

    async def disparate(socket: web.WebSocketResponse) -> None:
        await socket.send_str(texto)
        await socket.receive()

    servidor.guiones = [disparate, envia(MARK)]

    eventos = await tomar(mercado(servidor, sesion).eventos("BTCUSDT", "1h"), 3)

    assert [type(e) for e in eventos] == [EventoConexion, EventoConexion, EventoMark]
    assert "unreadable message" in bitacora[0]["motivo"]


# --- the account socket ---


class LlaveFalsa:
    """Gives numbered keys; fails as often as it is told."""

    def __init__(self, fallos: int = 0) -> None:
        self.dadas = 0
        self._fallos = fallos

    async def clave_escucha(self) -> str:
        if self._fallos > 0:
            self._fallos -= 1
            raise LecturaFallida("no answer from the exchange")
        self.dadas += 1
        return f"clave{self.dadas}"


def cuenta(servidor: Servidor, sesion: aiohttp.ClientSession, llave: LlaveFalsa) -> FlujoCuenta:
    return FlujoCuenta(sesion, servidor.base, llave, RelojFalso(500))


async def test_la_cuenta_se_escucha_con_su_clave(servidor: Servidor, sesion: aiohttp.ClientSession):
    servidor.guiones = [
        envia({"e": "ACCOUNT_UPDATE", "E": 700}, {"e": "TRADE_LITE", "E": 1}, combinado=False)
    ]

    eventos = await tomar(cuenta(servidor, sesion, LlaveFalsa()).eventos(), 2)

    assert eventos == [EventoCuenta(500), EventoCuenta(700)]
    assert servidor.conexiones == ["/private/ws?listenKey=clave1"]


@pytest.mark.parametrize(
    "tipo", ["ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE", "ACCOUNT_CONFIG_UPDATE", "MARGIN_CALL"]
)
async def test_lo_que_cambia_la_cuenta_es_novedad(
    servidor: Servidor, sesion: aiohttp.ClientSession, tipo: str
):
    servidor.guiones = [envia({"e": "algo", "E": 1}, {"e": tipo, "E": 700}, combinado=False)]

    assert (await tomar(cuenta(servidor, sesion, LlaveFalsa()).eventos(), 2))[1] == EventoCuenta(700)


async def test_una_clave_vencida_se_pide_de_nuevo(servidor: Servidor, sesion: aiohttp.ClientSession):
    """The exchange keeps the socket open and silent after this event."""
    servidor.guiones = [envia({"e": "listenKeyExpired", "E": 700}, combinado=False), envia()]
    llave = LlaveFalsa()

    eventos = await tomar(cuenta(servidor, sesion, llave).eventos(), 2)

    assert [type(e) for e in eventos] == [EventoCuenta, EventoCuenta]
    assert servidor.conexiones[-1].endswith("clave2")


async def test_sin_clave_se_sigue_intentando(servidor: Servidor, sesion: aiohttp.ClientSession):
    servidor.guiones = [envia()]
    llave = LlaveFalsa(fallos=1)

    assert len(await tomar(cuenta(servidor, sesion, llave).eventos(), 1)) == 1


@pytest.mark.parametrize("texto", ["{not json", "[]", '{"e": "ACCOUNT_UPDATE", "E": null}'])
async def test_un_aviso_ilegible_es_novedad(servidor: Servidor, sesion: aiohttp.ClientSession, texto: str):
    async def disparate(socket: web.WebSocketResponse) -> None:
        await socket.send_str(texto)
        await socket.receive()

    servidor.guiones = [disparate, envia()]

    eventos = await tomar(cuenta(servidor, sesion, LlaveFalsa()).eventos(), 2)

    assert [type(e) for e in eventos] == [EventoCuenta] * 2
