"""Moves the store's schema up and down, one step at a time, and tells how far it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from src.nucleo.errores import ConfiguracionInvalida

_CARPETA = Path(__file__).with_name("migraciones")
_CANDADO = 7_405_014_001
"""Of the session that migrates: two at once would run the same step twice."""

_INTENTOS = 20
_ESPERA_CANDADO = "2s"  # a writer never waits longer for a step that waits for a reader
_ENTRE_MIRADAS_S = 0.5


class Avance(NamedTuple):
    """How far a migration is."""

    revision: str
    titulo: str
    hechas: int  # steps finished
    total: int
    fase: str = ""  # of the index that is being built; empty between builds
    bloques: int = 0
    de_bloques: int = 0


class EstadoEsquema(NamedTuple):
    """Where the schema stands."""

    actual: str | None  # ``None`` before the first step
    ultima: str
    pendientes: tuple[str, ...]  # oldest first


Oyente = Callable[[Avance], None]


def estado_esquema(motor: Engine) -> EstadoEsquema:
    """Where the schema stands.

    Raises:
        ConfiguracionInvalida: A newer Timonel has migrated it.
    """
    actual = _actual(motor)
    revisiones = _revisiones()
    if actual is not None and actual not in revisiones:
        raise ConfiguracionInvalida(
            f"the store's schema is at {actual}, which this Timonel does not know; use the Timonel that"
            " migrated it"
        )
    hechas = 0 if actual is None else revisiones.index(actual) + 1
    return EstadoEsquema(actual, revisiones[-1], revisiones[hechas:])


def pendientes(motor: Engine) -> tuple[str, ...]:
    """The steps that are still to be taken, oldest first.

    Raises:
        ConfiguracionInvalida: A newer Timonel has migrated it.
    """
    return estado_esquema(motor).pendientes


def subir(motor: Engine, oyente: Oyente | None = None, hasta: str | None = None) -> tuple[str, ...]:
    """Take every step that is still to be taken; writers go on meanwhile.

    Args:
        motor: The store.
        oyente: Told of every step, and of the building of indexes.
        hasta: The last step wanted; all when ``None``.

    Returns:
        The steps taken.

    Raises:
        ConfiguracionInvalida: A newer Timonel has migrated it, or something holds a table for too long.
    """
    if motor.dialect.name == "sqlite":
        with motor.begin() as conexion:
            return _subir(motor, conexion, oyente, hasta)
    with _uno_a_la_vez(motor), _sesion(motor) as conexion:
        return _subir(motor, conexion, oyente, hasta)


def bajar(motor: Engine) -> str | None:
    """Take the last step back; the step that was taken back, ``None`` when there was none.

    Raises:
        ConfiguracionInvalida: A newer Timonel has migrated it, or something holds a table for too long.
    """
    estado = estado_esquema(motor)
    if estado.actual is None:
        return None
    if motor.dialect.name == "sqlite":
        with motor.begin() as conexion:
            command.downgrade(_configuracion(conexion), "-1")
        return estado.actual
    with _uno_a_la_vez(motor), _sesion(motor) as conexion:
        _con_paciencia(conexion, partial(command.downgrade, _configuracion(conexion), "-1"), estado.actual)
    return estado.actual


def titulo_de(revision: str) -> str:
    """What a step does, in one line."""
    guion = ScriptDirectory.from_config(_configuracion(None)).get_revision(revision)
    return "" if guion is None else str(guion.doc)


def _subir(motor: Engine, conexion: Connection, oyente: Oyente | None, hasta: str | None) -> tuple[str, ...]:
    """SQLite decides inside the one transaction what is to be done: another process may have been faster."""
    actual = MigrationContext.configure(conexion).get_current_revision()
    revisiones = _revisiones()
    desde = 0 if actual is None else revisiones.index(actual) + 1
    fin = len(revisiones) if hasta is None else revisiones.index(hasta) + 1
    pasos = revisiones[desde:fin]
    _cerrar_lectura(conexion)
    if pasos and oyente is None and conexion.dialect.name == "sqlite":
        # One transaction either way, and all at once takes a fraction of the time.
        command.upgrade(_configuracion(conexion), pasos[-1])
        return pasos
    for i, revision in enumerate(pasos):
        avance = Avance(revision, titulo_de(revision), i, len(pasos))
        if oyente is not None:
            oyente(avance)
        with _vigilada(motor, oyente, avance):
            _con_paciencia(conexion, partial(command.upgrade, _configuracion(conexion), revision), revision)
    return pasos


def _cerrar_lectura(conexion: Connection) -> None:
    if conexion.dialect.name == "postgresql":
        conexion.rollback()


def _con_paciencia(conexion: Connection, paso: Callable[[], None], revision: str) -> None:
    """Take a step; one that had to wait for a table lets its writers pass and tries again."""
    if conexion.dialect.name == "sqlite":
        paso()
        return
    for _ in range(_INTENTOS):
        conexion.execute(text("SET statement_timeout = 0"))
        conexion.execute(text(f"SET lock_timeout = '{_ESPERA_CANDADO}'"))
        conexion.commit()
        try:
            paso()
            return
        except DBAPIError as fallo:
            conexion.rollback()
            if not isinstance(fallo.orig, LockNotAvailable):
                raise
    raise ConfiguracionInvalida(
        f"step {revision} could not be taken: a long transaction holds one of its tables; end it (see"
        " pg_stat_activity) and run `timonel db upgrade` again"
    )


@contextmanager
def _sesion(motor: Engine) -> Iterator[Connection]:
    """A connection that nobody gets afterwards: its patience with locks has been changed."""
    with motor.connect() as conexion:
        try:
            yield conexion
        finally:
            conexion.invalidate()


@contextmanager
def _uno_a_la_vez(motor: Engine) -> Iterator[None]:
    with motor.connect().execution_options(isolation_level="AUTOCOMMIT") as guarda:
        # A statement that waits for a lock is one that a concurrent build of an index waits for.
        while not guarda.scalar(text("SELECT pg_try_advisory_lock(:candado)"), {"candado": _CANDADO}):
            time.sleep(_ENTRE_MIRADAS_S)
        try:
            yield
        finally:
            guarda.execute(text("SELECT pg_advisory_unlock(:candado)"), {"candado": _CANDADO})


@contextmanager
def _vigilada(motor: Engine, oyente: Oyente | None, avance: Avance) -> Iterator[None]:
    """Tell from a second connection how far PostgreSQL is with an index."""
    if oyente is None or motor.dialect.name != "postgresql":
        yield
        return
    fin = threading.Event()
    hilo = threading.Thread(target=_mirar, args=(motor, oyente, avance, fin), name="avance", daemon=True)
    hilo.start()
    try:
        yield
    finally:
        fin.set()
        hilo.join()


def _mirar(motor: Engine, oyente: Oyente, avance: Avance, fin: threading.Event) -> None:
    consulta = text(
        "SELECT phase, blocks_done, blocks_total FROM pg_stat_progress_create_index"
        " WHERE datname = current_database()"
    )
    with motor.connect().execution_options(isolation_level="AUTOCOMMIT") as conexion:
        if conexion.dialect.server_version_info < (12,):  # type: ignore[operator]
            return  # that view is newer
        while not fin.wait(_ENTRE_MIRADAS_S):
            for fase, bloques, de_bloques in conexion.execute(consulta):
                oyente(avance._replace(fase=fase, bloques=bloques, de_bloques=de_bloques))


def _actual(motor: Engine) -> str | None:
    with motor.connect().execution_options(solo_lee=True) as conexion:
        return MigrationContext.configure(conexion).get_current_revision()


@cache
def _revisiones() -> tuple[str, ...]:
    """Every step, oldest first; reading them takes long, and they stay the same while a process lives."""
    guiones = ScriptDirectory.from_config(_configuracion(None))
    return tuple(guion.revision for guion in guiones.walk_revisions())[::-1]


def _configuracion(conexion: Connection | None) -> Config:
    configuracion = Config()
    configuracion.set_main_option("script_location", str(_CARPETA).replace("%", "%%"))
    configuracion.set_main_option("path_separator", "os")
    configuracion.attributes["conexion"] = conexion
    return configuracion
