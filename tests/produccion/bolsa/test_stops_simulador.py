"""The adapter's stops against the simulator's own conditional orders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from src.nucleo.errores import OrdenRechazada
from src.nucleo.ordenes import Orden
from src.nucleo.stops import OrdenStop, TipoStop
from src.nucleo.tipos import LadoOrden
from src.produccion.bolsa.binance import BinanceConnector
from src.produccion.bolsa.reloj import RelojMercado
from src.produccion.puertos import EstadoAlgo, StopBolsa
from src.simulador.servidor import Servidor
from tests.produccion.servidor_rest import una_bolsa
from tests.simulador.banco import planas, una_simulacion

RED = True
STOP = OrdenStop("BTCUSDT", LadoOrden.SELL, 19_000.5, None, "tm-cierra")
PUENTE = STOP._replace(cantidad=0.01, gatillo=19_500.0, id_cliente="tm-puente")


@pytest.fixture
async def bolsa() -> AsyncIterator[BinanceConnector]:
    """With a long position of 0.01 at 20,000."""
    async with Servidor(una_simulacion(planas(*[20_000.0] * 10), calentamiento=3)) as servidor:
        reloj = RelojMercado()
        reloj.congelar()
        reloj.observar(servidor.simulacion.reloj.ahora_ms())
        async with una_bolsa(servidor.url, reloj) as conectada:
            await conectada.enviar(Orden("BTCUSDT", LadoOrden.BUY, 0.01, False, "tm-entrada"))
            yield conectada


async def test_un_stop_se_coloca_se_ve_y_se_cancela(bolsa: BinanceConnector):
    colocado = await bolsa.colocar_stop(STOP)

    assert colocado == StopBolsa(
        "tm-cierra", colocado.id_algo, EstadoAlgo.NEW, "STOP_MARKET", LadoOrden.SELL, 19_000.5, None
    )
    assert await bolsa.consultar_stop("BTCUSDT", "tm-cierra") == colocado
    assert list(await bolsa.stops_abiertos("BTCUSDT")) == [colocado]
    assert await bolsa.ordenes_abiertas("BTCUSDT") == []

    await bolsa.cancelar_stop("BTCUSDT", "tm-cierra")

    assert await bolsa.stops_abiertos("BTCUSDT") == []
    with pytest.raises(OrdenRechazada) as fallo:
        await bolsa.cancelar_stop("BTCUSDT", "tm-cierra")
    assert fallo.value.codigo == -2011


async def test_los_limites_del_precio_que_se_publican_son_los_que_rigen(bolsa: BinanceConnector):
    filtros = (await bolsa.info_simbolo("BTCUSDT")).mercado.filtros
    minimo = filtros.escala_precio.minimo
    assert (filtros.precio_min, filtros.precio_max) == (Decimal("200.00"), Decimal(1_000_000))

    with pytest.raises(OrdenRechazada) as fallo:
        await bolsa.colocar_stop(STOP._replace(gatillo=minimo - 0.1))
    assert fallo.value.codigo == -4013
    assert (await bolsa.colocar_stop(STOP._replace(gatillo=minimo))).gatillo == minimo


async def test_uno_que_nadie_coloco_no_existe(bolsa: BinanceConnector):
    assert await bolsa.consultar_stop("BTCUSDT", "tm-nadie") is None


async def test_un_nivel_se_mueve_por_un_puente_sin_quedar_desnudo(bolsa: BinanceConnector):
    await bolsa.colocar_stop(STOP)
    with pytest.raises(OrdenRechazada) as fallo:
        await bolsa.colocar_stop(STOP._replace(gatillo=19_500.0, id_cliente="tm-otro"))
    assert fallo.value.codigo == -4130

    await bolsa.colocar_stop(PUENTE)
    await bolsa.cancelar_stop("BTCUSDT", "tm-cierra")
    await bolsa.colocar_stop(STOP._replace(gatillo=19_500.0, id_cliente="tm-nuevo"))
    await bolsa.cancelar_stop("BTCUSDT", "tm-puente")

    assert [s.id_cliente for s in await bolsa.stops_abiertos("BTCUSDT")] == ["tm-nuevo"]


@pytest.mark.parametrize(
    ("cambios", "codigo"), [({"gatillo": 20_100.0}, -2021), ({"id_cliente": "tm-puente"}, -4116)]
)
async def test_lo_que_no_puede_ser_dice_por_que(
    bolsa: BinanceConnector, cambios: dict[str, object], codigo: int
):
    await bolsa.colocar_stop(PUENTE)

    with pytest.raises(OrdenRechazada) as fallo:
        await bolsa.colocar_stop(STOP._replace(**cambios))
    assert fallo.value.codigo == codigo


async def test_el_precio_mark_es_el_del_mercado(bolsa: BinanceConnector):
    assert await bolsa.precio_mark("BTCUSDT") == 20_000.0


async def test_el_libro_rodea_al_ultimo_precio(bolsa: BinanceConnector):
    bid, ask, instante_ms = await bolsa.precio_bidask("BTCUSDT")

    assert bid <= 20_000.0 <= ask
    assert instante_ms == await bolsa.hora_ms()


async def test_un_objetivo_vive_junto_al_stop_que_cierra(bolsa: BinanceConnector):
    objetivo = STOP._replace(
        gatillo=21_000.0, cantidad=0.01, id_cliente="tm-objetivo", tipo=TipoStop.TAKE_PROFIT_MARKET
    )
    await bolsa.colocar_stop(STOP)
    await bolsa.colocar_stop(objetivo)

    tipos = {s.id_cliente: s.tipo for s in await bolsa.stops_abiertos("BTCUSDT")}
    assert tipos == {"tm-cierra": "STOP_MARKET", "tm-objetivo": "TAKE_PROFIT_MARKET"}
    with pytest.raises(OrdenRechazada) as fallo:
        await bolsa.colocar_stop(objetivo._replace(gatillo=19_900.0, id_cliente="tm-cruzado"))
    assert fallo.value.codigo == -2021
