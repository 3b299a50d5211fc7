"""Who asks, and what a request may use."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Engine

from src.produccion.api.encargos import Encargos, Reloj, reloj_de_pared
from src.produccion.api.identificacion import PUEDEN_ACTUAR
from src.produccion.api.portero import Portero
from src.produccion.api.problemas import Problema
from src.produccion.api.usuarios import Usuario, portador
from src.produccion.config.cuentas import Cuentas

_CIFRADOS_A_LA_VEZ = 2  # each takes 64 MiB

_portador = HTTPBearer(auto_error=False, description="Token of `timonel users token` or of the log-in.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entorno:
    """What the routes share."""

    almacen: Engine
    cuentas: Cuentas
    encargos: Encargos
    portero: Portero = field(default_factory=Portero)
    ahora_ms: Reloj = reloj_de_pared
    cifrados: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_CIFRADOS_A_LA_VEZ))


def instalar_entorno(aplicacion: FastAPI, entorno: Entorno) -> None:
    """Give it to the routes of an application."""
    aplicacion.state.entorno = entorno


def entorno_de(peticion: Request) -> Entorno:
    """What the routes share."""
    entorno = peticion.app.state.entorno
    assert isinstance(entorno, Entorno)
    return entorno


Compartido = Annotated[Entorno, Depends(entorno_de)]
Credencial = Annotated[HTTPAuthorizationCredentials | None, Depends(_portador)]


async def quien_pide(entorno: Compartido, credencial: Credencial) -> Usuario:
    """The user of the bearer token.

    Raises:
        Problema: 401: there is no token, or it is good no more.
    """
    usuario = None
    if credencial is not None:
        usuario = await asyncio.to_thread(portador, entorno.almacen, credencial.credentials)
    if usuario is None:
        raise Problema(
            401,
            "a valid bearer token is needed: `Authorization: Bearer tml_…`",
            cabeceras={"WWW-Authenticate": "Bearer"},
        )
    return usuario


Autenticado = Annotated[Usuario, Depends(quien_pide)]


async def quien_actua(usuario: Autenticado) -> Usuario:
    """The user, who may act.

    Raises:
        Problema: 403: it may only look.
    """
    if usuario.rol not in PUEDEN_ACTUAR:
        raise Problema(403, f"a {usuario.rol.value} may only look; acting needs operator, admin or service")
    return usuario


Autorizado = Annotated[Usuario, Depends(quien_actua)]
