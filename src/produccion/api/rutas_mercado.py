"""Public market data: prices, books and candles, without keys."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, BeforeValidator

from src.nucleo.errores import BolsaIncompatible, ErrorBolsa, LimiteExcedido
from src.nucleo.importes import cantidad, cociente_porcentaje, porcentaje, precio
from src.nucleo.intervalos import DIA_MS, siguiente_apertura
from src.produccion.almacen.conexion import leer
from src.produccion.almacen.lecturas import simbolos_de
from src.produccion.api.acceso import Autenticado, Compartido, Entorno
from src.produccion.api.formas import (
    Ambiente,
    Bolsa,
    Cantidad,
    Escrito,
    Instante,
    Intervalo,
    Porcentaje,
    Precio,
    segundos,
)
from src.produccion.api.mercados import Plaza
from src.produccion.api.problemas import Problema, RespuestaJson
from src.produccion.api.rutas import problemas
from src.produccion.bolsa.publico import PROFUNDIDADES, Cotizacion, VelaPublica
from src.produccion.config.config import Modo

VELAS_MAXIMAS = 10_000
_SIMBOLOS_MAXIMOS = 50

rutas_mercado = APIRouter(tags=["market"])

SimboloRuta = Annotated[
    str,
    BeforeValidator(lambda valor: valor.strip().upper() if isinstance(valor, str) else valor),
    Path(pattern=r"^[A-Z0-9_]{2,32}$", examples=["BTCUSDT"]),
]
SimboloConsulta = Annotated[
    str,
    BeforeValidator(lambda valor: valor.strip().upper() if isinstance(valor, str) else valor),
    Query(pattern=r"^[A-Z0-9_]{2,32}$", examples=["BTCUSDT"]),
]
_ERRORES = problemas(401, 404, 422, 502, 503)


class PrecioMercado(BaseModel):
    """Best and last prices, at most a second old."""

    symbol: str
    bid: Precio
    ask: Precio
    last: Precio
    timestamp: int | None


class FilaMercado(PrecioMercado):
    """One symbol among others."""

    spread: Precio
    spread_percent: Porcentaje


class DatosMercado(BaseModel):
    """``GET /api/v1/market-data``."""

    environment: str
    symbols: list[FilaMercado]


class LibroMercado(BaseModel):
    """An order book, best first; each level is price and quantity."""

    symbol: str
    bids: list[list[str]]
    asks: list[list[str]]
    timestamp: Instante


class Vela(BaseModel):
    """A candle; the newest may still be open."""

    timestamp: Instante
    open: Precio
    high: Precio
    low: Precio
    close: Precio
    volume: Cantidad


class Velas(BaseModel):
    """Candles, oldest first."""

    symbol: str
    interval: str
    candles: list[Vela]


@contextmanager
def bolsa_como_problema() -> Iterator[None]:
    """What the exchange did not do, as an answer."""
    try:
        yield
    except BolsaIncompatible as fallo:
        raise Problema(404, str(fallo)) from fallo
    except LimiteExcedido as fallo:
        espera = {"Retry-After": str(ceil(fallo.espera_s))}
        raise Problema(503, str(fallo), cabeceras=espera) from fallo
    except ErrorBolsa as fallo:
        raise Problema(502, str(fallo)) from fallo


def plaza_de(entorno: Entorno, ambiente: Modo | None) -> Plaza:
    """The exchange whose public data is meant.

    Raises:
        Problema: 404: none is configured.
    """
    plaza = entorno.mercados.una(ambiente)
    if plaza is None:
        cual = ambiente or entorno.mercados.por_defecto or "any exchange"
        raise Problema(404, f"there is no market data of {cual} here; TIMONEL_EXCHANGE_URL names a simulator")
    return plaza


@rutas_mercado.get("/api/market/price/{symbol}", response_model=PrecioMercado, responses=_ERRORES)
async def market_price(
    symbol: SimboloRuta,
    _usuario: Autenticado,
    entorno: Compartido,
    environment: Ambiente = None,
    _exchange: Bolsa = None,
) -> RespuestaJson:
    """Bid, ask and last price of a symbol."""
    with bolsa_como_problema():
        return RespuestaJson(precio_publico(await plaza_de(entorno, environment).cotizacion(symbol)))


@rutas_mercado.get("/api/v1/market-data", response_model=DatosMercado, responses=_ERRORES)
async def market_data(
    usuario: Autenticado,
    entorno: Compartido,
    symbols: Annotated[
        Escrito | None,
        Query(max_length=1_000, description="Up to 50, with commas; the tenant's when left out."),
    ] = None,
    environment: Ambiente = None,
    _exchange: Bolsa = None,
) -> RespuestaJson:
    """Prices and spreads of several symbols."""
    plaza = plaza_de(entorno, environment)
    if symbols is None:
        pedidos = await asyncio.to_thread(_propios, entorno, usuario.client_id)
    else:
        pedidos = [simbolo.strip().upper() for simbolo in symbols.split(",") if simbolo.strip()]
    if len(pedidos) > _SIMBOLOS_MAXIMOS:
        raise Problema(422, f"at most {_SIMBOLOS_MAXIMOS} symbols")
    with bolsa_como_problema():
        filas = [_fila(await plaza.cotizacion(simbolo)) for simbolo in pedidos]
    nombre = environment or entorno.mercados.por_defecto
    return RespuestaJson({"environment": str(nombre), "symbols": filas})


@rutas_mercado.get("/api/v1/orderbook/{symbol}", response_model=LibroMercado, responses=_ERRORES)
async def orderbook(
    symbol: SimboloRuta,
    _usuario: Autenticado,
    entorno: Compartido,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 20,
    environment: Ambiente = None,
    _exchange: Bolsa = None,
) -> RespuestaJson:
    """The order book of a symbol, at most a second old."""
    profundidad = next(tope for tope in PROFUNDIDADES if limit <= tope)
    with bolsa_como_problema():
        libro = await plaza_de(entorno, environment).libro(symbol, profundidad)
    lados = (
        [[precio(nivel), cantidad(cuanto)] for nivel, cuanto in lado[:limit]]
        for lado in (libro.bids, libro.asks)
    )
    bids, asks = lados
    return RespuestaJson(
        {"symbol": symbol, "bids": bids, "asks": asks, "timestamp": segundos(libro.instante_ms)}
    )


@rutas_mercado.get("/api/v1/candles/{symbol}", response_model=Velas, responses=_ERRORES)
async def candles(
    symbol: SimboloRuta,
    _usuario: Autenticado,
    entorno: Compartido,
    interval: Intervalo = "1m",
    limit: Annotated[int, Query(ge=1, le=VELAS_MAXIMAS)] = 500,
    before: Annotated[
        int | None, Query(ge=1, le=2**53, description="Only candles that open before, UTC milliseconds.")
    ] = None,
    environment: Ambiente = None,
    _exchange: Bolsa = None,
) -> RespuestaJson:
    """The newest candles of a symbol, oldest first."""
    hasta_ms = None if before is None else before - 1
    with bolsa_como_problema():
        filas = await plaza_de(entorno, environment).velas(symbol, interval, limit, hasta_ms)
    return RespuestaJson(_velas(symbol, interval, filas))


@rutas_mercado.get("/api/historical-data", response_model=Velas, responses=_ERRORES)
async def historical_data(
    symbol: SimboloConsulta,
    _usuario: Autenticado,
    entorno: Compartido,
    interval: Intervalo = "15m",
    days: Annotated[int, Query(ge=1, le=3_650)] = 7,
    environment: Ambiente = None,
    _exchange: Bolsa = None,
) -> RespuestaJson:
    """The candles of the last days, for a chart; at most 10,000."""
    cuantas = ceil(days * DIA_MS / siguiente_apertura(0, interval))
    if cuantas > VELAS_MAXIMAS:
        raise Problema(422, f"{days} days of {interval} are {cuantas} candles; {VELAS_MAXIMAS} at most")
    with bolsa_como_problema():
        filas = await plaza_de(entorno, environment).velas(symbol, interval, cuantas)
    return RespuestaJson(_velas(symbol, interval, filas))


def _propios(entorno: Entorno, client_id: str) -> list[str]:
    with leer(entorno.almacen) as conexion:
        return simbolos_de(conexion, client_id)[:_SIMBOLOS_MAXIMOS]


def precio_publico(cotizacion: Cotizacion) -> dict[str, Any]:
    """Best prices and the last one as text."""
    return {
        "symbol": cotizacion.simbolo,
        "bid": precio(cotizacion.bid),
        "ask": precio(cotizacion.ask),
        "last": precio(cotizacion.ultimo),
        "timestamp": cotizacion.instante_ms // 1_000 or None,
    }


def _fila(cotizacion: Cotizacion) -> dict[str, Any]:
    bid, ask = cotizacion.bid, cotizacion.ask
    spread = None if bid is None or ask is None else ask - bid
    return {
        **precio_publico(cotizacion),
        "spread": precio(spread),
        "spread_percent": porcentaje(cociente_porcentaje(spread, bid)),
    }


def _velas(simbolo: str, intervalo: str, filas: list[VelaPublica]) -> dict[str, Any]:
    return {
        "symbol": simbolo,
        "interval": intervalo,
        "candles": [
            {
                "timestamp": segundos(vela.apertura_ms),
                **{campo: precio(getattr(vela, campo)) for campo in ("open", "high", "low", "close")},
                "volume": cantidad(vela.volume),
            }
            for vela in filas
        ],
    }
