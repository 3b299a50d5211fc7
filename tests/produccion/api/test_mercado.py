"""Public market data through the API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from redis.asyncio import Redis

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.almacen.conexion import abrir_almacen
from src.produccion.api.mercados import Mercados, Plaza, crear_mercados
from src.produccion.api.precios_redis import PreciosRedis
from src.produccion.bolsa.publico import MercadoPublico
from src.produccion.config.config import Modo
from tests.produccion.api.banco import Api
from tests.produccion.api.bolsa_publica import AHORA_MS, MINUTO_MS, BolsaPublica
from tests.produccion.servidor_redis import ServidorRedis

RED = True

PRECIO = {
    "symbol": "BTCUSDT",
    "bid": "89245.00",
    "ask": "89246.00",
    "last": "89245.50",
    "timestamp": AHORA_MS // 1_000,
}


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Of one store only: prices come from elsewhere."""
    direccion = f"sqlite:///{tmp_path / 'timonel.sqlite'}"
    abrir_almacen(direccion, tmp_path).dispose()
    return direccion


@pytest.mark.parametrize("ruta", ["/api/market/price/BTCUSDT/", "/api/market/price/btcusdt?exchange=binance"])
async def test_un_precio_tiene_la_forma_de_la_semilla(con_mercado: Api, ruta: str):
    respuesta = await con_mercado.pedir("GET", ruta, ficha=con_mercado.ficha())

    assert (respuesta.estado, respuesta.cuerpo) == (200, PRECIO)


async def test_muchos_que_miran_a_la_vez_son_una_lectura(con_mercado: Api, bolsa: BolsaPublica):
    ficha = con_mercado.ficha()

    respuestas = await asyncio.gather(
        *(con_mercado.pedir("GET", "/api/market/price/BTCUSDT", ficha=ficha) for _ in range(40))
    )

    assert {r.estado for r in respuestas} == {200}
    plaza = con_mercado.entorno.mercados.plazas[Modo.SIMULADO]
    assert plaza.precios.peticiones == 40
    assert plaza.precios.peticiones - plaza.precios.aciertos == bolsa.vistas["ticker/bookTicker"]
    assert bolsa.vistas["ticker/bookTicker"] < 40


@pytest.mark.parametrize(
    "ruta",
    [
        "/api/market/price/NADAUSDT/",
        "/api/market/price/LUNAUSDT/",
        "/api/v1/orderbook/NADAUSDT",
        "/api/v1/candles/NADAUSDT",
        "/api/historical-data/?symbol=NADAUSDT",
        "/api/v1/market-data?symbols=BTCUSDT,NADAUSDT",
    ],
)
async def test_un_simbolo_que_no_se_opera_es_un_404(con_mercado: Api, ruta: str):
    respuesta = await con_mercado.pedir("GET", ruta, ficha=con_mercado.ficha())

    assert (respuesta.estado, respuesta.tipo) == (404, "application/problem+json")
    assert "does not list" in respuesta.cuerpo["detail"]


@pytest.mark.parametrize("ambiente", ["live", "testnet"])
async def test_de_una_bolsa_sin_configurar_no_hay_datos(con_mercado: Api, ambiente: str):
    ruta = f"/api/market/price/BTCUSDT?environment={ambiente}"

    respuesta = await con_mercado.pedir("GET", ruta, ficha=con_mercado.ficha())

    assert respuesta.estado == 404
    assert f"no market data of {ambiente}" in respuesta.cuerpo["detail"]


@pytest.mark.parametrize(
    "ruta",
    [
        "/api/market/price/BTC-USDT",
        "/api/v1/candles/BTCUSDT?interval=7m",
        "/api/v1/candles/BTCUSDT?limit=0",
        "/api/v1/orderbook/BTCUSDT?limit=1001",
        "/api/v1/market-data?exchange=kraken",
        "/api/historical-data?symbol=BTCUSDT&interval=1m&days=7",
    ],
)
async def test_lo_que_no_puede_ser_es_un_422(con_mercado: Api, ruta: str):
    assert (await con_mercado.pedir("GET", ruta, ficha=con_mercado.ficha())).estado == 422


@pytest.mark.parametrize(
    ("respuesta", "estado"), [((500, "down", {}), 502), ((429, {}, {"Retry-After": "9"}), 503)]
)
async def test_una_bolsa_que_no_contesta_se_dice(
    con_mercado: Api, bolsa: BolsaPublica, respuesta: tuple[int, object, dict[str, str]], estado: int
):
    bolsa.fallos["ticker/price"] = respuesta

    recibida = await con_mercado.pedir("GET", "/api/market/price/BTCUSDT", ficha=con_mercado.ficha())

    assert (recibida.estado, recibida.tipo) == (estado, "application/problem+json")
    assert recibida.cabeceras.get("Retry-After") == ("9" if estado == 503 else None)


async def test_las_velas_van_de_vieja_a_nueva_y_se_sigue_hacia_atras(con_mercado: Api):
    ficha = con_mercado.ficha()
    ultimas = (await con_mercado.pedir("GET", "/api/v1/candles/BTCUSDT?limit=3", ficha=ficha)).cuerpo[
        "candles"
    ]
    antes = round(ultimas[0]["timestamp"] * 1_000)
    previas = await con_mercado.pedir("GET", f"/api/v1/candles/BTCUSDT?limit=2&before={antes}", ficha=ficha)

    cierres = [vela["close"] for vela in previas.cuerpo["candles"] + ultimas]
    assert cierres == [f"{n}.00" for n in range(3_095, 3_100)]
    assert ultimas[-1]["volume"] == "7.00000000"


async def test_muchas_velas_se_leen_por_paginas_sin_hueco_ni_repeticion(
    con_mercado: Api, bolsa: BolsaPublica
):
    ruta = "/api/historical-data?symbol=BTCUSDT&interval=1m&days=2"
    velas = (await con_mercado.pedir("GET", ruta, ficha=con_mercado.ficha())).cuerpo["candles"]

    instantes = [vela["timestamp"] for vela in velas]
    assert len(velas) == 2 * 1_440
    assert {b - a for a, b in pairwise(instantes)} == {MINUTO_MS / 1_000}
    assert bolsa.vistas["klines"] == 2


async def test_el_libro_tiene_los_niveles_pedidos(con_mercado: Api):
    respuesta = await con_mercado.pedir("GET", "/api/v1/orderbook/BTCUSDT?limit=3", ficha=con_mercado.ficha())

    assert respuesta.cuerpo["bids"][0] == ["89245.00", "1.50000000"]
    assert [len(respuesta.cuerpo[lado]) for lado in ("bids", "asks")] == [3, 3]


async def test_de_varios_simbolos_se_da_tambien_la_distancia(con_mercado: Api):
    ruta = "/api/v1/market-data?symbols=BTCUSDT,DOGEUSDT"
    cuerpo = (await con_mercado.pedir("GET", ruta, ficha=con_mercado.ficha())).cuerpo

    assert [(fila["symbol"], fila["spread"], fila["spread_percent"]) for fila in cuerpo["symbols"]] == [
        ("BTCUSDT", "1.00", "0.00"),
        ("DOGEUSDT", "0.00001", "0.01"),
    ]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[ServidorRedis]:
    servidor = ServidorRedis(tmp_path)
    servidor.empezar()
    yield servidor
    servidor.parar()


@pytest.fixture
async def dos_plazas(bolsa: BolsaPublica, redis: ServidorRedis) -> AsyncIterator[list[Plaza]]:
    """Two API processes that share a Redis."""
    plazas = [Plaza(MercadoPublico(bolsa.url), PreciosRedis(redis.url, "prueba")) for _ in range(2)]
    yield plazas
    for plaza in plazas:
        await plaza.cerrar()


async def test_con_redis_dos_procesos_leen_una_vez(bolsa: BolsaPublica, dos_plazas: list[Plaza]):
    una, otra = [await plaza.cotizacion("BTCUSDT") for plaza in dos_plazas]

    assert una == otra
    assert bolsa.vistas["ticker/bookTicker"] == 1


async def test_sin_redis_cada_uno_lee_lo_suyo(
    bolsa: BolsaPublica, dos_plazas: list[Plaza], redis: ServidorRedis, bitacora: list[dict[str, object]]
):
    redis.parar()

    precios = [(await plaza.cotizacion("BTCUSDT")).bid for plaza in dos_plazas]

    assert str(precios[0]) == "89245.00"
    assert bolsa.vistas["ticker/bookTicker"] == 2
    assert "muy-secreto" not in str(bitacora)
    assert [evento["event"] for evento in bitacora].count("precios_sin_redis") == 2


@pytest.mark.parametrize(
    "ajeno", [b"{", b"[1]", b"[1, [[1, 2]]]", b'[1, [["X", 1, "a", null, null]]]', b"null"]
)
async def test_lo_que_otro_dejo_en_redis_no_se_toma_por_precios(
    bolsa: BolsaPublica, dos_plazas: list[Plaza], redis: ServidorRedis, ajeno: bytes
):
    async with Redis.from_url(redis.url) as cliente:
        await cliente.set("market_price:prueba", ajeno, px=60_000)

    precio = await dos_plazas[0].cotizacion("BTCUSDT")

    assert str(precio.bid) == "89245.00"


def test_la_bolsa_es_la_del_entorno_y_la_testnet_sin_nada():
    usual = crear_mercados({})
    local = crear_mercados({"TIMONEL_EXCHANGE_URL": "http://127.0.0.1:8899"})
    otra = crear_mercados({"TIMONEL_EXCHANGE_URL": "https://example.org"})

    assert (usual.por_defecto, set(usual.plazas)) == (Modo.TESTNET, {Modo.TESTNET, Modo.REAL})
    assert (local.por_defecto, local.plazas[Modo.SIMULADO].url) == (Modo.SIMULADO, "http://127.0.0.1:8899")
    assert (otra.por_defecto, otra.plazas[Modo.TESTNET].url) == (Modo.TESTNET, "https://example.org")
    with pytest.raises(ConfiguracionInvalida, match="redis://"):
        crear_mercados({"TIMONEL_REDIS_URL": "ni-idea"})


def test_una_cuenta_se_valora_donde_opera():
    mercados = Mercados({Modo.SIMULADO: Plaza(MercadoPublico("http://127.0.0.1:1"))}, Modo.SIMULADO)

    assert mercados.de_cuenta("sim-1") is mercados.una(None)
    assert [mercados.de_cuenta(nombre) for nombre in ("live-1", "testnet-1", "otra", "")] == [None] * 4
