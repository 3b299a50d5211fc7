"""Which daemons live: each one says so every few seconds, by the database's clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Engine, Table, and_, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from src.produccion.almacen.conexion import leer
from src.produccion.almacen.esquema import POR_DEFECTO, ahora_bd, daemons

VIVO_MS = 10_000
"""How old the last sign of a living daemon is at most."""


class DemonioNuevo(NamedTuple):
    """Who trades an account and symbol from now on."""

    account_id: str
    symbol: str
    pid: int
    host: str
    agent_id: str | None = None
    client_id: str = POR_DEFECTO
    user_id: str = POR_DEFECTO


class DemonioVivo(NamedTuple):
    """One row of ``daemons``."""

    account_id: str
    symbol: str
    client_id: str
    user_id: str
    agent_id: str | None
    pid: int
    host: str
    started_at_ms: int
    heartbeat_ms: int


def presentarse(motor: Engine, demonio: DemonioNuevo) -> None:
    """A daemon begins; it takes the place of whoever had the account and symbol before."""
    insertar = postgresql.insert if motor.dialect.name == "postgresql" else sqlite.insert
    orden = insertar(daemons).values(**demonio._asdict(), started_at_ms=ahora_bd(), heartbeat_ms=ahora_bd())
    nuevos = {c.name: orden.excluded[c.name] for c in daemons.columns if not c.primary_key}
    with motor.begin() as conexion:
        conexion.execute(orden.on_conflict_do_update(index_elements=["account_id", "symbol"], set_=nuevos))


def latir(motor: Engine, account_id: str, symbol: str) -> bool:
    """A daemon lives; false when the store does not know it and it has to present itself."""
    orden = update(daemons).where(_es(account_id, symbol)).values(heartbeat_ms=ahora_bd())
    with motor.begin() as conexion:
        return conexion.execute(orden).rowcount == 1


def despedirse(motor: Engine, account_id: str, symbol: str) -> None:
    """A daemon ends on purpose."""
    with motor.begin() as conexion:
        conexion.execute(delete(daemons).where(_es(account_id, symbol)))


def vivos(motor: Engine, ahora_ms: int | None = None) -> Sequence[DemonioVivo]:
    """The daemons that live, by account and symbol.

    Args:
        motor: The store.
        ahora_ms: By the database's clock; it is asked when ``None``.
    """
    desde = (ahora_bd() if ahora_ms is None else ahora_ms) - VIVO_MS
    return _demonios(motor, daemons.c.heartbeat_ms >= desde)


def vive_el_de(tabla: Table) -> ColumnElement[bool]:
    """Joins a row of another table to the daemon of its tenant, account and symbol, if that lives."""
    suyo = (daemons.c[campo] == tabla.c[campo] for campo in ("client_id", "account_id", "symbol"))
    return and_(*suyo, daemons.c.heartbeat_ms >= ahora_bd() - VIVO_MS)


def callados(motor: Engine, desde_ms: int) -> Sequence[DemonioVivo]:
    """The daemons that gave no sign of life since then, and did not end on purpose.

    Args:
        motor: The store.
        desde_ms: By the database's clock.
    """
    return _demonios(motor, daemons.c.heartbeat_ms < desde_ms)


def _demonios(motor: Engine, cuales: ColumnElement[bool]) -> Sequence[DemonioVivo]:
    consulta = select(*(daemons.c[nombre] for nombre in DemonioVivo._fields)).where(cuales)
    with leer(motor) as conexion:
        filas = conexion.execute(consulta.order_by(daemons.c.account_id, daemons.c.symbol))
        return [DemonioVivo(*fila) for fila in filas]


def _es(account_id: str, symbol: str) -> ColumnElement[bool]:
    return (daemons.c.account_id == account_id) & (daemons.c.symbol == symbol)
