"""What is read of one tenant, and by which way: a table that only grows is not read whole for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, insert

from src.produccion.almacen import cifras, lecturas
from src.produccion.almacen.conexion import leer
from src.produccion.almacen.demonios import DemonioNuevo, presentarse
from src.produccion.almacen.escritura import anadir
from src.produccion.almacen.esquema import alerts, balance_snapshots, positions, trades
from src.produccion.almacen.operaciones import (
    LadoOperacion,
    OperacionGuardada,
    cerrar_operacion,
    guardar_operacion,
)
from tests.constructores import INICIO_MS

DIA_MS = 86_400_000
QUIEN = {"client_id": "casa", "user_id": "u", "account_id": "sim-1", "symbol": "BTCUSDT"}


def un_saldo(conexion: Connection, balance: int, instante_ms: int) -> None:
    fila = {"balance": balance, "equity": balance, "source": "daemon", "taken_at_ms": instante_ms}
    anadir(conexion, balance_snapshots, QUIEN | fila)


def un_fill(conexion: Connection, dia: int, pnl: str = "1", client_id: str = "casa") -> None:
    fila = {
        "operation": "cerrar_long",
        "status": "ejecutada",
        "side": "SELL",
        "quantity": "1",
        "realized_pnl": pnl,
        "commission": "0.25",
        "executed_at_ms": INICIO_MS + dia * DIA_MS,
    }
    anadir(conexion, trades, QUIEN | fila | {"client_id": client_id})


def planes(motor: Engine, hacer: Callable[[Connection], Any]) -> list[str]:
    """How the database would answer each question that is asked of it."""
    dichas: list[tuple[str, Any]] = []

    def apuntar(_c: object, _cur: object, orden: str, parametros: Any, *_: object) -> None:
        dichas.append((orden, parametros))

    event.listen(motor, "before_cursor_execute", apuntar)
    with leer(motor) as conexion:
        hacer(conexion)
    event.remove(motor, "before_cursor_execute", apuntar)
    explicar = "EXPLAIN QUERY PLAN " if motor.dialect.name == "sqlite" else "EXPLAIN "
    salida = []
    with motor.connect() as conexion:
        if motor.dialect.name == "postgresql":
            # Of tables with a few rows it reads all by choice.
            conexion.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for orden, parametros in dichas:
            if orden.startswith("SELECT"):
                filas = conexion.exec_driver_sql(explicar + orden, parametros)
                salida.append("\n".join(str(fila[-1]) for fila in filas))
    return salida


@pytest.mark.parametrize(
    ("hacer", "indice"),
    [
        (lambda c: lecturas.rendimientos(c, "casa", None), "ix_trades_client_id_executed_at_ms"),
        (lambda c: lecturas.rendimientos(c, "casa", INICIO_MS), "ix_trades_client_id_executed_at_ms"),
        (lambda c: lecturas.dias(c, "casa", 7), "ix_trades_client_id_executed_at_ms"),
        (lambda c: lecturas.cerrojos_de(c, "casa"), "ix_alerts_client_id_kind_id"),
        (lambda c: lecturas.ultimos_saldos(c, "casa"), "ix_balance_snapshots_client_id_account_id_symbol_id"),
        (
            lambda c: cifras.leer_cifras(c.engine, "casa"),
            "ix_balance_snapshots_client_id_account_id_symbol_id",
        ),
    ],
    ids=["performance", "since", "daily", "latch", "balance", "metrics"],
)
def test_lo_que_crece_se_lee_por_su_indice(motor: Engine, hacer: Callable[[Connection], Any], indice: str):
    presentarse(motor, DemonioNuevo("sim-1", "BTCUSDT", 1, "aqui", client_id="casa"))
    with motor.begin() as conexion:
        for dia in range(5):
            un_fill(conexion, dia)

    tabla = indice.removeprefix("ix_").partition("_client_id")[0]
    suyos = [plan for plan in planes(motor, hacer) if tabla in plan]

    assert suyos
    assert any(indice in plan for plan in suyos), suyos
    assert not any(
        "SCAN " + tabla in plan.replace("SCAN TABLE", "SCAN") and indice not in plan for plan in suyos
    )


def test_el_saldo_es_el_que_se_dijo_ultimo_aunque_sea_de_otra_epoca(motor: Engine):
    """A replay of an earlier year begins after one of a later year has ended."""
    presentarse(motor, DemonioNuevo("sim-1", "BTCUSDT", 1, "aqui", client_id="casa"))
    with motor.begin() as conexion:
        un_saldo(conexion, 900, INICIO_MS + 365 * DIA_MS)
        un_saldo(conexion, 1_000, INICIO_MS)

    with leer(motor) as conexion:
        saldos = lecturas.ultimos_saldos(conexion, "casa")
    equities = cifras.leer_cifras(motor, "casa").equities

    assert [(fila["balance"], fila["taken_at_ms"]) for fila in saldos] == [(1_000, INICIO_MS)]
    assert [(una.equity, una.instante_ms) for una in equities] == [(1_000.0, INICIO_MS)]


def una_posicion(conexion: Connection, symbol: str = "BTCUSDT", quantity: str = "1") -> None:
    fila = {"quantity": quantity, "entry_price": "100", "price": "101", "updated_at_ms": INICIO_MS}
    conexion.execute(insert(positions).values(QUIEN | {"symbol": symbol, "agent_id": "a"} | fila))


def una_operacion(conexion: Connection) -> None:
    guardar_operacion(
        conexion,
        OperacionGuardada("op", "sim-1", "BTCUSDT", LadoOperacion.BUY, "1", "100", INICIO_MS, "casa", "u"),
    )


def nombres(abiertas: list[lecturas.PosicionAbierta]) -> list[str]:
    return [una.operacion.operation_id for una in abiertas]


@pytest.mark.parametrize("acaba", [False, True], ids=["begins", "ends"])
def test_una_posicion_que_cambia_mientras_se_lee_se_cuenta_una_vez(motor: Engine, acaba: bool):
    """PostgreSQL shows each query what was committed before it."""
    with motor.begin() as conexion:
        una_posicion(conexion)
        if acaba:
            una_operacion(conexion)
    leidas = []

    def cambiar(conexion: Connection, *_: object) -> None:
        if not conexion.get_execution_options().get("solo_lee") or leidas:
            return
        leidas.append(True)
        with motor.begin() as otra:
            if acaba:
                cerrar_operacion(otra, "op", INICIO_MS)
            else:
                una_operacion(otra)

    event.listen(motor, "after_cursor_execute", cambiar)
    try:
        with leer(motor) as conexion:
            abiertas = lecturas.posiciones_abiertas(conexion, "casa")
    finally:
        event.remove(motor, "after_cursor_execute", cambiar)

    assert leidas
    assert len(abiertas) == 1


def test_de_cada_posicion_se_sabe_si_vive_su_demonio(motor: Engine):
    presentarse(motor, DemonioNuevo("sim-1", "BTCUSDT", 1, "aqui", client_id="casa"))
    presentarse(motor, DemonioNuevo("sim-1", "XRPUSDT", 1, "aqui", client_id="otros"))
    with motor.begin() as conexion:
        for simbolo in ("BTCUSDT", "ETHUSDT", "XRPUSDT"):
            una_posicion(conexion, simbolo)
        una_posicion(conexion, "ADAUSDT", "0")
        una_operacion(conexion)

    with leer(motor) as conexion:
        abiertas = lecturas.posiciones_abiertas(conexion, "casa")
        de_uno = lecturas.posiciones_abiertas(conexion, "casa", "ETHUSDT")
        ajenas = lecturas.posiciones_abiertas(conexion, "otros")

    assert nombres(abiertas) == ["op", "sim-1:ETHUSDT", "sim-1:XRPUSDT"]
    assert [una.con_demonio for una in abiertas] == [True, False, False]
    assert [una.vista_ms for una in abiertas] == [INICIO_MS] * 3
    assert nombres(de_uno) == ["sim-1:ETHUSDT"]
    assert ajenas == []


def test_los_dias_son_los_ultimos_con_fills_del_inquilino(motor: Engine):
    with motor.begin() as conexion:
        for dia in (0, 3, 3, 9, 40):
            un_fill(conexion, dia)
        un_fill(conexion, 41, client_id="otros")

    with leer(motor) as conexion:
        vistos = {cuantos: lecturas.dias(conexion, "casa", cuantos) for cuantos in (1, 3, 100)}
        de_nadie = lecturas.dias(conexion, "nadie", 7)

    hoy = INICIO_MS // DIA_MS
    assert [(uno.dia - hoy, uno.fills) for uno in vistos[3]] == [(40, 1), (9, 1), (3, 2)]
    assert [len(vistos[cuantos]) for cuantos in (1, 100)] == [1, 4]
    assert de_nadie == []


def test_un_cerrojo_es_lo_ultimo_que_se_dijo_de_el(motor: Engine):
    fila = {"client_id": "casa", "account_id": "sim-1", "level": "CRITICAL", "payload_json": "{}"}
    with motor.begin() as conexion:
        for simbolo, clase in (("A", "LATCHED"), ("B", "LATCHED"), ("A", "UNLOCKED"), ("B", "RISK_LIMIT")):
            otros = {"symbol": simbolo, "kind": clase, "message": clase, "created_at_ms": INICIO_MS}
            conexion.execute(insert(alerts).values(fila | otros))

    with leer(motor) as conexion:
        vistos = lecturas.cerrojos_de(conexion, "casa")

    assert [(uno.symbol, uno.puesto) for uno in vistos] == [("A", False), ("B", True)]
