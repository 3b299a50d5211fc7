"""Holds: frozen before or after a request or a market step, and released."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from src.nucleo.errores import ConfiguracionInvalida
from tests.simulador.banco import Cliente
from tests.simulador.fallas.banco import KLINE, Bolsa, callado, recibir, una_bolsa

ORDEN = "POST /fapi/v1/order"


async def alcanzar(bolsa: Bolsa) -> dict[str, object]:
    """The hold that is reached."""
    async with aiohttp.ClientSession() as sesion:
        otro = Cliente(sesion, bolsa.cliente.url)
        (detencion,) = (await otro.sim("GET", "holds?wait=2"))["holds"]
        return detencion


async def soltar(bolsa: Bolsa) -> list[int]:
    """Release everything."""
    return (await bolsa.cliente.sim("POST", "holds/release"))["released"]


@pytest.mark.parametrize(("stage", "durante"), [("before", "0"), ("after", "0.1")])
async def test_una_peticion_se_detiene_antes_o_despues_de_ejecutarse(bolsa: Bolsa, stage, durante):
    await bolsa.armar("hold", {"call": ORDEN, "stage": stage})
    orden = asyncio.create_task(bolsa.comprar(newClientOrderId="mia"))

    detencion = await alcanzar(bolsa)

    assert (detencion["stage"], detencion["account"], detencion["call"]) == (stage, "simulador", ORDEN)
    assert detencion["parameters"]["newClientOrderId"] == "mia"
    assert await bolsa.posicion() == durante
    assert not orden.done()
    assert await soltar(bolsa) == [detencion["id"]]
    assert (await orden)["status"] == "FILLED"


@pytest.mark.parametrize(("stage", "queda"), [("before", "0"), ("after", "0.1")])
async def test_de_un_cliente_muerto_solo_queda_lo_ya_ejecutado(bolsa: Bolsa, stage, queda):
    await bolsa.armar("hold", {"call": ORDEN, "stage": stage})
    async with aiohttp.ClientSession() as sesion:
        victima = bolsa._replace(cliente=Cliente(sesion, bolsa.cliente.url))
        orden = asyncio.create_task(victima.comprar())
        await alcanzar(bolsa)
        orden.cancel()
        with pytest.raises(asyncio.CancelledError):
            await orden
    await soltar(bolsa)
    await asyncio.sleep(0.05)

    assert await bolsa.posicion() == queda
    assert (await bolsa.comprar())["status"] == "FILLED"


async def test_mientras_tanto_la_cuenta_no_se_atiende_y_el_mercado_no_se_mueve(bolsa: Bolsa):
    agente = await bolsa.unirse()
    await bolsa.armar("hold", {"call": ORDEN})
    orden = asyncio.create_task(bolsa.comprar())
    await alcanzar(bolsa)

    lectura = asyncio.create_task(bolsa.cliente.firmado("GET", "/v2/account", timestamp=1))
    await bolsa.cliente.sim("POST", "done", agent=agente)
    await asyncio.sleep(0.05)

    assert not lectura.done()
    assert bolsa.simulacion.paso == 0
    async with aiohttp.ClientSession() as sesion, sesion.get(f"{bolsa.cliente.url}/fapi/v1/ping") as otra:
        assert otra.status == 200
    await soltar(bolsa)
    await asyncio.gather(orden, lectura)
    assert bolsa.simulacion.paso == 1


@pytest.mark.parametrize(("stage", "oidas"), [("before", 1), ("after", 2)])
async def test_el_mercado_se_detiene_en_un_paso_exacto(bolsa: Bolsa, stage, oidas):
    enchufe = await bolsa.cliente.conectar(KLINE)
    agente = await bolsa.unirse()
    await bolsa.armar("hold", {"step": 2, "stage": stage})
    for _ in range(oidas):
        await bolsa.cliente.sim("POST", "done", agent=agente)
        await recibir(enchufe)
    await bolsa.cliente.sim("POST", "done", agent=agente)

    detencion = await alcanzar(bolsa)

    assert (detencion["step"], detencion["stage"], bolsa.simulacion.paso) == (2, stage, oidas)
    assert await callado(enchufe)
    await soltar(bolsa)
    assert (await recibir(enchufe))["e"] == "kline"
    assert bolsa.simulacion.paso == oidas + 1


async def test_se_detiene_tras_un_evento_de_la_cuenta(bolsa: Bolsa):
    enchufe = await bolsa.oir_cuenta()
    await bolsa.armar("hold", {"event": "ORDER_TRADE_UPDATE", "where": {"X": "FILLED"}})

    assert (await bolsa.comprar())["status"] == "FILLED"

    assert (await alcanzar(bolsa))["at"] == "ORDER_TRADE_UPDATE #2"
    assert [(await recibir(enchufe))["e"] for _ in range(4)][-1] == "ORDER_TRADE_UPDATE"
    await soltar(bolsa)


async def test_un_mercado_que_corre_solo_tambien_se_detiene():
    async with una_bolsa(velocidad=36_000.0) as bolsa:
        await bolsa.armar("hold", {"step": 3})
        await alcanzar(bolsa)
        antes = bolsa.simulacion.reloj.ahora_ms()
        await asyncio.sleep(0.3)

        assert bolsa.simulacion.paso == 2
        assert bolsa.simulacion.reloj.ahora_ms() == antes
        await soltar(bolsa)
        await asyncio.sleep(0.3)
        assert bolsa.simulacion.paso > 2


async def test_sin_detencion_la_espera_vuelve_vacia(bolsa: Bolsa):
    assert await bolsa.cliente.sim("GET", "holds?wait=0.05") == {"holds": []}
    assert await bolsa.cliente.sim("POST", "holds/release", id=7) == {"released": []}
    assert "error" in await bolsa.cliente.sim("GET", "holds?wait=mucho")
    assert "error" in await bolsa.cliente.sim("POST", "holds/release", id="x")


async def test_sin_control_nadie_podria_soltar():
    with pytest.raises(ConfiguracionInvalida, match="--control"):
        async with una_bolsa(guion={"faults": [{"kind": "hold"}]}, control=False):
            pass
