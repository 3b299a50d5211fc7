"""Logging in, staying in, logging out."""

from __future__ import annotations

import asyncio
from typing import Annotated

import structlog
from fastapi import APIRouter, Body, Request, Response
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as SinConexion

from src.produccion.api.acceso import (
    GALLETA_REFRESCO,
    Autenticado,
    Compartido,
    Credencial,
    Direccion,
    Entorno,
    Galleta,
    comprobar_csrf,
    poner_galletas,
    quitar_galletas,
    sesion_de,
)
from src.produccion.api.auditoria import Acto, auditar
from src.produccion.api.firma import Acceso
from src.produccion.api.identificacion import PREFIJO_FICHA
from src.produccion.api.modelos import FichaConcedida, Ingreso, Refresco
from src.produccion.api.problemas import Problema, RespuestaJson
from src.produccion.api.rutas import problemas
from src.produccion.api.sesiones import (
    SesionAbierta,
    abrir_sesion,
    cerrar_sesion,
    continuar_sesion,
    sesion_de_refresco,
)
from src.produccion.api.usuarios import identificar, revocar_ficha

log = structlog.get_logger(__name__)
rutas_token = APIRouter(prefix="/api/v1/token", tags=["token"])


@rutas_token.post(
    "/login", response_model=FichaConcedida, responses=problemas(400, 401, 413, 415, 422, 429, 503)
)
async def login(
    ingreso: Ingreso, peticion: Request, entorno: Compartido, direccion: Direccion
) -> RespuestaJson:
    """Exchange user and password for an access token that is good for 15 minutes, and what continues it."""
    espera_s = entorno.portero.intentar(ingreso.username, direccion)
    if espera_s > 0.0:
        log.warning("ingreso_cerrado", direccion=direccion)
        raise Problema(
            429,
            f"too many failed log-ins; try again in {espera_s:.0f} s",
            cabeceras={"Retry-After": f"{espera_s:.0f}"},
        )
    usuario, acierta = None, True  # until the store says otherwise: nobody has failed
    try:
        async with entorno.cifrados:
            usuario, acierta = await asyncio.to_thread(
                identificar, entorno.almacen, ingreso.username, ingreso.password.get_secret_value()
            )
        acto = Acto(usuario, direccion, "session.login", None, {"cookie": ingreso.cookie})

        async def entrar() -> RespuestaJson:
            if usuario is None or not acierta:
                log.warning("ingreso_fallido", direccion=direccion)
                raise Problema(401, "user or password is wrong", cabeceras={"WWW-Authenticate": "Bearer"})
            abierta = await asyncio.to_thread(abrir_sesion, entorno.almacen, usuario)
            entorno.portero.acertar(ingreso.username, direccion)
            log.info("ingreso", usuario=usuario.nombre, direccion=direccion)
            return _conceder(peticion, entorno, abierta, galleta=ingreso.cookie)

        return await auditar(entorno.almacen, acto, entrar)
    except (DBAPIError, SinConexion):
        if acierta:
            entorno.portero.devolver(ingreso.username, direccion)
        raise


@rutas_token.post(
    "/refresh", response_model=FichaConcedida, responses=problemas(400, 401, 403, 413, 415, 422, 503)
)
async def refresh(
    peticion: Request,
    entorno: Compartido,
    direccion: Direccion,
    refresco: Annotated[Refresco | None, Body()] = None,
) -> RespuestaJson:
    """Exchange a refresh token, of the body or of the cookie, for the next pair of tokens.

    A refresh token works once. One that comes back has been copied: its session ends, for both who have it.
    """
    dicho = None if refresco is None else refresco.refresh_token.get_secret_value()
    texto = dicho or peticion.cookies.get(GALLETA_REFRESCO)
    if texto is not None and dicho is None:
        await comprobar_csrf(peticion, await asyncio.to_thread(sesion_de_refresco, entorno.almacen, texto))
    abierta = None if texto is None else await asyncio.to_thread(continuar_sesion, entorno.almacen, texto)
    if abierta is None:
        log.warning("refresco_rechazado", direccion=direccion)
        raise Problema(
            401, "the refresh token is good no more; log in again", cabeceras={"WWW-Authenticate": "Bearer"}
        )
    return _conceder(peticion, entorno, abierta, galleta=dicho is None)


@rutas_token.post("/logout", status_code=204, responses=problemas(401, 403, 503))
async def logout(
    usuario: Autenticado,
    credencial: Credencial,
    galleta: Galleta,
    entorno: Compartido,
    direccion: Direccion,
) -> Response:
    """End the session of the token that this request carries, or revoke a token of `users token`."""
    texto = galleta if credencial is None else credencial.credentials
    assert texto is not None
    de_programa = texto.startswith(PREFIJO_FICHA)

    async def salir() -> Response:
        if de_programa:
            await asyncio.to_thread(revocar_ficha, entorno.almacen, texto)
        elif (sesion := sesion_de(entorno, texto)) is not None:
            await asyncio.to_thread(cerrar_sesion, entorno.almacen, sesion)
        respuesta = Response(status_code=204)
        quitar_galletas(respuesta)
        return respuesta

    accion = "token.revoke" if de_programa else "session.logout"
    return await auditar(entorno.almacen, Acto(usuario, direccion, accion, None, {}), salir)


def _conceder(peticion: Request, entorno: Entorno, abierta: SesionAbierta, *, galleta: bool) -> RespuestaJson:
    """The pair of tokens: in the body, or where no script reads them."""
    usuario = abierta.usuario
    dice = Acceso(usuario.nombre, usuario.client_id, abierta.sesion)
    acceso, vence_s = entorno.firmante.firmar(dice, usuario.rol.value, entorno.ahora_ms())
    csrf = entorno.firmante.csrf(abierta.sesion)
    concedida = FichaConcedida(
        access_token=None if galleta else acceso,
        refresh_token=None if galleta else abierta.refresco.texto,
        csrf_token=csrf if galleta else None,
        expires_at=vence_s,
        refresh_expires_at=abierta.vence_ms / 1_000,
        role=usuario.rol.value,
        client_id=usuario.client_id,
    )
    respuesta = RespuestaJson(concedida.model_dump(), headers={"Cache-Control": "no-store"})
    if galleta:
        poner_galletas(respuesta, peticion, acceso, abierta, csrf)
    return respuesta
