"""Which failures are definite, which are unknown: for reads and for writes."""

from __future__ import annotations

import json
import socket
import ssl
from types import SimpleNamespace

import aiohttp
import pytest
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
from src.produccion.bolsa.fallos_bolsa import FALLOS_DE_TRANSPORTE, traducir


def respuesta(codigo: int | None, estado: int = 400, mensaje: str = "text") -> BinanceAPIException:
    cuerpo = {"msg": mensaje} if codigo is None else {"code": codigo, "msg": mensaje}
    return BinanceAPIException(None, estado, json.dumps(cuerpo))


def sin_json(estado: int, razon: str) -> BinanceAPIException:
    """As the client library sees it: what it takes for the text names the HTTP reason."""
    return BinanceAPIException(SimpleNamespace(text=f"<bound method [{estado} {razon}]>"), estado, "<html>")


def clase(fallo: Exception, *, escritura: bool = True) -> type[ErrorBolsa]:
    return type(traducir(fallo, escritura=escritura))


@pytest.mark.parametrize(
    "codigo",
    [
        *(-1102, -1106, -1111, -1116, -2011, -2013, -2021, -2022, -2023, -2027, -2028),
        *(-4003, -4004, -4005, -4014, -4016, -4023, -4024, -4061, -4082, -4116, -4118, -4120, -4137),
        *(-4140, -4141, -4161, -4164, -4400, -5021, -5022),
    ],
)
def test_una_respuesta_con_codigo_es_definitiva(codigo: int):
    fallo = traducir(respuesta(codigo), escritura=True)

    assert type(fallo) is OrdenRechazada
    assert fallo.codigo == codigo
    assert str(codigo) in str(fallo)


@pytest.mark.parametrize("codigo", [-1008, -1021, -4131])
def test_lo_pasajero_se_puede_repetir(codigo: int):
    assert clase(respuesta(codigo)) is FalloPasajero
    assert clase(respuesta(codigo, 503)) is FalloPasajero


@pytest.mark.parametrize("codigo", [-1022, -2014, -2015, -1002])
def test_las_claves_malas_se_dicen_con_el_remedio(codigo: int):
    fallo = traducir(respuesta(codigo, 401), escritura=False)

    assert type(fallo) is CredencialesInvalidas
    assert "IP list" in str(fallo)
    assert fallo.codigo_salida == 2


@pytest.mark.parametrize("codigo", [-1120, -1121])
def test_un_simbolo_o_intervalo_desconocido_es_incompatible(codigo: int):
    fallo = traducir(respuesta(codigo), escritura=False)

    assert type(fallo) is SimboloNoAdmitido
    assert fallo.codigo_salida == 2


@pytest.mark.parametrize("codigo", [-1000, -1001, -1006, -1007])
@pytest.mark.parametrize("estado", [400, 408, 500, 503])
def test_estado_desconocido_por_codigo(codigo: int, estado: int):
    assert clase(respuesta(codigo, estado)) is ResultadoIncierto
    assert clase(respuesta(codigo, estado), escritura=False) is LecturaFallida


def test_los_dos_503_no_son_lo_mismo():
    desconocido = respuesta(0, 503, "Unknown error, please check your request or try again later.")
    definitivo = respuesta(0, 503, "Service Unavailable.")

    assert clase(desconocido) is ResultadoIncierto
    assert clase(definitivo) is FalloPasajero
    assert clase(desconocido, escritura=False) is LecturaFallida


@pytest.mark.parametrize(
    ("estado", "razon"),
    [
        (500, "Internal Server Error"),
        (502, "Bad Gateway"),
        (503, "Service Unavailable"),
        (504, "Gateway Timeout"),
    ],
)
def test_un_5xx_sin_json_es_desconocido(estado: int, razon: str):
    """The HTTP reason of a bare 503 reads like Binance's definite text; it proves nothing."""
    assert clase(sin_json(estado, razon)) is ResultadoIncierto
    assert clase(sin_json(estado, razon), escritura=False) is LecturaFallida


def test_un_4xx_sin_json_no_prueba_nada():
    assert clase(sin_json(408, "Request Timeout")) is ResultadoIncierto


def test_el_texto_de_una_respuesta_sin_json_no_lleva_la_peticion():
    fallo = BinanceAPIException(SimpleNamespace(text="https://h/fapi?signature=abc"), 502, "<html>")

    assert "signature" not in str(traducir(fallo, escritura=True))


def test_un_json_sin_codigo_es_desconocido():
    assert clase(respuesta(None, 500)) is ResultadoIncierto


@pytest.mark.parametrize("codigo", [0, 1, 200, "RATE_LIMITED", "", None, True, [], {}, -1.5])
def test_un_4xx_sin_un_codigo_de_la_bolsa_no_prueba_nada(codigo: object):
    fallo = BinanceAPIException(None, 400, json.dumps({"code": codigo, "msg": "text"}))

    assert clase(fallo) is ResultadoIncierto
    assert clase(fallo, escritura=False) is LecturaFallida


def test_un_codigo_escrito_como_texto_es_el_mismo():
    fallo = BinanceAPIException(None, 400, json.dumps({"code": "-2019", "msg": "text"}))

    assert clase(fallo) is SaldoInsuficiente


@pytest.mark.parametrize("escritura", [True, False])
@pytest.mark.parametrize(
    ("codigo", "estado", "cabeceras", "espera_s"),
    [
        (-1003, 429, {"Retry-After": "37"}, 37.0),
        (-1015, 429, {"Retry-After": "7"}, 7.0),
        (-1015, 400, {}, 60.0),
        (-1003, 429, {}, 60.0),
        (-1003, 418, {}, 120.0),
        (-1003, 418, {"Retry-After": "259200"}, 259_200.0),
    ],
)
def test_demasiadas_peticiones_no_ejecutan_nada_y_dicen_cuanto_esperar(
    escritura: bool, codigo: int, estado: int, cabeceras: dict[str, str], espera_s: float
):
    texto = json.dumps({"code": codigo, "msg": "Too many requests"})
    fallo = traducir(
        BinanceAPIException(SimpleNamespace(headers=cabeceras), estado, texto), escritura=escritura
    )

    assert isinstance(fallo, LimiteExcedido)
    assert (fallo.codigo, fallo.espera_s) == (codigo, espera_s)


@pytest.mark.parametrize(
    "fallo",
    [
        TimeoutError(),
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientOSError(104, "Connection reset by peer"),
        aiohttp.ClientPayloadError("cut"),
        BinanceRequestException("Invalid Response: <html>"),
    ],
    ids=lambda fallo: type(fallo).__name__,
)
def test_sin_respuesta_no_se_sabe(fallo: Exception):
    assert isinstance(fallo, FALLOS_DE_TRANSPORTE)
    assert clase(fallo) is ResultadoIncierto
    assert clase(fallo, escritura=False) is LecturaFallida


def test_sin_conexion_nada_llego_a_la_bolsa():
    llave = SimpleNamespace(host="h", port=1, ssl=True, is_ssl=True)
    fallo = aiohttp.ClientConnectorError(llave, OSError(111, "Connection refused"))  # type: ignore[arg-type]

    assert clase(fallo) is FalloPasajero
    assert clase(fallo, escritura=False) is LecturaFallida


@pytest.mark.parametrize(
    ("causa", "dicho"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)"), "Connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (ssl.SSLError(1, "[SSL] wrong version number"), "[SSL] wrong version number"),
        (OSError("no number"), "no number"),
    ],
)
def test_de_una_conexion_que_no_hay_se_dice_donde_y_por_que(causa: OSError, dicho: str):
    """Without the words of the libraries in between."""
    llave = SimpleNamespace(host="h", port=1, ssl=True, is_ssl=True)
    fallo = aiohttp.ClientConnectorError(llave, causa)  # type: ignore[arg-type]

    assert str(traducir(fallo, escritura=False)) == f"the exchange cannot be reached at h:1: {dicho}"


@pytest.mark.parametrize("codigo", [-2018, -2019])
def test_un_margen_que_no_alcanza_es_un_rechazo_con_nombre(codigo: int):
    assert clase(respuesta(codigo)) is SaldoInsuficiente
