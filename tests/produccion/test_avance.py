"""Lockstep with a real simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from src.nucleo.errores import LecturaFallida
from src.produccion.avance import AvanceReal, AvanceSimulado
from src.simulador.servidor import Servidor
from tests.simulador.banco import planas, una_simulacion

RED = True


@pytest.fixture
async def servidor() -> AsyncIterator[Servidor]:
    async with Servidor(una_simulacion(planas(*[20_000.0] * 10), calentamiento=3)) as abierto:
        yield abierto


@pytest.fixture
async def sesion() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as abierta:
        yield abierta


async def test_una_bolsa_de_verdad_no_espera_a_nadie():
    avance = AvanceReal()

    assert not await avance.unirse("BTCUSDT", "1h")
    await avance.hecho()
    await avance.salir()


async def test_en_paso_el_mercado_se_mueve_cuando_se_dice_hecho(
    servidor: Servidor, sesion: aiohttp.ClientSession
):
    congelado: list[bool] = []
    avance = AvanceSimulado(sesion, servidor.url, "simulador", lambda: congelado.append(True))

    assert await avance.unirse("BTCUSDT", "1h")
    assert congelado == [True]
    antes = servidor.simulacion.paso
    await avance.hecho()
    await avance.hecho()
    assert servidor.simulacion.paso >= antes + 1
    await avance.salir()
    assert servidor.simulacion.acuerdo.agentes == ()


async def test_salir_sin_haberse_unido_no_hace_nada(servidor: Servidor, sesion: aiohttp.ClientSession):
    await AvanceSimulado(sesion, servidor.url, "simulador", lambda: None).salir()


async def test_lo_que_el_simulador_rechaza_se_dice(servidor: Servidor, sesion: aiohttp.ClientSession):
    avance = AvanceSimulado(sesion, servidor.url, "simulador", lambda: None)

    with pytest.raises(LecturaFallida, match="the simulator answered 400"):
        await avance.unirse("BTCUSDT", "1m")


async def test_un_simulador_que_no_esta_se_dice(sesion: aiohttp.ClientSession):
    avance = AvanceSimulado(sesion, "http://127.0.0.1:1", "simulador", lambda: None)

    with pytest.raises(LecturaFallida, match="did not answer"):
        await avance.unirse("BTCUSDT", "1h")


async def test_volver_a_unirse_ocupa_el_sitio_de_antes(servidor: Servidor, sesion: aiohttp.ClientSession):
    """A daemon that died keeps the market still until its successor joins."""
    muerto = AvanceSimulado(sesion, servidor.url, "simulador", lambda: None)
    await muerto.unirse("BTCUSDT", "1h")
    sucesor = AvanceSimulado(sesion, servidor.url, "simulador", lambda: None)
    await sucesor.unirse("BTCUSDT", "1h")

    assert len(servidor.simulacion.acuerdo.agentes) == 1
    with pytest.raises(LecturaFallida):
        await muerto.hecho()
    await sucesor.hecho()
