"""A store as it is after a while: tenants with accounts, open positions, and the orders behind them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, insert

from bench.servidor import PRECIO, SIMBOLOS
from src.produccion.almacen.esquema import balance_snapshots, orders, positions, trades
from src.produccion.almacen.operaciones import (
    LadoOperacion,
    OperacionGuardada,
    StopPuesto,
    guardar_operacion,
    poner_stop,
)
from src.produccion.almacen.tipos_sql import numero
from src.produccion.api.identificacion import Rol
from src.produccion.api.usuarios import anadir_usuario, dar_ficha

CONTRASENA = "a password of the bench"
CUENTAS_POR_INQUILINO = 3
POSICIONES_POR_CUENTA = 2
ORDENES_POR_CUENTA = 300
_INICIO_MS = 1_700_000_000_000
_HORA_MS = 3_600_000
_STOP = StopPuesto("29000", _INICIO_MS, "initial", resident=True)


class Inquilino(NamedTuple):
    """A tenant of the bench."""

    client_id: str
    persona: str  # logs in with `CONTRASENA`
    ficha: str  # of its program


def llenar(almacen: Engine, cuantos: int) -> list[Inquilino]:
    """Fill a store; returns whom it belongs to."""
    inquilinos = []
    for i in range(cuantos):
        nombre = f"tenant-{i}"
        with almacen.begin() as conexion:
            for j in range(CUENTAS_POR_INQUILINO):
                _cuenta(conexion, nombre, f"user-{i}-{j}", cuenta_de(i, j))
        anadir_usuario(almacen, f"person-{i}", Rol.OPERADOR, nombre, CONTRASENA)
        anadir_usuario(almacen, f"program-{i}", Rol.SERVICIO, nombre, None)
        ficha = dar_ficha(almacen, f"program-{i}", _HORA_MS, "bench").ficha.texto
        inquilinos.append(Inquilino(nombre, f"person-{i}", ficha))
    return inquilinos


def cuenta_de(inquilino: int, numero: int) -> str:
    """The name of one of a tenant's accounts."""
    return f"sim-{inquilino:06d}{numero:06d}"


def _cuenta(conexion: Connection, client_id: str, user_id: str, account_id: str) -> None:
    quien = {"client_id": client_id, "user_id": user_id, "account_id": account_id}
    for simbolo in SIMBOLOS[:POSICIONES_POR_CUENTA]:
        agente = f"{account_id}:{simbolo}:bench"
        operacion = OperacionGuardada(
            *(f"{account_id}:{simbolo}:{_INICIO_MS}", account_id, simbolo, LadoOperacion.BUY),
            *("0.125", PRECIO, _INICIO_MS, client_id, user_id, agente),
            target_price="33000",
        )
        guardar_operacion(conexion, operacion)
        poner_stop(
            conexion, operacion.operation_id, StopPuesto("29000", _INICIO_MS, "initial", resident=True)
        )
        comunes = {**quien, "agent_id": agente, "symbol": simbolo}
        precios = {"quantity": numero("0.125"), "entry_price": numero(PRECIO), "price": numero(PRECIO)}
        conexion.execute(insert(positions).values(**comunes, **precios, updated_at_ms=_INICIO_MS))
    simbolo = SIMBOLOS[0]
    comunes = {**quien, "agent_id": f"{account_id}:{simbolo}:bench", "symbol": simbolo}
    instantes = [_INICIO_MS + i * _HORA_MS for i in range(ORDENES_POR_CUENTA)]
    conexion.execute(insert(orders), list(_ordenes(comunes, instantes)))
    conexion.execute(insert(trades), list(_fills(comunes, instantes)))
    saldo = {"balance": numero("1000.5"), "equity": numero("1001.5"), "source": "daemon"}
    conexion.execute(
        insert(balance_snapshots), [{**comunes, **saldo, "taken_at_ms": cuando} for cuando in instantes]
    )


def _ordenes(comunes: dict[str, str], instantes: list[int]) -> Iterator[dict[str, Any]]:
    for i, cuando in enumerate(instantes):
        nombre = f"tm-{comunes['account_id']}-{i}"
        yield {
            **comunes,
            "client_order_id": nombre,
            "token": nombre,
            "side": "BUY",
            "status": "FILLED",
            "quantity": numero("0.125"),
            "executed_quantity": numero("0.125"),
            "average_price": numero(PRECIO),
            "reduce_only": bool(i % 2),
            "created_at_ms": cuando,
            "updated_at_ms": cuando,
        }


def _fills(comunes: dict[str, str], instantes: list[int]) -> Iterator[dict[str, Any]]:
    for i, cuando in enumerate(instantes):
        yield {
            **comunes,
            "operation_id": f"o{i // 2}",
            "operation": ("abrir_long", "cerrar_long")[i % 2],
            "status": "ok",
            "side": "BUY",
            "quantity": numero("0.125"),
            "price": numero(PRECIO),
            "commission": numero("0.25"),
            "realized_pnl": numero(i % 3 - 1),
            "executed_at_ms": cuando,
        }
