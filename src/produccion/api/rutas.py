"""The routes that need no more than the store: health, and what became of a command."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as SinConexion

from src.produccion.almacen.conexion import leer
from src.produccion.almacen.mandos import leer_mando
from src.produccion.api.acceso import Autenticado, Compartido, Entorno
from src.produccion.api.formas import IdMando
from src.produccion.api.modelos import DocumentoProblema, MandoVisto, Salud
from src.produccion.api.problemas import Problema, RespuestaJson

_ESPERA_SALUD_S = 2.0
_PROBLEMA: dict[str, Any] = {"model": DocumentoProblema, "content": {"application/problem+json": {}}}

rutas = APIRouter()


def problemas(*estados: int) -> dict[int | str, dict[str, Any]]:
    """Errors of a route, as its description lists them."""
    return dict.fromkeys(estados, _PROBLEMA)


@rutas.get("/health", response_model=Salud, responses={503: {"model": Salud}}, tags=["system"])
async def health(entorno: Compartido) -> RespuestaJson:
    """Whether the API and its store answer; needs no token."""
    if await almacen_responde(entorno):
        return RespuestaJson({"status": "ok", "store": "ok"})
    return RespuestaJson({"status": "degraded", "store": "down"}, 503)


@rutas.get(
    "/api/v1/commands/{command_id}",
    response_model=MandoVisto,
    responses=problemas(401, 404, 422, 503),
    tags=["commands"],
)
async def command(command_id: IdMando, usuario: Autenticado, entorno: Compartido) -> RespuestaJson:
    """What became of one command of the user's tenant."""
    mando = await asyncio.to_thread(leer_mando, entorno.almacen, command_id)
    if mando is None or mando.client_id != usuario.client_id:
        raise Problema(404, f"there is no command {command_id!r}")
    return RespuestaJson(
        {
            "command_id": mando.id,
            "user_id": mando.user_id,
            "account_id": mando.account_id,
            "symbol": mando.symbol,
            "action": mando.action,
            "requested_by": mando.requested_by,
            "status": mando.status.value,
            "created_at": mando.created_at_ms / 1_000,
            "finished_at": None if mando.finished_at_ms is None else mando.finished_at_ms / 1_000,
            "outcome": mando.outcome,
        }
    )


@rutas.get("/openapi.json", include_in_schema=False)
async def openapi(peticion: Request, _usuario: Autenticado) -> RespuestaJson:
    """The description of the API."""
    return RespuestaJson(peticion.app.openapi())


async def almacen_responde(entorno: Entorno) -> bool:
    """Whether the store answers within two seconds."""
    try:
        async with asyncio.timeout(_ESPERA_SALUD_S):
            await asyncio.to_thread(_mirar_almacen, entorno)
    except (DBAPIError, SinConexion, TimeoutError):
        return False
    return True


def _mirar_almacen(entorno: Entorno) -> None:
    with leer(entorno.almacen) as conexion:
        conexion.execute(text("SELECT 1"))
