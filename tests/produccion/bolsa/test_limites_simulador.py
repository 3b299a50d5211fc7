"""The adapter against the real limiter of the simulator: it never earns a ban."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from src.nucleo.errores import LimiteExcedido
from src.nucleo.ordenes import Orden
from src.nucleo.tipos import LadoOrden
from src.produccion.bolsa.binance import AjustesBolsa, BinanceConnector
from src.produccion.bolsa.presupuesto import AjustesLimites
from src.produccion.bolsa.reloj import RelojMercado
from src.simulador.limites import ORDENES_POR_10S, PESO_POR_MINUTO
from src.simulador.servidor import Servidor
from tests.produccion.servidor_rest import una_bolsa
from tests.simulador.banco import Cliente, planas, una_simulacion

RED = True


@pytest.fixture
async def servidor() -> AsyncIterator[Servidor]:
    async with Servidor(una_simulacion(planas(*[20_000.0] * 10), calentamiento=3)) as abierto:
        yield abierto


@pytest.fixture
async def bolsa(servidor: Servidor) -> AsyncIterator[BinanceConnector]:
    reloj = RelojMercado()
    reloj.congelar()
    reloj.observar(servidor.simulacion.reloj.ahora_ms())
    ajustes = AjustesBolsa(limites=AjustesLimites(espera_max_s=0.0))
    async with una_bolsa(servidor.url, reloj, ajustes) as conectada:
        yield conectada


@pytest.fixture
async def intruso(servidor: Servidor) -> AsyncIterator[Cliente]:
    """Another process with the same key, which knows no measure."""
    async with aiohttp.ClientSession() as sesion:
        yield Cliente(sesion, servidor.url)


async def cuantas_hasta_el_limite(bolsa: BinanceConnector) -> int:
    for vez in range(1_000):
        try:
            await bolsa.modo_cuenta()
        except LimiteExcedido:
            return vez
    raise AssertionError("there was no limit")


async def cuantas_entradas_hasta_el_limite(bolsa: BinanceConnector) -> int:
    for vez in range(ORDENES_POR_10S):
        try:
            await bolsa.enviar(Orden("BTCUSDT", LadoOrden.BUY, 0.003, False, f"tm-{vez}"))
        except LimiteExcedido:
            return vez
    raise AssertionError("there was no limit")


async def agotar(intruso: Cliente) -> None:
    """Use up the minute's weight, politely: the last request is the first one refused."""
    await intruso.firmado("GET", "/v1/income")
    while intruso.estado == 200:
        await intruso.firmado("GET", "/v1/income", startTime=0)
    assert intruso.estado == 429


async def test_una_rafaga_de_lecturas_se_queda_por_debajo_del_limite(
    servidor: Servidor, bolsa: BinanceConnector, intruso: Cliente
):
    assert await cuantas_hasta_el_limite(bolsa) > 10

    await intruso.firmado("GET", "/v2/account")
    assert intruso.estado == 200
    assert int(intruso.cabeceras["X-MBX-USED-WEIGHT-1M"]) <= 0.8 * PESO_POR_MINUTO + 30
    assert (await bolsa.cuenta("BTCUSDT")).estado.saldo == 10_000


async def test_una_rafaga_de_entradas_deja_sitio_para_salir(servidor: Servidor, bolsa: BinanceConnector):
    aceptadas = await cuantas_entradas_hasta_el_limite(bolsa)

    assert 0.7 * ORDENES_POR_10S < aceptadas <= 0.8 * ORDENES_POR_10S
    posicion = (await bolsa.cuenta("BTCUSDT")).estado.posicion
    assert posicion is not None
    await bolsa.enviar(Orden("BTCUSDT", LadoOrden.SELL, posicion.cantidad, True, "tm-salida"))
    assert (await bolsa.cuenta("BTCUSDT")).estado.posicion is None


async def test_quien_es_rechazado_no_insiste_aunque_otro_gaste_por_el(
    bolsa: BinanceConnector, intruso: Cliente
):
    await agotar(intruso)
    for _ in range(200):
        with pytest.raises(LimiteExcedido):
            await bolsa.modo_cuenta()
    for _ in range(200):
        with pytest.raises(LimiteExcedido):
            await bolsa.cuenta("BTCUSDT")
    for numero in range(200):
        with pytest.raises(LimiteExcedido):
            await bolsa.enviar(Orden("BTCUSDT", LadoOrden.SELL, 0.01, True, f"tm-{numero}"))

    await intruso.publico("/v1/time")
    assert intruso.estado == 429
