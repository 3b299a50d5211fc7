"""A line of the audit log: begun, completed once, and never anything else."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError

from src.nucleo.errores import SolicitudInvalida
from src.produccion.almacen.auditoria import (
    AsientoNuevo,
    Desenlace,
    acabar_asiento,
    anotar_asiento,
    asentar,
    empezar_asiento,
)
from src.produccion.almacen.conexion import escribir, leer
from src.produccion.almacen.esquema import audit_log
from src.produccion.almacen.migrar import bajar, subir

UNO = AsientoNuevo("default", "ana", "operator", "127.0.0.1", "guardian.close", "BTCUSDT", {"x": 1})
ACABAR = "status = 200, outcome_json = '{}', finished_at_ms = 2"


def abierto(motor: Engine) -> int:
    with escribir(motor) as conexion:
        return empezar_asiento(conexion, UNO)


def asientos(motor: Engine) -> list[Any]:
    with leer(motor) as conexion:
        return list(conexion.execute(select(audit_log).order_by(audit_log.c.id)))


def test_un_asiento_abierto_se_acaba(motor: Engine):
    numero = abierto(motor)
    with escribir(motor) as conexion:
        acabar_asiento(conexion, numero, Desenlace(409, {"error": "no"}))

    (uno,) = asientos(motor)
    assert (uno.status, uno.outcome_json, uno.target) == (409, '{"error":"no"}', "BTCUSDT")
    assert uno.occurred_at_ms <= uno.finished_at_ms


@pytest.mark.parametrize(
    "orden",
    [
        "DELETE FROM audit_log",
        "UPDATE audit_log SET status = 200",
        "UPDATE audit_log SET outcome_json = '{}', finished_at_ms = 2",
        f"UPDATE audit_log SET username = 'berta', {ACABAR}",
        f"UPDATE audit_log SET target = NULL, {ACABAR}",
        f"UPDATE audit_log SET id = 99, {ACABAR}",
    ],
)
def test_un_asiento_abierto_no_se_cambia_de_otro_modo(motor: Engine, orden: str):
    abierto(motor)
    antes = asientos(motor)

    with pytest.raises(DBAPIError, match="completed once and stays"), escribir(motor) as conexion:
        conexion.execute(text(orden))

    assert asientos(motor) == antes


def test_uno_acabado_no_se_toca_mas(motor: Engine):
    with escribir(motor) as conexion:
        anotar_asiento(conexion, UNO, Desenlace(403))
    antes = asientos(motor)
    ordenes = [
        f"UPDATE audit_log SET {ACABAR}",
        "UPDATE audit_log SET status = NULL",
        "DELETE FROM audit_log",
    ]
    if motor.dialect.name == "sqlite":
        ordenes.append(
            "INSERT OR REPLACE INTO audit_log"
            " (id, client_id, username, role, address, occurred_at_ms, action, request_json)"
            " SELECT id, client_id, 'berta', role, address, 1, action, request_json FROM audit_log"
        )
    else:
        ordenes.append("TRUNCATE audit_log")
    for orden in ordenes:
        with pytest.raises(DBAPIError, match="completed once and stays"), escribir(motor) as conexion:
            conexion.execute(text(orden))

    assert asientos(motor) == antes


def test_un_paso_atras_quita_la_guardia_y_deja_los_asientos(motor: Engine):
    abierto(motor)
    assert (bajar(motor), bajar(motor)) == ("0013", "0012")
    with escribir(motor) as conexion:
        conexion.execute(text("UPDATE audit_log SET username = 'berta'"))
    subir(motor)

    (uno,) = asientos(motor)
    assert uno.username == "berta"
    with pytest.raises(DBAPIError), escribir(motor) as conexion:
        conexion.execute(text("DELETE FROM audit_log"))


def test_lo_que_falla_queda_con_su_motivo_y_lo_ajeno_sin_su_texto(motor: Engine):
    def falla(con: Exception) -> None:
        def hacer() -> None:
            raise con

        with pytest.raises(type(con)):
            asentar(motor, UNO, hacer, lambda _: Desenlace(200))

    falla(SolicitudInvalida("not so"))
    falla(RuntimeError("tml_secreto"))
    assert asentar(motor, UNO, lambda: 7, lambda siete: Desenlace(200, {"n": siete})) == 7

    assert [(uno.status, uno.outcome_json) for uno in asientos(motor)] == [
        (400, '{"detail":"not so"}'),
        (500, '{"detail":"RuntimeError"}'),
        (200, '{"n":7}'),
    ]
