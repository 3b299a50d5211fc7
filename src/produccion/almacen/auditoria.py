"""The audit log: who asked for what, from where, and what came of it; begun first, completed once.

The database refuses every other change of a line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import orjson
import structlog
from sqlalchemy import Connection, Engine, insert, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as SinConexion

from src.nucleo.errores import AlmacenCaido, ErrorTimonel
from src.produccion.almacen.conexion import escribir
from src.produccion.almacen.esquema import ahora_bd, audit_log

HECHO, PEDIDO_MALO, DEFECTO, SIN_ALMACEN = 200, 400, 500, 503

_LARGO = 16_384

T = TypeVar("T")

log = structlog.get_logger(__name__)


class AsientoNuevo(NamedTuple):
    """What somebody wants done."""

    client_id: str  # whose things it is done to; empty where nobody knows
    quien: str
    rol: str
    desde: str  # an address, ``telegram:CHAT`` or ``local:USER``
    accion: str  # e.g. ``guardian.close``
    objetivo: str | None = None  # symbol, or what else it is done to
    pedido: Mapping[str, Any] = {}


class Desenlace(NamedTuple):
    """What came of it."""

    estado: int  # HTTP status; of what came another way, the one that the same request would end with
    campos: Mapping[str, Any] = {}


def empezar_asiento(conexion: Connection, nuevo: AsientoNuevo) -> int:
    """Begin a line; its number."""
    orden = insert(audit_log).values(_fila(nuevo))
    numero: int = conexion.execute(orden.returning(audit_log.c.id)).scalar_one()
    return numero


def acabar_asiento(conexion: Connection, asiento: int, desenlace: Desenlace) -> None:
    """Complete a line that is open."""
    conexion.execute(update(audit_log).where(audit_log.c.id == asiento).values(_final(desenlace)))


def anotar_asiento(conexion: Connection, nuevo: AsientoNuevo, desenlace: Desenlace) -> None:
    """A line of what is over already."""
    conexion.execute(insert(audit_log).values(_fila(nuevo) | _final(desenlace)))


def asentar(
    almacen: Engine, nuevo: AsientoNuevo, hacer: Callable[[], T], resumir: Callable[[T], Desenlace]
) -> T:
    """Do something that leaves a line, whatever comes of it. Blocks: not for the loop.

    Args:
        almacen: The shared store.
        nuevo: What is wanted.
        hacer: Does it.
        resumir: What came of it, as it is kept.

    Raises:
        sqlalchemy.exc.DBAPIError: The line could not be begun: nothing was done.
    """
    with escribir(almacen) as conexion:
        asiento = empezar_asiento(conexion, nuevo)
    try:
        hecho = hacer()
    except Exception as fallo:
        acabar_o_decirlo(almacen, asiento, desenlace_de(fallo))
        raise
    acabar_o_decirlo(almacen, asiento, resumir(hecho))
    return hecho


def acabar_o_decirlo(almacen: Engine, asiento: int, desenlace: Desenlace) -> None:
    """Complete a line; what was done is done, even if the line has to stay without an outcome."""
    try:
        with escribir(almacen) as conexion:
            acabar_asiento(conexion, asiento, desenlace)
    except (DBAPIError, SinConexion) as fallo:
        log.error("asiento_sin_acabar", asiento=asiento, estado=desenlace.estado, motivo=type(fallo).__name__)


def desenlace_de(fallo: Exception) -> Desenlace:
    """What is kept of an error; nothing of one whose text may hold anything."""
    match fallo:
        case DBAPIError() | SinConexion() | AlmacenCaido():
            return Desenlace(SIN_ALMACEN, {"detail": "the shared store did not answer"})
        case ErrorTimonel():
            return Desenlace(PEDIDO_MALO, {"detail": str(fallo)})
        case _:
            return Desenlace(DEFECTO, {"detail": type(fallo).__name__})


def _fila(nuevo: AsientoNuevo) -> dict[str, Any]:
    return {
        "client_id": nuevo.client_id,
        "username": nuevo.quien,
        "role": nuevo.rol,
        "address": nuevo.desde,
        "occurred_at_ms": ahora_bd(),
        "action": nuevo.accion,
        "target": nuevo.objetivo,
        "request_json": _texto(nuevo.pedido),
    }


def _final(desenlace: Desenlace) -> dict[str, Any]:
    return {
        "status": desenlace.estado,
        "outcome_json": _texto(desenlace.campos),
        "finished_at_ms": ahora_bd(),
    }


def _texto(campos: Mapping[str, Any]) -> str:
    texto = orjson.dumps(dict(campos)).decode()
    return texto if len(texto) <= _LARGO else orjson.dumps({"detail": "too long to be kept"}).decode()
