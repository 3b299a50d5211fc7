"""Faults that happen at once: sockets, listen keys, clock, bursts, prices and stops."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

from tests.simulador.fallas.banco import KLINE, Bolsa, callado, recibir, una_bolsa

MARCA = "/market/ws/btcusdt@markPrice@1s"


async def cerrado(enchufe: aiohttp.ClientWebSocketResponse) -> int | None:
    """How a socket ended."""
    mensaje = await asyncio.wait_for(enchufe.receive(), 2)
    assert mensaje.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
    return enchufe.close_code


@pytest.mark.parametrize(("how", "codigo"), [("close", 1001), ("abort", 1006)])
async def test_los_enchufes_se_cierran_y_se_puede_volver(bolsa: Bolsa, how, codigo):
    mercado, cuenta = await bolsa.cliente.conectar(MARCA), await bolsa.oir_cuenta()

    await bolsa.armar("disconnect", how=how)

    assert await cerrado(mercado) == codigo
    assert await cerrado(cuenta) == codigo
    nuevo = await bolsa.cliente.conectar(MARCA)
    bolsa.simulacion.avanzar()
    assert (await recibir(nuevo))["e"] == "markPriceUpdate"


@pytest.mark.parametrize(("sockets", "market"), [("market", True), ("user", False)])
async def test_se_cierran_los_enchufes_elegidos(bolsa: Bolsa, sockets, market):
    mercado, cuenta = await bolsa.cliente.conectar(MARCA), await bolsa.oir_cuenta()

    await bolsa.armar("disconnect", sockets=sockets)

    caido, vivo = (mercado, cuenta) if market else (cuenta, mercado)
    assert await cerrado(caido) == 1001
    assert await callado(vivo)
    assert not vivo.closed


async def test_el_enchufe_del_acuerdo_no_es_de_la_bolsa(bolsa: Bolsa):
    """DONE must get through whatever happens to the exchange, or the market would stand still."""
    acuerdo = await bolsa.cliente.conectar("/market/ws")
    agente = await bolsa.unirse()
    await bolsa.armar("outage", seconds=0.2)

    await acuerdo.send_json({"method": "DONE", "params": [agente, None]})
    await asyncio.sleep(0.05)

    assert bolsa.simulacion.paso == 1
    otro = await bolsa.cliente.conectar("/market/ws")
    assert not otro.closed


async def test_un_apagon_corta_todo_y_se_acaba(bolsa: Bolsa):
    mercado, cuenta = await bolsa.cliente.conectar(MARCA), await bolsa.oir_cuenta()
    await bolsa.armar("outage", seconds=0.3)
    antes = time.monotonic()

    assert await cerrado(mercado) == await cerrado(cuenta) == 1006
    with pytest.raises(aiohttp.ClientConnectionError):
        await bolsa.cliente.publico("/v1/ping")
    with pytest.raises(aiohttp.ClientConnectionError):
        await bolsa.cliente.conectar(MARCA)
    await asyncio.sleep(max(0.0, antes + 0.35 - time.monotonic()))

    assert await bolsa.cliente.publico("/v1/ping") == {}
    await bolsa.cliente.conectar(MARCA)


async def test_un_enchufe_mudo_sigue_abierto_y_uno_nuevo_habla(bolsa: Bolsa):
    mudo, cuenta = await bolsa.cliente.conectar(MARCA), await bolsa.oir_cuenta()
    await bolsa.armar("silence", sockets="all")
    nuevo = await bolsa.cliente.conectar(MARCA)

    bolsa.simulacion.avanzar()
    await bolsa.comprar()

    assert (await recibir(nuevo))["e"] == "markPriceUpdate"
    assert await callado(mudo)
    assert await callado(cuenta)
    assert not mudo.closed
    assert not cuenta.closed


async def test_el_silencio_de_unos_segundos_se_acaba(bolsa: Bolsa):
    mudo = await bolsa.cliente.conectar(MARCA)
    await bolsa.armar("silence", seconds=0.1)
    bolsa.simulacion.avanzar()
    assert await callado(mudo)
    await asyncio.sleep(0.1)
    bolsa.simulacion.avanzar()

    assert (await recibir(mudo))["p"] == "20020.0"


async def test_en_paso_el_mercado_anda_sin_el_sordo_y_luego_lo_espera(bolsa: Bolsa):
    """Deaf for two steps; when its socket speaks again it hears where the market is, and answers."""
    enchufe = await bolsa.cliente.conectar(KLINE)
    agente = await bolsa.unirse()
    await bolsa.armar("silence", seconds=0.2, steps=2)
    await bolsa.cliente.sim("POST", "done", agent=agente)
    await asyncio.sleep(0.05)
    assert bolsa.simulacion.paso == 3

    vela = await recibir(enchufe)

    assert (vela["k"]["x"], vela["k"]["c"]) == (False, "20030.00")
    assert bolsa.simulacion.paso == 3
    await bolsa.cliente.sim("POST", "done", agent=agente)
    assert (await recibir(enchufe))["k"]["x"] is True


async def test_la_clave_vence_con_su_evento_y_silencio(bolsa: Bolsa):
    enchufe = await bolsa.oir_cuenta()

    await bolsa.armar("expire_listen_key", account="simulador")

    assert (await recibir(enchufe))["e"] == "listenKeyExpired"
    await bolsa.comprar()
    assert await callado(enchufe)
    assert not enchufe.closed
    assert (await bolsa.cliente.pedir("PUT", "/fapi/v1/listenKey"))["code"] == -1125


async def test_una_rafaga_llega_entera(bolsa: Bolsa):
    mercado, cuenta = await bolsa.cliente.conectar(MARCA), await bolsa.oir_cuenta()
    await bolsa.armar("burst", messages=300)

    assert {(await recibir(mercado))["e"] for _ in range(300)} == {"markPriceUpdate"}
    assert {(await recibir(cuenta))["a"]["m"] for _ in range(300)} == {"ADJUSTMENT"}


async def test_con_el_reloj_atras_solo_pasa_quien_lee_la_hora(bolsa: Bolsa):
    hora = (await bolsa.cliente.publico("/v1/time"))["serverTime"]
    await bolsa.armar("clock_skew", ms=-120_000)

    assert (await bolsa.cliente.firmado("GET", "/v2/account", timestamp=hora))["code"] == -1021
    assert (await bolsa.cliente.publico("/v1/time"))["serverTime"] == hora - 120_000
    assert "totalWalletBalance" in await bolsa.cliente.firmado("GET", "/v2/account")
    enchufe = await bolsa.cliente.conectar(MARCA)
    bolsa.simulacion.avanzar()
    assert (await recibir(enchufe))["E"] == hora + 3_600_000 - 120_000


async def test_el_reloj_tambien_se_adelanta(bolsa: Bolsa):
    hora = (await bolsa.cliente.publico("/v1/time"))["serverTime"]
    await bolsa.armar("clock_skew", ms=11_000)

    tarde = await bolsa.cliente.firmado("GET", "/v2/account", timestamp=hora, recvWindow=10_000)

    assert tarde["code"] == -1021


async def test_el_precio_salta_en_la_vela_siguiente_y_en_las_demas(bolsa: Bolsa):
    enchufe = await bolsa.cliente.conectar(KLINE)
    bolsa.simulacion.avanzar()
    await bolsa.armar("price_jump", {"candle": 2}, percent=-10.0)
    for _ in range(3):
        bolsa.simulacion.avanzar()

    cierres = [float((await recibir(enchufe))["k"]["c"]) for _ in range(4)]

    assert cierres == [20_010, 20_020, 18_027, 18_036]
    filas = await bolsa.cliente.publico("/v1/klines", symbol="BTCUSDT", interval="1h", limit=3)
    assert [float(fila[4]) for fila in filas[:2]] == [18_027, 18_036]


async def test_el_libro_se_abre_y_vuelve_a_ser_lo_que_era(bolsa: Bolsa):
    async def libro() -> tuple[float, float]:
        fila = await bolsa.cliente.publico("/v1/ticker/bookTicker", symbol="BTCUSDT")
        return float(fila["bidPrice"]), float(fila["askPrice"])

    antes = await libro()
    await bolsa.armar("wide_spread", bps=50.0)
    bid, ask = await libro()
    assert (ask - bid) / ((ask + bid) / 2) == pytest.approx(0.005, rel=0.01)
    bolsa.simulacion.avanzar()
    bid, ask = await libro()
    assert (ask - bid) / ((ask + bid) / 2) == pytest.approx(0.005, rel=0.01)

    await bolsa.armar("wide_spread", bps=0.0)
    despues = await libro()

    assert despues[1] - despues[0] == pytest.approx(antes[1] - antes[0], abs=0.2)


async def test_una_caida_liquida_a_quien_esta_desconectado(bolsa: Bolsa):
    enchufe = await bolsa.oir_cuenta()
    await bolsa.comprar("5")
    await bolsa.armar("disconnect", {"step": 1})
    await bolsa.armar("price_jump", {"step": 1}, percent=-20.0)
    for _ in range(2):
        bolsa.simulacion.avanzar()

    tipos = [await asyncio.wait_for(enchufe.receive(), 2) for _ in range(5)]

    assert tipos[-1].type is aiohttp.WSMsgType.CLOSE or enchufe.closed
    assert await bolsa.posicion() == "0"


async def test_un_stop_desaparece_sin_aviso(bolsa: Bolsa):
    await bolsa.comprar()
    assert (await bolsa.poner_stop("19000"))["algoStatus"] == "NEW"
    enchufe = await bolsa.oir_cuenta()
    await bolsa.armar("stop_dropped", {"step": 1})

    bolsa.simulacion.avanzar()

    assert await bolsa.cliente.firmado("GET", "/v1/openAlgoOrders") == []
    assert await callado(enchufe)


@pytest.mark.parametrize("lado", ["BUY", "SELL"])
async def test_alguien_cierra_la_posicion_a_mano(bolsa: Bolsa, lado: str):
    """At market, reduce-only, under no agent's name; the account hears of it."""
    await bolsa.comprar(side=lado)
    enchufe = await bolsa.oir_cuenta()

    await bolsa.armar("closed_by_hand", account="simulador", symbol="BTCUSDT")

    assert float(await bolsa.posicion()) == 0.0
    ordenes = [evento["o"] for evento in [await recibir(enchufe) for _ in range(3)] if "o" in evento]
    assert {(o["c"][:4], o["R"], o["o"]) for o in ordenes} == {("web_", True, "MARKET")}


@pytest.mark.parametrize("lado", ["BUY", "SELL"])
async def test_la_bolsa_liquida_la_posicion(bolsa: Bolsa, lado: str):
    """At the mark, under the name that liquidations have; its fee goes to the insurance fund."""
    await bolsa.comprar(side=lado)
    enchufe = await bolsa.oir_cuenta()

    await bolsa.armar("liquidated")

    assert float(await bolsa.posicion()) == 0.0
    ordenes = [evento["o"] for evento in [await recibir(enchufe) for _ in range(3)] if "o" in evento]
    assert {(o["c"][:10], o["R"]) for o in ordenes} == {("autoclose-", True)}
    ingresos = await bolsa.cliente.firmado("GET", "/v1/income")
    assert [i["incomeType"] for i in ingresos][-1] == "INSURANCE_CLEAR"


async def test_plana_no_hay_nada_que_cerrar_a_mano(bolsa: Bolsa):
    await bolsa.armar("closed_by_hand")

    assert await bolsa.posicion() == "0"
    assert await bolsa.disparadas() == {"closed_by_hand": 1}


async def test_lo_inmediato_tambien_ocurre_al_llegar_o_al_contestar_una_llamada(bolsa: Bolsa):
    await bolsa.armar("outage", {"call": "POST /fapi/v1/order"}, seconds=0.1)
    with pytest.raises(aiohttp.ClientConnectionError):
        await bolsa.comprar()
    assert await bolsa.posicion() == "0"
    await asyncio.sleep(0.15)

    await bolsa.armar("outage", {"call": "POST /fapi/v1/order", "stage": "after"}, seconds=0.1)
    with pytest.raises(aiohttp.ClientConnectionError):
        await bolsa.comprar()
    assert await bolsa.posicion() == "0.1"


async def test_un_evento_de_la_cuenta_trae_una_falla(bolsa: Bolsa):
    mercado, cuenta = await bolsa.cliente.conectar(MARCA), await bolsa.oir_cuenta()
    at = {"event": "ORDER_TRADE_UPDATE", "nth": 2, "where": {"X": "FILLED"}, "account": "simulador"}
    await bolsa.armar("disconnect", at, sockets="market")

    await bolsa.comprar()
    assert await callado(mercado)
    await bolsa.comprar()

    assert await cerrado(mercado) == 1001
    assert not cuenta.closed


async def test_la_categoria_equivocada_calla_sin_que_nadie_la_rompa(bolsa: Bolsa):
    equivocado = await bolsa.cliente.conectar("/public/ws/btcusdt@markPrice@1s")
    bolsa.simulacion.avanzar()
    assert await callado(equivocado)


async def test_desarmar_acaba_con_lo_que_dura():
    async with una_bolsa() as bolsa:
        mudo = await bolsa.cliente.conectar(MARCA)
        await bolsa.armar("silence")
        await bolsa.armar("rate_limit", {"call": "* /fapi/v1/ping"}, seconds=600)
        await bolsa.armar("reject", {"call": "POST *", "nth": 9}, code=-2019)
        assert (await bolsa.cliente.publico("/v1/ping"))["code"] == -1003
        await bolsa.armar("outage", seconds=600)

        assert await bolsa.cliente.sim("DELETE", "faults") == {"disarmed": 1}

        assert await bolsa.cliente.publico("/v1/ping") == {}
        assert mudo.closed or (await asyncio.wait_for(mudo.receive(), 2)).type is aiohttp.WSMsgType.CLOSED
