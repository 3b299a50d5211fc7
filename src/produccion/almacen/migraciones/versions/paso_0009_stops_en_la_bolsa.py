"""Stops and targets at the exchange, each with where its life stands.

Revision ID: 0009
"""

from __future__ import annotations

from alembic import op

from src.produccion.almacen.migraciones.piezas import columnas

revision = "0009"
down_revision = "0008"

_TABLA = "stop_orders"
_COLUMNAS = (
    "*account_id:t *client_order_id:t client_id:t user_id:t agent_id:t? symbol:t side:t type:t status:t"
    " trigger_price:n quantity:n? exchange_order_id:l? reason:t? code:i? journal:t? seq:l? created_at_ms:l"
    " updated_at_ms:l"
)


def upgrade() -> None:
    """Take the step."""
    op.create_table(_TABLA, *columnas(_COLUMNAS))
    op.create_index("ix_stop_orders_symbol_created_at_ms", _TABLA, ["symbol", "created_at_ms"])


def downgrade() -> None:
    """Take it back."""
    op.drop_table(_TABLA)
