"""Who asked for what, from where, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from sqlalchemy import Engine, select

from src.produccion.almacen.conexion import leer
from src.produccion.almacen.esquema import audit_log
from src.produccion.api.identificacion import Rol
from src.produccion.api.usuarios import anadir_usuario
from src.produccion.mandos import Desenlace
from tests.produccion.api.banco import AJUSTE, CERRAR_TODO, SIN_MAS_BASES, Api, DemonioFalso

RED = True

CONTRASENA = "correct horse battery"
LOGIN, LOGOUT = "/api/v1/token/login", "/api/v1/token/logout"

Demonios = Callable[..., DemonioFalso]


def asientos(motor: Engine) -> list[Any]:
    with leer(motor) as conexion:
        return list(conexion.execute(select(audit_log).order_by(audit_log.c.id)))


async def test_cada_mando_deja_un_asiento_con_su_resultado(api: Api, motor: Engine, demonio: Demonios):
    demonio("User_1")
    hecho = await api.guardian(AJUSTE, api.ficha())
    rechazado = await api.guardian(CERRAR_TODO | {"user_id": "Nadie"}, api.ficha("berta", Rol.SERVICIO))

    uno, otro = asientos(motor)
    assert (uno.client_id, uno.username, uno.role, uno.address) == ("default", "ana", "operator", "127.0.0.1")
    assert (uno.action, uno.target, uno.status) == ("guardian.adjust", "BTCUSDT", hecho.estado)
    assert orjson.loads(uno.request_json) == AJUSTE
    assert orjson.loads(uno.outcome_json) == {"success": True}
    assert uno.occurred_at_ms <= uno.finished_at_ms
    assert (otro.username, otro.action, otro.status) == ("berta", "guardian.close", rechazado.estado)
    assert orjson.loads(otro.outcome_json) == {"detail": "Unknown user_id 'Nadie'"}


async def test_lo_que_el_demonio_niega_queda_con_su_motivo(api: Api, motor: Engine, demonio: Demonios):
    demonio("User_1", responder=lambda _m: Desenlace(exito=False, mensaje="No open position to adjust"))

    await api.guardian(AJUSTE, api.ficha())

    (uno,) = asientos(motor)
    assert uno.status == 409
    assert orjson.loads(uno.outcome_json)["error"] == "No open position to adjust"


async def test_lo_que_se_niega_queda_con_quien_lo_pidio(api: Api, motor: Engine):
    await api.guardian(CERRAR_TODO, api.ficha("mira", Rol.LECTOR))
    await api.guardian(CERRAR_TODO, None)
    await api.pedir("GET", "/api/v1/audit", ficha=api.ficha("opera", client_id="casa"))

    uno, otro = asientos(motor)
    assert (uno.client_id, uno.username, uno.role, uno.status) == ("default", "mira", "viewer", 403)
    assert (uno.action, orjson.loads(uno.request_json)) == (
        "request.refused",
        {"method": "POST", "path": "/guardian"},
    )
    assert "may only look" in orjson.loads(uno.outcome_json)["detail"]
    assert (otro.client_id, otro.username, otro.status) == ("casa", "opera", 403)


@SIN_MAS_BASES
async def test_lo_que_se_niega_se_niega_aunque_no_se_pueda_anotar(api: Api, motor: Engine):
    ficha = api.ficha("mira", Rol.LECTOR)
    with motor.begin() as conexion:
        conexion.exec_driver_sql(
            "CREATE TRIGGER lleno BEFORE INSERT ON audit_log BEGIN SELECT RAISE(ABORT, 'full'); END"
        )

    assert (await api.guardian(CERRAR_TODO, ficha)).estado == 403


async def test_entrar_fallar_y_salir_quedan_con_su_nombre_y_sin_sus_secretos(api: Api, motor: Engine):
    """A name that no user has may be a password in the wrong field: it is not kept."""
    anadir_usuario(motor, "ana", Rol.OPERADOR, "casa", CONTRASENA)
    dentro = await api.pedir("POST", LOGIN, {"username": "ana", "password": CONTRASENA})
    await api.pedir("POST", LOGIN, {"username": "ana", "password": "wrong horse battery"})
    await api.pedir("POST", LOGIN, {"username": CONTRASENA, "password": "x"})
    await api.pedir("POST", LOGOUT, ficha=dentro.cuerpo["access_token"])

    assert [(uno.client_id, uno.username, uno.action, uno.status) for uno in asientos(motor)] == [
        ("casa", "ana", "session.login", 200),
        ("casa", "ana", "session.login", 401),
        ("", "", "session.login", 401),
        ("casa", "ana", "session.logout", 204),
    ]
    escrito = str(asientos(motor))
    assert not any(s in escrito for s in (CONTRASENA, "wrong horse", *dentro.cuerpo["refresh_token"].split()))
    assert dentro.cuerpo["access_token"] not in escrito


async def test_una_pagina_ajena_con_la_galleta_queda_a_nombre_de_su_dueno(api: Api, motor: Engine):
    anadir_usuario(motor, "ana", Rol.OPERADOR, "default", CONTRASENA)
    dentro = await api.pedir("POST", LOGIN, {"username": "ana", "password": CONTRASENA})
    galleta = {
        "Cookie": f"timonel_access={dentro.cuerpo['access_token']}",
        "Content-Type": "application/json",
    }

    assert (await api.pedir("POST", "/guardian", CERRAR_TODO, headers=galleta)).estado == 403

    ultimo = asientos(motor)[-1]
    assert (ultimo.username, ultimo.action, ultimo.status) == ("ana", "request.refused", 403)
