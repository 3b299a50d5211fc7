"""Public reads: what comes of each kind of answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from src.nucleo.errores import BolsaIncompatible, LecturaFallida, LimiteExcedido
from src.produccion.bolsa.publico import Cotizacion, MercadoPublico
from tests.produccion.api.bolsa_publica import AHORA_MS, BolsaPublica, una_bolsa_publica

RED = True


@pytest.fixture
async def bolsa() -> AsyncIterator[BolsaPublica]:
    async with una_bolsa_publica() as una:
        yield una


@pytest.fixture
async def mercado(bolsa: BolsaPublica) -> AsyncIterator[MercadoPublico]:
    uno = MercadoPublico(bolsa.url)
    yield uno
    await uno.cerrar()


async def test_los_precios_llegan_exactos(mercado: MercadoPublico):
    cotizaciones = await mercado.cotizaciones()

    assert cotizaciones["BTCUSDT"] == Cotizacion(
        "BTCUSDT", Decimal("89245.00"), Decimal("89246.00"), Decimal("89245.50"), AHORA_MS
    )
    assert cotizaciones["DOGEUSDT"].bid == Decimal("0.08123")


async def test_lo_que_nadie_ofrece_no_es_un_precio(bolsa: BolsaPublica, mercado: MercadoPublico):
    bolsa.precios["BTCUSDT"] = ("0", "89246.00", "0.0")

    una = (await mercado.cotizaciones())["BTCUSDT"]

    assert (una.bid, una.ask, una.ultimo) == (None, Decimal("89246.00"), None)


async def test_se_listan_los_que_se_pueden_operar(mercado: MercadoPublico):
    assert await mercado.simbolos() == {"BTCUSDT", "DOGEUSDT"}


async def test_velas_y_libro_tienen_lo_pedido(mercado: MercadoPublico):
    velas = await mercado.velas("BTCUSDT", "1m", 5)
    libro = await mercado.libro("BTCUSDT", 10)

    assert [int(vela.close) for vela in velas] == [3_095, 3_096, 3_097, 3_098, 3_099]
    assert (len(libro.bids), libro.asks[0]) == (10, (Decimal("89245.00"), Decimal("1.5")))


@pytest.mark.parametrize(
    ("respuesta", "fallo"),
    [
        ((400, {"code": -1121, "msg": "Invalid symbol."}, {}), BolsaIncompatible),
        ((400, {"code": -1120, "msg": "Invalid interval."}, {}), BolsaIncompatible),
        ((400, {"code": -1130, "msg": "limit"}, {}), LecturaFallida),
        ((503, "<html>", {}), LecturaFallida),
        ((200, "<html>", {}), LecturaFallida),
        ((200, [["mañana"]], {}), LecturaFallida),
        ((200, [[1, "NaN", "1", "1", "1", "1", 2]], {}), LecturaFallida),
        ((200, {"otra": "cosa"}, {}), LecturaFallida),
        ((429, {"code": -1003, "msg": "too many"}, {"Retry-After": "7"}), LimiteExcedido),
        ((418, "", {}), LimiteExcedido),
    ],
)
async def test_cada_respuesta_rara_es_un_error_con_nombre(
    bolsa: BolsaPublica, mercado: MercadoPublico, respuesta: Any, fallo: type[Exception]
):
    bolsa.fallos["klines"] = respuesta

    with pytest.raises(fallo):
        await mercado.velas("BTCUSDT", "1m", 5)


async def test_tras_un_429_no_se_pregunta_mas(bolsa: BolsaPublica, mercado: MercadoPublico):
    bolsa.fallos["klines"] = (429, {"code": -1003, "msg": "too many"}, {"Retry-After": "60"})
    with pytest.raises(LimiteExcedido) as fallo:
        await mercado.velas("BTCUSDT", "1m", 5)
    assert fallo.value.espera_s == 60.0

    with pytest.raises(LimiteExcedido):
        await mercado.cotizaciones()

    assert sum(bolsa.vistas.values()) == 1


async def test_una_bolsa_que_no_esta_se_dice():
    mercado = MercadoPublico("http://127.0.0.1:1")
    with pytest.raises(LecturaFallida, match="did not answer"):
        await mercado.simbolos()
    await mercado.cerrar()
