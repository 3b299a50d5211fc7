"""What an operation knows of its stop: columns without a value, which rewrite nothing.

Revision ID: 0002
"""

from __future__ import annotations

from alembic import op

from src.produccion.almacen.migraciones.piezas import columnas

revision = "0002"
down_revision = "0001"

_COLUMNAS = (
    "stop_loss_percent:n? initial_stop_price:n? stop_price:n? stop_set_at_ms:l? target_price:n?"
    " stop_execution_token:t? ts_level_applied:t? ts_last_adjustment_ts:l? ts_last_adjustment_stop:n?"
    " ts_previous_stop:n? ts_previous_level:t? last_stop_check_at_ms:l?"
)


def upgrade() -> None:
    """Take the step."""
    for columna in columnas(_COLUMNAS):
        op.add_column("operations", columna)


def downgrade() -> None:
    """Take it back."""
    for columna in columnas(_COLUMNAS)[::-1]:
        op.drop_column("operations", columna.name)
