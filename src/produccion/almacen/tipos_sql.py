"""Column types that mean the same on SQLite and PostgreSQL, and the database's own clock."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, Numeric, Table, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from src.nucleo.errores import DatosInvalidos

Cantidad = Decimal | float | int | str
"""What a number may be given as; it is always read as `Decimal`."""

_DECIMALES = Decimal(1).scaleb(-18)
_CONTEXTO = Context(prec=38)

ENTERO = BigInteger().with_variant(Integer, "sqlite")
"""64 bits on both; SQLite numbers rows by itself only where the type is INTEGER."""


def numero(valor: Cantidad) -> Decimal:
    """A price, quantity or amount as the store keeps it: 18 decimals at most, no zeros at the end.

    Raises:
        DatosInvalidos: It is not a finite number of at most 20 digits before the point.
    """
    try:
        exacto = valor if isinstance(valor, Decimal) else Decimal(str(valor))
        redondo = exacto.quantize(_DECIMALES, context=_CONTEXTO)
    except InvalidOperation as fallo:
        raise DatosInvalidos(f"{valor!r} cannot be stored: it must be a finite number below 1e20") from fallo
    if not redondo.is_finite():
        raise DatosInvalidos(f"{valor!r} cannot be stored: it must be a finite number below 1e20")
    return redondo.normalize(_CONTEXTO) if redondo else Decimal(0)


def texto_numero(valor: Cantidad) -> str:
    """The one way in which a number is written in tokens and on the wire: plain digits, no exponent."""
    return format(numero(valor), "f")


class Numero(TypeDecorator[Decimal]):
    """NUMERIC(38,18), kept as exact text by SQLite, which knows binary fractions only."""

    impl = Numeric(38, 18)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text on SQLite."""
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else Numeric(38, 18))

    def process_bind_param(self, value: Cantidad | None, dialect: Dialect) -> Any:
        """Exact on the way in."""
        if value is None:
            return None
        return texto_numero(value) if dialect.name == "sqlite" else numero(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """`Decimal`, whatever the database gives."""
        return None if value is None else numero(value)


def fila_exacta(tabla: Table, valores: Mapping[str, Any]) -> dict[str, Any]:
    """Values for a row, its numbers as the store keeps them.

    Raises:
        DatosInvalidos: A number cannot be stored.
    """
    return {
        nombre: numero(valor) if valor is not None and isinstance(tabla.c[nombre].type, Numero) else valor
        for nombre, valor in valores.items()
    }


class ahora_bd(FunctionElement[int]):  # noqa: N801 -- reads as a function in SQL
    """Now by the database's clock, UTC milliseconds: the one clock that all processes share."""

    type = BigInteger()
    inherit_cache = True


@compiles(ahora_bd, "postgresql")
def _ahora_postgresql(elemento: Any, compilador: Any, **_: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT)"


@compiles(ahora_bd, "sqlite")
def _ahora_sqlite(elemento: Any, compilador: Any, **_: Any) -> str:
    return "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
