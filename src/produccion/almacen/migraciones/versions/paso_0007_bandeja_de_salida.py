"""Every alert asks for its delivery in the transaction that writes it; who delivers, says how it went.

Revision ID: 0007
"""

from __future__ import annotations

from alembic import op

from src.produccion.almacen.migraciones.piezas import columnas, crear_indice, en_postgresql, quitar_indice

revision = "0007"
down_revision = "0006"

_COLUMNAS = "kind:t? level:t? outcome:t? available_at_ms:l?"
_INDICE = "uq_outbox_topic_key"
_FILA = (
    "INSERT INTO outbox (topic, key, payload_json, created_at_ms)"
    " VALUES ('alerts', CAST(NEW.id AS TEXT), '{}'"
)
_SQLITE = (
    f"CREATE TRIGGER alerts_to_outbox AFTER INSERT ON alerts BEGIN {_FILA},"
    " CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)); END",
)
_POSTGRESQL = (
    f"CREATE FUNCTION alerts_to_outbox() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {_FILA},"
    " CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT)); RETURN NULL; END $$",
    "CREATE TRIGGER alerts_to_outbox AFTER INSERT ON alerts"
    " FOR EACH ROW EXECUTE PROCEDURE alerts_to_outbox()",
)


def upgrade() -> None:
    """Take the step; the index goes first, because it is built outside of the step's transaction."""
    crear_indice(_INDICE, "outbox", ("topic", "key"), unico=True)
    for columna in columnas(_COLUMNAS):
        op.add_column("outbox", columna)
    for orden in _POSTGRESQL if en_postgresql() else _SQLITE:
        op.execute(orden)


def downgrade() -> None:
    """Take it back."""
    if en_postgresql():
        op.execute("DROP TRIGGER alerts_to_outbox ON alerts")
        op.execute("DROP FUNCTION alerts_to_outbox()")
    else:
        op.execute("DROP TRIGGER alerts_to_outbox")
    for columna in columnas(_COLUMNAS)[::-1]:
        op.drop_column("outbox", columna.name)
    quitar_indice(_INDICE, "outbox")
