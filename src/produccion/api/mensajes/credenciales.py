"""Whether what sockets were opened with is still good: one look at the store for all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from sqlalchemy import Connection, Engine, or_, select

from src.produccion.almacen.conexion import leer
from src.produccion.almacen.esquema import ahora_bd, api_tokens, sessions, users
from src.produccion.api.identificacion import Rol
from src.produccion.api.mensajes.cliente import Portador

_A_LA_VEZ = 500


def vigentes(almacen: Engine, portadores: Collection[Portador]) -> set[Portador]:
    """Those whose log-in or token is neither over nor revoked, and whose user may come in. Blocks."""
    sesiones = {p.sesion for p in portadores if p.sesion is not None}
    huellas = {p.huella for p in portadores if p.huella is not None}
    with leer(almacen) as conexion:
        buenas = {*_de_sesiones(conexion, sesiones), *_de_fichas(conexion, huellas)}
    return {p for p in portadores if (p.sesion or p.huella, p.nombre, p.client_id) in buenas}


def _de_sesiones(conexion: Connection, claves: Collection[str]) -> Iterator[tuple[str, str, str]]:
    consulta = (
        select(sessions.c.session_id, users.c.username, users.c.client_id)
        .join(users, users.c.username == sessions.c.username)
        .where(sessions.c.revoked_at_ms.is_(None), sessions.c.expires_at_ms > ahora_bd())
        .where(users.c.disabled.is_(False), users.c.role != Rol.SERVICIO.value)
    )
    for unas in _trozos(claves):
        for fila in conexion.execute(consulta.where(sessions.c.session_id.in_(unas))):
            yield fila[0], fila[1], fila[2]


def _de_fichas(conexion: Connection, claves: Collection[str]) -> Iterator[tuple[str, str, str]]:
    vigente = or_(api_tokens.c.expires_at_ms.is_(None), api_tokens.c.expires_at_ms > ahora_bd())
    consulta = (
        select(api_tokens.c.token_hash, users.c.username, users.c.client_id)
        .join(users, users.c.username == api_tokens.c.username)
        .where(api_tokens.c.revoked_at_ms.is_(None), vigente, users.c.disabled.is_(False))
    )
    for unas in _trozos(claves):
        for fila in conexion.execute(consulta.where(api_tokens.c.token_hash.in_(unas))):
            yield fila[0], fila[1], fila[2]


def _trozos(claves: Collection[str]) -> Iterator[Sequence[str]]:
    resto = iter(claves)
    while unas := list(islice(resto, _A_LA_VEZ)):
        yield unas
