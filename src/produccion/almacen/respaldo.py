"""Copies of the store, made while it is in use, and the way back."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import URL, Engine, inspect, text

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.almacen.conexion import leer, visible
from src.produccion.almacen.esquema import metadatos

Progreso = Callable[[int, int], None]
"""Told how many pages were copied, and of how many; SQLite only."""

_PAGINAS = 2_000


def respaldar(motor: Engine, destino: Path, progreso: Progreso | None = None) -> None:
    """Copy the store into a new file: a SQLite database, or a dump in PostgreSQL's custom format.

    Raises:
        ConfiguracionInvalida: The file exists or cannot be written, or ``pg_dump`` is missing or failed.
    """
    if destino.exists():
        raise ConfiguracionInvalida(f"{destino} exists already; choose another name for the backup")
    nuevo = destino.with_name(f"{destino.name}.new")
    try:
        destino.parent.mkdir(parents=True, exist_ok=True)
        nuevo.unlink(missing_ok=True)
        if motor.dialect.name == "sqlite":
            _copiar(Path(str(motor.url.database)), nuevo, progreso)
        else:
            _ejecutar(motor.url, "pg_dump", "--format=custom", f"--file={nuevo}")
        nuevo.replace(destino)
    except OSError as fallo:
        raise ConfiguracionInvalida(f"{destino} cannot be written: {fallo.strerror}") from fallo
    finally:
        nuevo.unlink(missing_ok=True)


def restaurar(
    motor: Engine, origen: Path, *, forzar: bool = False, progreso: Progreso | None = None
) -> Path | None:
    """Put a backup in the store's place; what was there is backed up first, beside the backup.

    Args:
        motor: The store.
        origen: What `respaldar` wrote.
        forzar: Whether a store that holds rows may be replaced.
        progreso: Told from time to time.

    Returns:
        The copy of what was there; ``None`` when there was nothing.

    Raises:
        ConfiguracionInvalida: The backup cannot be used, or the store holds rows and is not to be forced.
    """
    _comprobar_origen(motor, origen)
    copia: Path | None = None
    if tiene_filas(motor):
        if not forzar:
            raise ConfiguracionInvalida(
                f"the store {visible(motor.url)} holds rows; restoring replaces them. Add --force: a copy"
                " is kept"
            )
        sello = datetime.now(UTC).strftime("%Y%m%d_%H%M%S_%f")
        copia = origen.with_name(f"{origen.name}.replaced_{sello}")
        respaldar(motor, copia)
    if motor.dialect.name == "sqlite":
        _copiar(origen, Path(str(motor.url.database)), progreso)
    else:
        motor.dispose()
        opciones = ("--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error")
        _ejecutar(motor.url, "pg_restore", *opciones, f"--dbname={motor.url.database}", str(origen))
    return copia


def tiene_filas(motor: Engine) -> bool:
    """Whether any of the store's tables holds a row."""
    existen = set(inspect(motor).get_table_names()) & set(metadatos.tables)
    with leer(motor) as conexion:
        return any(conexion.execute(text(f"SELECT 1 FROM {tabla} LIMIT 1")).first() for tabla in existen)


def _copiar(origen: Path, destino: Path, progreso: Progreso | None) -> None:
    def avisar(_: int, quedan: int, total: int) -> None:
        if progreso is not None:
            progreso(total - quedan, total)

    try:
        with closing(sqlite3.connect(origen)) as desde, closing(sqlite3.connect(destino)) as hasta:
            desde.backup(hasta, pages=_PAGINAS, progress=avisar)
    except sqlite3.Error as fallo:
        raise ConfiguracionInvalida(f"{origen} could not be copied to {destino}: {fallo}") from fallo


def _comprobar_origen(motor: Engine, origen: Path) -> None:
    try:
        with origen.open("rb") as archivo:
            cabeza = archivo.read(16)
    except OSError as fallo:
        raise ConfiguracionInvalida(f"the backup {origen} cannot be read: {fallo.strerror}") from fallo
    marca, clase = (
        (b"SQLite format 3", "SQLite") if motor.dialect.name == "sqlite" else (b"PGDMP", "PostgreSQL")
    )
    if not cabeza.startswith(marca):
        raise ConfiguracionInvalida(
            f"{origen} is no backup of a store on {clase}; give a file that `timonel db backup` wrote from"
            " one"
        )


def _ejecutar(direccion: URL, programa: str, *opciones: str) -> None:
    ruta = shutil.which(programa)
    if ruta is None:
        raise ConfiguracionInvalida(
            f"{programa} is not on PATH; install PostgreSQL's client programs, of the server's version or"
            " newer"
        )
    partes = {
        "PGHOST": direccion.host,
        "PGPORT": direccion.port,
        "PGUSER": direccion.username,
        "PGPASSWORD": direccion.password,
        "PGDATABASE": direccion.database,
    }
    entorno = os.environ | {nombre: str(valor) for nombre, valor in partes.items() if valor is not None}
    hecho = subprocess.run([ruta, *opciones], env=entorno, capture_output=True, text=True, check=False)
    if hecho.returncode:
        raise ConfiguracionInvalida(f"{programa} failed on {visible(direccion)}: {hecho.stderr.strip()}")
