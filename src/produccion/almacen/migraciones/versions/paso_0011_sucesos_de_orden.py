"""What becomes of an order is numbered, so that whoever watches knows where to go on.

Revision ID: 0011
"""

from __future__ import annotations

from alembic import op

from src.produccion.almacen.migraciones.piezas import columnas, en_postgresql

revision = "0011"
down_revision = "0010"

_TABLA, _INDICE = "order_events", "ix_order_events_client_id_id"
_COLUMNAS = (
    "*id:l account_id:t client_order_id:t client_id:t user_id:t agent_id:t? symbol:t side:t token:t status:t "
    "quantity:n reduce_only:b exchange_order_id:l? executed_quantity:n average_price:n? attempts:i=0 "
    "reason:t? code:i? journal:t? seq:l? created_at_ms:l updated_at_ms:l"
)


def upgrade() -> None:
    """Take the step; orders of before have no events."""
    numerada = {} if en_postgresql() else {"sqlite_autoincrement": True}
    op.create_table(_TABLA, *columnas(_COLUMNAS), **numerada)
    op.create_index(_INDICE, _TABLA, ("client_id", "id"))


def downgrade() -> None:
    """Take it back."""
    op.drop_index(_INDICE, _TABLA)
    op.drop_table(_TABLA)
