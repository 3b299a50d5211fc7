"""The agent's append-only journal and the folds over it.

SQLite in WAL mode with full synchronisation, written by one thread, so that the event loop never
waits for the disk. Events that nobody waits for are written a moment later, those of that moment
together, so that a busy market costs few commits; one that is waited for takes along all before it.

No record is used unverified: opening looks at the structure of all and the checksums of the newest (see
`examen_diario`), and reading compares the others with theirs. A write that fails breaks the journal for
good: what comes later is refused, because a record that is missing in between would be a lie.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import orjson
import structlog

from src.nucleo.errores import EmergenciaOperacional
from src.produccion.diario.apertura_diario import (
    abrir,
    comprobar_presencia,
    conectar,
    corrupto,
    fallos_explicados,
)
from src.produccion.diario.examen_diario import EXAMINADOS_AL_ABRIR, Violacion, columnas_de
from src.produccion.diario.formato_diario import (
    COLUMNAS,
    DISTINTO,
    INSERCION,
    Registro,
    registro_nuevo,
    suma_de,
)

_DE_PERSONAS = frozenset({"UNLOCKED"})  # dated by the clock of whoever did it
_DEMORA_S = 0.02  # how long an event that nobody waits for may stay in memory
_CERRAR_S = 10.0  # wall seconds for what is queued; the process must be able to end on a disk that hangs
_COLGADO_S = 5.0  # that a write may take until the disk counts as one that does not answer
_VERSIONES_RECORDADAS = 2_000  # aggregates; the version of any other one is looked up

log = structlog.get_logger(__name__)


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
    tipo: str  # empty when nothing is to be written, only all before it
    instante_ms: int
    contenido: bytes
    aviso: asyncio.Future[None] | None
    bucle: asyncio.AbstractEventLoop | None


class DiarioSqlite:
    """Append-only journal in one SQLite file.

    Raises:
        DiarioCorrupto: A record is not what was written, or the file is no journal.
        ConfiguracionInvalida: The file cannot be opened or written, or another process has locked it.
    """

    def __init__(self, ruta: Path) -> None:
        self._ruta = ruta
        self._fallo: Exception | None = None
        self._escribe_desde_s: float | None = None
        self._conexion, self._seq = abrir(ruta)
        self._versiones: dict[str, int] = {}  # the one written to last at the end
        self._sin_verificar = self._seq - EXAMINADOS_AL_ABRIR
        self._cola: queue.SimpleQueue[_Pedido | None] = queue.SimpleQueue()
        self._urge = threading.Event()
        self._hilo = threading.Thread(target=self._escribir, name="diario", daemon=True)
        self._hilo.start()

    @property
    def en_cola(self) -> int:
        """Events that wait for the thread that writes them."""
        return self._cola.qsize()

    @property
    def queja(self) -> str:
        """Why nothing can be written any more, or for long; empty while it can."""
        if self._fallo is not None:
            return str(_no_se_escribe(self._ruta, self._fallo))
        desde_s = self._escribe_desde_s
        if desde_s is None or time.monotonic() - desde_s < _COLGADO_S:
            return ""
        return f"the journal {self._ruta} is not written: no answer from the disk for {_COLGADO_S:g} s"

    async def anotar(self, agregado: str, tipo: str, instante_ms: int, contenido: dict[str, object]) -> None:
        """Append an event; returns when it is on disk."""
        bucle = asyncio.get_running_loop()
        aviso: asyncio.Future[None] = bucle.create_future()
        self._encolar(agregado, tipo, instante_ms, contenido, aviso, bucle)
        await aviso

    def anotar_luego(self, agregado: str, tipo: str, instante_ms: int, contenido: dict[str, object]) -> None:
        """Append an event without waiting for the disk; order is kept."""
        self._encolar(agregado, tipo, instante_ms, contenido, None, None)

    async def asentar(self) -> None:
        """Return when every event appended so far is on disk.

        Raises:
            EmergenciaOperacional: One could not be written.
        """
        if self._fallo is not None:
            raise _no_se_escribe(self._ruta, self._fallo) from self._fallo
        bucle = asyncio.get_running_loop()
        aviso: asyncio.Future[None] = bucle.create_future()
        self._cola.put(_Pedido("", "", 0, b"", aviso, bucle))
        self._urge.set()
        await aviso

    def leer(self, agregado: str | None = None, *, despues_de: int = 0) -> Iterator[EventoDiario]:
        """Events in order; call it before writing starts.

        Args:
            agregado: The aggregate wanted; all when ``None``.
            despues_de: Only events with a greater ``seq``.

        Raises:
            DiarioCorrupto: A record is not what was written.
        """
        if agregado is None:
            return self._leer("WHERE seq > ? ORDER BY seq", (despues_de,))
        return self._leer("WHERE aggregate = ? AND seq > ? ORDER BY version", (agregado, despues_de))

    def ultimo(self, agregado: str | None, *tipos: str) -> EventoDiario | None:
        """The newest event that is of one of the types; of any when none is given.

        Args:
            agregado: The aggregate wanted; all when ``None``.
            tipos: The types.
        """
        filtro = f"type IN ({', '.join('?' * len(tipos))})" if tipos else "TRUE"
        if agregado is None:
            return next(self._leer(f"WHERE {filtro} ORDER BY seq DESC LIMIT 1", tipos), None)
        donde = f"WHERE aggregate = ? AND {filtro} ORDER BY version DESC LIMIT 1"
        return next(self._leer(donde, (agregado, *tipos)), None)

    def cerrar(self, plazo_s: float = _CERRAR_S) -> None:
        """Write what is queued, then close the file.

        Args:
            plazo_s: Wall seconds that the disk gets.

        Raises:
            EmergenciaOperacional: Something that was queued could not be written, or has not been in time.
        """
        self._cola.put(None)
        self._urge.set()
        self._hilo.join(plazo_s)
        if self._hilo.is_alive():
            raise EmergenciaOperacional(
                f"the journal {self._ruta} could not be closed: no answer from the disk for {plazo_s:g} s"
            )
        self._conexion.close()
        if self._fallo is not None:
            raise _no_se_escribe(self._ruta, self._fallo) from self._fallo

    def _leer(self, donde: str, valores: tuple[object, ...]) -> Iterator[EventoDiario]:
        with fallos_explicados(self._ruta):
            for fila in self._conexion.execute(f"SELECT {COLUMNAS} FROM events {donde}", valores):
                if fila[0] <= self._sin_verificar:
                    _verificado(fila, self._ruta)
                seq, _, nombre, version, tipo, _, instante_ms, contenido, _ = fila
                yield EventoDiario(seq, nombre, version, tipo, instante_ms, orjson.loads(contenido))

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
            raise _no_se_escribe(self._ruta, self._fallo) from self._fallo
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
                self._escribe_desde_s = time.monotonic()
                self._guardar(lote)
        except (OSError, sqlite3.Error) as fallo:
            self._fallo = fallo
        except Exception as fallo:  # whoever waits has to hear of it, whatever it is
            log.exception("fallo_inesperado", servicio="diario")
            self._fallo = fallo
        self._escribe_desde_s = None
        for pedido in lote:
            if pedido.aviso is not None and pedido.bucle is not None and not pedido.bucle.is_closed():
                pedido.bucle.call_soon_threadsafe(_resolver, pedido.aviso, self._fallo, self._ruta)

    def _guardar(self, lote: list[_Pedido]) -> None:
        self._conexion.execute("BEGIN IMMEDIATE")
        try:
            filas = [self._registro(pedido).fila() for pedido in lote if pedido.tipo]
            self._conexion.executemany(INSERCION, filas)
            self._conexion.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                # The database may have rolled back by itself; the first failure is the one to tell.
                self._conexion.execute("ROLLBACK")
            raise
        for agregado in list(self._versiones)[:-_VERSIONES_RECORDADAS]:
            del self._versiones[agregado]

    def _registro(self, pedido: _Pedido) -> Registro:
        self._seq += 1
        version = self._ultima_version(pedido.agregado) + 1
        self._versiones[pedido.agregado] = version
        return registro_nuevo(
            self._seq, pedido.agregado, version, pedido.tipo, pedido.instante_ms, pedido.contenido
        )

    def _ultima_version(self, agregado: str) -> int:
        """The last version of an aggregate, which is no longer among those remembered."""
        if agregado in self._versiones:
            return self._versiones.pop(agregado)
        consulta = "SELECT MAX(version) FROM events WHERE aggregate = ?"
        (version,) = self._conexion.execute(consulta, (agregado,)).fetchone()
        return version or 0


def mirar(ruta: Path, agregado: str) -> Iterator[EventoDiario]:
    """The events of one aggregate, verified, without changing the file; a daemon may be writing to it.

    Raises:
        DiarioCorrupto: A record is not what was written.
        ConfiguracionInvalida: The file cannot be read.
    """
    with fallos_explicados(ruta):
        comprobar_presencia(ruta)
        with closing(conectar(ruta, escritura=False)) as conexion:
            consulta = f"SELECT {columnas_de(conexion)} FROM events WHERE aggregate = ? ORDER BY version"
            for fila in conexion.execute(consulta, (agregado,)):
                r = _verificado(fila, ruta)
                contenido = orjson.loads(r.contenido)
                yield EventoDiario(r.seq, r.agregado, r.version, r.tipo, r.instante_ms, contenido)


def exportar(ruta: Path, *, canonico: bool = False) -> Iterator[bytes]:
    """The events of a journal, one JSON line each, ordered by aggregate and version, keys sorted.

    Args:
        ruta: The journal's file; its daemon may be writing to it.
        canonico: Leave out the times of people's wall clocks, so that two runs that did the same give the
            same bytes. ``seq``, which depends on how the writes of several aggregates fell together, is
            never there.

    Raises:
        DiarioCorrupto: A record is not what was written.
        ConfiguracionInvalida: The file cannot be read.
    """
    with fallos_explicados(ruta), closing(conectar(ruta, escritura=False)) as conexion:
        for fila in conexion.execute(f"SELECT {COLUMNAS} FROM events ORDER BY aggregate, version"):
            registro = _verificado(fila, ruta)
            contenido = orjson.loads(registro.contenido)
            if canonico and registro.tipo in _DE_PERSONAS:
                contenido.pop("at", None)
                registro = registro._replace(instante_ms=0)
            evento = {
                "aggregate": registro.agregado,
                "version": registro.version,
                "event_id": registro.identidad,
                "type": registro.tipo,
                "schema_version": registro.version_contenido,
                "occurred_at_ms": registro.instante_ms,
                "payload": contenido,
            }
            yield orjson.dumps(evento, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def _verificado(fila: tuple[int, str, str, int, str, int, int, str, int | None], ruta: Path) -> Registro:
    registro = Registro(*fila[:7], fila[7].encode(), fila[8])
    if registro.suma is not None and registro.suma != suma_de(registro):
        raise corrupto(ruta, str(Violacion(registro.seq, registro.agregado, registro.version, DISTINTO)))
    return registro


def _no_se_escribe(ruta: Path, fallo: Exception) -> EmergenciaOperacional:
    return EmergenciaOperacional(f"the journal {ruta} cannot be written: {fallo}")


def _resolver(aviso: asyncio.Future[None], fallo: Exception | None, ruta: Path) -> None:
    if aviso.done():
        return
    if fallo is None:
        aviso.set_result(None)
    else:
        aviso.set_exception(_no_se_escribe(ruta, fallo))
