"""Lockstep with a real simulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from src.nucleo.errores import BolsaIncompatible, LecturaFallida
from src.produccion.bolsa.avance import AvanceReal, AvanceSimulado
from src.produccion.config.config import direcciones_de
from src.simulador.servidor import Servidor
from src.simulador.simulacion import Simulacion
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


def un_avance(
    url: str, sesion: aiohttp.ClientSession, al_ir_en_paso: Callable[[], None] = lambda: None, **cambios: Any
) -> AvanceSimulado:
    return AvanceSimulado(sesion, direcciones_de(url), "simulador", al_ir_en_paso, **cambios)


async def hasta(condicion: Callable[[], bool]) -> None:
    """Wait until the simulator, which takes its steps by itself, has got there."""
    for _ in range(500):
        if condicion():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen in time")


async def test_una_bolsa_de_verdad_no_espera_a_nadie():
    avance = AvanceReal()

    assert not await avance.unirse("BTCUSDT", "1h")
    await avance.hecho()
    await avance.salir()


async def test_en_paso_el_mercado_se_mueve_cuando_se_dice_hecho(
    servidor: Servidor, sesion: aiohttp.ClientSession
):
    congelado: list[bool] = []
    avance = un_avance(servidor.url, sesion, lambda: congelado.append(True))

    assert await avance.unirse("BTCUSDT", "1h")
    assert congelado == [True]
    for _ in range(3):
        antes = servidor.simulacion.paso
        await avance.hecho()
        await hasta(lambda antes=antes: servidor.simulacion.paso == antes + 1)  # type: ignore[misc]
    await avance.salir()
    assert servidor.simulacion.acuerdo.agentes == ()


async def test_salir_sin_haberse_unido_no_hace_nada(servidor: Servidor, sesion: aiohttp.ClientSession):
    await un_avance(servidor.url, sesion).salir()


async def test_lo_que_el_simulador_rechaza_se_dice(servidor: Servidor, sesion: aiohttp.ClientSession):
    avance = un_avance(servidor.url, sesion)

    with pytest.raises(BolsaIncompatible, match="the simulator answered 400"):
        await avance.unirse("BTCUSDT", "1m")


async def test_un_simulador_que_no_esta_se_dice(sesion: aiohttp.ClientSession):
    avance = un_avance("http://127.0.0.1:1", sesion)

    with pytest.raises(LecturaFallida, match="did not answer"):
        await avance.unirse("BTCUSDT", "1h")


async def test_volver_a_unirse_ocupa_el_sitio_de_antes(servidor: Servidor, sesion: aiohttp.ClientSession):
    """A daemon that died keeps the market still until its successor joins."""
    muerto = un_avance(servidor.url, sesion)
    await muerto.unirse("BTCUSDT", "1h")
    sucesor = un_avance(servidor.url, sesion)
    await sucesor.unirse("BTCUSDT", "1h")

    assert len(servidor.simulacion.acuerdo.agentes) == 1
    antes = servidor.simulacion.paso
    await muerto.hecho()
    await asyncio.sleep(0.05)
    assert servidor.simulacion.paso == antes
    await sucesor.hecho()
    await hasta(lambda: servidor.simulacion.paso == antes + 1)
    await sucesor.salir()


async def test_un_simulador_que_se_reinicia_conoce_de_nuevo_a_su_agente(sesion: aiohttp.ClientSession):
    async with Servidor(otra_simulacion()) as primero:
        avance = un_avance(primero.url, sesion)
        await avance.unirse("BTCUSDT", "1h")
        await avance.hecho()
        await hasta(lambda: primero.simulacion.paso == 1)
        puerto = urlsplit(primero.url).port

    reiniciado = Servidor(otra_simulacion(puerto=puerto))
    tarde = asyncio.get_running_loop().call_later(0.3, lambda: abierto.append(arrancar(reiniciado)))
    abierto: list[asyncio.Task[None]] = []
    await avance.hecho()

    await hasta(lambda: reiniciado.simulacion.paso == 1)
    assert len(reiniciado.simulacion.acuerdo.agentes) == 1
    await avance.salir()
    tarde.cancel()
    await reiniciado.cerrar()


async def test_un_simulador_que_no_vuelve_se_dice(sesion: aiohttp.ClientSession):
    async with Servidor(otra_simulacion()) as primero:
        avance = un_avance(primero.url, sesion, paciencia_s=0.2)
        await avance.unirse("BTCUSDT", "1h")
        await avance.hecho()
        await hasta(lambda: primero.simulacion.paso == 1)

    with pytest.raises(LecturaFallida, match="did not answer"):
        await avance.hecho()


def otra_simulacion(**opciones: Any) -> Simulacion:
    return una_simulacion(planas(*[20_000.0] * 10), calentamiento=3, **opciones)


def arrancar(servidor: Servidor) -> asyncio.Task[None]:
    return asyncio.ensure_future(servidor.abrir())
