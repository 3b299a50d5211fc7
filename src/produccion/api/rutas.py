"""The routes that are no action: health, log-in, what became of a command."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from fastapi import APIRouter, Request
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as SinConexion

from src.produccion.almacen.conexion import leer
from src.produccion.almacen.mandos import leer_mando
from src.produccion.api.acceso import Autenticado, Compartido, Credencial, Entorno
from src.produccion.api.modelos import DocumentoProblema, FichaConcedida, Ingreso, Salud
from src.produccion.api.problemas import Problema, RespuestaJson
from src.produccion.api.usuarios import (
    HORA_MS,
    NOTA_INGRESO,
    FichaDada,
    Usuario,
    dar_ficha,
    identificar,
    revocar_ficha,
)

VIGENCIA_INGRESO_MS = 12 * HORA_MS
_ESPERA_SALUD_S = 2.0
_PROBLEMA: dict[str, Any] = {"model": DocumentoProblema, "content": {"application/problem+json": {}}}

log = structlog.get_logger(__name__)
rutas = APIRouter()


def problemas(*estados: int) -> dict[int | str, dict[str, Any]]:
    """Errors of a route, as its description lists them."""
    return dict.fromkeys(estados, _PROBLEMA)


@rutas.get("/health", response_model=Salud, responses={503: {"model": Salud}})
async def health(entorno: Compartido) -> RespuestaJson:
    """Whether the API and its store answer; needs no token."""
    try:
        async with asyncio.timeout(_ESPERA_SALUD_S):
            await asyncio.to_thread(_mirar_almacen, entorno)
    except (DBAPIError, SinConexion, TimeoutError):
        return RespuestaJson({"status": "degraded", "store": "down"}, 503)
    return RespuestaJson({"status": "ok", "store": "ok"})


@rutas.post(
    "/api/v1/token/login",
    response_model=FichaConcedida,
    responses=problemas(401, 422, 429, 503),
    tags=["token"],
)
async def login(ingreso: Ingreso, peticion: Request, entorno: Compartido) -> RespuestaJson:
    """Exchange user and password for a bearer token that is good for 12 hours."""
    direccion = peticion.client.host if peticion.client is not None else ""
    espera_s = entorno.portero.intentar(ingreso.username, direccion)
    if espera_s > 0.0:
        log.warning("ingreso_cerrado", direccion=direccion)
        raise Problema(
            429,
            f"too many failed log-ins; try again in {espera_s:.0f} s",
            cabeceras={"Retry-After": f"{espera_s:.0f}"},
        )
    async with entorno.cifrados:
        entrado = await asyncio.to_thread(_entrar, entorno, ingreso)
    if entrado is None:
        log.warning("ingreso_fallido", direccion=direccion)
        raise Problema(401, "user or password is wrong", cabeceras={"WWW-Authenticate": "Bearer"})
    entorno.portero.acertar(ingreso.username, direccion)
    usuario, dada = entrado
    log.info("ingreso", usuario=usuario.nombre, direccion=direccion)
    concedida = FichaConcedida(
        access_token=dada.ficha.texto,
        expires_at=dada.vence_ms / 1_000,
        role=usuario.rol.value,
        client_id=usuario.client_id,
    )
    return RespuestaJson(concedida.model_dump(), headers={"Cache-Control": "no-store"})


@rutas.post("/api/v1/token/logout", status_code=204, responses=problemas(401), tags=["token"])
async def logout(_usuario: Autenticado, credencial: Credencial, entorno: Compartido) -> None:
    """Revoke the token that this request carries."""
    assert credencial is not None
    await asyncio.to_thread(revocar_ficha, entorno.almacen, credencial.credentials)


@rutas.get("/api/v1/commands/{command_id}", responses=problemas(401, 404), tags=["guardian"])
async def command(command_id: str, usuario: Autenticado, entorno: Compartido) -> RespuestaJson:
    """What became of one command of the user's tenant."""
    mando = await asyncio.to_thread(leer_mando, entorno.almacen, command_id)
    if mando is None or mando.client_id != usuario.client_id:
        raise Problema(404, f"there is no command {command_id!r}")
    return RespuestaJson(
        {
            "command_id": mando.id,
            "user_id": mando.user_id,
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


def _mirar_almacen(entorno: Entorno) -> None:
    with leer(entorno.almacen) as conexion:
        conexion.execute(text("SELECT 1"))


def _entrar(entorno: Entorno, ingreso: Ingreso) -> tuple[Usuario, FichaDada] | None:
    usuario = identificar(entorno.almacen, ingreso.username, ingreso.password.get_secret_value())
    if usuario is None:
        return None
    return usuario, dar_ficha(entorno.almacen, usuario.nombre, VIGENCIA_INGRESO_MS, NOTA_INGRESO)
