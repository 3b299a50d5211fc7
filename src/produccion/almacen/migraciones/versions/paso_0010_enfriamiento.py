"""A breaker tells how long it cools down, so that whoever looks knows until when it is open.

Revision ID: 0010
"""

from __future__ import annotations

from alembic import op

from src.produccion.almacen.migraciones.piezas import columnas

revision = "0010"
down_revision = "0009"

_COLUMNAS = "cool_down_ms:l?"


def upgrade() -> None:
    """Take the step."""
    for columna in columnas(_COLUMNAS):
        op.add_column("breakers", columna)


def downgrade() -> None:
    """Take it back."""
    for columna in columnas(_COLUMNAS):
        op.drop_column("breakers", columna.name)
