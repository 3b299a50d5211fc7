"""The store's tables as they are now; the migrations lead here, and a test says so.

Instants are UTC milliseconds. What daemons tell is market time; heartbeats, leases and commands are by the
database's own clock.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from src.produccion.almacen.tipos_sql import ENTERO, Numero, ahora_bd, numero, texto_numero

__all__ = ["Numero", "ahora_bd", "metadatos", "numero", "texto_numero"]

POR_DEFECTO = "default"
"""Tenant and account name where nothing else is said."""

metadatos = MetaData(naming_convention={"pk": "pk_%(table_name)s"})


def _texto(nombre: str, *, nulo: bool = False) -> Column[str]:
    return Column(nombre, Text, nullable=nulo)


def _ms(nombre: str, *, nulo: bool = False) -> Column[int]:
    return Column(nombre, ENTERO, nullable=nulo)


def _numero(nombre: str, *, nulo: bool = True) -> Column[Decimal]:
    return Column(nombre, Numero, nullable=nulo)


def _serie(nombre: str) -> Column[int]:
    return Column(nombre, ENTERO, primary_key=True, autoincrement=True)


def _entero(nombre: str, defecto: int | None = None) -> Column[int]:
    return Column(
        nombre, Integer, nullable=False, server_default=None if defecto is None else text(str(defecto))
    )


def _clave(nombre: str) -> Column[str]:
    return Column(nombre, Text, primary_key=True)


def _de_diario() -> tuple[Column[str], Column[int]]:
    """Which record of which journal a row comes from."""
    return _texto("journal", nulo=True), _ms("seq", nulo=True)


def _titular() -> tuple[Column[str], ...]:
    return _texto("client_id"), _texto("user_id"), _texto("account_id"), _texto("agent_id", nulo=True)


operations = Table(
    "operations",
    metadatos,
    _clave("operation_id"),
    *_titular(),
    *(_texto("symbol"), _texto("side"), _texto("status")),
    _numero("quantity", nulo=False),
    _numero("average_entry_price", nulo=False),
    _texto("strategy", nulo=True),
    _ms("opened_at_ms"),
    *(_ms("closed_at_ms", nulo=True), _ms("created_at_ms"), _ms("updated_at_ms")),
    *(_numero("stop_loss_percent"), _numero("initial_stop_price"), _numero("stop_price")),
    _ms("stop_set_at_ms", nulo=True),
    _numero("target_price"),
    *(_texto("stop_execution_token", nulo=True), _texto("ts_level_applied", nulo=True)),
    _ms("ts_last_adjustment_ts", nulo=True),
    *(_numero("ts_last_adjustment_stop"), _numero("ts_previous_stop")),
    *(_texto("ts_previous_level", nulo=True), _ms("last_stop_check_at_ms", nulo=True)),
    Column("resident_stop", Boolean, nullable=False, server_default=false()),
    Column("hand_made", Boolean, nullable=False, server_default=false()),
    _entero("stop_check_count", 0),
    CheckConstraint("side IN ('BUY', 'SELL')", name="ck_operations_side"),
    CheckConstraint("status IN ('ACTIVE', 'CLOSED')", name="ck_operations_status"),
    Index("ix_operations_client_id_status", "client_id", "status"),
    Index("ix_operations_account_id_symbol_status", "account_id", "symbol", "status"),
)


def _de_orden() -> tuple[Column[Any], ...]:
    """What is known of an order after a step of its life."""
    return (
        *(_texto("client_id"), _texto("user_id"), _texto("agent_id", nulo=True)),
        *(_texto("symbol"), _texto("side"), _texto("token"), _texto("status")),
        _numero("quantity", nulo=False),
        Column("reduce_only", Boolean, nullable=False),
        _ms("exchange_order_id", nulo=True),
        _numero("executed_quantity", nulo=False),
        _numero("average_price"),
        _entero("attempts", 0),
        _texto("reason", nulo=True),
        Column("code", Integer),
        *_de_diario(),
        *(_ms("created_at_ms"), _ms("updated_at_ms")),
    )


orders = Table(
    "orders",
    metadatos,
    *(_clave("account_id"), _clave("client_order_id")),
    *_de_orden(),
    Index("ix_orders_symbol_created_at_ms", "symbol", "created_at_ms"),
)

stop_orders = Table(
    "stop_orders",
    metadatos,
    *(_clave("account_id"), _clave("client_order_id")),
    *(_texto("client_id"), _texto("user_id"), _texto("agent_id", nulo=True)),
    *(_texto("symbol"), _texto("side"), _texto("type"), _texto("status")),
    _numero("trigger_price", nulo=False),
    _numero("quantity"),  # null closes the whole position
    *(_ms("exchange_order_id", nulo=True), _texto("reason", nulo=True), Column("code", Integer)),
    *_de_diario(),
    *(_ms("created_at_ms"), _ms("updated_at_ms")),
    Index("ix_stop_orders_symbol_created_at_ms", "symbol", "created_at_ms"),
)

order_events = Table(
    "order_events",
    metadatos,
    _serie("id"),
    *(_texto("account_id"), _texto("client_order_id")),
    *_de_orden(),
    Index("ix_order_events_client_id_id", "client_id", "id"),
    sqlite_autoincrement=True,
)

stop_events = Table(
    "stop_events",
    metadatos,
    _serie("event_seq"),
    _texto("event_id"),
    _entero("version"),
    _ms("occurred_at_ms"),
    *(_texto("operation_id", nulo=True), _texto("client_id"), _texto("symbol"), _texto("event_type")),
    _entero("attempt"),
    *(_numero("trigger_price"), _numero("stop_price"), _numero("quantity"), _texto("side", nulo=True)),
    *(_texto("execution_token"), _texto("payload_json"), _texto("request_payload_hash", nulo=True)),
    _texto("exchange_order_id", nulo=True),
    *(_numero("fill_price"), _numero("slippage_pct")),
    *(_texto("source"), _texto("error_message", nulo=True)),
    _entero("retry_count", 0),
    UniqueConstraint("event_id", name="uq_stop_events_event_id"),
    UniqueConstraint("execution_token", "version", name="uq_stop_events_version"),
    UniqueConstraint("execution_token", "event_type", "attempt", name="uq_stop_events_attempt"),
    Index("ix_stop_events_operation_id", "operation_id"),
    Index("ix_stop_events_client_id_occurred_at_ms", "client_id", "occurred_at_ms"),
    sqlite_autoincrement=True,
)

stop_executions = Table(
    "stop_executions",
    metadatos,
    _texto("execution_id"),
    _clave("execution_token"),
    *(_texto("operation_id", nulo=True), _texto("client_id"), _texto("symbol"), _texto("status")),
    *(_entero("attempt"), _entero("version")),
    *(_numero("stop_price"), _numero("trigger_price"), _numero("quantity"), _texto("side", nulo=True)),
    *(_ms(f"{que}_at_ms", nulo=True) for que in ("triggered", "submitted", "executed", "failed", "blocked")),
    _texto("exchange_order_id", nulo=True),
    *(_numero("fill_price"), _numero("slippage_pct")),
    *(_texto("source"), _texto("error_message", nulo=True)),
    _entero("retry_count", 0),
    _ms("updated_at_ms"),
    Index("ix_stop_executions_client_id_status", "client_id", "status"),
)

claims = Table(
    "claims",
    metadatos,
    _clave("execution_token"),
    _entero("attempt"),
    _texto("holder"),
    *(_ms("claimed_at_ms"), _ms("lease_until_ms"), _texto("client_order_id")),
    Column("done", Boolean, nullable=False, server_default=false()),
)

tenant_config = Table(
    "tenant_config",
    metadatos,
    _clave("client_id"),
    Column("trading_enabled", Boolean, nullable=False, server_default=text("true")),
    _texto("trading_paused_reason", nulo=True),
    Column("max_slippage_pct", Numero, nullable=False, server_default="5"),
    Column("slippage_pause_threshold_pct", Numero, nullable=False, server_default="10"),
    _entero("max_executions_per_minute", 10),
    _entero("max_executions_per_hour", 100),
    _ms("updated_at_ms", nulo=True),
)

circuit_breaker_state = Table(
    "circuit_breaker_state",
    metadatos,
    *(_clave("client_id"), _clave("symbol")),
    _texto("state"),
    _entero("failures", 0),
    *(_ms("opened_at_ms", nulo=True), _ms("updated_at_ms", nulo=True)),
    CheckConstraint("state IN ('CLOSED', 'OPEN', 'HALF_OPEN')", name="ck_circuit_breaker_state_state"),
)

circuit_breaker_events = Table(
    "circuit_breaker_events",
    metadatos,
    _serie("id"),
    *(_texto("client_id"), _texto("symbol"), _texto("exchange", nulo=True), _texto("kind"), _texto("state")),
    _entero("failures", 0),
    *(_texto("reason", nulo=True), _ms("occurred_at_ms")),
    *(_texto("account_id", nulo=True), _texto("previous_state", nulo=True)),
    *(Column("value", Float(53)), Column("limit_value", Float(53)), _texto("unit", nulo=True)),
    _texto("requested_by", nulo=True),
    *_de_diario(),
    Index("ix_circuit_breaker_events_client_id_occurred_at_ms", "client_id", "occurred_at_ms"),
    sqlite_autoincrement=True,
)

breakers = Table(
    "breakers",
    metadatos,
    *(_clave(nombre) for nombre in ("client_id", "account_id", "exchange", "symbol", "kind")),
    *(_texto("state"), _entero("failures", 0)),
    *(Column("value", Float(53)), Column("limit_value", Float(53)), _texto("unit", nulo=True)),
    *(_texto("reason", nulo=True), _texto("requested_by", nulo=True)),
    *(_ms("opened_at_ms", nulo=True), _ms("changed_at_ms", nulo=True), _ms("updated_at_ms")),
    _ms("cool_down_ms", nulo=True),
    CheckConstraint("state IN ('CLOSED', 'OPEN', 'HALF_OPEN')", name="ck_breakers_state"),
)

risk_modes = Table(
    "risk_modes",
    metadatos,
    *(_clave("account_id"), _clave("symbol"), _texto("client_id"), _texto("user_id")),
    *(_texto("mode"), _texto("reason"), _texto("requested_by"), _ms("changed_at_ms")),
    CheckConstraint("mode IN ('ACTIVE', 'REDUCING', 'HALTED')", name="ck_risk_modes_mode"),
)

trades = Table(
    "trades",
    metadatos,
    _serie("id"),
    *_titular(),
    *(_texto("symbol"), _texto("operation_id", nulo=True), _texto("trade_id", nulo=True)),
    *(_texto("operation"), _texto("status"), _texto("side")),
    *(_numero("quantity", nulo=False), _numero("price"), _numero("entry_price")),
    *(_numero("commission"), _numero("realized_pnl"), _numero("slippage")),
    _ms("executed_at_ms"),
    *_de_diario(),
    _entero("row_number", 0),
    UniqueConstraint("journal", "seq", "row_number", name="uq_trades_journal"),
    Index("ix_trades_account_id_executed_at_ms", "account_id", "executed_at_ms"),
    Index("ix_trades_client_id_executed_at_ms", "client_id", "executed_at_ms"),
    sqlite_autoincrement=True,
)

positions = Table(
    "positions",
    metadatos,
    *(_clave("account_id"), _clave("symbol")),
    *(_texto("client_id"), _texto("user_id"), _texto("agent_id", nulo=True)),
    _numero("quantity", nulo=False),  # signed; 0 when flat
    *(_numero("entry_price"), _numero("price"), _numero("unrealized_pnl")),
    *_de_diario(),
    _ms("updated_at_ms"),
)

balance_snapshots = Table(
    "balance_snapshots",
    metadatos,
    _serie("id"),
    *_titular(),
    _texto("symbol"),
    *(_numero("balance", nulo=False), _numero("equity"), _numero("max_drawdown")),
    *(_texto("source"), _ms("taken_at_ms")),
    *_de_diario(),
    UniqueConstraint("journal", "seq", name="uq_balance_snapshots_journal"),
    Index("ix_balance_snapshots_account_id_taken_at_ms", "account_id", "taken_at_ms"),
    Index("ix_balance_snapshots_client_id_account_id_symbol_id", "client_id", "account_id", "symbol", "id"),
    sqlite_autoincrement=True,
)

system_metrics = Table(
    "system_metrics",
    metadatos,
    _serie("id"),
    *(_texto("client_id"), _texto("account_id", nulo=True), _texto("symbol", nulo=True), _texto("name")),
    Column("value", Float(53), nullable=False),
    _ms("taken_at_ms"),
    Index("ix_system_metrics_name_taken_at_ms", "name", "taken_at_ms"),
    sqlite_autoincrement=True,
)

exchange_health = Table(
    "exchange_health",
    metadatos,
    _serie("id"),
    *(_texto("exchange"), _texto("account_id", nulo=True), _texto("status")),
    *(Column("latency_ms", Float(53)), Column("error_rate", Float(53)), _texto("detail", nulo=True)),
    _ms("checked_at_ms"),
    Index("ix_exchange_health_account_id_id", "account_id", "id"),
    sqlite_autoincrement=True,
)

alerts = Table(
    "alerts",
    metadatos,
    _serie("id"),
    *(_texto("client_id"), _texto("account_id", nulo=True), _texto("symbol", nulo=True)),
    *(_texto("level"), _texto("kind"), _texto("message"), _texto("payload_json"), _ms("created_at_ms")),
    *_de_diario(),
    UniqueConstraint("journal", "seq", name="uq_alerts_journal"),
    CheckConstraint("level IN ('INFO', 'WARNING', 'ERROR', 'CRITICAL')", name="ck_alerts_level"),
    Index("ix_alerts_created_at_ms", "created_at_ms"),
    Index("ix_alerts_client_id_kind_id", "client_id", "kind", "id"),
    sqlite_autoincrement=True,
)

commands = Table(
    "commands",
    metadatos,
    _serie("seq"),
    *(_texto("id"), _texto("client_id"), _texto("user_id"), _texto("symbol"), _texto("action")),
    *(_texto("payload_json"), _texto("requested_by"), _texto("idempotency_key", nulo=True)),
    *(_ms("created_at_ms"), _ms("expires_at_ms"), _texto("status")),
    *(_texto("claimed_by", nulo=True), _ms("claimed_at_ms", nulo=True), _ms("finished_at_ms", nulo=True)),
    *(_texto("outcome_json", nulo=True), _texto("account_id", nulo=True)),
    UniqueConstraint("id", name="uq_commands_id"),
    UniqueConstraint(
        *("client_id", "requested_by", "idempotency_key", "user_id", "symbol"), name="uq_commands_idempotency"
    ),
    CheckConstraint(
        "status IN ('PENDING', 'CLAIMED', 'DONE', 'FAILED', 'EXPIRED')", name="ck_commands_status"
    ),
    Index("ix_commands_status_user_id_symbol", "status", "user_id", "symbol"),
    sqlite_autoincrement=True,
)

users = Table(
    "users",
    metadatos,
    _clave("username"),
    *(_texto("password_hash"), _texto("role"), _texto("client_id")),
    Column("disabled", Boolean, nullable=False, server_default=false()),
    _ms("created_at_ms"),
    CheckConstraint("role IN ('viewer', 'operator', 'admin', 'service')", name="ck_users_role"),
)

api_tokens = Table(
    "api_tokens",
    metadatos,
    _clave("token_hash"),
    *(_texto("username"), _ms("created_at_ms"), _ms("expires_at_ms", nulo=True)),
    *(_ms("revoked_at_ms", nulo=True), _texto("note", nulo=True)),
    Index("ix_api_tokens_username", "username"),
)

sessions = Table(
    "sessions",
    metadatos,
    _clave("session_id"),
    *(_texto("username"), _texto("client_id"), _ms("created_at_ms"), _ms("expires_at_ms")),
    *(_ms("revoked_at_ms", nulo=True), _texto("revoked_reason", nulo=True)),
    Index("ix_sessions_username", "username"),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadatos,
    _clave("token_hash"),
    *(_texto("session_id"), _ms("created_at_ms"), _ms("expires_at_ms"), _ms("used_at_ms", nulo=True)),
    Index("ix_refresh_tokens_session_id", "session_id"),
)

audit_log = Table(
    "audit_log",
    metadatos,
    _serie("id"),
    *(_texto("client_id"), _texto("username"), _texto("role"), _texto("address"), _ms("occurred_at_ms")),
    *(_texto("action"), _texto("target", nulo=True), _texto("request_json")),
    *(Column("status", Integer), _texto("outcome_json", nulo=True), _ms("finished_at_ms", nulo=True)),
    Index("ix_audit_log_client_id_id", "client_id", "id"),
    sqlite_autoincrement=True,
)

outbox = Table(
    "outbox",
    metadatos,
    _serie("id"),
    *(_texto("topic"), _texto("key", nulo=True), _texto("payload_json"), _ms("created_at_ms")),
    *(_ms("delivered_at_ms", nulo=True), _entero("attempts", 0), _texto("last_error", nulo=True)),
    *(_texto("kind", nulo=True), _texto("level", nulo=True), _texto("outcome", nulo=True)),
    _ms("available_at_ms", nulo=True),  # nobody may take it before
    Index("ix_outbox_delivered_at_ms_id", "delivered_at_ms", "id"),
    Index("uq_outbox_topic_key", "topic", "key", unique=True),
    sqlite_autoincrement=True,
)

daemons = Table(
    "daemons",
    metadatos,
    *(_clave("account_id"), _clave("symbol")),
    *(_texto("client_id"), _texto("user_id"), _texto("agent_id", nulo=True)),
    *(_entero("pid"), _texto("host"), _ms("started_at_ms"), _ms("heartbeat_ms")),
)

journal_cursors = Table("journal_cursors", metadatos, _clave("journal"), _ms("last_seq"))
