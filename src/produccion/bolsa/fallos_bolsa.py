"""Which answers of the exchange are definite and which are unknown."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl

import aiohttp
from binance.exceptions import BinanceAPIException, BinanceRequestException

from src.nucleo.errores import (
    CredencialesInvalidas,
    ErrorBolsa,
    FalloPasajero,
    LecturaFallida,
    LimiteExcedido,
    OrdenRechazada,
    ResultadoIncierto,
    SaldoInsuficiente,
    SimboloNoAdmitido,
)
from src.produccion.puertos import RELOJ_DESVIADO

SIN_CAMBIO_DE_MARGEN = -4046
MARGEN_OCUPADO = frozenset({-4047, -4048})
ORDEN_DESCONOCIDA = -2013

_CREDENCIALES = frozenset({-1002, -1022, -2014, -2015})
_DESCONOCIDOS = frozenset({-1000, -1001, -1006, -1007})
_PASAJEROS = frozenset({-1008, RELOJ_DESVIADO, -4131})
_SIMBOLO_O_INTERVALO = frozenset({-1120, -1121})
_SIN_MARGEN = frozenset({-2018, -2019})
_DEMASIADAS = frozenset({-1003, -1015})
_DEMASIADAS_HTTP = frozenset({418, 429})
_ESPERA_SIN_DECIR_S = {418: 120.0}
_ESPERA_S = 60.0
_SIN_JSON = "Invalid JSON error message"
_NO_EJECUTADA = "Service Unavailable."

FALLOS_DE_TRANSPORTE = (
    BinanceAPIException,
    BinanceRequestException,
    aiohttp.ClientError,
    asyncio.TimeoutError,
)
"""Everything the client library lets through when a request does not succeed."""


def traducir(fallo: Exception, *, escritura: bool) -> ErrorBolsa:
    """The project's error for a failed request.

    Args:
        fallo: One of `FALLOS_DE_TRANSPORTE`.
        escritura: Whether the request may have changed something at the exchange.
    """
    if isinstance(fallo, BinanceAPIException):
        return _traducir_respuesta(fallo, escritura=escritura)
    if isinstance(fallo, aiohttp.ClientConnectorError):
        texto = f"the exchange cannot be reached at {fallo.host}:{fallo.port}: {_causa(fallo.os_error)}"
        return FalloPasajero(texto) if escritura else LecturaFallida(texto)
    return _desconocido(
        f"no answer from the exchange ({type(fallo).__name__}: {fallo})", None, escritura=escritura
    )


def _causa(fallo: OSError) -> str:
    """Why there is no connection, without what the libraries in between add."""
    if fallo.errno is None or isinstance(fallo, ssl.SSLError | socket.gaierror):
        return fallo.strerror or str(fallo) or type(fallo).__name__
    return os.strerror(fallo.errno)


def es_caida(error: ErrorBolsa) -> bool:
    """Whether the exchange gave no usable answer; a definite refusal is one."""
    return isinstance(error, FalloPasajero | LecturaFallida | LimiteExcedido | ResultadoIncierto)


def _traducir_respuesta(fallo: BinanceAPIException, *, escritura: bool) -> ErrorBolsa:
    codigo, estado, mensaje = _codigo_de(fallo.code), int(fallo.status_code), str(fallo.message)
    # What the client library gives for a message without JSON is the request and the HTTP reason.
    sin_json = mensaje.startswith(_SIN_JSON)
    texto = f"HTTP {estado} without JSON" if sin_json else f"{mensaje} (code {fallo.code}, HTTP {estado})"
    if codigo in _CREDENCIALES:
        return CredencialesInvalidas(
            f"the exchange refused the API key: {texto}. Check the key's value, its futures permission,"
            " its IP list, and that testnet keys are used on the testnet",
            codigo=codigo,
        )
    if codigo in _SIMBOLO_O_INTERVALO:
        return SimboloNoAdmitido(f"the exchange does not know the symbol or interval: {texto}", codigo=codigo)
    if codigo in _PASAJEROS or (estado == 503 and fallo.code == 0 and mensaje == _NO_EJECUTADA):
        return FalloPasajero(texto, codigo=codigo)
    if codigo in _DEMASIADAS or estado in _DEMASIADAS_HTTP:
        return LimiteExcedido(texto, espera_s=_espera_pedida_s(fallo, estado), codigo=codigo)
    if codigo is None or codigo in _DESCONOCIDOS or estado >= 500:
        # A gateway may answer in the exchange's place: without one of its codes, that proves nothing.
        return _desconocido(texto, codigo, escritura=escritura)
    if codigo in _SIN_MARGEN:
        return SaldoInsuficiente(texto, codigo=codigo)
    return OrdenRechazada(texto, codigo=codigo)


def _codigo_de(dicho: object) -> int | None:
    """The exchange's own codes are negative; whatever else stands in its place is none."""
    try:
        codigo = int(str(dicho))
    except ValueError:
        return None
    return codigo if codigo < 0 else None


def _espera_pedida_s(fallo: BinanceAPIException, estado: int) -> float:
    """What ``Retry-After`` says; the length of the exchange's windows when it says nothing."""
    cabeceras = getattr(fallo.response, "headers", {})
    dicho = str(cabeceras.get("Retry-After", ""))
    return float(dicho) if dicho.isdigit() else _ESPERA_SIN_DECIR_S.get(estado, _ESPERA_S)


def _desconocido(texto: str, codigo: int | None, *, escritura: bool) -> ErrorBolsa:
    if escritura:
        return ResultadoIncierto(texto, codigo=codigo)
    return LecturaFallida(texto, codigo=codigo)
