"""Operations: one position each, from flat to flat, with what protects it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, bindparam, case, select, update
from sqlalchemy.dialects import postgresql, sqlite

from src.nucleo.disparos import token_de
from src.produccion.almacen.esquema import POR_DEFECTO, operations
from src.produccion.almacen.tipos_sql import Cantidad, ahora_bd, fila_exacta, numero


class EstadoOperacion(StrEnum):
    """Whether the position is open."""

    ACTIVE = "ACTIVE"
    CLOSED = "CLOSED"


class LadoOperacion(StrEnum):
    """What opened it: BUY is a long position, SELL a short one."""

    BUY = "BUY"
    SELL = "SELL"


class OperacionGuardada(NamedTuple):
    """One row of ``operations``; prices in the quote asset, quantity in the base asset and unsigned."""

    operation_id: str
    account_id: str
    symbol: str
    side: LadoOperacion
    quantity: Cantidad
    average_entry_price: Cantidad
    opened_at_ms: int
    client_id: str = POR_DEFECTO
    user_id: str = POR_DEFECTO
    agent_id: str | None = None
    status: EstadoOperacion = EstadoOperacion.ACTIVE
    strategy: str | None = None
    stop_loss_percent: Cantidad | None = None
    initial_stop_price: Cantidad | None = None
    stop_price: Cantidad | None = None
    stop_set_at_ms: int | None = None
    target_price: Cantidad | None = None
    stop_execution_token: str | None = None
    ts_level_applied: str | None = None
    ts_last_adjustment_ts: int | None = None
    ts_last_adjustment_stop: Cantidad | None = None
    ts_previous_stop: Cantidad | None = None
    ts_previous_level: str | None = None
    resident_stop: bool = False
    hand_made: bool = False
    closed_at_ms: int | None = None
    last_stop_check_at_ms: int | None = None
    stop_check_count: int = 0
    created_at_ms: int | None = None  # by the database's clock, like the next one; it sets both
    updated_at_ms: int | None = None


class StopPuesto(NamedTuple):
    """A stop that is in force from now on."""

    stop_price: Cantidad
    stop_set_at_ms: int
    level: str  # applied, e.g. ``break_even`` or ``manual_adjust``
    target_price: Cantidad | None = None  # ``None`` leaves it
    resident: bool | None = None  # whether it lives at the exchange; ``None`` leaves it


COLUMNAS_OPERACION = tuple(operations.c[campo] for campo in OperacionGuardada._fields)
"""What `operacion_de_fila` needs, in its order."""

_SE_QUEDAN = ("created_at_ms", "initial_stop_price")
"""What an operation was first written with, for ever; the initial stop from when there is one."""


def id_operacion(account_id: str, symbol: str, opened_at_ms: int) -> str:
    """The name of the position that was opened then."""
    return f"{account_id}:{symbol}:{opened_at_ms}"


def ficha_stop(operation_id: str, stop_price: Cantidad, stop_set_at_ms: int) -> str:
    """The execution token of a stop: operation, price and when it was set; no clock of whoever looks."""
    return token_de(operation_id, numero(stop_price), stop_set_at_ms)


def guardar_operacion(conexion: Connection, operacion: OperacionGuardada) -> None:
    """Write an operation as it is now; its first initial stop and its beginning stay.

    Args:
        conexion: In a transaction that writes.
        operacion: All of it.

    Raises:
        DatosInvalidos: A number cannot be stored.
    """
    ahora = {"created_at_ms": ahora_bd(), "updated_at_ms": ahora_bd()}
    valores = fila_exacta(operations, operacion._asdict()) | ahora
    insertar = postgresql.insert if conexion.dialect.name == "postgresql" else sqlite.insert
    orden = insertar(operations).values(valores)
    nuevos = {nombre: orden.excluded[nombre] for nombre in valores if nombre not in _SE_QUEDAN}
    nuevos["initial_stop_price"] = _primero_no_nulo(
        operations.c.initial_stop_price, orden.excluded.initial_stop_price
    )
    conexion.execute(orden.on_conflict_do_update(index_elements=["operation_id"], set_=nuevos))


def leer_operacion(conexion: Connection, operation_id: str) -> OperacionGuardada | None:
    """An operation by its name."""
    consulta = select(*COLUMNAS_OPERACION).where(operations.c.operation_id == operation_id)
    fila = conexion.execute(consulta).first()
    return None if fila is None else operacion_de_fila(fila)


def operaciones_activas(
    conexion: Connection,
    client_id: str | None = None,
    *,
    account_id: str | None = None,
    symbol: str | None = None,
) -> Sequence[OperacionGuardada]:
    """The open operations, oldest first; of all tenants, accounts and symbols unless one is named."""
    pedido = {"client_id": client_id, "account_id": account_id, "symbol": symbol}
    valores = {nombre: valor for nombre, valor in pedido.items() if valor is not None}
    filas = conexion.execute(consulta_activas(tuple(valores)), valores)
    return [operacion_de_fila(fila) for fila in filas]


@cache
def consulta_activas(campos: tuple[str, ...]) -> Select[Any]:
    """The `COLUMNAS_OPERACION` of open operations, oldest first; each field named has to be given."""
    c = operations.c
    donde = [c[campo] == bindparam(campo) for campo in campos]
    activas = select(*COLUMNAS_OPERACION).where(c.status == EstadoOperacion.ACTIVE.value, *donde)
    return activas.order_by(c.opened_at_ms, c.operation_id)


def ultima_operacion(conexion: Connection, account_id: str, symbol: str) -> OperacionGuardada | None:
    """The operation of an account and symbol that was opened last, whether it is over or not."""
    c = operations.c
    consulta = select(*COLUMNAS_OPERACION).where(c.account_id == account_id, c.symbol == symbol)
    fila = conexion.execute(consulta.order_by(c.opened_at_ms.desc()).limit(1)).first()
    return None if fila is None else operacion_de_fila(fila)


def poner_stop(conexion: Connection, operation_id: str, stop: StopPuesto) -> str | None:
    """Write down that another stop is in force, and what was before it.

    The caller has asked the tighten-only gate; nothing is compared here.

    Returns:
        The execution token of the stop; ``None`` when there is no such active operation.
    """
    token = ficha_stop(operation_id, stop.stop_price, stop.stop_set_at_ms)
    valores: dict[str, Any] = {
        "ts_previous_stop": operations.c.stop_price,
        "ts_previous_level": operations.c.ts_level_applied,
        "stop_price": numero(stop.stop_price),
        "stop_set_at_ms": stop.stop_set_at_ms,
        "stop_execution_token": token,
        "ts_level_applied": stop.level,
        "ts_last_adjustment_ts": stop.stop_set_at_ms,
        "ts_last_adjustment_stop": numero(stop.stop_price),
        "initial_stop_price": _primero_no_nulo(operations.c.initial_stop_price, numero(stop.stop_price)),
        "updated_at_ms": ahora_bd(),
    }
    if stop.target_price is not None:
        valores["target_price"] = numero(stop.target_price)
    if stop.resident is not None:
        valores["resident_stop"] = stop.resident
    orden = update(operations).where(_activa(operation_id)).values(valores)
    return token if conexion.execute(orden).rowcount else None


def cambiar_tamano(
    conexion: Connection, account_id: str, symbol: str, quantity: float, average_entry_price: float
) -> None:
    """Write down how large the open operation is now; one of the other side is another operation.

    Args:
        conexion: In a transaction that writes.
        account_id: Whose it is.
        symbol: Of the position.
        quantity: Signed, not zero; base asset.
        average_entry_price: Quote asset.
    """
    lado = LadoOperacion.BUY if quantity > 0 else LadoOperacion.SELL
    suya = (operations.c.account_id == account_id) & (operations.c.symbol == symbol)
    abierta = (operations.c.status == EstadoOperacion.ACTIVE.value) & (operations.c.side == lado.value)
    valores = {"quantity": numero(abs(quantity)), "average_entry_price": numero(average_entry_price)}
    conexion.execute(update(operations).where(suya, abierta).values(**valores, updated_at_ms=ahora_bd()))


def anotar_revision(conexion: Connection, operation_ids: Sequence[str], instante_ms: int) -> None:
    """Write down that the stops of these operations were looked at."""
    orden = update(operations).where(operations.c.operation_id.in_(operation_ids))
    conexion.execute(
        orden.values(last_stop_check_at_ms=instante_ms, stop_check_count=operations.c.stop_check_count + 1)
    )


def cerrar_operacion(conexion: Connection, operation_id: str, closed_at_ms: int) -> bool:
    """Write down that the position is flat; false when there was no such active operation."""
    orden = (
        update(operations)
        .where(_activa(operation_id))
        .values(
            status=EstadoOperacion.CLOSED.value,
            closed_at_ms=closed_at_ms,
            resident_stop=False,
            updated_at_ms=ahora_bd(),
        )
    )
    return conexion.execute(orden).rowcount == 1


def operacion_de_fila(fila: Sequence[Any]) -> OperacionGuardada:
    """The `COLUMNAS_OPERACION` of a row as a value; its numbers are `Decimal`."""
    leida = OperacionGuardada(*fila)
    return leida._replace(side=LadoOperacion(leida.side), status=EstadoOperacion(leida.status))


def _activa(operation_id: str) -> Any:
    return (operations.c.operation_id == operation_id) & (operations.c.status == EstadoOperacion.ACTIVE.value)


def _primero_no_nulo(uno: Any, otro: Decimal | Any) -> Any:
    return case((uno.is_not(None), uno), else_=otro)
