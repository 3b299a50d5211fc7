"""The pieces that answers of the API are described with."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import AfterValidator, Field

from src.nucleo.intervalos import INTERVALOS
from src.produccion.config.config import Modo

LIMITE = 100
LIMITE_MAXIMO = 1_000

_MANDA = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters, but newline and tab."""

_EJEMPLO_MONTO = "134.50"

Dolares = Annotated[str | None, Field(pattern=r"^-?\d+\.\d{2}$", examples=[_EJEMPLO_MONTO])]
"""An amount; null when it is not known."""

Cantidad = Annotated[str | None, Field(pattern=r"^-?\d+\.\d{8}$", examples=["0.00033000"])]
Porcentaje = Annotated[str | None, Field(pattern=r"^-?\d+\.\d{2}$", examples=["-2.45"])]
Precio = Annotated[str | None, Field(pattern=r"^-?\d+\.\d{2,8}$", examples=["88837.92"])]
Instante = Annotated[
    float | None, Field(description="Unix seconds, market time", examples=[1_728_000_000.456])
]


def guardable(texto: str) -> str:
    """Text that every database can keep.

    Raises:
        ValueError: It holds a NUL, or half of a character.
    """
    if "\0" in texto:
        raise ValueError("no text has a NUL character")
    if any("\ud800" <= letra <= "\udfff" for letra in texto):
        raise ValueError("no text has half of a surrogate pair")
    return texto


def legible(texto: str) -> str:
    """Text that does no more than be read where it is shown: terminals obey control characters.

    Raises:
        ValueError: It holds one beside newline and tab, or no database can keep it.
    """
    guardable(texto)
    mala = _MANDA.search(texto)
    if mala is not None:
        raise ValueError(
            f"take out the control character U+{ord(mala[0]):04X}; of these a text has newlines and tabs only"
        )
    return texto


Escrito = Annotated[str, AfterValidator(legible)]
"""Text of a person, which others are shown."""

IdMando = Annotated[str, Path(pattern=r"^[0-9A-Za-z-]{1,64}$", description="From the answer that gave it.")]
SimboloPedido = Annotated[
    str | None, Query(pattern=r"^[A-Z0-9_]{2,32}$", description="One symbol only.", examples=["BTCUSDT"])
]
CuentaPedida = Annotated[
    str | None, Query(pattern=r"^[0-9A-Za-z_.:@-]{1,128}$", description="One account_id only.")
]
OrdenConocida = Annotated[
    str | None, Query(pattern=r"^[0-9A-Za-z_.:/-]{1,64}$", description="id of the last order that is known.")
]
Limite = Annotated[int, Query(ge=1, le=LIMITE_MAXIMO, description="How many at most, newest first.")]
AntesDe = Annotated[
    int | None, Query(ge=1, le=2**62, description="Only what is older than this id: the page after it.")
]
Ambiente = Annotated[
    Modo | None, Query(description="Which exchange: sim, testnet or live; the configured one when left out.")
]
Bolsa = Annotated[
    Literal["binance"] | None, Query(description="Kind of exchange; there is one.", alias="exchange")
]


def _intervalo(texto: str) -> str:
    if texto not in INTERVALOS:
        raise ValueError(f"use one of {', '.join(INTERVALOS)}")
    return texto


Intervalo = Annotated[str, AfterValidator(_intervalo), Query(json_schema_extra={"enum": list(INTERVALOS)})]


def segundos(instante_ms: int | None) -> float | None:
    """An instant as answers tell it; 0 is none."""
    return instante_ms / 1_000 if instante_ms else None


def decimal_o_nada(valor: Any) -> Decimal | None:
    """A number of the store; ``None`` stays that."""
    return None if valor is None else Decimal(str(valor))
