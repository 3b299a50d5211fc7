"""Journals for tests, and ways to damage them that the daemon would never find by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from src.produccion.diario.diario import DiarioSqlite

AGENTE = "agent:sim-1:BTCUSDT:train_x"


def un_diario(ruta: Path, agregados: Iterable[str] = (AGENTE, "risk", "order:tm-1") * 4) -> Path:
    """A closed journal with one event of each of these aggregates, in order."""
    diario = DiarioSqlite(ruta)
    for i, agregado in enumerate(agregados):
        diario.anotar_luego(agregado, "X", 1_000 + i, {"i": i, "text": "x" * 50})
    diario.cerrar()
    return ruta


def sin_disparadores(ruta: Path, *ordenes: str) -> None:
    """Run statements on a journal as someone would who knows how to get round its triggers."""
    conexion = sqlite3.connect(ruta, isolation_level=None)
    try:
        disparadores = conexion.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        for nombre, _ in disparadores:
            conexion.execute(f"DROP TRIGGER {nombre}")
        for orden in ordenes:
            conexion.execute(orden)
        for _, sql in disparadores:
            conexion.execute(sql)
    finally:
        conexion.close()


def machacar(ruta: Path, desde: int, bytes_: int) -> None:
    """Overwrite a stretch of a file with rubbish."""
    with ruta.open("r+b") as archivo:
        archivo.seek(desde)
        archivo.write(b"\xde" * bytes_)


def de_version_1(ruta: Path, eventos: Iterable[tuple[str, str, int, str, int, str]]) -> Path:
    """A journal as version 0.1 wrote it; each event is (id, aggregate, version, type, instant, payload)."""
    ruta.parent.mkdir(parents=True, exist_ok=True)
    conexion = sqlite3.connect(ruta, isolation_level=None)
    conexion.execute("PRAGMA journal_mode = WAL")
    conexion.execute(
        "CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL UNIQUE,"
        " aggregate TEXT NOT NULL, version INTEGER NOT NULL, type TEXT NOT NULL,"
        " schema_version INTEGER NOT NULL, occurred_at_ms INTEGER NOT NULL, payload_json TEXT NOT NULL,"
        " UNIQUE (aggregate, version))"
    )
    conexion.executescript(
        "CREATE TRIGGER events_are_final_update BEFORE UPDATE ON events"
        " BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;"
        "CREATE TRIGGER events_are_final_delete BEFORE DELETE ON events"
        " BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;"
    )
    conexion.executemany(
        "INSERT INTO events (event_id, aggregate, version, type, schema_version, occurred_at_ms,"
        " payload_json) VALUES (?, ?, ?, ?, 1, ?, ?)",
        list(eventos),
    )
    conexion.close()
    return ruta
