"""What people ask of daemons: that they end."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, select

from src.produccion.almacen.conexion import leer
from src.produccion.almacen.esquema import audit_log
from src.produccion.api.identificacion import Rol
from src.produccion.mandos import Desenlace
from tests.produccion.api.banco import SIN_MAS_BASES, Api, DemonioFalso

RED = True

Demonios = Callable[..., DemonioFalso]
ACABA = Desenlace(exito=True, mensaje="the daemon ends after its step")


async def test_parar_pide_a_los_demonios_del_inquilino_que_acaben(api: Api, motor: Engine, demonio: Demonios):
    uno = demonio("User_1", responder=lambda _m: ACABA)
    otro = demonio("User_2", responder=lambda _m: ACABA, simbolo="ETHUSDT")
    ajeno = demonio("Ajena", client_id="otros")

    respuesta = await api.pedir("POST", "/api/v1/stop", {"reason": "maintenance"}, api.ficha())

    assert (respuesta.estado, respuesta.cuerpo["success"]) == (200, True)
    assert [(f["symbol"], f["user_id"], f["message"]) for f in respuesta.cuerpo["results"]] == [
        ("BTCUSDT", "User_1", "the daemon ends after its step"),
        ("ETHUSDT", "User_2", "the daemon ends after its step"),
    ]
    assert [(m.action, m.payload["reason"]) for m in uno.tomados + otro.tomados] == [
        ("daemon.stop", "maintenance")
    ] * 2
    assert ajeno.tomados == []
    with leer(motor) as conexion:
        c = audit_log.c
        assert conexion.execute(select(c.action, c.username, c.status)).all() == [("daemon.stop", "ana", 200)]


@pytest.mark.parametrize("campo", ["symbol", "user_id", "account_id"])
async def test_solo_acaba_el_que_se_nombra(api: Api, demonio: Demonios, campo: str):
    uno = demonio("User_1", responder=lambda _m: ACABA)
    otro = demonio("User_2", responder=lambda _m: ACABA, simbolo="ETHUSDT")
    nombre = {"symbol": "ETHUSDT", "user_id": "User_2", "account_id": "sim-User_2"}[campo]

    respuesta = await api.pedir("POST", "/api/v1/stop", {campo: nombre}, api.ficha())

    assert (respuesta.estado, uno.tomados, len(otro.tomados)) == (200, [], 1)


async def test_repetir_con_su_clave_no_para_a_quien_empezo_despues(api: Api, demonio: Demonios):
    vivo = demonio("User_1", responder=lambda _m: ACABA)
    ficha = api.ficha()

    primera = await api.pedir("POST", "/api/v1/stop", {}, ficha, "clave-1")
    segunda = await api.pedir("POST", "/api/v1/stop", {}, ficha, "clave-1")
    distinta = await api.pedir("POST", "/api/v1/stop", {"reason": "x"}, ficha, "clave-1")

    assert (segunda.estado, segunda.cuerpo) == (200, primera.cuerpo)
    assert (len(vivo.tomados), distinta.estado) == (1, 422)


@SIN_MAS_BASES
@pytest.mark.parametrize("cuerpo", [{}, {"symbol": "ETHUSDT"}, {"user_id": "Ajena"}, {"account_id": "x"}])
async def test_sin_demonio_que_parar_se_dice(api: Api, demonio: Demonios, cuerpo: dict[str, str]):
    demonio("Ajena", client_id="otros")
    demonio("Suelta", entorno="sim")  # a dry run of a user that no accounts file knows

    respuesta = await api.pedir("POST", "/api/v1/stop", cuerpo, api.ficha())

    assert (respuesta.estado, respuesta.tipo) == (503, "application/problem+json")
    assert respuesta.cuerpo["detail"].startswith("failed: no daemon trades ")
    assert respuesta.cuerpo["detail"].endswith("; nothing was done")


@SIN_MAS_BASES
async def test_quien_solo_mira_no_para_a_nadie(api: Api, demonio: Demonios):
    vivo = demonio("User_1")

    respuesta = await api.pedir("POST", "/api/v1/stop", {}, api.ficha("mira", Rol.LECTOR))

    assert (respuesta.estado, vivo.tomados) == (403, [])
