"""What several steps are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, Numeric, Text, text

_ENTERO_64 = BigInteger().with_variant(Integer, "sqlite")
_NUMERO = Numeric(38, 18).with_variant(Text, "sqlite")
_TIPOS: dict[str, Any] = {
    "t": Text(),
    "i": Integer(),
    "l": _ENTERO_64,
    "n": _NUMERO,
    "b": Boolean(),
    "f": Float(53),
}


def en_postgresql() -> bool:
    """Whether the database being migrated is PostgreSQL."""
    return op.get_bind().dialect.name == "postgresql"


def columnas(descripciones: str) -> list[Column[Any]]:
    """Columns from ``name:type`` each, with blanks between them.

    Types: ``t`` text, ``i`` integer, ``l`` 64 bits, ``n`` number, ``b`` boolean, ``f`` double; ``*`` before
    the name makes it part of the primary key, ``?`` after the type lets NULL in, ``=x`` is the default.
    """
    return [_columna(descripcion) for descripcion in descripciones.split()]


def crear_indice(nombre: str, tabla: str, campos: Sequence[str], *, unico: bool = False) -> None:
    """An index; on PostgreSQL without keeping writers waiting, after what an interrupted build left."""
    if not en_postgresql():
        op.create_index(nombre, tabla, campos, unique=unico, if_not_exists=True)
        return
    with op.get_context().autocommit_block():
        # A build waits for old transactions for as long as they take; giving up would leave a broken index.
        op.execute("SET lock_timeout = 0")
        invalido = op.get_bind().execute(
            text(
                "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:nombre) AND NOT indisvalid"
            ).bindparams(nombre=nombre)
        )
        if invalido.first():
            op.drop_index(nombre, tabla, postgresql_concurrently=True)
        op.create_index(nombre, tabla, campos, unique=unico, if_not_exists=True, postgresql_concurrently=True)


def quitar_indice(nombre: str, tabla: str) -> None:
    """Take an index away, as gently as it came."""
    if not en_postgresql():
        op.drop_index(nombre, tabla, if_exists=True)
        return
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        op.drop_index(nombre, tabla, if_exists=True, postgresql_concurrently=True)


def _columna(descripcion: str) -> Column[Any]:
    cabeza, igual, defecto = descripcion.partition("=")
    nombre, tipo = cabeza.lstrip("*").split(":")
    clave = cabeza.startswith("*")
    return Column(
        nombre,
        _TIPOS[tipo.rstrip("?")],
        primary_key=clave,
        nullable=tipo.endswith("?"),
        server_default=text(defecto) if igual else None,
        autoincrement=clave and tipo == "l",
    )
