"""Who asks, and what a request may use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

import structlog
from fastapi import Depends, FastAPI, Request, Response
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Engine

from src.produccion.api.encargos import Encargos, Reloj, reloj_de_pared
from src.produccion.api.firma import VIGENCIA_ACCESO_S, Firmante
from src.produccion.api.identificacion import PREFIJO_FICHA, PUEDEN_ACTUAR, Rol
from src.produccion.api.mensajes.contrato import LimitesMensajes
from src.produccion.api.mercados import Mercados
from src.produccion.api.portero import Portero
from src.produccion.api.problemas import Problema
from src.produccion.api.sesiones import SesionAbierta, titular_de_sesion
from src.produccion.api.usuarios import Usuario, portador
from src.produccion.config.cuentas import Cuentas

GALLETA_ACCESO = "timonel_access"
GALLETA_REFRESCO = "timonel_refresh"
GALLETA_CSRF = "timonel_csrf"
CABECERA_CSRF = "X-CSRF-Token"

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


Compartido = Annotated[Entorno, Depends(entorno_de)]
Direccion = Annotated[str, Depends(direccion_de)]
Credencial = Annotated[HTTPAuthorizationCredentials | None, Depends(_portador)]


def galleta_de(
    peticion: Request, credencial: Credencial, galleta: Annotated[str | None, Depends(_de_galleta)]
) -> str | None:
    """The access token of a browser, which proves with every change that a page of ours asks for it.

    Raises:
        Problema: 403: it does not.
    """
    if galleta is None or credencial is not None or galleta.startswith(PREFIJO_FICHA):
        return None
    if peticion.method not in _SIN_EFECTO:
        comprobar_csrf(peticion, sesion_de(entorno_de(peticion), galleta))
    return galleta


Galleta = Annotated[str | None, Depends(galleta_de)]


async def quien_pide(entorno: Compartido, credencial: Credencial, galleta: Galleta = None) -> Usuario:
    """The user of the bearer token, or of the cookie.

    Raises:
        Problema: 401: there is no token, or it is good no more.
    """
    texto = galleta if credencial is None else credencial.credentials
    usuario = None if texto is None else await asyncio.to_thread(usuario_de_texto, entorno, texto)
    if usuario is None:
        raise Problema(
            401,
            "a valid bearer token is needed: `Authorization: Bearer …`",
            cabeceras={"WWW-Authenticate": "Bearer"},
        )
    return usuario


def usuario_de_texto(entorno: Entorno, texto: str) -> Usuario | None:
    """Whose token this is, of either kind; ``None`` when it is good no more. Blocks: not for the loop."""
    if texto.startswith(PREFIJO_FICHA):
        return portador(entorno.almacen, texto)
    acceso = entorno.firmante.leer(texto, entorno.ahora_ms())
    return None if acceso is None else titular_de_sesion(entorno.almacen, acceso)


def sesion_de(entorno: Entorno, texto: str) -> str | None:
    """The session that an access token belongs to; ``None`` when it is none of ours or too old."""
    acceso = entorno.firmante.leer(texto, entorno.ahora_ms())
    return None if acceso is None else acceso.sesion


def comprobar_csrf(peticion: Request, sesion: str | None) -> None:
    """Whether the page that asks is one of ours; a session that is not known is no matter of this.

    Raises:
        Problema: 403: nothing shows that it is.
    """
    dicho = peticion.headers.get(CABECERA_CSRF, "")
    if sesion is not None and not entorno_de(peticion).firmante.es_csrf(sesion, dicho):
        raise Problema(403, f"a cookie needs the header `{CABECERA_CSRF}` with the log-in's csrf_token")


Autenticado = Annotated[Usuario, Depends(quien_pide)]


async def quien_actua(usuario: Autenticado) -> Usuario:
    """The user, who may act.

    Raises:
        Problema: 403: it may only look.
    """
    if usuario.rol not in PUEDEN_ACTUAR:
        log.warning("accion_denegada", usuario=usuario.nombre, rol=usuario.rol.value)
        raise Problema(403, f"a {usuario.rol.value} may only look; acting needs operator, admin or service")
    return usuario


async def quien_administra(usuario: Autenticado) -> Usuario:
    """The user, who is an admin.

    Raises:
        Problema: 403: it is not.
    """
    if usuario.rol is not Rol.ADMIN:
        log.warning("accion_denegada", usuario=usuario.nombre, rol=usuario.rol.value)
        raise Problema(403, f"this needs an admin; {usuario.nombre} is a {usuario.rol.value}")
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
