"""Opening the shared store: SQLite without any set-up, PostgreSQL by its address, refused in words."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from src.nucleo.errores import ConfiguracionInvalida, EntradaInvalida
from src.produccion.almacen.acceso import NOMBRE_ALMACEN, URL_ALMACEN
from src.produccion.almacen.migrar import pendientes, subir

POSTGRES_MINIMO = 11

_ESPERA_MS = 5_000
_ESPERA_CONEXION_S = 5
_SOLO_LEE = "solo_lee"
_SECRETOS = frozenset({"password", "sslpassword"})
_POSTGRES = {
    "connect_timeout": _ESPERA_CONEXION_S,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "timonel",
}
_LIMITES = "-c statement_timeout=5000 -c lock_timeout=3000"
"""Milliseconds that PostgreSQL may take: a server that hangs is like one that is down."""


def abrir_almacen(url: str | None, estado: Path, *, existente: bool = False) -> Engine:
    """Open the shared store, ready for use; whoever opens it disposes of it.

    Args:
        url: ``sqlite:///path`` or ``postgresql://…``; ``None`` takes ``TIMONEL_DB_URL`` from the
            environment, and without that the file ``timonel.sqlite`` of the state directory.
        estado: The ``--state-dir``.
        existente: Make no file: for commands that only look, whose address may be mistyped.

    Raises:
        ConfiguracionInvalida: The address cannot be used, or there should be a store and is none; the
            database cannot be reached, is too old, was not migrated (PostgreSQL; SQLite migrates by itself)
            or is locked by another process.
    """
    motor = conectar_almacen(url, estado, existente=existente)
    try:
        with _fallos_explicados(motor.url):
            faltan = pendientes(motor)
            if faltan and motor.dialect.name == "postgresql":
                raise ConfiguracionInvalida(
                    f"the database {visible(motor.url)} lacks {len(faltan)} migrations; run"
                    " `timonel db upgrade`"
                )
            if faltan:
                subir(motor)
    except BaseException:
        motor.dispose()
        raise
    return motor


def conectar_almacen(url: str | None, estado: Path, *, existente: bool = False) -> Engine:
    """As `abrir_almacen`, whatever state the schema is in: for migrating, backing up and looking.

    Raises:
        ConfiguracionInvalida: The address cannot be used, there should be a store and is none, or the
            database cannot be reached or is too old.
    """
    direccion = direccion_almacen(url, estado)
    if existente:
        _comprobar_existencia(direccion, url)
    motor = _sqlite(direccion) if direccion.get_backend_name() == "sqlite" else _postgresql(direccion)
    try:
        with _fallos_explicados(direccion), leer(motor) as conexion:
            conexion.execute(text("SELECT 1"))
            if motor.dialect.name == "postgresql":
                _comprobar_version(conexion)
            else:
                conexion.execute(text("SELECT count(*) FROM sqlite_master"))
    except BaseException:
        motor.dispose()
        raise
    return motor


def direccion_almacen(url: str | None, estado: Path, entorno: Mapping[str, str] = os.environ) -> URL:
    """Where the store is.

    Raises:
        ConfiguracionInvalida: It is no address, or of another kind of database.
    """
    escrita = url or entorno.get(URL_ALMACEN)
    if not escrita:
        return URL.create("sqlite", database=str(estado / NOMBRE_ALMACEN))
    try:
        direccion = make_url(escrita)
    except ArgumentError as fallo:
        raise ConfiguracionInvalida(
            f"{_nombre_de(url, entorno)} is not an address like postgresql://user@host/name or sqlite:///path"
        ) from fallo
    if direccion.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return direccion.set(drivername="postgresql+psycopg")
    if direccion.drivername in ("sqlite", "sqlite+pysqlite") and direccion.database not in (
        None,
        "",
        ":memory:",
    ):
        return direccion.set(drivername="sqlite")
    raise ConfiguracionInvalida(
        f"{_nombre_de(url, entorno)} {visible(direccion)} cannot be used: the store is a SQLite file"
        " (sqlite:///path) or PostgreSQL (postgresql://user@host/name)"
    )


def _nombre_de(url: str | None, entorno: Mapping[str, str] = os.environ) -> str:
    """Who gave the address: the option, unless it only repeats the environment."""
    return URL_ALMACEN if not url or url == entorno.get(URL_ALMACEN) else "--db-url"


def _comprobar_existencia(direccion: URL, url: str | None) -> None:
    if direccion.get_backend_name() != "sqlite" or Path(str(direccion.database)).is_file():
        return
    de_estado = not url and not os.environ.get(URL_ALMACEN)
    que = f"--state-dir or {URL_ALMACEN}" if de_estado else _nombre_de(url)
    # Whoever followed the README mistyped nothing.
    sesion = (
        f"; a session against a simulator in lockstep (its default speed) writes none without {URL_ALMACEN}"
    )
    raise ConfiguracionInvalida(
        f"there is no store at {direccion.database}; check {que} (`timonel db upgrade` makes a new one)"
        + (sesion if de_estado else "")
    )


def visible(direccion: URL) -> str:
    """An address as messages show it, without its password, wherever it stands in it."""
    callados = dict.fromkeys(_SECRETOS & direccion.query.keys(), "hidden")
    direccion = direccion.update_query_dict(callados)
    return direccion.set(drivername=direccion.get_backend_name()).render_as_string(hide_password=True)


@contextmanager
def leer(motor: Engine) -> Iterator[Connection]:
    """A transaction that only reads: on SQLite it keeps no writer waiting."""
    with motor.connect().execution_options(**{_SOLO_LEE: True}) as conexion:
        yield conexion
        conexion.rollback()


def sin_limites(conexion: Connection) -> None:
    """Let what follows in this transaction take as long as it needs."""
    if conexion.dialect.name == "postgresql":
        conexion.execute(text("SET LOCAL statement_timeout = 0"))
        conexion.execute(text("SET LOCAL lock_timeout = 0"))


@contextmanager
def escribir(motor: Engine) -> Iterator[Connection]:
    """A transaction that writes, the same as ``motor.begin()``: on SQLite the only one of its moment."""
    with motor.begin() as conexion:
        yield conexion


def retiene_a_otros(conexion: Connection) -> bool:
    """Whether nobody else can write before this transaction ends: SQLite lets one do so at a time."""
    suya = conexion.connection.driver_connection
    solo_lee = conexion.get_execution_options().get(_SOLO_LEE)
    return isinstance(suya, sqlite3.Connection) and suya.in_transaction and not solo_lee


def _sqlite(direccion: URL) -> Engine:
    ruta = Path(str(direccion.database))
    try:
        ruta.parent.mkdir(parents=True, exist_ok=True)
    except OSError as fallo:
        raise ConfiguracionInvalida(
            f"the store {ruta} cannot be used: {fallo.strerror}. Check the directory's permissions, or choose"
            f" another with --state-dir or {URL_ALMACEN}"
        ) from fallo
    motor = create_engine(direccion, connect_args={"timeout": _ESPERA_MS / 1000})
    event.listen(motor, "connect", _preparar_sqlite)
    event.listen(motor, "begin", _empezar_sqlite)
    return motor


def _postgresql(direccion: URL) -> Engine:
    # Of one statement more at each loan, so that a restarted server costs nobody an error.
    return create_engine(
        direccion,
        connect_args={**_POSTGRES, **direccion.query, "options": _opciones(direccion)},
        pool_pre_ping=True,
        pool_size=5,
        max_overflow=10,
        pool_timeout=_ESPERA_CONEXION_S,
    )


def _opciones(direccion: URL) -> str:
    """Of the server's session: what the address says goes before the usual limits."""
    suyas = direccion.query.get("options", ())
    return " ".join((_LIMITES, *((suyas,) if isinstance(suyas, str) else suyas)))


def _preparar_sqlite(conexion: sqlite3.Connection, _: Any) -> None:
    conexion.isolation_level = None  # transactions begin where `_empezar_sqlite` says
    cursor = conexion.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_ESPERA_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _empezar_sqlite(conexion: Connection) -> None:
    # One that reads first and writes later would be refused when somebody else wrote in between.
    solo_lee = conexion.get_execution_options().get(_SOLO_LEE)
    conexion.exec_driver_sql("BEGIN" if solo_lee else "BEGIN IMMEDIATE")


def _comprobar_version(conexion: Connection) -> None:
    version = int(conexion.execute(text("SHOW server_version_num")).scalar_one()) // 10_000
    if version < POSTGRES_MINIMO:
        raise ConfiguracionInvalida(
            f"PostgreSQL {version} at {visible(conexion.engine.url)} is too old: {POSTGRES_MINIMO} or newer"
            " is needed, for defaults that do not rewrite tables"
        )


@contextmanager
def _fallos_explicados(direccion: URL) -> Iterator[None]:
    try:
        yield
    except DBAPIError as fallo:
        raise _traducir(fallo, direccion) from fallo


def _traducir(fallo: DBAPIError, direccion: URL) -> EntradaInvalida:
    causa = str(fallo.orig).strip().splitlines()[0]
    if direccion.get_backend_name() == "postgresql":
        return ConfiguracionInvalida(
            f"the database {visible(direccion)} cannot be reached: {causa}. Start it, or correct"
            f" {URL_ALMACEN}; without it the store is a file of the state directory"
        )
    if isinstance(fallo, OperationalError) and "locked" in causa:
        return ConfiguracionInvalida(
            f"the store {direccion.database} is locked by another process; close whatever has it open (a"
            " sqlite3 shell, a restore) and start again"
        )
    return ConfiguracionInvalida(
        f"the store {direccion.database} cannot be used: {causa}. Check its permissions and that it is a"
        " SQLite file, or restore a backup with `timonel db restore`"
    )
