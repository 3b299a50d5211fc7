"""What a faulty exchange answers, or how it fails to."""

from __future__ import annotations

import asyncio

import orjson
from aiohttp import web

from src.simulador.fallas.clases import Clase, Perdida
from src.simulador.fallas.falla import Falla
from src.simulador.fallos_api import mensaje_de

_HTML = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"
_TITULOS = {
    Clase.HTTP_503_NO_JSON: (503, "503 Service Temporarily Unavailable"),
    Clase.HTTP_500: (500, "500 Internal Server Error"),
    Clase.HTTP_502: (502, "502 Bad Gateway"),
    Clase.HTTP_504: (504, "504 Gateway Time-out"),
}
_CODIGOS: dict[Clase, tuple[int, int, str]] = {
    Clase.HTTP_503_UNKNOWN: (503, -1000, "Unknown error, please check your request or try again later."),
    Clase.HTTP_503_UNAVAILABLE: (503, 0, "Service Unavailable."),
    Clase.ERROR_1006: (
        500,
        -1006,
        "An unexpected response was received from the message bus. Execution status unknown.",
    ),
    Clase.ERROR_1007: (
        408,
        -1007,
        "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    ),
    Clase.ERROR_1008: (
        503,
        -1008,
        "Server is currently overloaded with other requests. Please try again in a few minutes.",
    ),
    Clase.STOP_4130: (400, -4130, mensaje_de(-4130)),
}


def respuesta_de(falla: Falla) -> web.Response:
    """The answer that a fault gives instead of the exchange's own."""
    if falla.clase is Clase.REJECT:
        codigo = falla.entero("code")
        return en_json(falla.entero("status"), codigo, falla.texto("message") or mensaje_de(codigo))
    if falla.clase in _TITULOS:
        estado, titulo = _TITULOS[falla.clase]
        return web.Response(status=estado, text=_HTML.format(titulo), content_type="text/html")
    return en_json(*_CODIGOS[falla.clase])


def se_ejecuta(falla: Falla) -> bool:
    """Whether the request is carried out although its answer is not the exchange's own."""
    match falla.clase:
        case Clase.LOSE_ANSWER | Clase.LATE_ANSWER:
            return True
        case _:
            return "executed" in falla.parametros and falla.logico("executed")


async def contestar(
    peticion: web.BaseRequest, falla: Falla, propia: web.StreamResponse | None
) -> web.StreamResponse:
    """End a request as a fault wants.

    Args:
        peticion: The request.
        falla: What decides its answer.
        propia: The exchange's own answer, when the request was carried out.
    """
    match falla.clase:
        case Clase.LOSE_ANSWER | Clase.LOSE_REQUEST:
            if Perdida(falla.texto("how")) is Perdida.SILENCE:
                await asyncio.sleep(falla.numero("seconds"))
            return cortar(peticion)
        case Clase.LATE_ANSWER:
            await asyncio.sleep(falla.entero("ms") / 1_000)
            return cortar(peticion) if propia is None else propia
        case _:
            return respuesta_de(falla)


def en_json(estado: int, codigo: int, mensaje: str) -> web.Response:
    """An error as Binance writes it."""
    return web.Response(
        status=estado,
        body=orjson.dumps({"code": codigo, "msg": mensaje}),
        content_type="application/json",
    )


def cortar(peticion: web.BaseRequest) -> web.Response:
    """Close a request's connection; what is returned goes nowhere."""
    if peticion.transport is not None:
        peticion.transport.abort()
    return web.Response(status=503)


def esta_cortada(peticion: web.BaseRequest) -> bool:
    """Whether the client has gone."""
    return peticion.transport is None or peticion.transport.is_closing()
