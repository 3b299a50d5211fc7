"""Errors as RFC 9457 problem documents, and a limit on what is read of a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from math import ceil
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as SinConexion
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.nucleo.errores import ErrorTimonel, LimiteExcedido
from src.produccion.api.clases_error import clase_de

CUERPO_MAXIMO = 64 * 1024
"""Bytes of a request's body that are read at most."""

log = structlog.get_logger(__name__)


class RespuestaJson(JSONResponse):
    """Numbers that JSON does not know become null."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return orjson.dumps(content)


class RespuestaProblema(RespuestaJson):
    """A problem document."""

    media_type = "application/problem+json"


class Problema(Exception):
    """A request ends with this answer.

    Args:
        estado: HTTP status.
        detalle: What is wrong and what to do, in a sentence.
        cabeceras: Of the answer.
        campos: Further members of the document.
    """

    def __init__(
        self, estado: int, detalle: str, *, cabeceras: Mapping[str, str] | None = None, **campos: Any
    ) -> None:
        super().__init__(detalle)
        self.estado = estado
        self.detalle = detalle
        self.cabeceras = cabeceras
        self.campos = campos


def documento(estado: int, detalle: str, campos: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A problem document; further members come first and cannot stand for the standard ones."""
    return {
        **(campos or {}),
        "type": "about:blank",
        "title": HTTPStatus(estado).phrase,
        "status": estado,
        "detail": detalle,
    }


def _responder(
    estado: int,
    detalle: str,
    campos: Mapping[str, Any] | None = None,
    cabeceras: Mapping[str, str] | None = None,
) -> RespuestaProblema:
    return RespuestaProblema(documento(estado, detalle, campos), estado, headers=cabeceras)


def instalar(aplicacion: FastAPI) -> None:
    """Answer every error of an application with a problem document."""
    aplicacion.add_exception_handler(Problema, _de_problema)
    aplicacion.add_exception_handler(ErrorTimonel, _de_error)
    aplicacion.add_exception_handler(HTTPException, _de_http)
    aplicacion.add_exception_handler(RequestValidationError, _de_validacion)
    for clase in (DBAPIError, SinConexion):
        aplicacion.add_exception_handler(clase, _de_almacen)
    aplicacion.add_exception_handler(Exception, _de_defecto)


async def _de_problema(_peticion: Request, fallo: Exception) -> RespuestaProblema:
    assert isinstance(fallo, Problema)
    return _responder(fallo.estado, fallo.detalle, fallo.campos, fallo.cabeceras)


def problema_de(fallo: ErrorTimonel) -> Problema:
    """The answer that an error of the project's own tree is told with."""
    estado, kind = clase_de(fallo)
    espera_s = fallo.espera_s if isinstance(fallo, LimiteExcedido) else None
    cabeceras = None if espera_s is None else {"Retry-After": str(ceil(espera_s))}
    return Problema(estado, str(fallo), cabeceras=cabeceras, **({"kind": kind} if kind else {}))


async def _de_error(peticion: Request, fallo: Exception) -> RespuestaProblema:
    assert isinstance(fallo, ErrorTimonel)
    problema = problema_de(fallo)
    if problema.estado >= 500:
        log.error("peticion_fallida", ruta=peticion.url.path, motivo=str(fallo))
    return await _de_problema(peticion, problema)


async def _de_http(_peticion: Request, fallo: Exception) -> RespuestaProblema:
    assert isinstance(fallo, HTTPException)
    return _responder(fallo.status_code, str(fallo.detail), cabeceras=fallo.headers)


async def _de_validacion(peticion: Request, fallo: Exception) -> RespuestaProblema:
    assert isinstance(fallo, RequestValidationError)
    errores = fallo.errors()
    if errores[0]["loc"] == ("body",) and "json" not in peticion.headers.get("content-type", ""):
        return _responder(
            415, "the body must be JSON, and the header `Content-Type: application/json` say so"
        )
    estado = 400 if any(error["type"] == "json_invalid" for error in errores) else 422
    detalles = [f"{_campo(error['loc'])}: {error['msg']}" for error in errores]
    return _responder(estado, "; ".join(detalles))


def _campo(lugar: Sequence[int | str]) -> str:
    return ".".join(str(parte) for parte in lugar[1:]) or str(lugar[0])


async def _de_almacen(peticion: Request, fallo: Exception) -> RespuestaProblema:
    # The statement's parameters may hold the hash of a token.
    log.error("almacen_no_responde", ruta=peticion.url.path, motivo=type(fallo).__name__)
    return _responder(503, "the shared store cannot be reached; nothing is known to have been done")


async def _de_defecto(peticion: Request, _fallo: Exception) -> RespuestaProblema:
    log.error("fallo_inesperado", ruta=peticion.url.path)
    return _responder(500, "a defect of the server; its log says more")


class SinBarra:
    """Takes the slash from the end of a path: every route is found with it and without.

    Args:
        siguiente: The application.
    """

    def __init__(self, siguiente: ASGIApp) -> None:
        self._siguiente = siguiente

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] in ("http", "websocket") and len(scope["path"]) > 1:
            scope["path"] = scope["path"].removesuffix("/")
        await self._siguiente(scope, receive, send)


class LimiteCuerpo:
    """Refuses requests whose body is larger than it should be, announced or not.

    Args:
        siguiente: The application.
        maximo: Bytes.
    """

    def __init__(self, siguiente: ASGIApp, maximo: int = CUERPO_MAXIMO) -> None:
        self._siguiente = siguiente
        self._maximo = maximo

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._siguiente(scope, receive, send)
            return
        anunciado = Headers(scope=scope).get("content-length", "0")
        if anunciado.isdecimal() and int(anunciado) > self._maximo:
            await _responder(413, self._detalle)(scope, receive, send)
            return
        leidos = 0

        async def recibir() -> Message:
            nonlocal leidos
            mensaje = await receive()
            leidos += len(mensaje.get("body", b""))
            if leidos > self._maximo:
                raise HTTPException(413, self._detalle)
            return mensaje

        await self._siguiente(scope, recibir, send)

    @property
    def _detalle(self) -> str:
        return f"the body may have {self._maximo:,} bytes"
