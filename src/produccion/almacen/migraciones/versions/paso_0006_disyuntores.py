"""Breakers as they are now, what their changes measured, and what a person lets each agent do.

Revision ID: 0006
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import CheckConstraint

from src.produccion.almacen.migraciones.piezas import columnas, crear_indice, quitar_indice

revision = "0006"
down_revision = "0005"

_COLUMNAS = (
    "account_id:t? previous_state:t? value:f? limit_value:f? unit:t? requested_by:t? journal:t? seq:l?"
)
_INDICE = "ix_circuit_breaker_events_client_id_occurred_at_ms"


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "breakers",
        *columnas(
            "*client_id:t *account_id:t *exchange:t *symbol:t *kind:t state:t failures:i=0 value:f? "
            "limit_value:f? unit:t? reason:t? requested_by:t? opened_at_ms:l? changed_at_ms:l? "
            "updated_at_ms:l"
        ),
        CheckConstraint("state IN ('CLOSED', 'OPEN', 'HALF_OPEN')", name="ck_breakers_state"),
    )
    op.create_table(
        "risk_modes",
        *columnas(
            "*account_id:t *symbol:t client_id:t user_id:t mode:t reason:t requested_by:t changed_at_ms:l"
        ),
        CheckConstraint("mode IN ('ACTIVE', 'REDUCING', 'HALTED')", name="ck_risk_modes_mode"),
    )
    for columna in columnas(_COLUMNAS):
        op.add_column("circuit_breaker_events", columna)
    crear_indice(_INDICE, "circuit_breaker_events", ["client_id", "occurred_at_ms"])


def downgrade() -> None:
    """Take it back."""
    quitar_indice(_INDICE, "circuit_breaker_events")
    for columna in columnas(_COLUMNAS)[::-1]:
        op.drop_column("circuit_breaker_events", columna.name)
    op.drop_table("risk_modes")
    op.drop_table("breakers")
