"""Faults of REST requests, through the wire."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest
from binance import AsyncClient
from binance.exceptions import BinanceAPIException

from tests.simulador.fallas.banco import Bolsa, recibir, una_bolsa

ORDEN = "POST /fapi/v1/order"


async def test_una_respuesta_perdida_deja_la_orden_ejecutada(bolsa: Bolsa):
    await bolsa.armar("lose_answer", {"call": ORDEN})

    with pytest.raises(aiohttp.ServerDisconnectedError):
        await bolsa.comprar()

    assert await bolsa.posicion() == "0.1"
    assert (await bolsa.comprar())["status"] == "FILLED"


async def test_una_peticion_perdida_no_deja_nada(bolsa: Bolsa):
    await bolsa.armar("lose_request", {"call": ORDEN})

    with pytest.raises(aiohttp.ServerDisconnectedError):
        await bolsa.comprar()

    assert await bolsa.posicion() == "0"


@pytest.mark.parametrize(("kind", "posicion"), [("lose_answer", "0.1"), ("lose_request", "0")])
async def test_el_silencio_dura_lo_pedido_y_luego_corta(bolsa: Bolsa, kind, posicion):
    await bolsa.armar(kind, how="silence", seconds=0.2)
    antes = time.monotonic()

    with pytest.raises(aiohttp.ServerDisconnectedError):
        await bolsa.comprar()

    assert 0.2 <= time.monotonic() - antes < 1.5
    assert await bolsa.posicion() == posicion


@pytest.mark.parametrize(
    ("kind", "campos", "estado", "codigo", "posicion"),
    [
        ("http_503_unknown", {}, 503, -1000, "0.1"),
        ("http_503_unknown", {"executed": False}, 503, -1000, "0"),
        ("http_503_unavailable", {}, 503, 0, "0"),
        ("error_1006", {}, 500, -1006, "0.1"),
        ("error_1007", {}, 408, -1007, "0.1"),
        ("error_1007", {"executed": False}, 408, -1007, "0"),
        ("error_1008", {}, 503, -1008, "0"),
        ("reject", {"code": -2019}, 400, -2019, "0"),
        ("reject", {"code": -2022, "status": 403, "message": "No."}, 403, -2022, "0"),
        ("reject", {"code": -4131}, 400, -4131, "0"),
        ("reject", {"code": -9999}, 400, -9999, "0"),
    ],
)
async def test_cada_error_dice_lo_suyo(bolsa: Bolsa, kind, campos, estado, codigo, posicion):
    await bolsa.armar(kind, {"call": ORDEN}, **campos)

    contestado = await bolsa.comprar()

    assert (bolsa.cliente.estado, contestado["code"]) == (estado, codigo)
    assert contestado["msg"] == campos.get("message", contestado["msg"]) != ""
    assert await bolsa.posicion() == posicion


@pytest.mark.parametrize(
    ("kind", "campos", "estado", "posicion"),
    [
        ("http_503_no_json", {}, 503, "0.1"),
        ("http_500", {}, 500, "0.1"),
        ("http_502", {}, 502, "0"),
        ("http_504", {"executed": False}, 504, "0"),
    ],
)
async def test_lo_que_dice_un_proxy_no_es_json(bolsa: Bolsa, kind, campos, estado, posicion):
    await bolsa.armar(kind, {"call": ORDEN}, **campos)

    with pytest.raises(ValueError, match="unexpected character"):
        await bolsa.comprar()

    assert bolsa.cliente.estado == estado
    assert bolsa.cliente.cabeceras["Content-Type"].startswith("text/html")
    assert await bolsa.posicion() == posicion


async def test_la_sobrecarga_perdona_a_las_salidas(bolsa: Bolsa):
    await bolsa.comprar()
    await bolsa.armar("error_1008", {"call": ORDEN}, times="always")

    salida = await bolsa.comprar(side="SELL", reduceOnly="true")

    assert salida["status"] == "FILLED"
    assert (await bolsa.comprar())["code"] == -1008


async def test_los_eventos_llegan_antes_que_una_respuesta_tardia(bolsa: Bolsa):
    enchufe = await bolsa.oir_cuenta()
    await bolsa.armar("late_answer", {"call": ORDEN}, ms=300)
    orden = asyncio.create_task(bolsa.comprar())

    tipos = [(await recibir(enchufe))["e"] for _ in range(4)]

    assert tipos[-1] == "ORDER_TRADE_UPDATE"
    assert not orden.done()
    assert (await orden)["status"] == "FILLED"


async def test_el_rechazo_de_un_stop_es_4130(bolsa: Bolsa):
    await bolsa.comprar()
    await bolsa.armar("stop_4130")

    assert (await bolsa.poner_stop("19000"))["code"] == -4130
    assert (await bolsa.poner_stop("19000"))["algoStatus"] == "NEW"


async def test_quien_insiste_pasa_de_429_a_418(bolsa: Bolsa):
    await bolsa.armar("rate_limit", {"call": "*"}, seconds=0.3, insist=2, ban_seconds=0.4)
    estados = []
    for _ in range(5):
        assert (await bolsa.cliente.publico("/v1/ping"))["code"] == -1003
        assert int(bolsa.cliente.cabeceras["Retry-After"]) == 1
        estados.append(bolsa.cliente.estado)

    assert estados == [429, 429, 429, 418, 418]
    await asyncio.sleep(0.45)
    assert await bolsa.cliente.publico("/v1/ping") == {}


async def test_el_limite_es_de_quien_lo_gano(bolsa: Bolsa):
    await bolsa.armar("rate_limit", {"call": ORDEN}, seconds=60)
    assert (await bolsa.comprar())["code"] == -1003
    async with aiohttp.ClientSession() as otra, otra.get(f"{bolsa.cliente.url}/fapi/v1/ping") as respuesta:
        assert respuesta.status == 200


async def test_una_orden_recien_puesta_no_existe_por_un_rato(bolsa: Bolsa):
    await bolsa.armar("rest_lag", {"call": ORDEN}, reads=2)
    assert (await bolsa.comprar(newClientOrderId="nueva"))["status"] == "FILLED"

    codigos, posiciones, operadas = [], [], []
    for _ in range(3):
        orden = await bolsa.cliente.firmado("GET", "/v1/order", symbol="BTCUSDT", origClientOrderId="nueva")
        codigos.append(orden.get("code", orden.get("status")))
        posiciones.append((await bolsa.cliente.firmado("GET", "/v2/positionRisk"))[0]["positionAmt"])
        operadas.append(len(await bolsa.cliente.firmado("GET", "/v1/userTrades", symbol="BTCUSDT")))

    assert codigos == [-2013, -2013, "FILLED"]
    assert posiciones == ["0", "0", "0.1"]
    assert operadas == [0, 0, 1]


async def test_el_rezago_no_dura_mas_que_el_paso_del_mercado(bolsa: Bolsa):
    await bolsa.armar("rest_lag", {"call": ORDEN}, reads=100)
    await bolsa.comprar()
    assert (await bolsa.cliente.firmado("GET", "/v2/positionRisk"))[0]["positionAmt"] == "0"

    bolsa.simulacion.avanzar()

    assert (await bolsa.cliente.firmado("GET", "/v2/positionRisk"))[0]["positionAmt"] == "0.1"


async def test_python_binance_ve_cada_falla_como_es(bolsa: Bolsa, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    class Local(AsyncClient):
        API_URL = f"{bolsa.cliente.url}/api"
        FUTURES_URL = f"{bolsa.cliente.url}/fapi"

    cliente = await Local.create("simulador", "simulador")
    orden = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
    try:
        for kind, estado, codigo in (
            ("http_503_unknown", 503, -1000),
            ("http_503_unavailable", 503, 0),
            ("http_503_no_json", 503, 0),
            ("error_1007", 408, -1007),
        ):
            await bolsa.armar(kind, {"call": ORDEN})
            with pytest.raises(BinanceAPIException) as fallo:
                await cliente.futures_create_order(**orden)
            assert (fallo.value.status_code, fallo.value.code) == (estado, codigo)
        await bolsa.armar("lose_answer", {"call": ORDEN})
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await cliente.futures_create_order(**orden)
    finally:
        await cliente.close_connection()
    assert await bolsa.posicion() == "0.04"


async def test_una_orden_se_llena_en_varias_operaciones_al_mismo_precio(bolsa: Bolsa):
    enchufe = await bolsa.oir_cuenta()
    await bolsa.armar("partial_fill", {"call": ORDEN}, pieces=3)

    orden = await bolsa.comprar("0.1")

    assert (orden["status"], orden["executedQty"], orden["avgPrice"]) == (
        "FILLED",
        "0.100",
        "20000.00000000",
    )
    operadas = await bolsa.cliente.firmado("GET", "/v1/userTrades", symbol="BTCUSDT")
    assert [fila["qty"] for fila in operadas] == ["0.033", "0.033", "0.034"]
    eventos = [await recibir(enchufe) for _ in range(10)]
    estados = [(e["o"]["X"], e["o"]["z"]) for e in eventos if e["e"] == "ORDER_TRADE_UPDATE"]
    assert estados == [
        ("NEW", "0"),
        ("PARTIALLY_FILLED", "0.033"),
        ("PARTIALLY_FILLED", "0.066"),
        ("FILLED", "0.100"),
    ]


@pytest.mark.parametrize(("filled", "ejecutada"), [(0.5, "0.050"), (0.0, "0")])
async def test_lo_que_no_se_llena_expira(bolsa: Bolsa, filled, ejecutada):
    await bolsa.armar("partial_fill", {"call": ORDEN}, pieces=2, filled=filled)

    orden = await bolsa.comprar("0.1")

    assert (orden["status"], orden["executedQty"]) == ("EXPIRED", ejecutada)
    assert float(await bolsa.posicion()) == float(ejecutada)
    assert (await bolsa.cliente.firmado("GET", "/v1/openOrders")) == []


async def test_una_llenada_a_partes_puede_perder_su_respuesta(bolsa: Bolsa):
    """A fault that shapes the execution and one that takes the answer go together."""
    await bolsa.armar("partial_fill", {"call": ORDEN}, filled=0.5)
    await bolsa.armar("lose_answer", {"call": ORDEN})

    with pytest.raises(aiohttp.ServerDisconnectedError):
        await bolsa.comprar("0.1")

    assert float(await bolsa.posicion()) == 0.05


async def test_de_dos_que_deciden_la_respuesta_la_segunda_espera(bolsa: Bolsa):
    await bolsa.armar("reject", {"call": ORDEN}, code=-2019)
    await bolsa.armar("error_1007", {"call": ORDEN})

    assert (await bolsa.comprar())["code"] == -2019
    assert (await bolsa.comprar())["code"] == -1007
    assert (await bolsa.comprar())["status"] == "FILLED"


async def test_sin_fallas_no_hay_puerta():
    async with una_bolsa(control=False) as bolsa:
        assert bolsa.simulacion.fallas is None
        assert (await bolsa.cliente.sim("GET", "faults"))["code"] == -5000
        assert (await bolsa.comprar())["status"] == "FILLED"
