"""The description of the API, with an example of everything that is asked, answered and refused."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple

from fastapi import FastAPI

from src.produccion.api import ejemplos
from src.produccion.api.acceso import TITULAR
from src.produccion.api.problemas import RespuestaProblema, documento

_JSON, _PROBLEMA = "application/json", RespuestaProblema.media_type
_GUARDIAN = "POST /guardian"
_MANERAS = ("HTTPBearer", "APIKeyCookie")


class _Rechazo(NamedTuple):
    """What a status of 400 and more says."""

    cuando: str
    detalle: str  # of one problem that has it


_RECHAZOS: Mapping[int, _Rechazo] = MappingProxyType(
    {
        400: _Rechazo(
            "The body is no JSON, or asks for what cannot be",
            "Invalid action. Must be: close, adjust, or half_close",
        ),
        401: _Rechazo("No good token", "a valid bearer token is needed: `Authorization: Bearer …`"),
        403: _Rechazo(
            "The role does not let, or a cookie came without its CSRF token",
            "a viewer may only look; acting needs operator, admin or service",
        ),
        404: _Rechazo("There is none of that name", "there is no open position of BTCUSDT of 'User_1'"),
        409: _Rechazo(
            "The daemon refused or failed; nothing was done, or what was done is said",
            "Looser stop not allowed (current 45100, new 45000)",
        ),
        413: _Rechazo("The body is too large", "the body may have 65,536 bytes"),
        415: _Rechazo(
            "The body is not declared as JSON",
            "the body must be JSON, and the header `Content-Type: application/json` say so",
        ),
        422: _Rechazo(
            "A field or parameter cannot be read or is unknown, or the key was used for another request",
            "exchange: Input should be 'binance'",
        ),
        429: _Rechazo("Too many failed log-ins", "too many failed log-ins; try again in 900 s"),
        502: _Rechazo("The exchange did not answer", "the exchange did not answer: time-out"),
        503: _Rechazo(
            "The store cannot be reached, or no daemon with the keys is there",
            "the shared store cannot be reached; nothing is known to have been done",
        ),
        504: _Rechazo(
            "The daemon did not take the command in time, or has not finished it",
            "failed: the daemon did not take command 77eb0c5e-3f0a-4a53-9d2e-0f6a1f1c2b7d within 5 s; it will"
            " not be carried out",
        ),
    }
)


def describir(aplicacion: FastAPI) -> None:
    """Have an application describe itself with examples."""
    sin_ejemplos = aplicacion.openapi

    def openapi() -> dict[str, Any]:
        if aplicacion.openapi_schema is None:
            _completar(sin_ejemplos())
        return sin_ejemplos()

    aplicacion.openapi = openapi  # type: ignore[method-assign]


def _completar(descrita: dict[str, Any]) -> None:
    descrita["components"]["securitySchemes"].pop(TITULAR)
    for ruta, metodos in descrita["paths"].items():
        for metodo, operacion in metodos.items():
            if {TITULAR: []} in operacion.get("security", ()):
                operacion["security"] = [{manera: []} for manera in _MANERAS]
            cual = f"{metodo.upper()} {ruta}"
            for nombre, cuerpo in ejemplos.PEDIDOS.get(cual, {}).items():
                contenido = operacion["requestBody"]["content"][_JSON]
                contenido.setdefault("examples", {})[nombre] = {"value": cuerpo}
            for estado, respuesta in operacion["responses"].items():
                if int(estado) >= HTTPStatus.BAD_REQUEST:
                    _rechazo(int(estado), respuesta)
                else:
                    _exito(cual, int(estado), respuesta)


def _exito(cual: str, estado: int, respuesta: dict[str, Any]) -> None:
    for contenido in respuesta.get("content", {}).values():
        dichos = _dichos(cual, estado)
        contenido["examples"] = {nombre: {"value": valor} for nombre, valor in dichos.items()}


def _dichos(cual: str, estado: int) -> dict[str, Any]:
    hecho = ejemplos.RESPUESTAS[cual]
    match estado:
        case HTTPStatus.ACCEPTED:
            return {"not over": ejemplos.en_marcha(hecho)}
        case HTTPStatus.MULTI_STATUS:
            entero = ejemplos.RESUMEN_GUARDIAN if cual == _GUARDIAN else hecho
            return {"not alike": ejemplos.desiguales(entero)}
        case _ if cual == _GUARDIAN:
            return {"one account": hecho, "all accounts": dict(ejemplos.RESUMEN_GUARDIAN)}
        case _:
            return {"done": hecho}


def _rechazo(estado: int, respuesta: dict[str, Any]) -> None:
    contenidos = respuesta["content"]
    if _PROBLEMA not in contenidos:
        contenidos[_JSON]["examples"] = {"store down": {"value": {"status": "degraded", "store": "down"}}}
        return
    rechazo = _RECHAZOS[estado]
    respuesta["description"] = rechazo.cuando
    # It is always a problem document, never plain JSON.
    contenidos[_PROBLEMA] = contenidos.pop(_JSON) | {
        "examples": {HTTPStatus(estado).phrase: {"value": documento(estado, rechazo.detalle)}}
    }
