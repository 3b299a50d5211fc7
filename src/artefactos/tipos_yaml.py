"""Value types of the configuration: strict, so that a wrong type is an error and never a guess."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
)

from src.artefactos.yaml_exacto import NumeroEscrito
from src.nucleo.errores import ConfiguracionInvalida
from src.nucleo.intervalos import validar_intervalo


class Seccion(BaseModel):
    """A section of the YAML: frozen, strict, and closed to unknown keys."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


def _entero(valor: Any) -> Any:
    """Accept a whole number written as a float, such as 1e6."""
    if isinstance(valor, float) and valor.is_integer():
        return int(valor)
    return valor


def _numero(valor: Any) -> Any:
    return float(valor) if isinstance(valor, NumeroEscrito) else valor


def _tasa(valor: Any) -> NumeroEscrito:
    if isinstance(valor, bool) or not isinstance(valor, int | float):
        raise ValueError("Input should be a valid number")
    numero = valor if isinstance(valor, NumeroEscrito) else NumeroEscrito(repr(valor))
    if not 0.0 < numero < 1.0:
        raise ValueError("Input should be greater than 0 and less than 1")
    return numero


def instante_de(texto: str, *, fin_de_dia: bool = False) -> int:
    """UTC milliseconds of an ISO date or date and time.

    Args:
        texto: ``YYYY-MM-DD`` or ``YYYY-MM-DDTHH:MM[:SS]``; UTC unless it says otherwise.
        fin_de_dia: Take a date without time as its last millisecond.
    Raises:
        ValueError: The text is no such date.
    """
    momento = datetime.fromisoformat(texto)
    if momento.tzinfo is None:
        momento = momento.replace(tzinfo=UTC)
    instante = round(momento.timestamp() * 1000)
    solo_dia = re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", texto) is not None
    return instante + 86_400_000 - 1 if fin_de_dia and solo_dia else instante


def _fecha(texto: str) -> str:
    try:
        instante_de(texto)
    except ValueError as fallo:
        raise ValueError("Input should be a date such as 2024-01-31 or 2024-01-31T12:00") from fallo
    return texto


def _intervalo(texto: str) -> str:
    try:
        return validar_intervalo(texto)
    except ConfiguracionInvalida as fallo:
        raise ValueError(str(fallo)) from fallo


def _simbolo(texto: str) -> str:
    if not re.fullmatch(r"[A-Z0-9]{4,20}", texto):
        raise ValueError("Input should be a symbol as Binance writes it, such as BTCUSDT")
    return texto


Entero = Annotated[int, BeforeValidator(_entero)]
Positivo = Annotated[Entero, Field(ge=1)]
NoNegativo = Annotated[Entero, Field(ge=0)]
Numero = Annotated[float, BeforeValidator(_numero)]
Fraccion = Annotated[Numero, Field(ge=0.0, lt=1.0)]
Tasa = Annotated[NumeroEscrito, PlainValidator(_tasa), PlainSerializer(lambda numero: numero)]
Fecha = Annotated[str, AfterValidator(_fecha)]
Intervalo = Annotated[str, AfterValidator(_intervalo)]
Simbolo = Annotated[str, AfterValidator(_simbolo)]
