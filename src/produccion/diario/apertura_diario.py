"""Opening a journal: made whole when there is none, verified when there is one, refused in words."""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from src.nucleo.errores import ConfiguracionInvalida, DiarioCorrupto, EntradaInvalida
from src.produccion.diario.examen_diario import Violacion, esta_sano, ultimo_seq, violaciones
from src.produccion.diario.formato_diario import (
    COLUMNAS,
    COLUMNAS_TEXTO,
    CREACION,
    DISPARADORES,
    TABLA,
    TEXTO_SQL,
    VERSION_FICHERO,
)

NOMBRE = "diario.sqlite"

_ESPERA_AL_ABRIR_S = 2.0
_ESPERA_AL_ESCRIBIR_MS = 5_000
_DANOS = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
_OCUPADO = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class DiarioAbierto(NamedTuple):
    """A connection to a verified journal and where it stands."""

    conexion: sqlite3.Connection
    ultimo_seq: int


def abrir(ruta: Path) -> DiarioAbierto:
    """Open a journal for writing; make it when there is none.

    Raises:
        DiarioCorrupto: A record is not what was written, or the file is no journal.
        ConfiguracionInvalida: It cannot be opened or written, or another process has locked it.
    """
    with fallos_explicados(ruta):
        ruta.parent.mkdir(parents=True, exist_ok=True)
        if not ruta.exists() and not ruta.with_name(f"{ruta.name}-wal").exists():
            _crear(ruta)
        comprobar_presencia(ruta)
        conexion = conectar(ruta, escritura=True)
        try:
            _poner_al_dia(conexion, ruta)
            ultimo = _verificar(conexion, ruta)
            conexion.execute("PRAGMA journal_mode = WAL")
            conexion.execute("PRAGMA synchronous = FULL")
            _comprobar_que_se_escribe(conexion)
            conexion.execute(f"PRAGMA busy_timeout = {_ESPERA_AL_ESCRIBIR_MS}")
        except BaseException:
            conexion.close()
            raise
    return DiarioAbierto(conexion, ultimo)


def examinar(ruta: Path) -> list[Violacion]:
    """Every record of a journal verified, without changing it; what is wrong, in the order of the file.

    Raises:
        ConfiguracionInvalida: It cannot be read, or another process has locked it.
    """
    try:
        with fallos_explicados(ruta):
            comprobar_presencia(ruta)
            with closing(conectar(ruta, escritura=False)) as conexion:
                _version_de(conexion, ruta)
                return list(violaciones(conexion))
    except DiarioCorrupto as fallo:
        return [Violacion(0, "", 0, str(fallo.__cause__ or fallo))]


def conectar(ruta: Path, *, escritura: bool) -> sqlite3.Connection:
    """A connection to an existing file; it never makes one."""
    # To read a file that nobody has open SQLite would still leave a log and an index of it behind.
    cerrado = not ruta.with_name(f"{ruta.name}-wal").exists()
    modo = "mode=rw" if escritura else "mode=ro&immutable=1" if cerrado else "mode=ro"
    return sqlite3.connect(
        f"{ruta.absolute().as_uri()}?{modo}",
        uri=True,
        timeout=_ESPERA_AL_ABRIR_S,
        check_same_thread=False,
        isolation_level=None,
    )


def crear_vacio(ruta: Path) -> None:
    """A journal without records at a path where there is nothing."""
    with closing(sqlite3.connect(ruta, isolation_level=None)) as conexion:
        conexion.execute("BEGIN")
        for orden in CREACION:
            conexion.execute(orden)
        conexion.execute("COMMIT")


def asentar_nombre(carpeta: Path) -> None:
    """Make a file's new name survive a power cut."""
    descriptor = os.open(carpeta, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def carpeta_base(ruta: Path) -> Path:
    """The ``--state-dir`` of a journal at ``<state-dir>/<account>/<symbol>/diario.sqlite``."""
    return ruta.parent.parent.parent


def comprobar_presencia(ruta: Path) -> None:
    """Refuse a file that is gone or was emptied: SQLite would take it for a new database."""
    if not ruta.exists() and ruta.with_name(f"{ruta.name}-wal").exists():
        raise corrupto(ruta, f"the file is gone, and only {ruta.name}-wal is left of it")
    if ruta.stat().st_size == 0:
        raise corrupto(ruta, "the file is empty")


def corrupto(ruta: Path, que: str) -> DiarioCorrupto:
    """The error of a journal that must not be traded on."""
    return DiarioCorrupto(
        f"the journal {ruta} is corrupt: {que}. It was not traded on. Look into it, then run"
        f" `timonel doctor --repair --state-dir {carpeta_base(ruta)}`, which keeps a copy"
    )


@contextmanager
def fallos_explicados(ruta: Path) -> Iterator[None]:
    """Say what a failure to open means and what to do about it."""
    try:
        yield
    except OSError as fallo:
        raise ConfiguracionInvalida(
            f"the journal {ruta} cannot be used: {fallo.strerror}. Check the directory's permissions and free"
            " space, or choose another with --state-dir"
        ) from fallo
    except sqlite3.Error as fallo:
        raise _traducir(fallo, ruta) from fallo


def _traducir(fallo: sqlite3.Error, ruta: Path) -> EntradaInvalida:
    codigo = getattr(fallo, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if codigo in _DANOS:
        return corrupto(ruta, str(fallo))
    if codigo in _OCUPADO:
        return ConfiguracionInvalida(
            f"the journal {ruta} is locked by another process; close whatever has it open (a sqlite3 shell, a"
            " backup) and start again"
        )
    if codigo == sqlite3.SQLITE_FULL:
        return ConfiguracionInvalida(f"the journal {ruta} cannot be written: {fallo}. Free some space")
    return ConfiguracionInvalida(
        f"the journal {ruta} cannot be used: {fallo}. Check the directory's permissions and free space, or"
        " choose another with --state-dir"
    )


def _crear(ruta: Path) -> None:
    """Under its name there is never half a journal: an empty file there is a fault, not a beginning."""
    nueva = ruta.with_name(f"{ruta.name}.new")
    nueva.unlink(missing_ok=True)
    crear_vacio(nueva)
    nueva.replace(ruta)
    asentar_nombre(ruta.parent)


def _verificar(conexion: sqlite3.Connection, ruta: Path) -> int:
    if not esta_sano(conexion):
        raise corrupto(ruta, str(next(violaciones(conexion), "its records and their index disagree")))
    return ultimo_seq(conexion)


def _comprobar_que_se_escribe(conexion: sqlite3.Connection) -> None:
    """SQLite opens for reading what it may not write, and says so only at the first change."""
    conexion.execute("BEGIN IMMEDIATE")
    conexion.execute(f"PRAGMA user_version = {VERSION_FICHERO}")
    conexion.execute("ROLLBACK")


def _version_de(conexion: sqlite3.Connection, ruta: Path) -> int:
    (version,) = conexion.execute("PRAGMA user_version").fetchone()
    if version > VERSION_FICHERO:
        raise ConfiguracionInvalida(
            f"the journal {ruta} is of version {version}; this Timonel knows up to {VERSION_FICHERO}. Use the"
            " Timonel that wrote it"
        )
    tablas = {nombre for (nombre,) in conexion.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "events" not in tablas:
        raise corrupto(ruta, "it has no table of events")
    return int(version)


def _poner_al_dia(conexion: sqlite3.Connection, ruta: Path) -> None:
    """Give the records of a file of version 1 their checksums, once they are found to be good."""
    if _version_de(conexion, ruta) == VERSION_FICHERO:
        return
    for violacion in violaciones(conexion):
        raise corrupto(ruta, str(violacion))
    conexion.text_factory = str
    conexion.create_function("crc32", 1, zlib.crc32, deterministic=True)
    conexion.execute("BEGIN IMMEDIATE")
    for orden in (
        "ALTER TABLE events RENAME TO events_1",
        TABLA,
        f"INSERT INTO events ({COLUMNAS})"
        f" SELECT {COLUMNAS_TEXTO}, crc32({TEXTO_SQL}) FROM events_1 ORDER BY seq",
        "DROP TABLE events_1",
        *DISPARADORES,
        f"PRAGMA user_version = {VERSION_FICHERO}",
    ):
        conexion.execute(orden)
    conexion.execute("COMMIT")
