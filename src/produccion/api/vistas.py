"""Rows of the store as answers tell them: money as rounded text, instants in Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import RowMapping

from src.nucleo.importes import cantidad, cociente_porcentaje, dolares, porcentaje, precio
from src.produccion.almacen.demonios import VIVO_MS
from src.produccion.almacen.lecturas import Cerrojo, DemonioVisto, Dia, Rendimiento
from src.produccion.almacen.salud_bolsa import SaludBolsa
from src.produccion.api.formas import decimal_o_nada, segundos

_DIA_S = 86_400


def orden(fila: RowMapping) -> dict[str, Any]:
    """An order of a daemon: one at market, or a stop or target that waits for its trigger."""
    es_stop = "trigger_price" in fila
    return {
        "id": fila["client_order_id"],
        "account_id": fila["account_id"],
        "user_id": fila["user_id"],
        "symbol": fila["symbol"],
        "side": fila["side"],
        "type": fila["type"] if es_stop else "MARKET",
        "status": fila["status"],
        "quantity": cantidad(fila["quantity"]),
        "trigger_price": precio(fila["trigger_price"]) if es_stop else None,
        "executed_quantity": None if es_stop else cantidad(fila["executed_quantity"]),
        "average_price": None if es_stop else precio(fila["average_price"]),
        "reduce_only": es_stop or fila["reduce_only"],
        "exchange_order_id": fila["exchange_order_id"],
        "reason": fila["reason"],
        "code": fila["code"],
        "created_at": segundos(fila["created_at_ms"]),
        "updated_at": segundos(fila["updated_at_ms"]),
    }


def fill(fila: RowMapping) -> dict[str, Any]:
    """A trade."""
    return {
        "id": fila["id"],
        "account_id": fila["account_id"],
        "user_id": fila["user_id"],
        "symbol": fila["symbol"],
        "operation_id": fila["operation_id"],
        "operation": fila["operation"],
        "side": fila["side"],
        "status": fila["status"],
        "quantity": cantidad(fila["quantity"]),
        "price": precio(fila["price"]),
        "entry_price": precio(fila["entry_price"]),
        "commission": dolares(fila["commission"]),
        "realized_pnl": dolares(fila["realized_pnl"]),
        "slippage": dolares(fila["slippage"]),
        "executed_at": segundos(fila["executed_at_ms"]),
    }


def saldo(fila: RowMapping) -> dict[str, Any]:
    """A balance at an instant; the drawdown is the largest of its session so far."""
    return {
        "id": fila["id"],
        "account_id": fila["account_id"],
        "user_id": fila["user_id"],
        "symbol": fila["symbol"],
        "balance": dolares(fila["balance"]),
        "equity": dolares(fila["equity"]),
        "max_drawdown_percent": porcentaje(cociente_porcentaje(fila["max_drawdown"], decimal_o_nada(1))),
        "source": fila["source"],
        "taken_at": segundos(fila["taken_at_ms"]),
    }


def metrica(fila: RowMapping) -> dict[str, Any]:
    """A number with a name."""
    return {
        "account_id": fila["account_id"],
        "symbol": fila["symbol"],
        "name": fila["name"],
        "value": fila["value"],
        "taken_at": segundos(fila["taken_at_ms"]),
    }


def cambio_de_disyuntor(fila: Mapping[Any, Any]) -> dict[str, Any]:
    """A breaker that changed."""
    return {
        "id": fila["id"],
        "account_id": fila["account_id"],
        "exchange": fila["exchange"],
        "symbol": fila["symbol"],
        "kind": fila["kind"],
        "state": fila["state"],
        "previous_state": fila["previous_state"],
        "value": fila["value"],
        "limit": fila["limit_value"],
        "unit": fila["unit"],
        "failures": fila["failures"],
        "reason": fila["reason"],
        "by": fila["requested_by"],
        "occurred_at": segundos(fila["occurred_at_ms"]),
    }


def alerta(fila: RowMapping) -> dict[str, Any]:
    """Something that a person should know."""
    return {
        "id": fila["id"],
        "account_id": fila["account_id"],
        "symbol": fila["symbol"],
        "level": fila["level"],
        "kind": fila["kind"],
        "message": fila["message"],
        "data": _json(fila["payload_json"]),
        "created_at": segundos(fila["created_at_ms"]),
    }


def evento(fila: RowMapping) -> dict[str, Any]:
    """What happened to a stop."""
    return {
        "id": fila["event_seq"],
        "event_id": fila["event_id"],
        "operation_id": fila["operation_id"],
        "symbol": fila["symbol"],
        "event_type": fila["event_type"],
        "side": fila["side"],
        "trigger_price": precio(fila["trigger_price"]),
        "stop_price": precio(fila["stop_price"]),
        "quantity": cantidad(fila["quantity"]),
        "fill_price": precio(fila["fill_price"]),
        "slippage_percent": porcentaje(fila["slippage_pct"]),
        "execution_token": fila["execution_token"],
        "source": fila["source"],
        "error_message": fila["error_message"],
        "retry_count": fila["retry_count"],
        "occurred_at": segundos(fila["occurred_at_ms"]),
    }


def asiento(fila: RowMapping) -> dict[str, Any]:
    """A line of the audit log."""
    return {
        "id": fila["id"],
        "username": fila["username"],
        "role": fila["role"],
        "address": fila["address"],
        "action": fila["action"],
        "target": fila["target"],
        "request": _json(fila["request_json"]),
        "status": fila["status"],
        "outcome": None if fila["outcome_json"] is None else _json(fila["outcome_json"]),
        "occurred_at": segundos(fila["occurred_at_ms"]),
        "finished_at": segundos(fila["finished_at_ms"]),
    }


def demonio(visto: DemonioVisto) -> dict[str, Any]:
    """A daemon, and whether it gave a sign of life lately."""
    return {
        "account_id": visto.account_id,
        "environment": visto.account_id.partition("-")[0],
        "user_id": visto.user_id,
        "symbol": visto.symbol,
        "agent_id": visto.agent_id,
        "alive": visto.edad_ms <= VIVO_MS,
        "heartbeat_age_s": max(0, visto.edad_ms) / 1_000,
        "started_at": segundos(visto.started_at_ms),
    }


def bolsa(vista: SaludBolsa) -> dict[str, Any]:
    """How an exchange is."""
    return {
        "account_id": vista.account_id,
        "exchange": vista.exchange,
        "status": vista.status,
        "latency_ms": vista.latency_ms,
        "error_rate": vista.error_rate,
        "detail": vista.detail,
        "checked_at": segundos(vista.checked_at_ms),
    }


def modelo(visto: DemonioVisto) -> dict[str, Any]:
    """What a daemon decides with, as far as the store knows."""
    partes = (visto.agent_id or "").split(":", 2)
    return {
        **{
            campo: demonio(visto)[campo] for campo in ("account_id", "user_id", "symbol", "agent_id", "alive")
        },
        "train_id": partes[2] if len(partes) == 3 else None,
    }


def cerrojo(visto: Cerrojo) -> dict[str, Any]:
    """A latch."""
    return {
        "account_id": visto.account_id,
        "symbol": visto.symbol,
        "latched": visto.puesto,
        "reason": visto.motivo,
        "since": segundos(visto.desde_ms),
    }


def rendimiento(uno: Rendimiento) -> dict[str, Any]:
    """What an account earned on a symbol."""
    neto = uno.realizado - uno.comision
    ganadas, cerradas = decimal_o_nada(uno.ganadas), decimal_o_nada(uno.cerradas)
    factor = uno.ganado / uno.perdido if uno.perdido else None
    return {
        "account_id": uno.account_id,
        "environment": uno.account_id.partition("-")[0],
        "symbol": uno.symbol,
        "fills": uno.fills,
        "closed_operations": uno.cerradas,
        "winning_operations": uno.ganadas,
        "win_rate_percent": porcentaje(cociente_porcentaje(ganadas, cerradas)),
        "realized_pnl": dolares(uno.realizado),
        "commission": dolares(uno.comision),
        "net_pnl": dolares(neto),
        "profit_factor": porcentaje(factor),
        "average_pnl": dolares((uno.ganado - uno.perdido) / uno.cerradas if uno.cerradas else None),
        "best_pnl": dolares(uno.mejor),
        "worst_pnl": dolares(uno.peor),
    }


def dia(uno: Dia) -> dict[str, Any]:
    """One UTC day of an account."""
    return {
        "date": datetime.fromtimestamp(uno.dia * _DIA_S, UTC).date().isoformat(),
        "account_id": uno.account_id,
        "environment": uno.account_id.partition("-")[0],
        "fills": uno.fills,
        "closing_fills": uno.cierres,
        "realized_pnl": dolares(uno.realizado),
        "commission": dolares(uno.comision),
        "net_pnl": dolares(uno.realizado - uno.comision),
    }


def _json(texto: str) -> Any:
    try:
        return orjson.loads(texto)
    except orjson.JSONDecodeError:
        return {"unreadable": texto}
