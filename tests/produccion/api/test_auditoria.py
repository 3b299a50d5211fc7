"""Who asked for what, from where, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from sqlalchemy import Engine, select

from src.produccion.almacen.conexion import leer
from src.produccion.almacen.esquema import audit_log
from src.produccion.api.identificacion import Rol
from src.produccion.mandos import Desenlace
from tests.produccion.api.banco import AJUSTE, CERRAR_TODO, Api, DemonioFalso

RED = True

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


async def test_quien_no_puede_actuar_no_deja_asiento_de_un_mando(api: Api, motor: Engine):
    await api.guardian(CERRAR_TODO, api.ficha("mira", Rol.LECTOR))
    await api.guardian(CERRAR_TODO, None)

    assert asientos(motor) == []
