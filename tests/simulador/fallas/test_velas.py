"""Closed candles that come late, twice, out of order or not at all, in lockstep."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.simulador.banco import planas
from tests.simulador.fallas.banco import KLINE, Bolsa, callado, recibir, una_bolsa

VELAS = [(p, p + 5, p - 5, p) for p in (20_000.0 + 10 * i for i in range(12))]


async def recorrer(bolsa: Bolsa, mensajes: int) -> tuple[list[tuple[int, bool]], list[int]]:
    """An agent that answers each candle message with DONE: (candle, closed) of each, and the steps it saw."""
    enchufe = await bolsa.cliente.conectar(KLINE)
    agente = await bolsa.unirse()
    await enchufe.send_json({"method": "DONE", "params": [agente, None]})
    oidos, pasos = [], []
    for _ in range(mensajes):
        vela = (await recibir(enchufe))["k"]
        pasos.append(bolsa.simulacion.paso)
        oidos.append((vela["t"] // 3_600_000 % 24, vela["x"]))
        await enchufe.send_json({"method": "DONE", "params": [agente, None]})
    return oidos, pasos


def falla(how: str, **campos: Any) -> dict[str, Any]:
    """A scenario that strikes the second candle."""
    return {"faults": [{"kind": "kline", "at": {"candle": 2}, "how": how, **campos}]}


ABIERTA, CERRADA = False, True


@pytest.mark.parametrize(
    ("guion", "oidos"),
    [
        (falla("missing"), [(1, CERRADA), (3, CERRADA), (4, CERRADA)]),
        (falla("late"), [(1, CERRADA), (3, CERRADA), (2, CERRADA), (4, CERRADA)]),
        (falla("late", messages=2), [(1, CERRADA), (3, CERRADA), (4, CERRADA), (2, CERRADA)]),
        (falla("out_of_order"), [(1, CERRADA), (3, CERRADA), (2, CERRADA), (4, CERRADA)]),
        (falla("duplicated"), [(1, CERRADA), (2, CERRADA), (2, CERRADA), (3, CERRADA)]),
        (falla("duplicated", copies=2), [(1, CERRADA), (2, CERRADA), (2, CERRADA), (2, CERRADA)]),
    ],
)
async def test_con_una_vela_por_paso(guion, oidos):
    async with una_bolsa(VELAS, guion, control=False) as bolsa:
        vistos, _ = await asyncio.wait_for(recorrer(bolsa, len(oidos)), 5)
        assert vistos == oidos


async def test_una_vela_tardia_llega_despues_de_la_abierta_siguiente():
    """Four steps a candle: the close of candle 2 is held back over the open of candle 3."""
    async with una_bolsa(VELAS, falla("late"), control=False, camino="ohlc") as bolsa:
        vistos, pasos = await asyncio.wait_for(recorrer(bolsa, 10), 5)

    assert vistos[6:10] == [(2, ABIERTA), (3, ABIERTA), (2, CERRADA), (3, ABIERTA)]
    assert pasos[6:10] == [7, 9, 9, 10]


async def test_fuera_de_orden_llega_despues_de_la_cerrada_siguiente():
    async with una_bolsa(VELAS, falla("out_of_order"), control=False, camino="ohlc") as bolsa:
        vistos, pasos = await asyncio.wait_for(recorrer(bolsa, 13), 5)

    assert vistos[9:13] == [(3, ABIERTA), (3, CERRADA), (2, CERRADA), (4, ABIERTA)]
    assert pasos[9:13] == [11, 12, 12, 13]


async def test_el_mercado_espera_tantos_done_como_mensajes_mando():
    """With two messages in one step, one DONE must not let the market run ahead of the agent."""
    async with una_bolsa(VELAS, falla("duplicated"), control=False) as bolsa:
        enchufe = await bolsa.cliente.conectar(KLINE)
        agente = await bolsa.unirse()
        for _ in range(2):
            await bolsa.cliente.sim("POST", "done", agent=agente)
        assert bolsa.simulacion.paso == 2
        for _ in range(3):
            await recibir(enchufe)

        await bolsa.cliente.sim("POST", "done", agent=agente)
        assert await callado(enchufe)
        assert bolsa.simulacion.paso == 2
        await bolsa.cliente.sim("POST", "done", agent=agente)
        assert bolsa.simulacion.paso == 3 or (await recibir(enchufe))["k"]["x"]


async def test_quien_se_reconecta_no_debe_lo_que_perdio():
    async with una_bolsa(VELAS, falla("duplicated", copies=5), control=False) as bolsa:
        viejo = await bolsa.cliente.conectar(KLINE)
        agente = await bolsa.unirse()
        for _ in range(2):
            await bolsa.cliente.sim("POST", "done", agent=agente)
        await viejo.close()
        nuevo = await bolsa.cliente.conectar(KLINE)
        await asyncio.sleep(0.02)

        await bolsa.cliente.sim("POST", "done", agent=agente)

        assert (await recibir(nuevo))["k"]["x"]


async def test_solo_sufre_el_simbolo_elegido():
    otras = [("ETHUSDT", planas(*[1_000.0 + i for i in range(12)]))]
    guion = {"faults": [{"kind": "kline", "at": {"candle": 1}, "how": "missing", "symbol": "ETHUSDT"}]}
    async with una_bolsa(VELAS, guion, control=False, otras=otras) as bolsa:
        btc = await bolsa.cliente.conectar(KLINE)
        eth = await bolsa.cliente.conectar("/market/ws/ethusdt@kline_1h")
        bolsa.simulacion.avanzar()

        assert (await recibir(btc))["k"]["x"] is True
        assert await callado(eth)
