"""Requests to act, log-ins and refusals in the audit log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import orjson
import structlog
from fastapi import Response
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as SinConexion
from starlette.requests import HTTPConnection

from src.nucleo.errores import SolicitudInvalida
from src.produccion.almacen.auditoria import (
    DEFECTO,
    PEDIDO_MALO,
    AsientoNuevo,
    Desenlace,
    acabar_o_decirlo,
    anotar_asiento,
    desenlace_de,
    empezar_asiento,
)
from src.produccion.almacen.conexion import escribir
from src.produccion.api.problemas import Problema
from src.produccion.api.usuarios import Usuario

NEGADO = 403

_CAMPOS = ("command_id", "success", "error", "message", "detail", "results", "trading_enabled")

R = TypeVar("R", bound=Response)

log = structlog.get_logger(__name__)


class Acto(NamedTuple):
    """What somebody wants done."""

    quien: Usuario | None  # ``None``: somebody that no user is
    direccion: str
    accion: str  # e.g. ``guardian.close``
    objetivo: str | None  # symbol, or what else it is done to
    pedido: Mapping[str, Any]

    @property
    def asiento(self) -> AsientoNuevo:
        """Its line."""
        quien = self.quien
        de_quien = ("", "", "") if quien is None else (quien.client_id, quien.nombre, quien.rol.value)
        return AsientoNuevo(*de_quien, self.direccion, self.accion, self.objetivo, self.pedido)


async def auditar(almacen: Engine, acto: Acto, hacer: Callable[[], Awaitable[R]]) -> R:
    """Do something that leaves a line in the audit log, whatever comes of it.

    Raises:
        sqlalchemy.exc.DBAPIError: The line could not be begun: nothing was done.
    """
    asiento = await asyncio.to_thread(_empezar, almacen, acto)
    try:
        respuesta = await hacer()
    except Exception as fallo:
        await asyncio.to_thread(acabar_o_decirlo, almacen, asiento, _de_fallo(fallo))
        raise
    cuerpo = orjson.loads(respuesta.body) if respuesta.body else None
    hecho = Desenlace(respuesta.status_code, _resumen(cuerpo))
    await asyncio.to_thread(acabar_o_decirlo, almacen, asiento, hecho)
    return respuesta


async def negar(almacen: Engine, peticion: HTTPConnection, quien: Usuario | None, detalle: str) -> Problema:
    """The refusal of a request, which leaves a line; one that cannot be written makes it no less refused."""
    direccion = "" if peticion.client is None else peticion.client.host
    pedido = {"method": peticion.scope.get("method", "GET"), "path": peticion.url.path}
    acto = Acto(quien, direccion, "request.refused", None, pedido)
    try:
        await asyncio.to_thread(_anotar, almacen, acto, Desenlace(NEGADO, {"detail": detalle}))
    except (DBAPIError, SinConexion) as fallo:
        log.error("negativa_sin_asiento", ruta=peticion.url.path, motivo=type(fallo).__name__)
    return Problema(NEGADO, detalle)


def _empezar(almacen: Engine, acto: Acto) -> int:
    with escribir(almacen) as conexion:
        return empezar_asiento(conexion, acto.asiento)


def _anotar(almacen: Engine, acto: Acto, desenlace: Desenlace) -> None:
    with escribir(almacen) as conexion:
        anotar_asiento(conexion, acto.asiento, desenlace)


def _de_fallo(fallo: Exception) -> Desenlace:
    match fallo:
        case Problema():
            return Desenlace(fallo.estado, _resumen({**fallo.campos, "detail": fallo.detalle}))
        case SolicitudInvalida():
            return Desenlace(PEDIDO_MALO, {"detail": str(fallo)})
        case DBAPIError() | SinConexion():
            return desenlace_de(fallo)
        case _:
            return Desenlace(DEFECTO, {"detail": type(fallo).__name__})


def _resumen(cuerpo: Any) -> dict[str, Any]:
    return {campo: cuerpo[campo] for campo in _CAMPOS if campo in cuerpo} if isinstance(cuerpo, dict) else {}
