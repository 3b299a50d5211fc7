"""Indexes, built without keeping a writer waiting.

Revision ID: 0004
"""

from __future__ import annotations

from src.produccion.almacen.migraciones.piezas import crear_indice, quitar_indice

revision = "0004"
down_revision = "0003"

_INDICES = (
    ("ix_operations_account_id_symbol_status", "operations", ("account_id", "symbol", "status")),
    ("ix_operations_client_id_status", "operations", ("client_id", "status")),
    ("ix_orders_symbol_created_at_ms", "orders", ("symbol", "created_at_ms")),
    ("ix_stop_events_client_id_occurred_at_ms", "stop_events", ("client_id", "occurred_at_ms")),
    ("ix_stop_events_operation_id", "stop_events", ("operation_id",)),
    ("ix_stop_executions_client_id_status", "stop_executions", ("client_id", "status")),
    ("ix_trades_account_id_executed_at_ms", "trades", ("account_id", "executed_at_ms")),
    ("ix_balance_snapshots_account_id_taken_at_ms", "balance_snapshots", ("account_id", "taken_at_ms")),
    ("ix_system_metrics_name_taken_at_ms", "system_metrics", ("name", "taken_at_ms")),
    ("ix_alerts_created_at_ms", "alerts", ("created_at_ms",)),
    ("ix_commands_status_user_id_symbol", "commands", ("status", "user_id", "symbol")),
    ("ix_api_tokens_username", "api_tokens", ("username",)),
    ("ix_outbox_delivered_at_ms_id", "outbox", ("delivered_at_ms", "id")),
)


def upgrade() -> None:
    """Take the step."""
    for nombre, tabla, campos in _INDICES:
        crear_indice(nombre, tabla, campos)


def downgrade() -> None:
    """Take it back."""
    for nombre, tabla, _ in _INDICES:
        quitar_indice(nombre, tabla)
