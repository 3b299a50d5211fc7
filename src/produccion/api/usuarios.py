"""Users and their tokens in the shared store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Engine, Row, bindparam, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.almacen.conexion import leer
from src.produccion.almacen.esquema import ahora_bd, api_tokens, sessions, users
from src.produccion.api.identificacion import (
    SIN_CONTRASENA,
    Ficha,
    Rol,
    cifrar,
    coincide,
    comprobar_nombre,
    huella_de,
    nueva_ficha,
)

HORA_MS = 3_600_000
_CONTRASENA_NUEVA = "a new password"
_REVOCADAS = "every token was revoked"
_PORTADORES = (
    select(users, api_tokens.c.token_hash)
    .join(api_tokens, api_tokens.c.username == users.c.username)
    .where(api_tokens.c.token_hash.in_(bindparam("huellas", expanding=True)))
    .where(api_tokens.c.revoked_at_ms.is_(None), users.c.disabled.is_(False))
    .where(or_(api_tokens.c.expires_at_ms.is_(None), api_tokens.c.expires_at_ms > ahora_bd()))
)


class Usuario(NamedTuple):
    """Who asks."""

    nombre: str
    rol: Rol
    client_id: str
    deshabilitado: bool
    creado_ms: int


class FichaDada(NamedTuple):
    """A token just made, and until when it is good."""

    ficha: Ficha
    vence_ms: int


def anadir_usuario(almacen: Engine, nombre: str, rol: Rol, client_id: str, contrasena: str | None) -> None:
    """Add a user; without a password it can only have tokens.

    Raises:
        ConfiguracionInvalida: Name or password cannot be used, or the name is taken.
    """
    comprobar_nombre(nombre)
    fila = {
        "username": nombre,
        "password_hash": SIN_CONTRASENA if contrasena is None else cifrar(contrasena),
        "role": rol.value,
        "client_id": client_id,
        "disabled": False,
        "created_at_ms": ahora_bd(),
    }
    try:
        with almacen.begin() as conexion:
            conexion.execute(insert(users).values(fila))
    except IntegrityError:
        raise ConfiguracionInvalida(f"there is a user {nombre!r} already") from None


def listar_usuarios(almacen: Engine) -> list[Usuario]:
    """Every user, by name."""
    with leer(almacen) as conexion:
        return [usuario_de(fila) for fila in conexion.execute(select(users).order_by(users.c.username))]


def cambiar_contrasena(almacen: Engine, nombre: str, contrasena: str) -> None:
    """Give a user a new password; what earlier log-ins gave is good no more.

    Raises:
        ConfiguracionInvalida: There is no such user, it is a service, or the password cannot be used.
    """
    if buscar_usuario(almacen, nombre).rol is Rol.SERVICIO:
        raise ConfiguracionInvalida(f"{nombre!r} is a service: it has tokens, `timonel users token {nombre}`")
    cifrada = cifrar(contrasena)
    with almacen.begin() as conexion:
        conexion.execute(update(users).where(users.c.username == nombre).values(password_hash=cifrada))
        _cerrar_sesiones(conexion, nombre, _CONTRASENA_NUEVA)


def habilitar(almacen: Engine, nombre: str, *, si: bool) -> None:
    """Let a user in again, or no more; its tokens work only while it is enabled.

    Raises:
        ConfiguracionInvalida: There is no such user.
    """
    buscar_usuario(almacen, nombre)
    with almacen.begin() as conexion:
        conexion.execute(update(users).where(users.c.username == nombre).values(disabled=not si))


def buscar_usuario(almacen: Engine, nombre: str) -> Usuario:
    """The user of that name.

    Raises:
        ConfiguracionInvalida: There is none.
    """
    with leer(almacen) as conexion:
        fila = conexion.execute(select(users).where(users.c.username == nombre)).one_or_none()
    if fila is None:
        raise ConfiguracionInvalida(f"there is no user {nombre!r}; `timonel users list` names them")
    return usuario_de(fila)


def identificar(almacen: Engine, nombre: str, contrasena: str) -> tuple[Usuario | None, bool]:
    """The user of a name, and whether it logs in; password and state may not let it. As long either way."""
    with leer(almacen) as conexion:
        fila = conexion.execute(select(users).where(users.c.username == nombre)).one_or_none()
    bien = coincide(None if fila is None else fila.password_hash, contrasena)
    return (None, False) if fila is None else (usuario_de(fila), bien and not fila.disabled)


def dar_ficha(almacen: Engine, nombre: str, vigencia_ms: int, nota: str) -> FichaDada:
    """Make a token of a user.

    Args:
        almacen: The shared store.
        nombre: Of an existing user.
        vigencia_ms: How long it is good.
        nota: What it is for.

    Raises:
        ConfiguracionInvalida: There is no such user, or it is disabled.
    """
    if buscar_usuario(almacen, nombre).deshabilitado:
        raise ConfiguracionInvalida(f"{nombre!r} is disabled; `timonel users enable {nombre}` comes first")
    ficha = nueva_ficha()
    with almacen.begin() as conexion:
        fila = conexion.execute(
            insert(api_tokens)
            .values(
                token_hash=ficha.huella,
                username=nombre,
                created_at_ms=ahora_bd(),
                expires_at_ms=ahora_bd() + vigencia_ms,
                note=nota,
            )
            .returning(api_tokens.c.expires_at_ms)
        ).one()
    return FichaDada(ficha, fila.expires_at_ms)


def revocar_fichas(almacen: Engine, nombre: str) -> int:
    """Revoke every token of a user and end its sessions; how many of both were still good.

    Raises:
        ConfiguracionInvalida: There is no such user.
    """
    buscar_usuario(almacen, nombre)
    with almacen.begin() as conexion:
        hecho = conexion.execute(
            update(api_tokens)
            .where(api_tokens.c.username == nombre, api_tokens.c.revoked_at_ms.is_(None))
            .where(or_(api_tokens.c.expires_at_ms.is_(None), api_tokens.c.expires_at_ms > ahora_bd()))
            .values(revoked_at_ms=ahora_bd())
        )
        return hecho.rowcount + _cerrar_sesiones(conexion, nombre, _REVOCADAS)


def revocar_ficha(almacen: Engine, texto: str) -> None:
    """Revoke one token."""
    with almacen.begin() as conexion:
        conexion.execute(
            update(api_tokens)
            .where(api_tokens.c.token_hash == huella_de(texto), api_tokens.c.revoked_at_ms.is_(None))
            .values(revoked_at_ms=ahora_bd())
        )


def portador(almacen: Engine, texto: str) -> Usuario | None:
    """Whose token this is; ``None`` when it is unknown, too old or revoked, or the user disabled."""
    with leer(almacen) as conexion:
        return portadores(conexion, [texto]).get(texto)


def portadores(conexion: Connection, textos: Sequence[str]) -> dict[str, Usuario]:
    """Whose tokens these are, without those that are unknown, too old, revoked, or of a disabled user."""
    huellas = {huella_de(texto): texto for texto in textos}
    filas = conexion.execute(_PORTADORES, {"huellas": list(huellas)})
    return {huellas[fila.token_hash]: usuario_de(fila) for fila in filas}


def _cerrar_sesiones(conexion: Connection, nombre: str, motivo: str) -> int:
    hecho = conexion.execute(
        update(sessions)
        .where(sessions.c.username == nombre, sessions.c.revoked_at_ms.is_(None))
        .where(sessions.c.expires_at_ms > ahora_bd())
        .values(revoked_at_ms=ahora_bd(), revoked_reason=motivo)
    )
    return hecho.rowcount


def usuario_de(fila: Row[tuple[object, ...]]) -> Usuario:
    """A row of ``users`` as a value."""
    return Usuario(fila.username, Rol(fila.role), fila.client_id, fila.disabled, fila.created_at_ms)
