"""The journal's file format: its table, and what makes a record good.

A record carries the CRC-32 of its own text, ``seq`` and ``event_id`` included. ``seq`` runs from 1 without
gaps and SQLite itself remembers the last one given out, so that a record that was changed, moved, added
or taken away shows, and each of the others can still be trusted by itself. It guards against damage and edits
by hand, not against a forger.
"""

from __future__ import annotations

import hashlib
import uuid
import zlib
from typing import NamedTuple

import orjson

VERSION_FICHERO = 2
"""``PRAGMA user_version``; files of version 1 say 0 and have no checksums."""

VERSION_CONTENIDO = 1

TABLA = """
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL,
    aggregate TEXT NOT NULL,
    version INTEGER NOT NULL,
    type TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    occurred_at_ms INTEGER NOT NULL,
    payload_json TEXT NOT NULL,
    checksum INTEGER NOT NULL,
    UNIQUE (aggregate, version)
)
"""
DISPARADORES = (
    "CREATE TRIGGER events_are_final_update BEFORE UPDATE ON events"
    " BEGIN SELECT RAISE(ABORT, 'events are append-only'); END",
    "CREATE TRIGGER events_are_final_delete BEFORE DELETE ON events"
    " BEGIN SELECT RAISE(ABORT, 'events are append-only'); END",
)
CREACION = (TABLA, *DISPARADORES, f"PRAGMA user_version = {VERSION_FICHERO}")

COLUMNAS_TEXTO = "seq, event_id, aggregate, version, type, schema_version, occurred_at_ms, payload_json"
COLUMNAS = f"{COLUMNAS_TEXTO}, checksum"
INSERCION = f"INSERT INTO events ({COLUMNAS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
TEXTO_SQL = "CAST({} AS BLOB)".format(COLUMNAS_TEXTO.replace(", ", " || '|' || "))
"""The text that `suma_de` is taken of, as SQLite puts it together."""

DISTINTO = "it was changed after it was written: its checksum does not fit"

_ESPACIO = uuid.UUID("6f1a3b52-7c0e-5d1c-9a44-2f6b1c7d8e90").bytes


class Registro(NamedTuple):
    """One row of the journal's table."""

    seq: int
    identidad: str
    agregado: str
    version: int
    tipo: str
    version_contenido: int
    instante_ms: int
    contenido: bytes
    suma: int | None  # None in a file of version 1

    def defecto(self) -> str:
        """What is wrong with the record taken by itself; empty when nothing is."""
        if self.suma is not None and self.suma != suma_de(self):
            return DISTINTO
        if self.identidad != identidad_de(self.agregado, self.version):
            return "its event_id is not that of its aggregate and version"
        try:
            contenido = orjson.loads(self.contenido)
        except orjson.JSONDecodeError as fallo:
            return f"its payload is not JSON: {fallo}"
        return "" if isinstance(contenido, dict) else "its payload is not a JSON object"

    def fila(self) -> tuple[int, str, str, int, str, int, int, str, int | None]:
        """The values of `INSERCION`."""
        return (*self[:7], self.contenido.decode(), self.suma)


def registro_nuevo(
    seq: int, agregado: str, version: int, tipo: str, instante_ms: int, contenido: bytes
) -> Registro:
    """A record as it is written now."""
    identidad = identidad_de(agregado, version)
    sin_suma = Registro(
        seq, identidad, agregado, version, tipo, VERSION_CONTENIDO, instante_ms, contenido, None
    )
    return sin_suma._replace(suma=suma_de(sin_suma))


def suma_de(registro: Registro) -> int:
    """CRC-32 of a record's text."""
    seq, identidad, agregado, version, tipo, version_contenido, instante_ms, contenido, _ = registro
    cabecera = f"{seq}|{identidad}|{agregado}|{version}|{tipo}|{version_contenido}|{instante_ms}|"
    return zlib.crc32(contenido, zlib.crc32(cabecera.encode()))


def identidad_de(agregado: str, version: int) -> str:
    """uuid5 of aggregate and version; `uuid.uuid5` itself takes five times as long."""
    nombre = f"{agregado}:{version}".encode()
    h = hashlib.sha1(_ESPACIO + nombre, usedforsecurity=False).hexdigest()
    variante = "89ab"[int(h[16], 16) & 3]
    return f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{variante}{h[17:20]}-{h[20:32]}"
