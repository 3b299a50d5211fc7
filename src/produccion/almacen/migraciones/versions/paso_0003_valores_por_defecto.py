"""Columns with a constant default: both databases keep it beside the table and rewrite no row.

Revision ID: 0003
"""

from __future__ import annotations

from alembic import op

from src.produccion.almacen.migraciones.piezas import columnas

revision = "0003"
down_revision = "0002"

_COLUMNAS = "resident_stop:b=false hand_made:b=false stop_check_count:i=0"


def upgrade() -> None:
    """Take the step."""
    for columna in columnas(_COLUMNAS):
        op.add_column("operations", columna)


def downgrade() -> None:
    """Take it back."""
    for columna in columnas(_COLUMNAS)[::-1]:
        op.drop_column("operations", columna.name)
