"""Log-ins in the shared store: a session, and one refresh token after the other that continues it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import NamedTuple

import structlog
from sqlalchemy import Connection, Engine, bindparam, delete, insert, select, update

from src.produccion.almacen.conexion import leer
from src.produccion.almacen.esquema import ahora_bd, refresh_tokens, sessions, users
from src.produccion.api.firma import Acceso
from src.produccion.api.identificacion import Ficha, Rol, huella_de, nueva_ficha
from src.produccion.api.usuarios import Usuario, usuario_de

DIA_MS = 86_400_000
VIGENCIA_REFRESCO_MS = 7 * DIA_MS
"""How long a refresh token waits to be used."""

VIGENCIA_SESION_MS = 30 * DIA_MS
"""After which everybody logs in again, however often they come."""

_PREFIJO = "tmr_"
_REPETIDO = "a used refresh token came back"
_SALIDA = "logged out"
_TITULARES = (
    select(users, sessions.c.session_id)
    .join(sessions, sessions.c.username == users.c.username)
    .where(sessions.c.session_id.in_(bindparam("cuales", expanding=True)), sessions.c.revoked_at_ms.is_(None))
    .where(sessions.c.expires_at_ms > ahora_bd(), users.c.disabled.is_(False))
)

log = structlog.get_logger(__name__)


class SesionAbierta(NamedTuple):
    """A session, and what continues it."""

    sesion: str
    usuario: Usuario
    refresco: Ficha
    vence_ms: int  # of the refresh token


def abrir_sesion(almacen: Engine, usuario: Usuario) -> SesionAbierta:
    """Begin a session of a user that was recognised; what is left of its former ones that are over goes."""
    sesion = str(uuid.uuid4())
    with almacen.begin() as conexion:
        _limpiar(conexion, usuario.nombre)
        conexion.execute(
            insert(sessions).values(
                session_id=sesion,
                username=usuario.nombre,
                client_id=usuario.client_id,
                created_at_ms=ahora_bd(),
                expires_at_ms=ahora_bd() + VIGENCIA_SESION_MS,
            )
        )
        return _refrescable(conexion, sesion, usuario)


def continuar_sesion(almacen: Engine, texto: str) -> SesionAbierta | None:
    """Exchange a refresh token for the next one; ``None`` when it is good no more.

    One that was exchanged before has been copied: its session ends.
    """
    huella = huella_de(texto)
    tomar = (
        update(refresh_tokens)
        .where(refresh_tokens.c.token_hash == huella, refresh_tokens.c.used_at_ms.is_(None))
        .where(refresh_tokens.c.expires_at_ms > ahora_bd())
        .values(used_at_ms=ahora_bd())
        .returning(refresh_tokens.c.session_id)
    )
    with almacen.begin() as conexion:
        sesion = conexion.execute(tomar).scalar_one_or_none()
        if sesion is None:
            _castigar(conexion, huella)
            return None
        usuario = _de_sesiones(conexion, [sesion]).get(sesion)
        return None if usuario is None else _refrescable(conexion, sesion, usuario)


def sesion_de_refresco(almacen: Engine, texto: str) -> str | None:
    """The session that a refresh token continues, whether it is still good or not."""
    consulta = select(refresh_tokens.c.session_id).where(refresh_tokens.c.token_hash == huella_de(texto))
    with leer(almacen) as conexion:
        return conexion.execute(consulta).scalar_one_or_none()


def usuario_de_sesion(almacen: Engine, sesion: str) -> Usuario | None:
    """Whose session it is, while it is good."""
    with leer(almacen) as conexion:
        return _de_sesiones(conexion, [sesion]).get(sesion)


def cerrar_sesion(almacen: Engine, sesion: str) -> None:
    """End a session: neither its access token nor its refresh token is good any more."""
    with almacen.begin() as conexion:
        _revocar(conexion, sesion, _SALIDA)


def titulares(conexion: Connection, accesos: Sequence[Acceso]) -> dict[Acceso, Usuario]:
    """Whose sessions access tokens belong to, without those that are over or of a disabled user."""
    usuarios = _de_sesiones(conexion, [acceso.sesion for acceso in accesos])
    return {
        acceso: usuario
        for acceso in accesos
        if (usuario := usuarios.get(acceso.sesion)) is not None
        and (usuario.nombre, usuario.client_id) == (acceso.nombre, acceso.client_id)
    }


def _de_sesiones(conexion: Connection, cuales: Sequence[str]) -> dict[str, Usuario]:
    filas = conexion.execute(_TITULARES, {"cuales": list(cuales)})
    usuarios = {fila.session_id: usuario_de(fila) for fila in filas}
    return {sesion: usuario for sesion, usuario in usuarios.items() if usuario.rol is not Rol.SERVICIO}


def _refrescable(conexion: Connection, sesion: str, usuario: Usuario) -> SesionAbierta:
    ficha = nueva_ficha(_PREFIJO)
    fila = {
        "token_hash": ficha.huella,
        "session_id": sesion,
        "created_at_ms": ahora_bd(),
        "expires_at_ms": ahora_bd() + VIGENCIA_REFRESCO_MS,
    }
    orden = insert(refresh_tokens).values(fila).returning(refresh_tokens.c.expires_at_ms)
    return SesionAbierta(sesion, usuario, ficha, conexion.execute(orden).scalar_one())


def _castigar(conexion: Connection, huella: str) -> None:
    usada = select(refresh_tokens.c.session_id).where(
        refresh_tokens.c.token_hash == huella, refresh_tokens.c.used_at_ms.is_not(None)
    )
    sesion = conexion.execute(usada).scalar_one_or_none()
    if sesion is not None:
        log.critical("refresco_repetido", sesion=sesion, efecto="the session is over")
        _revocar(conexion, sesion, _REPETIDO)


def _revocar(conexion: Connection, sesion: str, motivo: str) -> None:
    conexion.execute(
        update(sessions)
        .where(sessions.c.session_id == sesion, sessions.c.revoked_at_ms.is_(None))
        .values(revoked_at_ms=ahora_bd(), revoked_reason=motivo)
    )


def _limpiar(conexion: Connection, nombre: str) -> None:
    acabadas = select(sessions.c.session_id).where(
        sessions.c.username == nombre, sessions.c.expires_at_ms <= ahora_bd()
    )
    conexion.execute(delete(refresh_tokens).where(refresh_tokens.c.session_id.in_(acabadas)))
    conexion.execute(delete(sessions).where(sessions.c.session_id.in_(acabadas)))
