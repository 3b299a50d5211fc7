"""All tables, and the rule that nobody changes what happened.

Revision ID: 0001
"""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import CheckConstraint, Column, UniqueConstraint

from src.produccion.almacen.migraciones.piezas import columnas
from src.produccion.almacen.migraciones.solo_anadir import poner_disparadores, quitar_funciones

revision = "0001"
down_revision = None

_NUMERADAS = frozenset(
    {
        "stop_events",
        "circuit_breaker_events",
        "trades",
        "balance_snapshots",
        "system_metrics",
        "exchange_health",
        "alerts",
        "commands",
        "outbox",
    }
)

_TABLAS = (
    "operations",
    "orders",
    "stop_events",
    "stop_executions",
    "claims",
    "tenant_config",
    "circuit_breaker_state",
    "circuit_breaker_events",
    "trades",
    "positions",
    "balance_snapshots",
    "system_metrics",
    "exchange_health",
    "alerts",
    "commands",
    "users",
    "api_tokens",
    "outbox",
    "daemons",
    "journal_cursors",
)


def upgrade() -> None:
    """Take the step."""
    _de_stops()
    _de_limites()
    _de_historia()
    _de_mando()
    poner_disparadores()


def downgrade() -> None:
    """Take it back."""
    for tabla in _TABLAS:
        op.drop_table(tabla)
    quitar_funciones()


def _de_stops() -> None:
    _crear(
        "operations",
        columnas(
            "*operation_id:t client_id:t user_id:t account_id:t agent_id:t? symbol:t side:t status:t "
            "quantity:n average_entry_price:n strategy:t? opened_at_ms:l closed_at_ms:l? created_at_ms:l "
            "updated_at_ms:l"
        ),
        CheckConstraint("side IN ('BUY', 'SELL')", name="ck_operations_side"),
        CheckConstraint("status IN ('ACTIVE', 'CLOSED')", name="ck_operations_status"),
    )
    _crear(
        "orders",
        columnas(
            "*account_id:t *client_order_id:t client_id:t user_id:t agent_id:t? symbol:t side:t token:t "
            "status:t quantity:n reduce_only:b exchange_order_id:l? executed_quantity:n average_price:n? "
            "attempts:i=0 reason:t? code:i? journal:t? seq:l? created_at_ms:l updated_at_ms:l"
        ),
    )
    _crear(
        "stop_events",
        columnas(
            "*event_seq:l event_id:t version:i occurred_at_ms:l operation_id:t? client_id:t symbol:t "
            "event_type:t attempt:i trigger_price:n? stop_price:n? quantity:n? side:t? execution_token:t "
            "payload_json:t request_payload_hash:t? exchange_order_id:t? fill_price:n? slippage_pct:n? "
            "source:t error_message:t? retry_count:i=0"
        ),
        UniqueConstraint("execution_token", "event_type", "attempt", name="uq_stop_events_attempt"),
        UniqueConstraint("event_id", name="uq_stop_events_event_id"),
        UniqueConstraint("execution_token", "version", name="uq_stop_events_version"),
    )
    _crear(
        "stop_executions",
        columnas(
            "execution_id:t *execution_token:t operation_id:t? client_id:t symbol:t status:t attempt:i "
            "version:i stop_price:n? trigger_price:n? quantity:n? side:t? triggered_at_ms:l? "
            "submitted_at_ms:l? executed_at_ms:l? failed_at_ms:l? blocked_at_ms:l? exchange_order_id:t? "
            "fill_price:n? slippage_pct:n? source:t error_message:t? retry_count:i=0 updated_at_ms:l"
        ),
    )
    _crear(
        "claims",
        columnas(
            "*execution_token:t attempt:i holder:t claimed_at_ms:l lease_until_ms:l client_order_id:t "
            "done:b=false"
        ),
    )


def _de_limites() -> None:
    _crear(
        "tenant_config",
        columnas(
            "*client_id:t trading_enabled:b=true trading_paused_reason:t? max_slippage_pct:n=5 "
            "slippage_pause_threshold_pct:n=10 max_executions_per_minute:i=10 max_executions_per_hour:i=100 "
            "updated_at_ms:l?"
        ),
    )
    _crear(
        "circuit_breaker_state",
        columnas("*client_id:t *symbol:t state:t failures:i=0 opened_at_ms:l? updated_at_ms:l?"),
        CheckConstraint("state IN ('CLOSED', 'OPEN', 'HALF_OPEN')", name="ck_circuit_breaker_state_state"),
    )
    _crear(
        "circuit_breaker_events",
        columnas(
            "*id:l client_id:t symbol:t exchange:t? kind:t state:t failures:i=0 reason:t? occurred_at_ms:l"
        ),
    )


def _de_historia() -> None:
    _crear(
        "trades",
        columnas(
            "*id:l client_id:t user_id:t account_id:t agent_id:t? symbol:t operation_id:t? trade_id:t? "
            "operation:t status:t side:t quantity:n price:n? entry_price:n? commission:n? realized_pnl:n? "
            "slippage:n? executed_at_ms:l journal:t? seq:l? row_number:i=0"
        ),
        UniqueConstraint("journal", "seq", "row_number", name="uq_trades_journal"),
    )
    _crear(
        "positions",
        columnas(
            "*account_id:t *symbol:t client_id:t user_id:t agent_id:t? quantity:n entry_price:n? price:n? "
            "unrealized_pnl:n? journal:t? seq:l? updated_at_ms:l"
        ),
    )
    _crear(
        "balance_snapshots",
        columnas(
            "*id:l client_id:t user_id:t account_id:t agent_id:t? symbol:t balance:n equity:n? "
            "max_drawdown:n? source:t taken_at_ms:l journal:t? seq:l?"
        ),
        UniqueConstraint("journal", "seq", name="uq_balance_snapshots_journal"),
    )
    _crear(
        "system_metrics",
        columnas("*id:l client_id:t account_id:t? symbol:t? name:t value:f taken_at_ms:l"),
    )
    _crear(
        "exchange_health",
        columnas(
            "*id:l exchange:t account_id:t? status:t latency_ms:f? error_rate:f? detail:t? checked_at_ms:l"
        ),
    )
    _crear(
        "alerts",
        columnas(
            "*id:l client_id:t account_id:t? symbol:t? level:t kind:t message:t payload_json:t "
            "created_at_ms:l journal:t? seq:l?"
        ),
        CheckConstraint("level IN ('INFO', 'WARNING', 'ERROR', 'CRITICAL')", name="ck_alerts_level"),
        UniqueConstraint("journal", "seq", name="uq_alerts_journal"),
    )


def _de_mando() -> None:
    _crear(
        "commands",
        columnas(
            "*seq:l id:t client_id:t user_id:t symbol:t action:t payload_json:t requested_by:t "
            "idempotency_key:t? created_at_ms:l expires_at_ms:l status:t claimed_by:t? claimed_at_ms:l? "
            "finished_at_ms:l? outcome_json:t?"
        ),
        CheckConstraint(
            "status IN ('PENDING', 'CLAIMED', 'DONE', 'FAILED', 'EXPIRED')", name="ck_commands_status"
        ),
        UniqueConstraint("id", name="uq_commands_id"),
        UniqueConstraint(
            "client_id",
            "requested_by",
            "idempotency_key",
            "user_id",
            "symbol",
            name="uq_commands_idempotency",
        ),
    )
    _crear(
        "users",
        columnas("*username:t password_hash:t role:t client_id:t disabled:b=false created_at_ms:l"),
        CheckConstraint("role IN ('viewer', 'operator', 'admin', 'service')", name="ck_users_role"),
    )
    _crear(
        "api_tokens",
        columnas("*token_hash:t username:t created_at_ms:l expires_at_ms:l? revoked_at_ms:l? note:t?"),
    )
    _crear(
        "outbox",
        columnas(
            "*id:l topic:t key:t? payload_json:t created_at_ms:l delivered_at_ms:l? attempts:i=0 "
            "last_error:t?"
        ),
    )
    _crear(
        "daemons",
        columnas(
            "*account_id:t *symbol:t client_id:t user_id:t agent_id:t? pid:i host:t started_at_ms:l "
            "heartbeat_ms:l"
        ),
    )
    _crear(
        "journal_cursors",
        columnas("*journal:t last_seq:l"),
    )


def _crear(tabla: str, columnas_: list[Column[Any]], *reglas: CheckConstraint | UniqueConstraint) -> None:
    # SQLite would give the number of a deleted newest row once more.
    op.create_table(tabla, *columnas_, *reglas, sqlite_autoincrement=tabla in _NUMERADAS)
