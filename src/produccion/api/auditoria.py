"""Who asked for what, when, from where, and what came of it: written before it is done, completed after."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import orjson
import structlog
from sqlalchemy import Engine, insert, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as SinConexion

from src.nucleo.errores import SolicitudInvalida
from src.produccion.almacen.esquema import ahora_bd, audit_log
from src.produccion.api.problemas import Problema, RespuestaJson
from src.produccion.api.usuarios import Usuario

_DEFECTO = 500
_SIN_ALMACEN = 503
_CAMPOS = ("command_id", "success", "error", "message", "detail", "results", "trading_enabled")
_LARGO = 16_384

log = structlog.get_logger(__name__)


class Acto(NamedTuple):
    """What somebody wants done."""

    quien: Usuario
    direccion: str
    accion: str  # e.g. ``guardian.close``
    objetivo: str | None  # symbol, or what else it is done to
    pedido: Mapping[str, Any]


async def auditar(
    almacen: Engine, acto: Acto, hacer: Callable[[], Awaitable[RespuestaJson]]
) -> RespuestaJson:
    """Do something that leaves a line in the audit log, whatever comes of it.

    Raises:
        sqlalchemy.exc.DBAPIError: The line could not be begun: nothing was done.
    """
    asiento = await asyncio.to_thread(_empezar, almacen, acto)
    try:
        respuesta = await hacer()
    except Exception as fallo:
        await _acabar(almacen, asiento, *_de_fallo(fallo))
        raise
    await _acabar(almacen, asiento, respuesta.status_code, _resumen(orjson.loads(respuesta.body)))
    return respuesta


def _empezar(almacen: Engine, acto: Acto) -> int:
    orden = insert(audit_log).values(
        client_id=acto.quien.client_id,
        username=acto.quien.nombre,
        role=acto.quien.rol.value,
        address=acto.direccion,
        occurred_at_ms=ahora_bd(),
        action=acto.accion,
        target=acto.objetivo,
        request_json=orjson.dumps(acto.pedido).decode(),
    )
    with almacen.begin() as conexion:
        numero: int = conexion.execute(orden.returning(audit_log.c.id)).scalar_one()
    return numero


async def _acabar(almacen: Engine, asiento: int, estado: int, resultado: Mapping[str, Any]) -> None:
    orden = (
        update(audit_log)
        .where(audit_log.c.id == asiento)
        .values(status=estado, outcome_json=_texto(resultado), finished_at_ms=ahora_bd())
    )

    def escribir() -> None:
        with almacen.begin() as conexion:
            conexion.execute(orden)

    try:
        await asyncio.to_thread(escribir)
    except (DBAPIError, SinConexion) as fallo:
        # What was done is done, and whoever asked is told; the line stays without an outcome.
        log.error("asiento_sin_acabar", asiento=asiento, estado=estado, motivo=type(fallo).__name__)


def _de_fallo(fallo: Exception) -> tuple[int, dict[str, Any]]:
    match fallo:
        case Problema():
            return fallo.estado, _resumen({**fallo.campos, "detail": fallo.detalle})
        case SolicitudInvalida():
            return 400, {"detail": str(fallo)}
        case DBAPIError() | SinConexion():
            return _SIN_ALMACEN, {"detail": "the shared store did not answer"}
        case _:
            return _DEFECTO, {"detail": type(fallo).__name__}


def _resumen(cuerpo: Any) -> dict[str, Any]:
    return {campo: cuerpo[campo] for campo in _CAMPOS if campo in cuerpo} if isinstance(cuerpo, dict) else {}


def _texto(resultado: Mapping[str, Any]) -> str:
    texto = orjson.dumps(resultado).decode()
    return texto if len(texto) <= _LARGO else orjson.dumps({"detail": "too long to be kept"}).decode()
