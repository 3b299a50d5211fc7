"""Who asks, and what a request may use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, NamedTuple

import structlog
from fastapi import Depends, FastAPI, Request, Response
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.base import SecurityBase
from sqlalchemy import Engine

from src.produccion.almacen.conexion import leer
from src.produccion.almacen.lecturas import PosicionAbierta, posiciones_abiertas
from src.produccion.api.auditoria import negar
from src.produccion.api.encargos import Encargos, Reloj, reloj_de_pared
from src.produccion.api.firma import VIGENCIA_ACCESO_S, Firmante
from src.produccion.api.identificacion import PREFIJO_FICHA, PUEDEN_ACTUAR, Rol
from src.produccion.api.juntas import Juntas
from src.produccion.api.mensajes.contrato import LimitesMensajes
from src.produccion.api.mercados import Mercados
from src.produccion.api.portero import Portero
from src.produccion.api.problemas import Problema
from src.produccion.api.sesiones import SesionAbierta, titulares, usuario_de_sesion
from src.produccion.api.usuarios import Usuario, portadores
from src.produccion.config.cuentas import Cuentas

GALLETA_ACCESO = "timonel_access"
GALLETA_REFRESCO = "timonel_refresh"
GALLETA_CSRF = "timonel_csrf"
CABECERA_CSRF = "X-CSRF-Token"

TITULAR = "Titular"
"""Stands in the description for either way of saying who asks."""

_CIFRADOS_A_LA_VEZ = 2  # each takes 64 MiB
_SIN_EFECTO = frozenset({"GET", "HEAD", "OPTIONS"})
_RUTA_FICHAS = "/api/v1/token"  # the refresh cookie goes nowhere else

_portador = HTTPBearer(auto_error=False, description="Token of `timonel users token` or of the log-in.")
_de_galleta = APIKeyCookie(
    name=GALLETA_ACCESO,
    auto_error=False,
    description=f"Cookie of a log-in with `cookie: true`; changes need the header `{CABECERA_CSRF}` too.",
)

log = structlog.get_logger(__name__)


class Posiciones(NamedTuple):
    """Which open positions are meant."""

    client_id: str
    symbol: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entorno:
    """What the routes share."""

    almacen: Engine
    cuentas: Cuentas
    encargos: Encargos
    portero: Portero = field(default_factory=Portero)
    ahora_ms: Reloj = reloj_de_pared
    cifrados: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_CIFRADOS_A_LA_VEZ))
    firmante: Firmante = field(default_factory=Firmante.de_una_vez)
    mercados: Mercados = field(default_factory=lambda: Mercados({}, None))
    escaparate: Mapping[str, object] = field(default_factory=dict)  # settings that anybody may see
    mensajes: LimitesMensajes = LimitesMensajes()  # noqa: RUF009 -- immutable
    desde_s: float = field(default_factory=time.monotonic)
    titulares: Juntas[str, Usuario | None] = field(init=False)  # by token
    posiciones: Juntas[Posiciones, list[PosicionAbierta]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "titulares", Juntas(partial(usuarios_de_textos, self)))
        object.__setattr__(self, "posiciones", Juntas(partial(leer_posiciones, self.almacen)))


def instalar_entorno(aplicacion: FastAPI, entorno: Entorno) -> None:
    """Give it to the routes of an application."""
    aplicacion.state.entorno = entorno


def entorno_de(peticion: Request) -> Entorno:
    """What the routes share."""
    entorno = peticion.app.state.entorno
    assert isinstance(entorno, Entorno)
    return entorno


def direccion_de(peticion: Request) -> str:
    """Where a request comes from; a proxy on this machine says so in ``X-Forwarded-For``."""
    return "" if peticion.client is None else peticion.client.host


# A plain function would be called in a thread, which costs more than what it does.
async def _compartido(peticion: Request) -> Entorno:
    return entorno_de(peticion)


async def _direccion(peticion: Request) -> str:
    return direccion_de(peticion)


Compartido = Annotated[Entorno, Depends(_compartido)]
Direccion = Annotated[str, Depends(_direccion)]
Credencial = Annotated[HTTPAuthorizationCredentials | None, Depends(_portador)]


async def galleta_de(
    peticion: Request, credencial: Credencial, galleta: Annotated[str | None, Depends(_de_galleta)]
) -> str | None:
    """The access token of a browser, which proves with every change that a page of ours asks for it.

    Raises:
        Problema: 403: it does not.
    """
    if galleta is None or credencial is not None or galleta.startswith(PREFIJO_FICHA):
        return None
    if peticion.method not in _SIN_EFECTO:
        await comprobar_csrf(peticion, sesion_de(entorno_de(peticion), galleta))
    return galleta


Galleta = Annotated[str | None, Depends(galleta_de)]


async def quien_pide(
    entorno: Entorno, credencial: HTTPAuthorizationCredentials | None, galleta: str | None = None
) -> Usuario:
    """The user of the bearer token, or of the cookie.

    Raises:
        Problema: 401: there is no token, or it is good no more.
    """
    texto = galleta if credencial is None else credencial.credentials
    usuario = None if texto is None else await entorno.titulares.dar(texto)
    if usuario is None:
        raise Problema(
            401,
            "a valid bearer token is needed: `Authorization: Bearer …`",
            cabeceras={"WWW-Authenticate": "Bearer"},
        )
    return usuario


def usuarios_de_textos(entorno: Entorno, textos: Sequence[str]) -> dict[str, Usuario | None]:
    """Whose tokens these are, of either kind; ``None``: good no more. Blocks: not for the loop."""
    ahora_ms = entorno.ahora_ms()
    fichas = [texto for texto in textos if texto.startswith(PREFIJO_FICHA)]
    leidos = {texto: entorno.firmante.leer(texto, ahora_ms) for texto in textos if texto not in fichas}
    accesos = {texto: acceso for texto, acceso in leidos.items() if acceso is not None}
    salida: dict[str, Usuario | None] = dict.fromkeys(textos)
    if not (fichas or accesos):
        return salida
    with leer(entorno.almacen) as conexion:
        if fichas:
            salida.update(portadores(conexion, fichas))
        if accesos:
            suyos = titulares(conexion, list(accesos.values()))
            salida.update({texto: suyos.get(acceso) for texto, acceso in accesos.items()})
    return salida


def leer_posiciones(almacen: Engine, cuales: Sequence[Posiciones]) -> dict[Posiciones, list[PosicionAbierta]]:
    """The open positions that several ask for. Blocks: not for the loop."""
    with leer(almacen) as conexion:
        return {una: posiciones_abiertas(conexion, una.client_id, una.symbol) for una in cuales}


def sesion_de(entorno: Entorno, texto: str) -> str | None:
    """The session that an access token belongs to; ``None`` when it is none of ours or too old."""
    acceso = entorno.firmante.leer(texto, entorno.ahora_ms())
    return None if acceso is None else acceso.sesion


async def comprobar_csrf(peticion: Request, sesion: str | None) -> None:
    """Whether the page that asks is one of ours; a session that is not known is no matter of this.

    Raises:
        Problema: 403: nothing shows that it is.
    """
    entorno, dicho = entorno_de(peticion), peticion.headers.get(CABECERA_CSRF, "")
    if sesion is not None and not entorno.firmante.es_csrf(sesion, dicho):
        usuario = await asyncio.to_thread(usuario_de_sesion, entorno.almacen, sesion)
        detalle = f"a cookie needs the header `{CABECERA_CSRF}` with the log-in's csrf_token"
        raise await negar(entorno.almacen, peticion, usuario, detalle)


class _Titular(SecurityBase):
    """Whoever a request comes from, by token or cookie.

    All in one: what FastAPI does for a dependency of a dependency costs more than asking the store.
    """

    model = _portador.model
    scheme_name = TITULAR

    async def __call__(self, peticion: Request) -> Usuario:
        credencial = await _portador(peticion)
        galleta = await galleta_de(peticion, credencial, await _de_galleta(peticion))
        return await quien_pide(entorno_de(peticion), credencial, galleta)


Autenticado = Annotated[Usuario, Depends(_Titular())]


async def quien_actua(usuario: Autenticado, peticion: Request) -> Usuario:
    """The user, who may act.

    Raises:
        Problema: 403: it may only look.
    """
    if usuario.rol not in PUEDEN_ACTUAR:
        log.warning("accion_denegada", usuario=usuario.nombre, rol=usuario.rol.value)
        detalle = f"a {usuario.rol.value} may only look; acting needs operator, admin or service"
        raise await negar(entorno_de(peticion).almacen, peticion, usuario, detalle)
    return usuario


async def quien_administra(usuario: Autenticado, peticion: Request) -> Usuario:
    """The user, who is an admin.

    Raises:
        Problema: 403: it is not.
    """
    if usuario.rol is not Rol.ADMIN:
        log.warning("accion_denegada", usuario=usuario.nombre, rol=usuario.rol.value)
        detalle = f"this needs an admin; {usuario.nombre} is a {usuario.rol.value}"
        raise await negar(entorno_de(peticion).almacen, peticion, usuario, detalle)
    return usuario


Autorizado = Annotated[Usuario, Depends(quien_actua)]
Administrador = Annotated[Usuario, Depends(quien_administra)]


def poner_galletas(
    respuesta: Response, peticion: Request, acceso: str, abierta: SesionAbierta, csrf: str
) -> None:
    """Give a browser what it needs to come back."""
    segura = peticion.url.scheme == "https"
    dura_s = max(0, abierta.vence_ms - entorno_de(peticion).ahora_ms()) // 1_000
    for nombre, valor, ruta, maximo_s in (
        (GALLETA_ACCESO, acceso, "/", VIGENCIA_ACCESO_S),
        (GALLETA_REFRESCO, abierta.refresco.texto, _RUTA_FICHAS, dura_s),
        (GALLETA_CSRF, csrf, "/", dura_s),
    ):
        respuesta.set_cookie(
            nombre,
            valor,
            max_age=maximo_s,
            path=ruta,
            secure=segura,
            httponly=nombre != GALLETA_CSRF,
            samesite="strict",
        )


def quitar_galletas(respuesta: Response) -> None:
    """Let a browser forget."""
    for nombre, ruta in ((GALLETA_ACCESO, "/"), (GALLETA_REFRESCO, _RUTA_FICHAS), (GALLETA_CSRF, "/")):
        respuesta.delete_cookie(nombre, path=ruta)
