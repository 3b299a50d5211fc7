"""A request that is repeated under its key gets the first answer and has no second effect."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine

from src.produccion.api.acceso import Entorno
from src.produccion.api.encargos import Encargos, reloj_de_pared
from tests.produccion.api.banco import (
    AJUSTE,
    CERRAR_TODO,
    CUENTAS,
    PLAZOS,
    SIN_MAS_BASES,
    Api,
    DemonioFalso,
    sin_mandos_de,
    una_api,
)

RED = True

Demonios = Callable[..., DemonioFalso]


@pytest.mark.parametrize("cuerpo", [AJUSTE, CERRAR_TODO, AJUSTE | {"user_id": "User_2"}])
async def test_repetir_da_la_primera_respuesta_y_no_hace_nada(
    api: Api, demonio: Demonios, cuerpo: dict[str, Any]
):
    """Also where the first answer was that nobody trades the account, and somebody does by now."""
    vivo = demonio("User_1")
    ficha = api.ficha()

    primera = await api.guardian(cuerpo, ficha, "clave-1")
    tardio = demonio("User_2")
    segunda = await api.guardian(cuerpo, ficha, "clave-1")

    assert (segunda.estado, segunda.cuerpo) == (primera.estado, primera.cuerpo)
    assert len(vivo.tomados) <= 1
    assert tardio.tomados == []


async def test_dos_a_la_vez_son_una(api: Api, demonio: Demonios):
    vivo = demonio("User_1")
    ficha = api.ficha()

    respuestas = await asyncio.gather(*(api.guardian(AJUSTE, ficha, "clave-1") for _ in range(8)))

    assert [r.cuerpo for r in respuestas] == [respuestas[0].cuerpo] * 8
    assert len(vivo.tomados) == 1


@pytest.mark.parametrize(
    "otra",
    [
        AJUSTE | {"stop": 45_001.0},
        AJUSTE | {"action": "close"},
        AJUSTE | {"symbol": "ETHUSDT"},
        AJUSTE | {"user_id": "User_2"},
        AJUSTE | {"user_id": None},
    ],
)
async def test_la_misma_clave_para_otra_cosa_se_rechaza(api: Api, demonio: Demonios, otra: dict[str, Any]):
    vivo = demonio("User_1")
    ficha = api.ficha()
    await api.guardian(AJUSTE, ficha, "clave-1")

    respuesta = await api.guardian(otra, ficha, "clave-1")

    assert respuesta.estado == 422
    assert "Idempotency-Key was used for another request" in respuesta.cuerpo["detail"]
    assert len(vivo.tomados) == 1


async def test_la_clave_es_de_quien_la_usa(api: Api, demonio: Demonios):
    vivo = demonio("User_1")

    await api.guardian(AJUSTE, api.ficha("ana"), "clave-1")
    await api.guardian(AJUSTE, api.ficha("berta"), "clave-1")

    assert [mando.requested_by for mando in vivo.tomados] == ["ana", "berta"]


async def test_sin_clave_cada_una_cuenta(api: Api, demonio: Demonios):
    vivo = demonio("User_1")
    ficha = api.ficha()

    await api.guardian(AJUSTE, ficha)
    await api.guardian(AJUSTE, ficha)

    assert len(vivo.tomados) == 2


async def test_repetir_mas_tarde_no_es_llegar_tarde(entorno: Entorno, demonio: Demonios):
    """The age of a request is asked once: a repeat gets its answer however late it comes."""
    adelanto_ms = 0
    despues = Entorno(
        almacen=entorno.almacen,
        cuentas=CUENTAS,
        encargos=Encargos(entorno.almacen, PLAZOS),
        ahora_ms=lambda: reloj_de_pared() + adelanto_ms,
    )
    vivo = demonio("User_1")
    cuerpo = AJUSTE | {"market_context": {"timestamp": reloj_de_pared()}}
    async with una_api(despues) as api:
        ficha = api.ficha()
        primera = await api.guardian(cuerpo, ficha, "clave-1")
        adelanto_ms = 3_600_000
        segunda = await api.guardian(cuerpo, ficha, "clave-1")
        tercera = await api.guardian(cuerpo, ficha, "clave-2")

    assert (primera.estado, segunda.cuerpo) == (200, primera.cuerpo)
    assert tercera.estado == 400
    assert len(vivo.tomados) == 1


async def test_una_clave_desmedida_se_rechaza(api: Api):
    respuesta = await api.guardian(AJUSTE, api.ficha(), "x" * 256)

    assert respuesta.estado == 422
    assert "Idempotency-Key" in respuesta.cuerpo["detail"]


# --- what is asked of several at once ---

CERRAR = "/api/v1/positions/BTCUSDT/close"
A_VARIOS = [
    ("POST", CERRAR, {}),
    ("POST", "/api/v1/stop", {}),
    ("PUT", "/api/v1/risk/mode", {"mode": "HALTED", "reason": "storm"}),
]


@SIN_MAS_BASES
@pytest.mark.parametrize(("metodo", "ruta", "cuerpo"), A_VARIOS)
async def test_lo_que_no_se_pudo_dar_a_todos_se_da_a_todos_al_repetir(
    api: Api, motor: Engine, demonio: Demonios, metodo: str, ruta: str, cuerpo: dict[str, Any]
):
    uno, otro = demonio("User_1"), demonio("User_2")
    ficha = api.ficha()

    with sin_mandos_de(motor, "User_2"):
        primera = await api.pedir(metodo, ruta, cuerpo, ficha, "clave-1")
    nadie = uno.tomados + otro.tomados
    segunda = await api.pedir(metodo, ruta, cuerpo, ficha, "clave-1")

    assert (primera.estado, nadie) == (503, [])
    assert [fila["success"] for fila in primera.cuerpo["results"]] == [None, None]
    assert (segunda.estado, segunda.cuerpo["success"]) == (200, True)
    assert [fila["user_id"] for fila in segunda.cuerpo["results"]] == ["User_1", "User_2"]
    assert (len(uno.tomados), len(otro.tomados)) == (1, 1)


@pytest.mark.parametrize(("metodo", "ruta", "cuerpo"), A_VARIOS)
async def test_repetir_lo_pedido_a_varios_simbolos_y_cuentas_da_la_primera_respuesta(
    api: Api, demonio: Demonios, metodo: str, ruta: str, cuerpo: dict[str, Any]
):
    vivos = [demonio("User_1"), demonio("User_2"), demonio("User_2", simbolo="ETHUSDT")]
    ficha = api.ficha()

    primera = await api.pedir(metodo, ruta, cuerpo, ficha, "clave-1")
    antes = [len(vivo.tomados) for vivo in vivos]
    segunda = await api.pedir(metodo, ruta, cuerpo, ficha, "clave-1")

    assert primera.estado == 200
    assert (segunda.estado, segunda.cuerpo) == (200, primera.cuerpo)
    assert [len(vivo.tomados) for vivo in vivos] == antes


@pytest.mark.parametrize(("ruta", "primero"), [(CERRAR, {}), ("/api/v1/stop", {})])
async def test_quien_no_se_supo_cual_era_sigue_sin_hacerse_al_repetir(
    api: Api, demonio: Demonios, ruta: str, primero: dict[str, Any]
):
    """Two accounts of one user trade the symbol: nothing is done for it, and the key remembers that."""
    demonio("User_1")
    dos = [demonio("Suelta", entorno="testnet"), demonio("Suelta", entorno="live")]
    ficha = api.ficha()

    primera = await api.pedir("POST", ruta, primero, ficha, "clave-1")
    dos[1].parar()
    segunda = await api.pedir("POST", ruta, primero, ficha, "clave-1")

    assert primera.estado == 207
    assert (segunda.estado, segunda.cuerpo) == (primera.estado, primera.cuerpo)
    assert "by daemons of 2 accounts at once" in segunda.cuerpo["results"][0]["error"]
    assert dos[0].tomados == dos[1].tomados == []


@pytest.mark.parametrize(
    ("ruta", "uno", "otro"),
    [
        (CERRAR, {"user_id": "User_1"}, {"user_id": "User_2"}),
        (CERRAR, {"user_id": "User_1"}, {}),
        (CERRAR, {}, {"user_id": "User_1"}),
        ("/api/v1/stop", {"user_id": "User_1"}, {"user_id": "User_2"}),
        ("/api/v1/stop", {"symbol": "BTCUSDT"}, {"symbol": "ETHUSDT"}),
        ("/api/v1/stop", {"symbol": "BTCUSDT"}, {}),
        ("/api/v1/stop", {}, {"symbol": "BTCUSDT"}),
    ],
)
async def test_la_clave_de_unos_no_vale_para_otros(
    api: Api, demonio: Demonios, ruta: str, uno: dict[str, Any], otro: dict[str, Any]
):
    vivos = [demonio("User_1"), demonio("User_2"), demonio("User_2", simbolo="ETHUSDT")]
    ficha = api.ficha()
    await api.pedir("POST", ruta, uno, ficha, "clave-1")
    antes = [len(vivo.tomados) for vivo in vivos]

    respuesta = await api.pedir("POST", ruta, otro, ficha, "clave-1")

    assert respuesta.estado == 422
    assert [len(vivo.tomados) for vivo in vivos] == antes
