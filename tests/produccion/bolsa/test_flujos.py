"""The market's socket against a local server that closes, falls silent and talks nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from src.produccion.bolsa.flujos import AjustesFlujos, FlujoMercado
from src.produccion.puertos import EventoConexion, EventoMark, EventoVela
from tests.produccion.falsos import OyenteFalso, RelojFalso
from tests.produccion.servidor_ws import KLINE, MARK, Atender, Servidor, dice, envia, tomar, un_servidor

RED = True


@pytest.fixture
async def servidor() -> AsyncIterator[Servidor]:
    async with un_servidor() as suyo:
        yield suyo


@pytest.fixture
async def sesion() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as abierta:
        yield abierta


def mercado(servidor: Servidor, sesion: aiohttp.ClientSession, **ajustes: Any) -> FlujoMercado:
    return FlujoMercado(sesion, servidor.base, RelojFalso(500), AjustesFlujos(**ajustes))


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


async def test_quien_oye_sabe_que_cae_y_que_vuelve(servidor: Servidor, sesion: aiohttp.ClientSession):
    servidor.guiones = [envia(calla=False), envia(MARK, calla=False), envia(MARK)]
    oyente = OyenteFalso()
    flujo = FlujoMercado(sesion, servidor.base, RelojFalso(500), AjustesFlujos(), oyente)

    await tomar(flujo.eventos("BTCUSDT", "1h"), 3)

    assert oyente.oidos == ["cae", "vuelve", "cae", "vuelve"]


async def test_antes_del_primer_mensaje_no_se_anuncia_nada(servidor: Servidor, sesion: aiohttp.ClientSession):
    """A stream on the wrong route opens too, and never speaks."""
    servidor.guiones = [envia(calla=False), envia(), envia(MARK)]

    eventos = await tomar(
        mercado(servidor, sesion, silencio_mark_s=0.1, silencio_vela_s=None).eventos("BTCUSDT", "1h"), 2
    )

    assert [type(e) for e in eventos] == [EventoConexion, EventoMark]
    assert len(servidor.conexiones) == 3


async def test_un_mercado_que_espera_a_sus_agentes_se_anuncia_al_abrir(
    servidor: Servidor, sesion: aiohttp.ClientSession
):
    servidor.guiones = [envia()]

    flujo = mercado(servidor, sesion, anuncia_al_abrir=True)

    assert [type(e) for e in await tomar(flujo.eventos("BTCUSDT", "1h"), 1)] == [EventoConexion]


@pytest.mark.parametrize(("habla", "callado"), [(MARK, "kline_1h"), (KLINE, "markPrice@1s")])
async def test_si_una_de_las_dos_corrientes_calla_se_reconecta(
    servidor: Servidor,
    sesion: aiohttp.ClientSession,
    habla: dict[str, Any],
    callado: str,
    bitacora: list[dict[str, Any]],
):
    servidor.guiones = [envia(*[habla] * 40, cada_s=0.05), envia(MARK, KLINE)]
    flujo = mercado(servidor, sesion, silencio_mark_s=0.4, silencio_vela_s=0.4)

    async with asyncio.timeout(5):
        async for evento in flujo.eventos("BTCUSDT", "1h"):
            if isinstance(evento, EventoConexion) and len(servidor.conexiones) == 2:
                break

    assert f"btcusdt@{callado} fell silent" in bitacora[0]["motivo"]


async def test_una_corriente_que_nunca_habla_se_nombra(
    servidor: Servidor, sesion: aiohttp.ClientSession, bitacora: list[dict[str, Any]]
):
    servidor.guiones = [envia(*[KLINE] * 100, cada_s=0.02)]
    flujo = mercado(servidor, sesion, silencio_mark_s=0.05, silencio_vela_s=0.5, espera_max_s=0.01)

    async with asyncio.timeout(5):
        async for _ in flujo.eventos("BTCUSDT", "1h"):
            if len(servidor.conexiones) == 4:
                break

    mudos = [e for e in bitacora if e["event"] == "flujo_mudo"]
    assert [(e["log_level"], e["flujo"], e["aperturas"]) for e in mudos] == [
        ("error", "btcusdt@markPrice@1s", 3)
    ]


async def test_quien_solo_late_calla(servidor: Servidor, sesion: aiohttp.ClientSession):
    """Pings and pongs keep a socket open; they are not what it was opened for."""

    async def late(socket: web.WebSocketResponse) -> None:
        while not socket.closed:
            await socket.ping()
            await asyncio.sleep(0.02)

    servidor.guiones = [late, envia(MARK)]
    flujo = mercado(servidor, sesion, silencio_mark_s=0.2, silencio_vela_s=None, espera_max_s=0.01)

    await tomar(flujo.eventos("BTCUSDT", "1h"), 1, 5.0)

    assert len(servidor.conexiones) == 2


async def test_sin_limite_de_silencio_se_espera(servidor: Servidor, sesion: aiohttp.ClientSession):
    servidor.guiones = [envia(MARK)]
    flujo = mercado(servidor, sesion, silencio_mark_s=None, silencio_vela_s=None)

    with pytest.raises(TimeoutError):
        await tomar(flujo.eventos("BTCUSDT", "1h"), 3, 0.8)
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


async def test_quien_habla_y_cierra_se_reconecta_cada_vez_mas_despacio(
    servidor: Servidor, sesion: aiohttp.ClientSession
):
    """The exchange bans whoever opens sockets too often."""
    servidor.guiones = [envia(MARK, calla=False)]
    bucle = asyncio.get_running_loop()
    inicio = bucle.time()

    await tomar(mercado(servidor, sesion).eventos("BTCUSDT", "1h"), 8)

    assert len(servidor.conexiones) == 4
    assert bucle.time() - inicio >= 0.25 + 0.5 + 1.0


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

    servidor.guiones = [dice(texto), envia(MARK)]

    eventos = await tomar(mercado(servidor, sesion).eventos("BTCUSDT", "1h"), 2)

    assert [type(e) for e in eventos] == [EventoConexion, EventoMark]
    assert len(servidor.conexiones) == 2
    assert "unreadable message" in bitacora[0]["motivo"]


def desde(primero: int, cada_s: float = 0.02) -> Atender:
    """Both streams, one pair after the other, the instants counting from a number."""

    async def guion(socket: web.WebSocketResponse) -> None:
        for i in range(primero, primero + 1_000):
            await socket.send_json({"data": MARK | {"E": i}})
            await socket.send_json({"data": KLINE | {"E": i}})
            with suppress(TimeoutError):
                await socket.receive(timeout=cada_s)
                return

    return guion


async def test_la_renovacion_no_pierde_ni_repite_ni_se_anuncia(
    servidor: Servidor, sesion: aiohttp.ClientSession, bitacora: list[dict[str, Any]]
):
    """The new socket begins before the old one ends, so nothing lies between them."""
    servidor.guiones = [desde(1), desde(5), desde(10**6)]
    flujo = mercado(servidor, sesion, renovar_s=0.1)

    eventos = await tomar(flujo.eventos("BTCUSDT", "1h"), 61)

    marks = [e.instante_ms for e in eventos if isinstance(e, EventoMark)]
    velas = [e.instante_ms for e in eventos if isinstance(e, EventoVela)]
    assert marks == list(range(1, len(marks) + 1))
    assert velas == list(range(1, len(velas) + 1))
    assert [type(e) for e in eventos].count(EventoConexion) == 1
    assert "flujo_renovado" in [e["event"] for e in bitacora]


async def test_un_relevo_que_no_continua_no_toma_el_sitio(
    servidor: Servidor, sesion: aiohttp.ClientSession, bitacora: list[dict[str, Any]]
):
    servidor.guiones = [desde(1), desde(10**6)]
    flujo = mercado(servidor, sesion, renovar_s=0.05)

    eventos = await tomar(flujo.eventos("BTCUSDT", "1h"), 41)

    assert max(e.instante_ms for e in eventos[1:]) < 10**6
    assert len(servidor.conexiones) == 2
    assert "flujo_renovado" not in [e["event"] for e in bitacora]


async def test_si_el_viejo_cae_antes_del_relevo_el_hueco_se_anuncia(
    servidor: Servidor, sesion: aiohttp.ClientSession
):
    servidor.guiones = [envia(*[MARK, KLINE] * 10, cada_s=0.02, calla=False), desde(10**6)]
    flujo = mercado(servidor, sesion, renovar_s=0.05)

    eventos = await tomar(flujo.eventos("BTCUSDT", "1h"), 24)

    assert [type(e) for e in eventos].count(EventoConexion) == 2
    assert len(servidor.conexiones) == 3


async def test_un_relevo_que_falla_se_intenta_mas_tarde(
    servidor: Servidor, sesion: aiohttp.ClientSession, bitacora: list[dict[str, Any]]
):
    servidor.guiones = [desde(1), envia(calla=False)]
    flujo = mercado(servidor, sesion, renovar_s=0.05)

    eventos = await tomar(flujo.eventos("BTCUSDT", "1h"), 41)

    assert [type(e) for e in eventos].count(EventoConexion) == 1
    assert [e["event"] for e in bitacora] == ["relevo_fallido"]


async def test_al_dejar_de_escuchar_no_queda_ningun_socket(servidor: Servidor, sesion: aiohttp.ClientSession):
    servidor.guiones = [desde(1), desde(10**6)]
    flujo = mercado(servidor, sesion, renovar_s=0.05)

    await tomar(flujo.eventos("BTCUSDT", "1h"), 41)
    await asyncio.sleep(0.2)

    assert servidor.abiertas == 0
