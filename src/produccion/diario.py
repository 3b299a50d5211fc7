"""The agent's append-only journal and the folds over it.

SQLite in WAL mode with full synchronisation, written by one thread, so that the event loop never
waits for the disk. Events that nobody waits for are written a moment later, those of that moment
together, so that a busy market costs few commits; one that is waited for takes along all before it.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import orjson

from src.nucleo.errores import EmergenciaOperacional

_ESQUEMA = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,
    aggregate TEXT NOT NULL,
    version INTEGER NOT NULL,
    type TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    occurred_at_ms INTEGER NOT NULL,
    payload_json TEXT NOT NULL,
    UNIQUE (aggregate, version)
);
CREATE TRIGGER IF NOT EXISTS events_are_final_update BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER IF NOT EXISTS events_are_final_delete BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
"""
_VERSION_ESQUEMA = 1
_DEMORA_S = 0.02  # how long an event that nobody waits for may stay in memory
_ESPACIO = uuid.UUID("6f1a3b52-7c0e-5d1c-9a44-2f6b1c7d8e90")


class EventoDiario(NamedTuple):
    """One row of the journal."""

    seq: int
    agregado: str
    version: int
    tipo: str
    instante_ms: int
    contenido: dict[str, object]


class _Pedido(NamedTuple):
    agregado: str
    tipo: str
    instante_ms: int
    contenido: bytes
    aviso: asyncio.Future[None] | None
    bucle: asyncio.AbstractEventLoop | None


class DiarioSqlite:
    """Append-only journal in one SQLite file.

    Raises:
        EmergenciaOperacional: The file cannot be opened or is not a journal.
    """

    def __init__(self, ruta: Path) -> None:
        self._ruta = ruta
        self._fallo: Exception | None = None
        try:
            ruta.parent.mkdir(parents=True, exist_ok=True)
            self._conexion = sqlite3.connect(ruta, check_same_thread=False, isolation_level=None)
            self._conexion.execute("PRAGMA journal_mode = WAL")
            self._conexion.execute("PRAGMA synchronous = FULL")
            self._conexion.executescript(_ESQUEMA)
            self._versiones: dict[str, int] = dict(
                self._conexion.execute("SELECT aggregate, MAX(version) FROM events GROUP BY aggregate")
            )
        except (OSError, sqlite3.Error) as fallo:
            raise EmergenciaOperacional(
                f"the journal {ruta} cannot be used: {fallo}. Check the directory's permissions and"
                " free space"
            ) from fallo
        self._cola: queue.SimpleQueue[_Pedido | None] = queue.SimpleQueue()
        self._urge = threading.Event()
        self._hilo = threading.Thread(target=self._escribir, name="diario", daemon=True)
        self._hilo.start()

    async def anotar(self, agregado: str, tipo: str, instante_ms: int, contenido: dict[str, object]) -> None:
        """Append an event; returns when it is on disk."""
        bucle = asyncio.get_running_loop()
        aviso: asyncio.Future[None] = bucle.create_future()
        self._encolar(agregado, tipo, instante_ms, contenido, aviso, bucle)
        await aviso

    def anotar_luego(self, agregado: str, tipo: str, instante_ms: int, contenido: dict[str, object]) -> None:
        """Append an event without waiting for the disk; order is kept."""
        self._encolar(agregado, tipo, instante_ms, contenido, None, None)

    def leer(self, agregado: str | None = None) -> Iterator[EventoDiario]:
        """Events in order, of one aggregate or all; call it before writing starts."""
        filtro, valores = ("", ()) if agregado is None else ("WHERE aggregate = ?", (agregado,))
        columnas = "seq, aggregate, version, type, occurred_at_ms, payload_json"
        consulta = f"SELECT {columnas} FROM events {filtro} ORDER BY seq"
        for seq, nombre, version, tipo, instante_ms, contenido in self._conexion.execute(consulta, valores):
            yield EventoDiario(seq, nombre, version, tipo, instante_ms, orjson.loads(contenido))

    def cerrar(self) -> None:
        """Write what is queued, then close the file.

        Raises:
            EmergenciaOperacional: Something that was queued could not be written.
        """
        self._cola.put(None)
        self._urge.set()
        self._hilo.join()
        self._conexion.close()
        if self._fallo is not None:
            raise EmergenciaOperacional(
                f"the journal {self._ruta} cannot be written: {self._fallo}"
            ) from self._fallo

    def _encolar(
        self,
        agregado: str,
        tipo: str,
        instante_ms: int,
        contenido: dict[str, object],
        aviso: asyncio.Future[None] | None,
        bucle: asyncio.AbstractEventLoop | None,
    ) -> None:
        if self._fallo is not None:
            raise EmergenciaOperacional(
                f"the journal {self._ruta} cannot be written: {self._fallo}"
            ) from self._fallo
        self._cola.put(_Pedido(agregado, tipo, instante_ms, orjson.dumps(contenido), aviso, bucle))
        if aviso is not None:
            self._urge.set()

    def _escribir(self) -> None:
        pedido = self._cola.get()
        while pedido is not None:
            self._urge.wait(_DEMORA_S)
            self._urge.clear()
            lote = []
            while pedido is not None:
                lote.append(pedido)
                if self._cola.empty():
                    break
                pedido = self._cola.get()
            self._confirmar(lote)
            if pedido is not None:
                pedido = self._cola.get()

    def _confirmar(self, lote: list[_Pedido]) -> None:
        try:
            if self._fallo is None:
                self._guardar(lote)
        except (OSError, sqlite3.Error) as fallo:
            self._fallo = fallo
        for pedido in lote:
            if pedido.aviso is not None and pedido.bucle is not None and not pedido.bucle.is_closed():
                pedido.bucle.call_soon_threadsafe(_resolver, pedido.aviso, self._fallo, self._ruta)

    def _guardar(self, lote: list[_Pedido]) -> None:
        self._conexion.execute("BEGIN IMMEDIATE")
        try:
            self._conexion.executemany(
                "INSERT INTO events (event_id, aggregate, version, type, schema_version, occurred_at_ms,"
                " payload_json) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [self._fila(pedido) for pedido in lote],
            )
            self._conexion.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                # The database may have rolled back by itself; the first failure is the one to tell.
                self._conexion.execute("ROLLBACK")
            raise

    def _fila(self, pedido: _Pedido) -> tuple[str, str, int, str, int, int, str]:
        version = self._versiones.get(pedido.agregado, 0) + 1
        self._versiones[pedido.agregado] = version
        identidad = str(uuid.uuid5(_ESPACIO, f"{pedido.agregado}:{version}"))
        return (
            identidad,
            pedido.agregado,
            version,
            pedido.tipo,
            _VERSION_ESQUEMA,
            pedido.instante_ms,
            pedido.contenido.decode(),
        )


def _resolver(aviso: asyncio.Future[None], fallo: Exception | None, ruta: Path) -> None:
    if aviso.done():
        return
    if fallo is None:
        aviso.set_result(None)
    else:
        aviso.set_exception(EmergenciaOperacional(f"the journal {ruta} cannot be written: {fallo}"))
