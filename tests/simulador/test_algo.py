"""Conditional orders over the wire."""

from __future__ import annotations

import importlib

import aiohttp
import pytest
from pydantic import BaseModel

from src.simulador.servidor import Servidor
from src.simulador.trastornos import Disparo
from tests.simulador.banco import Cliente, planas, una_simulacion
from tests.simulador.banco_algo import Averia, Oido, proteger

BTC = {"symbol": "BTCUSDT"}
STOP = BTC | {"algoType": "CONDITIONAL", "side": "SELL", "type": "STOP_MARKET", "triggerPrice": "19000"}
EVENTOS = "binance_sdk_derivatives_trading_usds_futures.websocket_streams.models"


async def _comprar(cliente: Cliente, cantidad: str = "0.1") -> None:
    await cliente.firmado("POST", "/v1/order", **BTC, side="BUY", type="MARKET", quantity=cantidad)


async def test_la_respuesta_tiene_los_campos_y_tipos_documentados(servidor: Servidor, cliente: Cliente):
    await _comprar(cliente)
    cuerpo = await cliente.firmado(
        "POST",
        "/v1/algoOrder",
        **STOP,
        closePosition="true",
        workingType="MARK_PRICE",
        priceProtect="TRUE",
        clientAlgoId="tm-s-1",
    )

    ahora = servidor.simulacion.reloj.ahora_ms()
    assert isinstance(cuerpo.pop("algoId"), int)
    assert cuerpo == {
        "clientAlgoId": "tm-s-1",
        "algoType": "CONDITIONAL",
        "orderType": "STOP_MARKET",
        "symbol": "BTCUSDT",
        "side": "SELL",
        "positionSide": "BOTH",
        "timeInForce": "GTC",
        "quantity": "0",
        "algoStatus": "NEW",
        "triggerPrice": "19000",
        "price": "0",
        "icebergQuantity": None,
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": "MARK_PRICE",
        "priceMatch": "NONE",
        "closePosition": True,
        "priceProtect": True,
        "reduceOnly": False,
        "activatePrice": "",
        "callbackRate": "",
        "createTime": ahora,
        "updateTime": ahora,
        "triggerTime": 0,
        "goodTillDate": 0,
    }


async def test_la_consulta_cuenta_en_que_orden_se_convirtio(servidor: Servidor, cliente: Cliente):
    await _comprar(cliente)
    campos = STOP | {"triggerPrice": "20195", "type": "TAKE_PROFIT_MARKET", "clientAlgoId": "tm-s-1"}
    await cliente.firmado("POST", "/v1/algoOrder", **campos, closePosition="true")
    antes = await cliente.firmado("GET", "/v1/algoOrder", clientAlgoId="tm-s-1")
    assert [antes[c] for c in ("actualOrderId", "actualPrice", "actualType", "actualQty")] == [
        "",
        "0",
        "",
        "0",
    ]

    servidor.simulacion.avanzar()

    despues = await cliente.firmado("GET", "/v1/algoOrder", algoId=antes["algoId"])
    assert (despues["algoStatus"], despues["triggerTime"]) == (
        "FINISHED",
        servidor.simulacion.reloj.ahora_ms(),
    )
    assert [despues[c] for c in ("actualPrice", "actualType", "actualQty")] == ["20200.0", "MARKET", "0.1"]
    hija = await cliente.firmado("GET", "/v1/order", **BTC, orderId=despues["actualOrderId"])
    assert (hija["clientOrderId"], hija["status"], hija["type"]) == ("tm-s-1", "FILLED", "MARKET")
    assert (hija["origType"], hija["stopPrice"], hija["closePosition"]) == (
        "TAKE_PROFIT_MARKET",
        "20195",
        True,
    )
    assert await cliente.firmado("GET", "/v1/openAlgoOrders") == []


async def test_cancelar_contesta_su_codigo_como_texto(cliente: Cliente):
    puesto = await cliente.firmado("POST", "/v1/algoOrder", **STOP, quantity="0.1", clientAlgoId="a")

    cancelado = await cliente.firmado("DELETE", "/v1/algoOrder", algoId=puesto["algoId"])

    assert cancelado == {"algoId": puesto["algoId"], "clientAlgoId": "a", "code": "200", "msg": "success"}
    assert (await cliente.firmado("GET", "/v1/algoOrder", clientAlgoId="a"))["algoStatus"] == "CANCELED"
    assert (await cliente.firmado("DELETE", "/v1/algoOrder", clientAlgoId="a"))["code"] == -2011


async def test_lo_que_no_existe_se_distingue_entre_consultar_y_cancelar(cliente: Cliente):
    assert (await cliente.firmado("GET", "/v1/algoOrder", clientAlgoId="nadie"))["code"] == -2013
    assert (await cliente.firmado("DELETE", "/v1/algoOrder", algoId=1))["code"] == -2011
    assert (await cliente.firmado("GET", "/v1/algoOrder"))["code"] == -1102
    assert (await cliente.firmado("DELETE", "/v1/algoOrder"))["code"] == -1102
    assert (await cliente.firmado("POST", "/v1/algoOrder", **STOP | {"symbol": "NADA"}))["code"] == -1121
    assert (await cliente.firmado("GET", "/v1/allAlgoOrders"))["code"] == -1102


async def test_cada_condicional_cuenta_como_una_orden_y_no_pesa(cliente: Cliente):
    await cliente.firmado("POST", "/v1/algoOrder", **STOP, quantity="0.1")
    antes = int(cliente.cabeceras["X-MBX-USED-WEIGHT-1M"])
    await cliente.firmado("POST", "/v1/algoOrder", **STOP, quantity="0.1")

    assert int(cliente.cabeceras["X-MBX-USED-WEIGHT-1M"]) - antes == 1  # the client asks for the time
    assert cliente.cabeceras["X-MBX-ORDER-COUNT-10S"] == "2"
    assert cliente.cabeceras["X-MBX-ORDER-COUNT-1M"] == "2"


async def test_las_listas_se_filtran_y_paginan(cliente: Cliente):
    puestos = [await cliente.firmado("POST", "/v1/algoOrder", **STOP, quantity="0.1") for _ in range(3)]
    eth = STOP | {"symbol": "ETHUSDT", "triggerPrice": "900", "quantity": "1"}
    otro = await cliente.firmado("POST", "/v1/algoOrder", **eth)
    ids = [puesto["algoId"] for puesto in puestos]

    async def listar(ruta: str, **campos: object) -> list[int]:
        return [fila["algoId"] for fila in await cliente.firmado("GET", ruta, **campos)]

    assert await listar("/v1/openAlgoOrders") == [*ids, otro["algoId"]]
    assert await listar("/v1/openAlgoOrders", **BTC) == ids
    assert await listar("/v1/openAlgoOrders", algoId=ids[1]) == [ids[1]]
    assert await listar("/v1/allAlgoOrders", **BTC) == ids
    assert await listar("/v1/allAlgoOrders", **BTC, limit=2) == ids[1:]
    assert await listar("/v1/allAlgoOrders", **BTC, algoId=ids[1]) == ids[1:]
    assert await listar("/v1/allAlgoOrders", **BTC, page=2, limit=2) == ids[2:]
    assert await listar("/v1/allAlgoOrders", **BTC, startTime=puestos[0]["createTime"] + 1) == []

    assert (await cliente.firmado("DELETE", "/v1/algoOpenOrders", **BTC))["code"] == 200
    assert await listar("/v1/openAlgoOrders") == [otro["algoId"]]


async def test_cancelar_todas_las_ordenes_y_la_cuenta_atras_no_los_tocan(
    servidor: Servidor, cliente: Cliente
):
    await cliente.firmado("POST", "/v1/algoOrder", **STOP, quantity="0.1")
    await cliente.firmado("DELETE", "/v1/allOpenOrders", **BTC)
    await cliente.firmado("POST", "/v1/countdownCancelAll", **BTC, countdownTime=1)
    servidor.simulacion.avanzar()
    servidor.simulacion.avanzar()

    assert len(await cliente.firmado("GET", "/v1/openAlgoOrders")) == 1
    assert await cliente.firmado("GET", "/v1/openOrders") == []


async def test_uno_atascado_se_lista_pero_no_se_cancela():
    simulacion = una_simulacion(planas(20_000, 19_000, 19_000), trastornos=Averia(Disparo.ATASCADO))
    proteger(simulacion, quantity="0.1", triggerPrice="19000", clientAlgoId="a")
    simulacion.avanzar()
    async with Servidor(simulacion) as servidor, aiohttp.ClientSession() as sesion:
        cliente = Cliente(sesion, servidor.url)
        filas = await cliente.firmado("GET", "/v1/openAlgoOrders")
        assert [fila["algoStatus"] for fila in filas] == ["TRIGGERING"]
        assert (await cliente.firmado("DELETE", "/v1/algoOrder", clientAlgoId="a"))["code"] == -2011


async def test_en_modo_cobertura_se_rechazan(cliente: Cliente):
    await cliente.firmado("POST", "/v1/positionSide/dual", dualSidePosition="true")
    assert (await cliente.firmado("POST", "/v1/algoOrder", **STOP, quantity="0.1"))["code"] == -4061
    assert (await cliente.firmado("POST", "/v1/algoOrder", **STOP, quantity="0.1", reduceOnly="true"))[
        "code"
    ] == -1106


@pytest.mark.parametrize("evento", ["AlgoUpdate", "OrderTradeUpdate"])
def test_los_eventos_cumplen_los_modelos_oficiales(evento: str):
    """Types by the strict models, and no field of the model's body missing but those that do not apply."""
    simulacion = una_simulacion([(20_000,) * 4, (20_000, 20_000, 19_000, 19_500)])
    oido = Oido(simulacion)
    proteger(simulacion, quantity="0.1", triggerPrice="19500")
    for _ in range(3):
        simulacion.avanzar()
    modelo: type[BaseModel] = getattr(importlib.import_module(EVENTOS), evento)
    cuerpo: type[BaseModel] = getattr(importlib.import_module(EVENTOS), f"{evento}O")
    claves = {campo.alias or nombre for nombre, campo in cuerpo.model_fields.items()}
    tipo = {"AlgoUpdate": "ALGO_UPDATE", "OrderTradeUpdate": "ORDER_TRADE_UPDATE"}[evento]

    mensajes = [mensaje for mensaje in oido.eventos if mensaje["e"] == tipo]

    assert mensajes
    for mensaje in mensajes:
        modelo.model_validate(mensaje)
        cuerpo.model_validate(mensaje["o"])
        assert claves - set(mensaje["o"]) <= {"additional_properties", "ia", "M", "AP", "cr", "er"}
