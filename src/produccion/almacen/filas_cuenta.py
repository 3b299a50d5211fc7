"""Rows of the session become trades, position and balance."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from src.produccion.almacen.alimentador import Titular
from src.produccion.almacen.escritura import anadir, poner
from src.produccion.almacen.esquema import balance_snapshots, positions, trades
from src.produccion.almacen.lectura_diario import Apunte
from src.produccion.almacen.operaciones import EstadoOperacion, OperacionGuardada, ultima_operacion

_APERTURAS = frozenset({"abrir_long", "abrir_short"})
_COMPRAS = frozenset({"abrir_long", "aumentar_long", "cerrar_short", "reducir_short"})


def escribir_filas(conexion: Connection, titular: Titular, diario: str, apunte: Apunte) -> None:
    """Write the trades among the rows, and position and balance after the last one."""
    filas = apunte.contenido["rows"]
    operacion = ultima_operacion(conexion, titular.account_id, titular.symbol)
    for i, fila in enumerate(filas):
        if fila["cantidad"] is not None:
            trade = _trade(fila) | {"row_number": i, "operation_id": _nombre_de(operacion, fila)}
            anadir(conexion, trades, titular._asdict() | trade | {"journal": diario, "seq": apunte.seq})
    if filas:
        _escribir_saldo(conexion, titular, diario, apunte)


def adoptar_trades(conexion: Connection, titular: Titular, operation_id: str) -> None:
    """The trades that began an operation belong to it, now that it has a name."""
    suyos = (trades.c.account_id == titular.account_id) & (trades.c.symbol == titular.symbol)
    ultimo = select(trades.c.trade_id).where(suyos).order_by(trades.c.id.desc()).limit(1).scalar_subquery()
    sin_nombre = trades.c.operation_id.is_(None) & (trades.c.trade_id == ultimo)
    conexion.execute(update(trades).where(suyos, sin_nombre).values(operation_id=operation_id))


def instante_de(fila: dict[str, Any]) -> int:
    """A row's ``timestamp``, as UTC milliseconds."""
    return round(datetime.fromisoformat(str(fila["timestamp"])).timestamp() * 1000)


def precio_de(fila: dict[str, Any]) -> float:
    """The mean price at which a row's quantity was filled."""
    if fila["precio_salida"] is not None:
        return float(fila["precio_salida"])
    con_signo = fila["cantidad"] if fila["operacion"] in _COMPRAS else -fila["cantidad"]
    return float(fila["precio"] + (fila["slippage"] or 0.0) / con_signo)


def filas_con_orden(contenido: dict[str, Any]) -> list[tuple[dict[str, Any], str | None]]:
    """The rows of a record with their orders' client ids; decisions and early journals tell none."""
    filas = contenido["rows"]
    return list(zip(filas, contenido.get("orders") or [None] * len(filas), strict=True))


def _nombre_de(operacion: OperacionGuardada | None, fila: dict[str, Any]) -> str | None:
    """The operation that a trade belongs to; one that begins an operation is told before its level is."""
    if operacion is None:
        return None
    otra = fila["operacion"] in _APERTURAS and operacion.status is EstadoOperacion.CLOSED
    return None if otra else operacion.operation_id


def _trade(fila: dict[str, Any]) -> dict[str, Any]:
    return {
        "trade_id": fila["trade_id"],
        "operation": fila["operacion"],
        "status": fila["status"],
        "side": "BUY" if fila["operacion"] in _COMPRAS else "SELL",
        "quantity": fila["cantidad"],
        "price": precio_de(fila),
        "entry_price": fila["precio_entrada"],
        "commission": fila["comision"],
        "realized_pnl": fila["pnl_realizado"] + fila["pnl_parcial"],
        "slippage": fila["slippage"],
        "executed_at_ms": instante_de(fila),
    }


def _escribir_saldo(conexion: Connection, titular: Titular, diario: str, apunte: Apunte) -> None:
    fila, cuenta = apunte.contenido["rows"][-1], apunte.contenido["state"]["account"]
    rastro = {"symbol": titular.symbol, "journal": diario, "seq": apunte.seq}
    instante_ms = instante_de(fila)
    saldo = {
        "balance": fila["balance"],
        "equity": fila["equity"],
        "max_drawdown": fila["max_drawdown"],
        "source": "journal",
        "taken_at_ms": instante_ms,
    }
    anadir(conexion, balance_snapshots, titular._asdict() | saldo | rastro)
    posicion = {
        "quantity": cuenta[1] if len(cuenta) > 1 else 0,
        "entry_price": cuenta[2] if len(cuenta) > 1 else None,
        "price": fila["precio"],
        "unrealized_pnl": fila["pnl_no_realizado"],
        "updated_at_ms": instante_ms,
    }
    poner(conexion, positions, titular._asdict() | posicion | rastro)
