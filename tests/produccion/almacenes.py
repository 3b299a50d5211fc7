"""Stores for tests: the same tests on SQLite and on a real PostgreSQL, in databases made for them.

A conftest that wants the fixtures imports `motor`, `url`, `url_vacia` and `base_postgresql`.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, make_url, text

from src.produccion.almacen.conexion import abrir_almacen, conectar_almacen
from src.produccion.almacen.esquema import metadatos
from src.produccion.almacen.migrar import subir
from tests.produccion.servidor_postgresql import servidor

BASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def base_postgresql() -> Iterator[str]:
    """The address of a migrated PostgreSQL database that tests use one after the other."""
    with base_nueva() as url:
        motor = conectar_almacen(url, Path())
        subir(motor)
        motor.dispose()
        yield url
        _administrador(url).dispose()


@cache
def plantilla_sqlite() -> Path:
    """A migrated store without rows, to be copied: migrating takes a hundred times as long."""
    carpeta = Path(tempfile.mkdtemp(prefix="timonel-sqlite-"))
    atexit.register(shutil.rmtree, carpeta, ignore_errors=True)
    ruta = carpeta / "timonel.sqlite"
    abrir_almacen(f"sqlite:///{ruta}", carpeta).dispose()
    return ruta


@pytest.fixture(params=BASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a migrated store without rows."""
    if request.param == "sqlite":
        return f"sqlite:///{shutil.copy(plantilla_sqlite(), tmp_path)}"
    compartida: str = request.getfixturevalue("base_postgresql")
    _vaciar(compartida)
    return compartida


@pytest.fixture(params=BASES)
def url_vacia(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without tables, of this test alone."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'timonel.sqlite'}"
        return
    with base_nueva() as url:
        yield url


@pytest.fixture
def motor(url: str, tmp_path: Path) -> Iterator[Engine]:
    """A migrated store without rows."""
    motor = abrir_almacen(url, tmp_path)
    yield motor
    motor.dispose()


@contextmanager
def base_nueva() -> Iterator[str]:
    """A PostgreSQL database without tables, dropped in the end."""
    nombre = f"timonel_{uuid.uuid4().hex[:12]}"
    direccion = servidor()
    motor = create_engine(direccion, isolation_level="AUTOCOMMIT")
    with motor.connect() as conexion:
        conexion.execute(text(f"CREATE DATABASE {nombre}"))
    try:
        yield make_url(direccion).set(database=nombre).render_as_string(hide_password=False)
    finally:
        with motor.connect() as conexion:
            conexion.execute(text(f"DROP DATABASE {nombre} WITH (FORCE)"))
        motor.dispose()


def _vaciar(url: str) -> None:
    """Delete every row, past the triggers that refuse it; one message to the server."""
    borrados = "; ".join(f"DELETE FROM {tabla}" for tabla in metadatos.tables)
    with _administrador(url).begin() as conexion:
        directa: Any = conexion.connection.driver_connection
        directa.execute(f"SET LOCAL session_replication_role = replica; {borrados}", prepare=False)


@cache
def _administrador(url: str) -> Engine:
    return create_engine(url, pool_size=1, pool_pre_ping=True)  # some tests cut all connections
