"""Two real clients, unmodified but for their URLs: python-binance and ccxt."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator
from typing import Any

import pytest
from binance import AsyncClient
from binance.exceptions import BinanceAPIException
from binance.ws.reconnecting_websocket import ReconnectingWebsocket
from binance.ws.streams import BinanceSocketManager

from src.simulador.servidor import Servidor
from tests.simulador.banco import Cliente

BTC = {"symbol": "BTCUSDT"}


@pytest.fixture
async def binance(servidor: Servidor, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncClient]:
    """python-binance pointed at the simulator."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    class Local(AsyncClient):
        API_URL = f"{servidor.url}/api"
        FUTURES_URL = f"{servidor.url}/fapi"
        FUTURES_DATA_URL = f"{servidor.url}/futures/data"

    cliente = await Local.create("simulador", "simulador")
    yield cliente
    await cliente.close_connection()


async def test_python_binance_lee_el_mercado(binance: AsyncClient):
    informacion = await binance.futures_exchange_info()
    assert [s["symbol"] for s in informacion["symbols"]] == ["BTCUSDT", "ETHUSDT"]
    assert len(await binance.futures_klines(**BTC, interval="1h", limit=5)) == 5
    assert (await binance.futures_mark_price(**BTC))["markPrice"] == "20190.0"
    assert (await binance.futures_orderbook_ticker(**BTC))["bidPrice"] == "20190.0"
    assert (await binance.futures_symbol_ticker(**BTC))["price"] == "20190.0"
    assert len((await binance.futures_order_book(**BTC, limit=5))["asks"]) == 5
    tasas = await binance.futures_funding_rate(**BTC)
    assert [tasa["fundingRate"] for tasa in tasas] == ["0.00010000", "0.00010000"]


async def test_python_binance_opera_de_punta_a_punta(binance: AsyncClient):
    await binance.futures_change_leverage(**BTC, leverage=2)
    with pytest.raises(BinanceAPIException) as fallo:
        await binance.futures_change_margin_type(**BTC, marginType="CROSSED")
    assert fallo.value.code == -4046
    compra = await binance.futures_create_order(
        **BTC, side="BUY", type="MARKET", quantity="0.1", newClientOrderId="tm-a", newOrderRespType="RESULT"
    )
    assert (compra["status"], compra["avgPrice"]) == ("FILLED", "20190.0")
    consultada = await binance.futures_get_order(**BTC, origClientOrderId="tm-a")
    assert consultada["cumQuote"] == "2019.00000000"
    posicion = (await binance.futures_position_information(**BTC))[0]
    assert (posicion["positionAmt"], posicion["entryPrice"]) == ("0.1", "20190.0")
    espera = await binance.futures_create_order(
        **BTC, side="SELL", type="LIMIT", timeInForce="GTC", price="20500", quantity="0.1", reduceOnly="true"
    )
    assert len(await binance.futures_get_open_orders(**BTC)) == 1
    cancelada = await binance.futures_cancel_order(**BTC, orderId=espera["orderId"])
    assert cancelada["status"] == "CANCELED"
    lote = [{**BTC, "side": "BUY", "type": "MARKET", "quantity": "0.01"}] * 2
    assert len(await binance.futures_place_batch_order(batchOrders=lote)) == 2
    assert len(await binance.futures_account_trades(**BTC)) == 3
    assert (await binance.futures_cancel_all_open_orders(**BTC))["code"] == 200
    ingresos = await binance.futures_income_history(incomeType="COMMISSION")
    assert len(ingresos) == 3
    cuenta = await binance.futures_account()
    assert float(cuenta["totalWalletBalance"]) == pytest.approx(10_000 - 0.12 * 20_190 * 0.0005)
    assert (await binance.futures_commission_rate(**BTC))["takerCommissionRate"] == "0.0005"
    assert (await binance.futures_leverage_bracket(**BTC))[0]["brackets"][0]["initialLeverage"] == 50
    assert (await binance.futures_get_position_mode())["dualSidePosition"] is False
    assert (await binance.futures_get_multi_assets_mode())["multiAssetsMargin"] is False


async def test_python_binance_ve_los_rechazos(binance: AsyncClient):
    with pytest.raises(BinanceAPIException) as fallo:
        await binance.futures_create_order(**BTC, side="BUY", type="MARKET", quantity="100")
    assert (fallo.value.code, fallo.value.status_code) == (-2027, 400)
    with pytest.raises(BinanceAPIException) as fallo:
        await binance.futures_create_order(
            **BTC, side="SELL", type="MARKET", quantity="0.1", reduceOnly="true"
        )
    assert fallo.value.code == -2022


async def test_python_binance_coloca_consulta_y_cancela_condicionales(binance: AsyncClient):
    await binance.futures_create_order(**BTC, side="BUY", type="MARKET", quantity="0.1")
    stop = {**BTC, "side": "SELL", "type": "STOP_MARKET", "triggerPrice": "19000", "closePosition": "true"}
    colocado = await binance.futures_create_algo_order(
        **stop, workingType="MARK_PRICE", clientAlgoId="tm-s-1"
    )
    assert (colocado["clientAlgoId"], colocado["algoStatus"]) == ("tm-s-1", "NEW")
    consultado = await binance.futures_get_algo_order(clientAlgoId="tm-s-1")
    assert (consultado["algoId"], consultado["actualOrderId"]) == (colocado["algoId"], "")
    assert [fila["clientAlgoId"] for fila in await binance.futures_get_open_algo_orders(**BTC)] == ["tm-s-1"]
    with pytest.raises(BinanceAPIException) as fallo:
        await binance.futures_create_algo_order(**stop)
    assert fallo.value.code == -4130

    cancelado = await binance.futures_cancel_algo_order(clientAlgoId="tm-s-1")
    assert (cancelado["code"], cancelado["msg"]) == ("200", "success")
    with pytest.raises(BinanceAPIException) as fallo:
        await binance.futures_cancel_algo_order(clientAlgoId="tm-s-1")
    assert fallo.value.code == -2011

    desviada = await binance.futures_create_order(
        **BTC, side="SELL", type="STOP_MARKET", stopPrice="19000", quantity="0.1", reduceOnly="true"
    )
    assert (desviada["triggerPrice"], desviada["reduceOnly"]) == ("19000", True)
    assert (await binance.futures_cancel_all_algo_open_orders(**BTC))["code"] == 200
    todas = await binance.futures_get_all_algo_orders(**BTC)
    assert [fila["algoStatus"] for fila in todas] == ["CANCELED", "CANCELED"]


async def test_python_binance_escucha_velas_y_eventos(
    servidor: Servidor, binance: AsyncClient, cliente: Cliente, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ReconnectingWebsocket, "TIMEOUT", 0.1)  # how long it lingers when closed

    class Enchufes(BinanceSocketManager):
        FSTREAM_URL = servidor.url.replace("http", "ws") + "/"

    administrador = Enchufes(binance)
    async with (
        administrador.futures_multiplex_socket(["btcusdt@kline_1h"]) as velas,
        administrador.kline_futures_socket("btcusdt", "1h") as continuas,
        administrador.futures_user_socket() as propios,
    ):
        await asyncio.sleep(0.05)
        agente = (await cliente.sim("POST", "join", symbol="BTCUSDT", interval="1h"))["agent"]
        await binance.futures_create_order(**BTC, side="BUY", type="MARKET", quantity="0.1")
        await cliente.sim("POST", "done", agent=agente)

        assert (await _leer(velas))["data"]["e"] == "kline"
        assert (await _leer(continuas))["e"] == "continuous_kline"
        assert [(await _leer(propios))["e"] for _ in range(4)] == [
            "ORDER_TRADE_UPDATE",
            "TRADE_LITE",
            "ACCOUNT_UPDATE",
            "ORDER_TRADE_UPDATE",
        ]


async def _leer(enchufe: Any) -> Any:
    return await asyncio.wait_for(enchufe.recv(), 2)


@pytest.fixture
async def ccxt(servidor: Servidor) -> AsyncIterator[Any]:
    """ccxt's binanceusdm pointed at the simulator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ccxt.async_support as biblioteca
    cambio = biblioteca.binanceusdm({"apiKey": "simulador", "secret": "simulador", "enableRateLimit": False})
    cambio.urls["api"] = {
        nombre: servidor.url + "/" + url.split("/", 3)[3] for nombre, url in cambio.urls["api"].items()
    }
    cambio.has["fetchCurrencies"] = False
    cambio.options["fetchMarkets"] = {"types": ["linear"]}
    cambio.options["timeDifference"] = cambio.milliseconds() - servidor.simulacion.reloj.ahora_ms()
    yield cambio
    await cambio.close()


async def test_ccxt_opera_y_entiende_la_cuenta(ccxt: Any):
    simbolo = "BTC/USDT:USDT"
    mercados = await ccxt.load_markets()
    assert mercados[simbolo]["precision"]["price"] == 0.1
    assert mercados[simbolo]["limits"]["cost"]["min"] == 50
    await ccxt.set_leverage(2, simbolo)
    orden = await ccxt.create_order(simbolo, "market", "buy", 0.1)
    assert (orden["status"], orden["filled"], orden["average"]) == ("closed", 0.1, 20_190.0)
    espera = await ccxt.create_order(simbolo, "limit", "sell", 0.1, 20_500)
    assert [o["id"] for o in await ccxt.fetch_open_orders(simbolo)] == [espera["id"]]
    assert (await ccxt.cancel_order(espera["id"], simbolo))["status"] == "canceled"
    saldo = await ccxt.fetch_balance()
    assert saldo["USDT"]["total"] == pytest.approx(9_998.9905)
    posicion = (await ccxt.fetch_positions([simbolo]))[0]
    assert (posicion["side"], posicion["contracts"], posicion["entryPrice"]) == ("long", 0.1, 20_190.0)
    assert posicion["initialMargin"] == pytest.approx(1_009.5)
    assert len(await ccxt.fetch_ohlcv(simbolo, "1h", limit=5)) == 5
    assert (await ccxt.fetch_ticker(simbolo))["last"] == 20_190
    assert (await ccxt.fetch_funding_rate(simbolo))["fundingRate"] == 0.0001
    assert len(await ccxt.fetch_my_trades(simbolo)) == 1


async def test_ccxt_coloca_consulta_y_cancela_condicionales(ccxt: Any):
    simbolo = "BTC/USDT:USDT"
    await ccxt.load_markets()
    await ccxt.create_order(simbolo, "market", "buy", 0.1)
    stop = await ccxt.create_order(
        simbolo, "STOP_MARKET", "sell", 0.1, None, {"triggerPrice": 19_000, "reduceOnly": True}
    )
    assert (stop["status"], stop["triggerPrice"], stop["reduceOnly"]) == ("open", 19_000, True)
    abiertas = await ccxt.fetch_open_orders(simbolo, params={"trigger": True})
    assert [orden["id"] for orden in abiertas] == [stop["id"]]
    assert (await ccxt.fetch_order(stop["id"], simbolo, {"trigger": True}))["amount"] == 0.1
    await ccxt.cancel_order(stop["id"], simbolo, {"trigger": True})
    arrastre = await ccxt.create_order(simbolo, "market", "sell", 0.1, None, {"trailingPercent": 1})
    assert arrastre["status"] == "open"
    await ccxt.cancel_all_orders(simbolo, {"trigger": True})
    assert await ccxt.fetch_open_orders(simbolo, params={"trigger": True}) == []


async def test_ccxt_distingue_los_rechazos(ccxt: Any):
    from ccxt import ExchangeError, OrderNotFound

    await ccxt.load_markets()
    with pytest.raises(ExchangeError, match="-2019"):
        await ccxt.create_order("BTC/USDT:USDT", "market", "buy", 11)
    with pytest.raises(OrderNotFound):
        await ccxt.cancel_order("5", "BTC/USDT:USDT")
    with pytest.raises(ExchangeError, match="-2022"):
        await ccxt.create_order("BTC/USDT:USDT", "market", "sell", 0.1, None, {"reduceOnly": True})
