"""Every kind of message is as the published schema says."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from sqlalchemy import Engine

from tests.produccion.api.banco import SIN_MAS_BASES, Api
from tests.produccion.api.bolsa_publica import BolsaPublica
from tests.produccion.api.mensajes.escucha import escuchando
from tests.produccion.api.mensajes.sucesos import (
    alertar,
    almacen_caido,
    disparar_stop,
    mover_disyuntor,
    mover_orden,
)
from tests.produccion.api.poblacion import poblar

RED = True
TODOS = ("prices", "positions", "orders", "breakers", "alerts", "logs")


async def esquema(api: Api, ficha: str) -> dict[str, Any]:
    respuesta = await api.pedir("GET", "/api/v1/message/schema", ficha=ficha)
    assert respuesta.estado == 200
    cuerpo: dict[str, Any] = respuesta.cuerpo
    return cuerpo


def clases(servidor: dict[str, Any]) -> set[tuple[str, str | None]]:
    """Type and channel of each kind that a schema knows."""
    salida = set()
    for rama in servidor["anyOf"]:
        campos = servidor["$defs"][rama["$ref"].rpartition("/")[2]]["properties"]
        salida.add((campos["type"]["const"], campos["channel"].get("const")))
    return salida


@SIN_MAS_BASES
async def test_cada_clase_de_mensaje_es_como_dice_su_esquema(
    con_mercado: Api, motor: Engine, bolsa: BolsaPublica
):
    poblar(motor, "default", "User_1", "sim-1")
    ficha = con_mercado.ficha()
    async with escuchando(con_mercado, ficha) as una:
        await una.pedir(*TODOS)
        await una.decir("nonsense")
        await una.hasta("positions")
        await una.hasta("heartbeat")
        mover_orden(motor, "tm-1")
        disparar_stop(motor)
        mover_disyuntor(motor, "slow")
        alertar(motor, "near")
        await una.hasta("stop")
        bolsa.precios["BTCUSDT"] = ("90000.00", "90001.00", "90000.50")
        await una.hasta("price")
        with almacen_caido(motor):
            await una.hasta("status")
    async with escuchando(con_mercado, ficha) as otra:
        await otra.pedir("alerts", last_event_id="nonsense")
        await otra.hasta("gap")

    servidor = (await esquema(con_mercado, ficha))["server"]
    juez = jsonschema_rs.validator_for(servidor)
    vistos = [*una.vistos, *otra.vistos]
    assert [str(fallo) for mensaje in vistos for fallo in juez.iter_errors(mensaje)] == []
    assert {(mensaje["type"], mensaje["channel"]) for mensaje in vistos} == clases(servidor)
    assert not juez.is_valid(vistos[0] | {"id": "1"})


@SIN_MAS_BASES
@pytest.mark.parametrize(
    ("mensaje", "vale"),
    [
        ({"subscribe": ["prices"], "symbols": ["BTCUSDT"], "last_event_id": "x"}, True),
        ({"csrf_token": "00"}, True),
        ({"subscribe": ["secrets"]}, False),
        ({"subscribe": ["prices"], "token": "x"}, False),
        ({"subscribe": ["prices"], "symbols": []}, False),
    ],
)
async def test_el_esquema_dice_que_puede_decir_un_cliente(api: Api, mensaje: object, vale: bool):
    juez = jsonschema_rs.validator_for((await esquema(api, api.ficha()))["client"])

    assert juez.is_valid(mensaje) is vale
