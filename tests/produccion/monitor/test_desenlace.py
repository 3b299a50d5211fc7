"""When an order counts as absent."""

from __future__ import annotations

import asyncio

import pytest

from src.nucleo.ordenes import Orden
from src.nucleo.tipos import LadoOrden, Posicion
from src.produccion.monitor.desenlace import Averiguador, Paciencia, Suerte, paciencia_de
from src.produccion.puertos import RespuestaOrden
from tests.produccion.falsos import BolsaFalsa
from tests.produccion.monitor import fabrica as f

ORDEN = Orden("BTCUSDT", LadoOrden.SELL, 0.01, True, "tm-x")
PACIENCIA = paciencia_de(60_000)
AUSENTE = Suerte(True, motivo="it never reached the exchange")


class _BolsaMirada(BolsaFalsa):
    """Notes when it was asked for an order."""

    miradas_s: list[float]

    async def consultar(self, simbolo: str, id_cliente: str) -> RespuestaOrden | None:
        self.miradas_s.append(asyncio.get_running_loop().time())
        return await super().consultar(simbolo, id_cliente)


def _una_bolsa(cantidad: float = 0.01) -> _BolsaMirada:
    de = f.una_bolsa(88_000.0, cantidad)
    bolsa = _BolsaMirada(estado=de.estado, precio_actual=de.precio_actual, reloj=de.reloj)
    bolsa.miradas_s = []
    return bolsa


@pytest.mark.parametrize(("ventana_ms", "validez_s", "plazo_s"), [(5_000, 7.0, 30.0), (60_000, 62.0, 85.0)])
def test_se_busca_mas_alla_de_lo_que_vale_la_peticion(ventana_ms: int, validez_s: float, plazo_s: float):
    paciencia = paciencia_de(ventana_ms)

    assert (paciencia.validez_s, paciencia.plazo_s) == (validez_s, plazo_s)
    assert paciencia_de(5_000) == Paciencia()


async def test_hacen_falta_tres_miradas_mas_alla_de_la_validez():
    bolsa = _una_bolsa()

    assert await Averiguador(bolsa, PACIENCIA).averiguar(ORDEN, 0.01) == AUSENTE

    assert sum(mirada_s >= 62.0 for mirada_s in bolsa.miradas_s) == 3


async def test_una_que_llega_al_final_de_su_validez_se_encuentra():
    bolsa = _una_bolsa()
    asyncio.get_running_loop().call_later(61.9, lambda: bolsa.operar(-0.01, id_cliente=ORDEN.id_cliente))

    suerte = await Averiguador(bolsa, PACIENCIA).averiguar(ORDEN, 0.01)

    assert (suerte.terminada, suerte.ejecutada) == (True, 0.01)


async def test_una_mirada_sin_respuesta_no_cuenta_ni_deja_contar_las_de_antes():
    bolsa = _una_bolsa()
    bucle = asyncio.get_running_loop()
    bucle.call_later(62.6, lambda: setattr(bolsa, "consultas_fallidas", 1))

    assert await Averiguador(bolsa, PACIENCIA).averiguar(ORDEN, 0.01) == AUSENTE

    assert sum(mirada_s >= 62.0 for mirada_s in bolsa.miradas_s) == 6


@pytest.mark.parametrize("corta", [False, True])
async def test_una_posicion_que_cambia_hace_esperar_a_las_operadas(*, corta: bool):
    """Its own fills may be listed late; only after the deadline it was somebody else."""
    signo = -1 if corta else 1
    orden = ORDEN._replace(lado=LadoOrden.BUY) if corta else ORDEN
    bolsa = _una_bolsa(0.01 * signo)
    bolsa.estado = bolsa.estado._replace(posicion=Posicion(0.004 * signo, f.ENTRADA))

    assert await Averiguador(bolsa, PACIENCIA).averiguar(orden, 0.01) == AUSENTE

    assert bolsa.miradas_s[-1] >= PACIENCIA.plazo_s


async def test_las_operadas_que_tardan_la_muestran():
    bolsa = _una_bolsa()
    bolsa.operar(-0.01, id_cliente=ORDEN.id_cliente)
    bolsa.consultas_ausentes, bolsa.transacciones_tardias = 1_000, 2

    suerte = await Averiguador(bolsa, PACIENCIA).averiguar(ORDEN, 0.01)

    assert (suerte.terminada, suerte.ejecutada) == (True, 0.01)


async def test_la_que_no_se_envio_falta_a_la_primera_mirada():
    bolsa = _una_bolsa(0.0)

    assert await Averiguador(bolsa, PACIENCIA).averiguar(ORDEN, 0.0, enviada=False) == AUSENTE

    assert len(bolsa.miradas_s) == 1
