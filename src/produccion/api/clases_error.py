"""What programs are told that an error of the project's own tree is; without anything of the web."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from src.nucleo.errores import (
    AgenteEnclavado,
    AlmacenCaido,
    ArranqueFallido,
    ConfiguracionInvalida,
    CredencialesInvalidas,
    DemonioAusente,
    DisyuntorAbierto,
    EntradaInvalida,
    ErrorBolsa,
    ErrorTimonel,
    FalloPasajero,
    LecturaFallida,
    LimiteDeRiesgo,
    LimiteExcedido,
    OrdenRechazada,
    ResultadoIncierto,
    SaldoInsuficiente,
    SimboloNoAdmitido,
    SolicitudInvalida,
)

ESTADOS: Mapping[type[ErrorTimonel], tuple[int, str]] = MappingProxyType(
    {
        DisyuntorAbierto: (409, "circuit_breaker_open"),
        LimiteDeRiesgo: (409, "risk_limit_exceeded"),
        SolicitudInvalida: (400, ""),
        ConfiguracionInvalida: (500, "configuration"),
        EntradaInvalida: (422, "invalid_input"),
        SaldoInsuficiente: (422, "insufficient_balance"),
        FalloPasajero: (503, "exchange_connection"),
        OrdenRechazada: (422, "invalid_order"),
        LimiteExcedido: (503, "exchange_connection"),
        ResultadoIncierto: (504, "outcome_unknown"),
        LecturaFallida: (502, "exchange_connection"),
        ArranqueFallido: (502, "exchange_connection"),
        SimboloNoAdmitido: (404, "symbol_not_supported"),
        CredencialesInvalidas: (502, "exchange_credentials"),
        ErrorBolsa: (502, "exchange"),
        DemonioAusente: (503, "unreachable"),
        AlmacenCaido: (503, "store"),
        AgenteEnclavado: (409, "latched"),
        ErrorTimonel: (500, "internal"),
    }
)
"""HTTP status of each error, and the member ``kind`` of its document where there is more to tell than the
status does; the nearest class above counts."""


def clase_de(fallo: ErrorTimonel) -> tuple[int, str]:
    """HTTP status and kind of an error."""
    return ESTADOS[next(c for c in type(fallo).__mro__ if c in ESTADOS)]
