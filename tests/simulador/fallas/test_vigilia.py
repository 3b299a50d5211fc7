"""How long a position is naked, in market and in wall time."""

from __future__ import annotations

import asyncio

from tests.simulador.banco import planas
from tests.simulador.fallas.banco import Bolsa, una_bolsa

HORA_MS = 3_600_000


async def desnudez(bolsa: Bolsa) -> dict[str, float]:
    """What the books say of it."""
    return (await bolsa.cliente.sim("GET", "books?key=simulador"))["naked_ms"]


async def test_una_posicion_sin_stop_se_cuenta_en_tiempo_de_mercado(bolsa: Bolsa):
    bolsa.simulacion.avanzar()
    await bolsa.comprar()
    for _ in range(3):
        bolsa.simulacion.avanzar()
    await bolsa.poner_stop("19000")
    bolsa.simulacion.avanzar()
    assert (await desnudez(bolsa))["total"] == 3 * HORA_MS

    await bolsa.armar("stop_dropped")
    bolsa.simulacion.avanzar()

    medida = await desnudez(bolsa)
    assert (medida["total"], medida["longest"]) == (4 * HORA_MS, 3 * HORA_MS)


async def test_dentro_de_un_paso_solo_cuenta_el_tiempo_de_pared(bolsa: Bolsa):
    await bolsa.comprar()
    await asyncio.sleep(0.1)
    await bolsa.poner_stop("19000")
    bolsa.simulacion.avanzar()

    medida = await desnudez(bolsa)

    assert medida["total"] == medida["longest"] == 0
    assert 100 <= medida["longest_wall"] < 2_000


async def test_un_stop_que_no_alcanza_no_viste(bolsa: Bolsa):
    await bolsa.comprar("0.2")
    await bolsa.poner_stop("19000", quantity="0.1", reduceOnly="true")
    bolsa.simulacion.avanzar()
    await bolsa.poner_stop("19100", quantity="0.1", reduceOnly="true")
    bolsa.simulacion.avanzar()

    assert (await desnudez(bolsa))["total"] == HORA_MS


async def test_plana_no_esta_desnuda():
    async with una_bolsa() as bolsa:
        await bolsa.comprar()
        await bolsa.comprar(side="SELL", reduceOnly="true")
        bolsa.simulacion.avanzar()
        libros = await bolsa.cliente.sim("GET", "books?key=simulador")
        assert libros["naked_ms"]["total"] == 0
        assert libros["positions"][0]["naked_ms"]["stretches"] == 1
        assert libros["positions"][0]["naked_ms"]["now"] is False


async def test_un_stop_que_el_mercado_ya_paso_no_viste():
    """One that should have been triggered and was not protects nobody."""
    async with una_bolsa(planas(20_000, 20_000, 18_000, 18_000, 20_000, 20_000)) as bolsa:
        bolsa.simulacion.avanzar()
        await bolsa.comprar()
        await bolsa.poner_stop("19000")
        await bolsa.armar("stop_ignored", times="always")
        for _ in range(4):
            bolsa.simulacion.avanzar()

        assert (await desnudez(bolsa))["total"] == 2 * HORA_MS


async def test_un_objetivo_no_viste(bolsa: Bolsa):
    await bolsa.comprar()
    await bolsa.poner_stop("30000", type="TAKE_PROFIT_MARKET")
    bolsa.simulacion.avanzar()

    assert (await desnudez(bolsa))["total"] == HORA_MS
