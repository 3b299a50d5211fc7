"""What may be asked of a position by hand: actions, who takes which, how old and how far off."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from math import isfinite
from types import MappingProxyType
from typing import NamedTuple

from src.nucleo.errores import SolicitudInvalida

NIVEL_A_MANO = "manual_adjust"
"""Level of an adjustment that names none."""

DESVIO_MAXIMO = 0.01
"""Share of the mark that it may have moved away from the price the request was made at."""


class AccionGuardian(StrEnum):
    """What is to be done with an open position."""

    CERRAR = "close"
    AJUSTAR = "adjust"
    MEDIO_CIERRE = "half_close"


EDAD_MAXIMA_MS: Mapping[AccionGuardian, int] = MappingProxyType(
    {AccionGuardian.CERRAR: 60_000, AccionGuardian.AJUSTAR: 45_000, AccionGuardian.MEDIO_CIERRE: 90_000}
)


class Solicitud(NamedTuple):
    """One request about one symbol; prices in the quote asset, each ``None`` when it was not given."""

    simbolo: str
    accion: AccionGuardian
    stop: float | None = None
    objetivo: float | None = None
    precio_disparo: float | None = None  # mark that the asker acted on
    instante_ms: int | None = None  # when that was: time of day, UTC, whatever time the market has
    nivel: str = NIVEL_A_MANO
    nivel_anterior: str = ""


def leer_accion(texto: str) -> AccionGuardian:
    """The action of that name.

    Raises:
        SolicitudInvalida: There is none.
    """
    try:
        return AccionGuardian(texto)
    except ValueError:
        raise SolicitudInvalida("Invalid action. Must be: close, adjust, or half_close") from None


def comprobar_precios(solicitud: Solicitud) -> None:
    """Refuse a request that lacks its stop, or holds a price that cannot be one.

    Raises:
        SolicitudInvalida: Naming the field.
    """
    if solicitud.accion is AccionGuardian.AJUSTAR and solicitud.stop is None:
        raise SolicitudInvalida("'adjust' requires 'stop' parameter")
    for campo, precio in (
        ("stop", solicitud.stop),
        ("target", solicitud.objetivo),
        ("market_context.trigger_price", solicitud.precio_disparo),
    ):
        if precio is not None and not (isfinite(precio) and precio > 0.0):
            raise SolicitudInvalida(f"'{campo}' {precio} must be a finite price greater than 0")


def rechazo_de_la_cuenta(accion: AccionGuardian, *, guardian: bool, medio: bool) -> str | None:
    """Why an account takes no such request; ``None`` when it does.

    Args:
        accion: What is asked.
        guardian: Whether the account takes requests at all.
        medio: Whether it only gives up half of a position at a time.
    """
    if not guardian:
        return "guardian disabled"
    if medio and accion is AccionGuardian.CERRAR:
        return "'close' refused: use_guardian_half is on, use 'half_close'"
    if not medio and accion is AccionGuardian.MEDIO_CIERRE:
        return "'half_close' refused: use_guardian_half is off, use 'close'"
    return None


def caducado(accion: AccionGuardian, instante_ms: int, ahora_ms: int) -> bool:
    """Whether a request is too old to be carried out: close 60 s, adjust 45 s, half_close 90 s.

    An instant that lies as far ahead comes from a clock that says nothing of the age: too old as well.

    Args:
        accion: What was asked.
        instante_ms: When the asker acted: time of day, UTC.
        ahora_ms: Now, time of day too; market time may be another.
    """
    return abs(ahora_ms - instante_ms) > EDAD_MAXIMA_MS[accion]


def desviado(precio_disparo: float, mark: float) -> bool:
    """Whether the mark has moved more than 1 % of itself away from the price the asker acted on."""
    return abs(precio_disparo - mark) > DESVIO_MAXIMO * mark
