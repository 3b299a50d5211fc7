"""Indexes for what is asked at every request: fills, latches, what was told last of accounts and exchanges.

Revision ID: 0013
"""

from __future__ import annotations

from src.produccion.almacen.migraciones.piezas import crear_indice, quitar_indice

revision = "0013"
down_revision = "0012"

_INDICES = (
    ("ix_trades_client_id_executed_at_ms", "trades", ("client_id", "executed_at_ms")),
    ("ix_alerts_client_id_kind_id", "alerts", ("client_id", "kind", "id")),
    ("ix_exchange_health_account_id_id", "exchange_health", ("account_id", "id")),
    (
        "ix_balance_snapshots_client_id_account_id_symbol_id",
        "balance_snapshots",
        ("client_id", "account_id", "symbol", "id"),
    ),
)


def upgrade() -> None:
    """Take the step."""
    for nombre, tabla, campos in _INDICES:
        crear_indice(nombre, tabla, campos)


def downgrade() -> None:
    """Take it back."""
    for nombre, tabla, _ in _INDICES:
        quitar_indice(nombre, tabla)
