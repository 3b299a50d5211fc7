"""Rows written by statements that are put together once: feeding a store is mostly that."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import Connection, Insert, Table, insert
from sqlalchemy.dialects import postgresql, sqlite

from src.produccion.almacen.tipos_sql import fila_exacta


def anadir(conexion: Connection, tabla: Table, valores: Mapping[str, Any]) -> None:
    """Insert a row.

    Raises:
        DatosInvalidos: A number cannot be stored.
    """
    conexion.execute(_insercion(tabla), fila_exacta(tabla, valores))


def poner(conexion: Connection, tabla: Table, valores: Mapping[str, Any]) -> None:
    """Insert a row, or give the one with the same primary key these values.

    Raises:
        DatosInvalidos: A number cannot be stored.
    """
    orden = _puesta(conexion.dialect.name, tabla, tuple(valores))
    conexion.execute(orden, fila_exacta(tabla, valores))


@cache
def _insercion(tabla: Table) -> Insert:
    return insert(tabla)


@cache
def _puesta(dialecto: str, tabla: Table, campos: tuple[str, ...]) -> Insert:
    orden = postgresql.insert(tabla) if dialecto == "postgresql" else sqlite.insert(tabla)
    clave = [columna.name for columna in tabla.primary_key]
    nuevos = {campo: orden.excluded[campo] for campo in campos if campo not in clave}
    return orden.on_conflict_do_update(index_elements=clave, set_=nuevos)
