"""REST payloads of market data."""

from __future__ import annotations

from typing import Any

from src.simulador.contrato import Contrato
from src.simulador.limites import ORDENES_POR_10S, ORDENES_POR_MINUTO, PESO_POR_MINUTO
from src.simulador.numeros import decimal_de, redondear, texto, texto_corto, texto_de_float
from src.simulador.plaza import Plaza

Cuerpo = dict[str, Any]
PERPETUO_MS = 4_133_404_800_000  # the delivery date that Binance gives to perpetual contracts
DIA_MS = 86_400_000
TIPOS = (
    "LIMIT",
    "MARKET",
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
)
LIMITES = [
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": PESO_POR_MINUTO},
    {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": ORDENES_POR_MINUTO},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": ORDENES_POR_10S},
]


def informacion_simbolo(contrato: Contrato, alta_ms: int) -> Cuerpo:
    """A symbol of ``exchangeInfo``."""
    filtros = contrato.filtros
    return {
        "symbol": contrato.simbolo,
        "pair": contrato.simbolo,
        "contractType": "PERPETUAL",
        "deliveryDate": PERPETUO_MS,
        "onboardDate": alta_ms,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": contrato.activo_base,
        "quoteAsset": contrato.activo_margen,
        "marginAsset": contrato.activo_margen,
        "pricePrecision": contrato.decimales_precio,
        "quantityPrecision": contrato.decimales_cantidad,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "liquidationFee": texto(contrato.liquidacion),
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10000,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": texto(filtros.precio_min),
                "maxPrice": texto(filtros.precio_max),
                "tickSize": texto(filtros.tick),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": texto(filtros.cantidad_min),
                "maxQty": texto(filtros.cantidad_max),
                "stepSize": texto(filtros.paso),
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": texto(filtros.cantidad_min_mercado),
                "maxQty": texto(filtros.cantidad_max_mercado),
                "stepSize": texto(filtros.paso_mercado),
            },
            {"filterType": "MAX_NUM_ORDERS", "limit": filtros.ordenes_max},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
            {"filterType": "MIN_NOTIONAL", "notional": texto_corto(filtros.nocional_min)},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": texto(filtros.multiplicador_arriba),
                "multiplierDown": texto(filtros.multiplicador_abajo),
                "multiplierDecimal": "4",
            },
        ],
        "orderTypes": list(TIPOS),
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }


def siguiente_funding(contrato: Contrato, ahora_ms: int) -> int:
    """Time of the next settlement after an instant."""
    intervalo = contrato.intervalo_funding_ms
    return ahora_ms // intervalo * intervalo + intervalo


def prima(plaza: Plaza, ahora_ms: int) -> Cuerpo:
    """A row of ``premiumIndex``."""
    siguiente = siguiente_funding(plaza.contrato, ahora_ms)
    precio = texto(plaza.precio)
    return {
        "symbol": plaza.simbolo,
        "markPrice": precio,
        "indexPrice": precio,
        "estimatedSettlePrice": precio,
        "lastFundingRate": texto(plaza.tasa_en(siguiente)),
        "interestRate": "0.00010000",
        "nextFundingTime": siguiente,
        "time": ahora_ms,
    }


def mejor_precio(plaza: Plaza, ahora_ms: int) -> Cuerpo:
    """A row of ``ticker/bookTicker``."""
    cantidad = texto_corto(plaza.contrato.filtros.cantidad_max)
    return {
        "symbol": plaza.simbolo,
        "bidPrice": texto(plaza.venta),
        "bidQty": cantidad,
        "askPrice": texto(plaza.compra),
        "askQty": cantidad,
        "time": ahora_ms,
        "lastUpdateId": plaza.operacion,
    }


def precio(plaza: Plaza, ahora_ms: int) -> Cuerpo:
    """A row of ``ticker/price``."""
    return {"symbol": plaza.simbolo, "price": texto(plaza.precio), "time": ahora_ms}


def estadistica_24h(plaza: Plaza, ahora_ms: int) -> Cuerpo:
    """A row of ``ticker/24hr`` over the closed candles of the last day and the one in progress."""
    serie, curso = plaza.serie, plaza.curso
    desde = min(serie.buscar(curso.apertura_ms - DIA_MS), plaza.cerradas)
    hasta = plaza.cerradas
    pasado = desde < hasta
    abre = float(serie.open[desde]) if pasado else curso.open
    alto = max(curso.high, float(serie.high[desde:hasta].max())) if pasado else curso.high
    bajo = min(curso.low, float(serie.low[desde:hasta].min())) if pasado else curso.low
    volumen = curso.volume + float(serie.volume[desde:hasta].sum())
    cotizado = curso.volume * curso.close + float(
        (serie.volume[desde:hasta] * serie.close[desde:hasta]).sum()
    )
    cambio = plaza.precio - decimal_de(abre)
    d = serie.decimales
    return {
        "symbol": plaza.simbolo,
        "priceChange": texto(cambio),
        "priceChangePercent": f"{cambio / decimal_de(abre) * 100:.3f}",
        "weightedAvgPrice": f"{cotizado / volumen if volumen else curso.close:.{d}f}",
        "lastPrice": texto(plaza.precio),
        "lastQty": texto(plaza.contrato.filtros.paso),
        "openPrice": texto_de_float(abre, d),
        "highPrice": texto_de_float(alto, d),
        "lowPrice": texto_de_float(bajo, d),
        "volume": f"{volumen:.3f}",
        "quoteVolume": f"{cotizado:.2f}",
        "openTime": int(serie.apertura_ms[desde]) if pasado else curso.apertura_ms,
        "closeTime": ahora_ms,
        "firstId": 1,
        "lastId": plaza.operacion + 1,
        "count": plaza.operacion + 1,
    }


def profundidad(plaza: Plaza, limite: int, ahora_ms: int) -> Cuerpo:
    """``depth``: the best price and the ticks behind it, each as deep as an order may be."""
    tick = plaza.contrato.filtros.tick
    cantidad = texto_corto(plaza.contrato.filtros.cantidad_max)
    ventas = [[texto(plaza.compra + tick * i), cantidad] for i in range(limite)]
    compras = [[texto(plaza.venta - tick * i), cantidad] for i in range(limite) if plaza.venta > tick * i]
    return {
        "lastUpdateId": plaza.operacion,
        "E": ahora_ms,
        "T": ahora_ms,
        "bids": compras,
        "asks": ventas,
    }


def tasas_cobradas(plaza: Plaza, desde_ms: int, hasta_ms: int, limite: int) -> list[Cuerpo]:
    """Rows of ``fundingRate`` between two instants (inclusive), oldest first."""
    serie, intervalo = plaza.serie, plaza.contrato.intervalo_funding_ms
    desde = max(desde_ms, int(serie.apertura_ms[0]) + 1)
    filas: list[Cuerpo] = []
    instante = -(-desde // intervalo) * intervalo
    while instante <= hasta_ms and len(filas) < limite:
        i = serie.buscar(instante) - 1
        if i < plaza.cerradas:
            filas.append(
                {
                    "symbol": plaza.simbolo,
                    "fundingRate": texto(redondear(plaza.tasa_en(instante))),
                    "fundingTime": instante,
                    "markPrice": f"{float(serie.close[i]):.8f}",
                }
            )
        instante += intervalo
    return filas
