"""Every answer has the shape that the official client's response models expect."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from pydantic import BaseModel

from src.simulador.despacho import RUTAS
from src.simulador.servidor import Servidor
from tests.simulador.banco import Cliente

PAQUETE = "binance_sdk_derivatives_trading_usds_futures.rest_api.models"
DE_MONEDA = {"pair", "cumBase", "baseQty", "marginAsset", "code", "msg"}  # of COIN-M rows, or of errors
CONDICIONALES = {"activatePrice", "priceRate"}  # only trailing stops have them
BTC = {"symbol": "BTCUSDT"}
ALGO = BTC | {"algoType": "CONDITIONAL", "side": "SELL"}

CASOS: list[tuple[str, str, dict[str, Any], str, set[str]]] = [
    ("GET", "/fapi/v1/time", {}, "CheckServerTimeResponse", set()),
    ("GET", "/fapi/v1/exchangeInfo", {}, "ExchangeInformationResponse", set()),
    ("GET", "/fapi/v1/premiumIndex", BTC, "MarkPriceResponse1", set()),
    ("GET", "/fapi/v1/premiumIndex", {}, "MarkPriceResponse2Inner", set()),
    ("GET", "/fapi/v1/ticker/bookTicker", BTC, "SymbolOrderBookTickerResponse1", set()),
    ("GET", "/fapi/v1/ticker/bookTicker", {}, "SymbolOrderBookTickerResponse2Inner", set()),
    ("GET", "/fapi/v1/ticker/price", BTC, "SymbolPriceTickerResponse1", set()),
    ("GET", "/fapi/v2/ticker/price", BTC, "SymbolPriceTickerV2Response1", set()),
    ("GET", "/fapi/v1/ticker/24hr", BTC, "Ticker24hrPriceChangeStatisticsResponse1", set()),
    ("GET", "/fapi/v1/ticker/24hr", {}, "Ticker24hrPriceChangeStatisticsResponse2Inner", set()),
    ("GET", "/fapi/v1/depth", BTC | {"limit": 5}, "OrderBookResponse", set()),
    ("GET", "/fapi/v1/fundingRate", BTC, "GetFundingRateHistoryResponseInner", {"rateType"}),
    ("GET", "/fapi/v1/fundingInfo", {}, "GetFundingRateInfoResponseInner", set()),
    ("GET", "/fapi/v2/account", {}, "AccountInformationV2Response", set()),
    ("GET", "/fapi/v3/account", {}, "AccountInformationV3Response", set()),
    ("GET", "/fapi/v2/balance", {}, "FuturesAccountBalanceV2ResponseInner", set()),
    ("GET", "/fapi/v3/balance", {}, "FuturesAccountBalanceV2ResponseInner", set()),
    ("GET", "/fapi/v2/positionRisk", {}, "PositionInformationV2ResponseInner", set()),
    ("GET", "/fapi/v3/positionRisk", {}, "PositionInformationV3ResponseInner", set()),
    ("GET", "/fapi/v1/symbolConfig", {}, "SymbolConfigurationResponseInner", set()),
    ("GET", "/fapi/v1/accountConfig", {}, "FuturesAccountConfigurationResponse", set()),
    ("GET", "/fapi/v1/leverageBracket", {}, "NotionalAndLeverageBracketsResponse1Inner", set()),
    ("GET", "/fapi/v1/commissionRate", BTC, "UserCommissionRateResponse", set()),
    ("GET", "/fapi/v1/income", {}, "GetIncomeHistoryResponseInner", set()),
    ("GET", "/fapi/v1/positionSide/dual", {}, "GetCurrentPositionModeResponse", set()),
    ("GET", "/fapi/v1/feeBurn", {}, "GetBnbBurnStatusResponse", set()),
    ("GET", "/fapi/v1/multiAssetsMargin", {}, "GetCurrentMultiAssetsModeResponse", set()),
    (
        "POST",
        "/fapi/v1/multiAssetsMargin",
        {"multiAssetsMargin": "false"},
        "ChangeMultiAssetsModeResponse",
        set(),
    ),
    ("POST", "/fapi/v1/leverage", BTC | {"leverage": 20}, "ChangeInitialLeverageResponse", set()),
    (
        "POST",
        "/fapi/v1/marginType",
        {"symbol": "ETHUSDT", "marginType": "ISOLATED"},
        "ChangeMarginTypeResponse",
        set(),
    ),
    (
        "POST",
        "/fapi/v1/order",
        BTC | {"side": "BUY", "type": "MARKET", "quantity": "0.1", "newOrderRespType": "RESULT"},
        "TestOrderResponse",
        CONDICIONALES,
    ),
    (
        "POST",
        "/fapi/v1/order",
        BTC | {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "20000", "quantity": "0.1"},
        "NewOrderResponse",
        set(),
    ),
    (
        "POST",
        "/fapi/v1/batchOrders",
        {"batchOrders": '[{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"0.1"}]'},
        "PlaceMultipleOrdersResponseInner",
        DE_MONEDA,
    ),
    ("GET", "/fapi/v1/order", BTC | {"origClientOrderId": "espera"}, "QueryOrderResponse", CONDICIONALES),
    (
        "GET",
        "/fapi/v1/openOrder",
        BTC | {"origClientOrderId": "espera"},
        "QueryCurrentOpenOrderResponse",
        CONDICIONALES,
    ),
    ("GET", "/fapi/v1/openOrders", {}, "CurrentAllOpenOrdersResponseInner", CONDICIONALES),
    ("GET", "/fapi/v1/allOrders", BTC, "AllOrdersResponseInner", CONDICIONALES | DE_MONEDA),
    ("GET", "/fapi/v1/userTrades", BTC, "AccountTradeListResponseInner", DE_MONEDA),
    ("DELETE", "/fapi/v1/order", BTC | {"origClientOrderId": "espera"}, "CancelOrderResponse", CONDICIONALES),
    (
        "DELETE",
        "/fapi/v1/batchOrders",
        BTC | {"origClientOrderIdList": '["espera"]'},
        "CancelMultipleOrdersResponseInner",
        CONDICIONALES | DE_MONEDA,
    ),
    ("DELETE", "/fapi/v1/allOpenOrders", BTC, "CancelAllOpenOrdersResponse", set()),
    (
        "POST",
        "/fapi/v1/countdownCancelAll",
        BTC | {"countdownTime": 0},
        "AutoCancelAllOpenOrdersResponse",
        set(),
    ),
    (
        "POST",
        "/fapi/v1/algoOrder",
        ALGO | {"type": "TAKE_PROFIT_MARKET", "triggerPrice": "21000", "closePosition": "true"},
        "NewAlgoOrderResponse",
        set(),
    ),
    ("GET", "/fapi/v1/algoOrder", {"clientAlgoId": "stop"}, "QueryAlgoOrderResponse", set()),
    ("GET", "/fapi/v1/openAlgoOrders", {}, "CurrentAllAlgoOpenOrdersResponseInner", set()),
    ("GET", "/fapi/v1/allAlgoOrders", BTC, "QueryAllAlgoOrdersResponseInner", set()),
    ("DELETE", "/fapi/v1/algoOrder", {"clientAlgoId": "stop"}, "CancelAlgoOrderResponse", set()),
    ("DELETE", "/fapi/v1/algoOpenOrders", BTC, "CancelAllAlgoOpenOrdersResponse", set()),
    ("POST", "/fapi/v1/listenKey", {}, "StartUserDataStreamResponse", set()),
    ("PUT", "/fapi/v1/listenKey", {}, "KeepaliveUserDataStreamResponse", set()),
]
SIN_MODELO = {
    ("GET", "/api/v3/ping"),
    ("GET", "/api/v3/time"),
    ("GET", "/fapi/v1/ping"),
    ("GET", "/fapi/v1/klines"),
    ("GET", "/fapi/v1/continuousKlines"),
    ("POST", "/fapi/v1/positionMargin"),
    ("POST", "/fapi/v1/positionSide/dual"),
    ("DELETE", "/fapi/v1/listenKey"),
}


def _modelo(nombre: str) -> type[BaseModel]:
    modelo: type[BaseModel] = getattr(importlib.import_module(PAQUETE), nombre)
    return modelo


def _exigir(modelo: type[BaseModel], crudo: dict[str, Any], opcionales: set[str]) -> None:
    """Types by the strict model, and no field of the model missing at any depth."""
    modelo.model_validate(crudo)
    for nombre, campo in modelo.model_fields.items():
        clave = campo.alias or nombre
        if nombre == "additional_properties" or clave in opcionales:
            continue
        assert clave in crudo, f"{modelo.__name__} lacks {clave}"
        interior = _interior(campo.annotation)
        if interior is not None:
            assert crudo[clave], f"{modelo.__name__}.{clave} is empty"
            for fila in crudo[clave]:
                _exigir(interior, fila, opcionales | set(_AUSENTES.get(fila.get("filterType", ""), ())))


_FILTROS = {"maxPrice", "minPrice", "tickSize", "maxQty", "minQty", "stepSize", "limit", "notional"}
_FILTROS |= {"multiplierUp", "multiplierDown", "multiplierDecimal"}
_AUSENTES = {
    "PRICE_FILTER": _FILTROS - {"maxPrice", "minPrice", "tickSize"},
    "LOT_SIZE": _FILTROS - {"maxQty", "minQty", "stepSize"},
    "MARKET_LOT_SIZE": _FILTROS - {"maxQty", "minQty", "stepSize"},
    "MAX_NUM_ORDERS": _FILTROS - {"limit"},
    "MAX_NUM_ALGO_ORDERS": _FILTROS - {"limit"},
    "MIN_NOTIONAL": _FILTROS - {"notional"},
    "PERCENT_PRICE": _FILTROS - {"multiplierUp", "multiplierDown", "multiplierDecimal"},
}


def _interior(anotacion: Any) -> type[BaseModel] | None:
    """The model inside ``Optional[list[Model]]``."""
    for argumento in getattr(anotacion, "__args__", ()):
        if isinstance(argumento, type) and issubclass(argumento, BaseModel):
            return argumento
        encontrado = _interior(argumento)
        if encontrado is not None:
            return encontrado
    return None


@pytest.mark.parametrize(
    ("metodo", "ruta", "campos", "modelo", "opcionales"),
    CASOS,
    ids=[f"{metodo} {ruta} {modelo}" for metodo, ruta, _, modelo, _ in CASOS],
)
async def test_la_respuesta_cumple_el_modelo_oficial(
    cliente: Cliente, servidor: Servidor, metodo, ruta, campos, modelo, opcionales
):
    await cliente.firmado("POST", "/v1/order", **BTC, side="BUY", type="MARKET", quantity="0.1")
    await cliente.firmado(
        "POST",
        "/v1/order",
        **BTC,
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        price="19900",
        quantity="0.1",
        newClientOrderId="espera",
    )
    stop = {"type": "STOP_MARKET", "triggerPrice": "19000", "closePosition": "true", "clientAlgoId": "stop"}
    await cliente.firmado("POST", "/v1/algoOrder", **ALGO, **stop)
    await cliente.pedir("POST", "/fapi/v1/listenKey")

    cuerpo = await cliente.firmado(metodo, ruta.removeprefix("/fapi"), **campos)

    assert cliente.estado == 200, cuerpo
    filas = cuerpo if isinstance(cuerpo, list) else [cuerpo]
    assert filas
    for fila in filas:
        _exigir(_modelo(modelo), fila, opcionales)


def test_todas_las_rutas_estan_cubiertas():
    assert {(metodo, ruta) for metodo, ruta, *_ in CASOS} | SIN_MODELO == set(RUTAS)
