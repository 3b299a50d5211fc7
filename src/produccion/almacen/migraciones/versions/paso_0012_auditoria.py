"""The database itself refuses to change a line of the audit log, but for the outcome that completes it.

Revision ID: 0012
"""

from __future__ import annotations

from alembic import op

from src.produccion.almacen.migraciones.piezas import en_postgresql

revision = "0012"
down_revision = "0011"

_NEGATIVA = "a line of audit_log is completed once and stays"
_FIJAS = (
    "id",
    "client_id",
    "username",
    "role",
    "address",
    "occurred_at_ms",
    "action",
    "target",
    "request_json",
)
_FINALES = ("status", "outcome_json", "finished_at_ms")


def _que_no_completa(igual: str) -> str:
    """Whether an update does anything but complete an open line."""
    iguales = [f"NEW.{campo} {igual} OLD.{campo}" for campo in _FIJAS]
    abierta = [f"OLD.{campo} IS NULL" for campo in _FINALES]
    completa = [f"NEW.{campo} IS NOT NULL" for campo in _FINALES]
    return f"NOT ({' AND '.join((*iguales, *abierta, *completa))})"


_SQLITE = {
    "audit_log_no_update": f"BEFORE UPDATE ON audit_log WHEN {_que_no_completa('IS')}",
    "audit_log_no_delete": "BEFORE DELETE ON audit_log",
    # INSERT OR REPLACE deletes without telling the trigger of deletions.
    "audit_log_no_replace": (
        "BEFORE INSERT ON audit_log WHEN EXISTS (SELECT 1 FROM audit_log WHERE id = NEW.id)"
    ),
}
_FUNCION = (
    f"CREATE FUNCTION audit_log_refuse() RETURNS trigger LANGUAGE plpgsql AS"
    f" $$ BEGIN RAISE EXCEPTION '{_NEGATIVA}'; END $$"
)
_POSTGRESQL = {
    "audit_log_no_update": (
        f"BEFORE UPDATE ON audit_log FOR EACH ROW WHEN ({_que_no_completa('IS NOT DISTINCT FROM')})"
    ),
    "audit_log_no_delete": "BEFORE DELETE ON audit_log FOR EACH ROW",
    "audit_log_no_truncate": "BEFORE TRUNCATE ON audit_log FOR EACH STATEMENT",
}


def upgrade() -> None:
    """Take the step."""
    if en_postgresql():
        op.execute(_FUNCION)
        for nombre, cuando in _POSTGRESQL.items():
            op.execute(f"CREATE TRIGGER {nombre} {cuando} EXECUTE PROCEDURE audit_log_refuse()")
        return
    for nombre, cuando in _SQLITE.items():
        op.execute(f"CREATE TRIGGER {nombre} {cuando} BEGIN SELECT RAISE(ABORT, '{_NEGATIVA}'); END")


def downgrade() -> None:
    """Take it back."""
    if en_postgresql():
        for nombre in _POSTGRESQL:
            op.execute(f"DROP TRIGGER {nombre} ON audit_log")
        op.execute("DROP FUNCTION audit_log_refuse()")
        return
    for nombre in _SQLITE:
        op.execute(f"DROP TRIGGER {nombre}")
