"""A command names the account that is to carry it out; one that was given before names none.

Revision ID: 0005
"""

from __future__ import annotations

from alembic import op

from src.produccion.almacen.migraciones.piezas import columnas

revision = "0005"
down_revision = "0004"

_COLUMNAS = "account_id:t?"


def upgrade() -> None:
    """Take the step."""
    for columna in columnas(_COLUMNAS):
        op.add_column("commands", columna)


def downgrade() -> None:
    """Take it back."""
    for columna in columnas(_COLUMNAS):
        op.drop_column("commands", columna.name)
