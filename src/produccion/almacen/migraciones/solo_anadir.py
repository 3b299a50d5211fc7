"""Triggers by which the database itself refuses to change or delete a stop event."""

from __future__ import annotations

from alembic import op

from src.produccion.almacen.migraciones.piezas import en_postgresql

_NEGATIVA = "stop_events is append-only"

_SQLITE = (
    f"CREATE TRIGGER stop_events_no_update BEFORE UPDATE ON stop_events"
    f" BEGIN SELECT RAISE(ABORT, '{_NEGATIVA}'); END",
    f"CREATE TRIGGER stop_events_no_delete BEFORE DELETE ON stop_events"
    f" BEGIN SELECT RAISE(ABORT, '{_NEGATIVA}'); END",
    # INSERT OR REPLACE deletes without telling the trigger of deletions.
    f"CREATE TRIGGER stop_events_no_replace BEFORE INSERT ON stop_events WHEN EXISTS ("
    f"SELECT 1 FROM stop_events WHERE event_seq = NEW.event_seq OR event_id = NEW.event_id"
    f" OR (execution_token = NEW.execution_token AND version = NEW.version)"
    f" OR (execution_token = NEW.execution_token AND event_type = NEW.event_type AND attempt = NEW.attempt))"
    f" BEGIN SELECT RAISE(ABORT, '{_NEGATIVA}: this event is there already'); END",
)
_POSTGRESQL = (
    f"CREATE FUNCTION stop_events_refuse() RETURNS trigger LANGUAGE plpgsql AS"
    f" $$ BEGIN RAISE EXCEPTION '{_NEGATIVA}'; END $$",
    "CREATE TRIGGER stop_events_no_change BEFORE UPDATE OR DELETE ON stop_events"
    " FOR EACH ROW EXECUTE PROCEDURE stop_events_refuse()",
    "CREATE TRIGGER stop_events_no_truncate BEFORE TRUNCATE ON stop_events"
    " FOR EACH STATEMENT EXECUTE PROCEDURE stop_events_refuse()",
)


def poner_disparadores() -> None:
    """Make the table of stop events append-only."""
    for orden in _POSTGRESQL if en_postgresql() else _SQLITE:
        op.execute(orden)


def quitar_funciones() -> None:
    """What is left of it when the table is gone."""
    if en_postgresql():
        op.execute("DROP FUNCTION stop_events_refuse()")
