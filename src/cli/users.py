"""``timonel users``: who may use the API, and with which tokens."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from src.cli.asiento import asentar_local
from src.cli.salida import con_codigo_de_salida, consola_de_mensajes
from src.nucleo.errores import ConfiguracionInvalida

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from src.produccion.api.usuarios import Usuario

users = typer.Typer(help="Users of the API and their tokens.", no_args_is_help=True)

_Nombre = Annotated[str, typer.Argument(metavar="NAME", help="The user.", show_default=False)]
_Estado = Annotated[Path, typer.Option(help="Where the store lives, unless TIMONEL_DB_URL says otherwise.")]
_ESTADO = Path("estado")
_DIA_MS = 86_400_000


@users.command()
@con_codigo_de_salida
def add(
    name: _Nombre,
    role: Annotated[str, typer.Option(help="viewer, operator, admin or service.")] = "operator",
    client_id: Annotated[str, typer.Option(help="Tenant whose accounts it may use.")] = "default",
    state_dir: _Estado = _ESTADO,
) -> None:
    """Add a user; the password comes from a prompt or from standard input. A service has tokens only."""
    from src.produccion.api.identificacion import Rol
    from src.produccion.api.usuarios import anadir_usuario

    if role not in set(Rol):
        raise ConfiguracionInvalida(f"--role {role!r} must be one of: {', '.join(Rol)}")
    with _almacen(state_dir, existente=False) as almacen:
        contrasena = None if role == Rol.SERVICIO else _pedir_contrasena()
        pedido = {"role": role, "client_id": client_id}
        asentar_local(
            almacen,
            client_id,
            ("users.add", name),
            pedido,
            lambda: anadir_usuario(almacen, name, Rol(role), client_id, contrasena),
        )
    _decir(f"{name} added as {role} of tenant {client_id}")


@users.command(name="list")
@con_codigo_de_salida
def listar(
    state_dir: _Estado = _ESTADO,
    como_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """List the users."""
    from src.produccion.api.usuarios import listar_usuarios

    with _almacen(state_dir) as almacen:
        todos = listar_usuarios(almacen)
    if como_json:
        typer.echo(json.dumps({"users": [_a_json(usuario) for usuario in todos]}))
        return
    tabla = Table(box=None, pad_edge=False)
    for titulo in ("user", "role", "tenant", "state", "since"):
        tabla.add_column(titulo, overflow="fold")
    for usuario in todos:
        estado = "disabled" if usuario.deshabilitado else "enabled"
        tabla.add_row(usuario.nombre, usuario.rol.value, usuario.client_id, estado, _fecha(usuario.creado_ms))
    Console(highlight=False, emoji=False, markup=False).print(tabla)


@users.command()
@con_codigo_de_salida
def passwd(name: _Nombre, state_dir: _Estado = _ESTADO) -> None:
    """Give a user a new password; earlier log-ins are good no more, tokens of `users token` stay."""
    from src.produccion.api.usuarios import buscar_usuario, cambiar_contrasena

    with _almacen(state_dir) as almacen:
        usuario = buscar_usuario(almacen, name)
        contrasena = _pedir_contrasena()
        asentar_local(
            almacen,
            usuario.client_id,
            ("users.passwd", name),
            {},
            lambda: cambiar_contrasena(almacen, name, contrasena),
        )
    _decir(f"{name} has a new password")


@users.command()
@con_codigo_de_salida
def disable(name: _Nombre, state_dir: _Estado = _ESTADO) -> None:
    """Let a user in no more; its tokens stop working at once."""
    _habilitar(state_dir, name, si=False)


@users.command()
@con_codigo_de_salida
def enable(name: _Nombre, state_dir: _Estado = _ESTADO) -> None:
    """Let a disabled user in again, with the tokens it had."""
    _habilitar(state_dir, name, si=True)


@users.command()
@con_codigo_de_salida
def token(
    name: _Nombre,
    days: Annotated[int, typer.Option(min=1, max=3_650, help="How long it is good.")] = 90,
    note: Annotated[str, typer.Option(help="What it is for.")] = "",
    revoke: Annotated[bool, typer.Option("--revoke", help="Revoke every token of the user instead.")] = False,
    state_dir: _Estado = _ESTADO,
) -> None:
    """Make a bearer token for a program and print it, this once; or revoke all of them."""
    from src.produccion.api.usuarios import buscar_usuario, dar_ficha, revocar_fichas

    with _almacen(state_dir) as almacen:
        de = buscar_usuario(almacen, name).client_id
        if revoke:
            cuantas = asentar_local(
                almacen,
                de,
                ("users.token.revoke", name),
                {},
                lambda: revocar_fichas(almacen, name),
                lambda cuantas: (200, {"message": f"{cuantas} revoked"}),
            )
            _decir(f"{cuantas} {'token' if cuantas == 1 else 'tokens'} of {name} revoked")
            return
        dada = asentar_local(
            almacen,
            de,
            ("users.token", name),
            {"days": days, "note": note},
            lambda: dar_ficha(almacen, name, days * _DIA_MS, note),
        )
    typer.echo(dada.ficha.texto)
    _decir(f"good until {_fecha(dada.vence_ms)}; it is not shown again")


def _a_json(usuario: Usuario) -> dict[str, object]:
    return {
        "username": usuario.nombre,
        "role": usuario.rol.value,
        "client_id": usuario.client_id,
        "disabled": usuario.deshabilitado,
        "created_at": _fecha(usuario.creado_ms),
    }


def _habilitar(estado: Path, nombre: str, *, si: bool) -> None:
    from src.produccion.api.usuarios import buscar_usuario, habilitar

    with _almacen(estado) as almacen:
        asentar_local(
            almacen,
            buscar_usuario(almacen, nombre).client_id,
            ("users.enable" if si else "users.disable", nombre),
            {},
            lambda: habilitar(almacen, nombre, si=si),
        )
    _decir(f"{nombre} {'enabled' if si else 'disabled'}")


def _pedir_contrasena() -> str:
    """From a prompt, typed twice, or the first line of standard input; never from an argument."""
    if sys.stdin.isatty():
        escrita: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return escrita
    return sys.stdin.readline().rstrip("\r\n")


@contextmanager
def _almacen(estado: Path, *, existente: bool = True) -> Iterator[Engine]:
    from src.produccion.almacen.conexion import abrir_almacen

    almacen = abrir_almacen(None, estado, existente=existente)
    try:
        yield almacen
    finally:
        almacen.dispose()


def _decir(texto: str) -> None:
    consola_de_mensajes().print(texto, markup=False)


def _fecha(instante_ms: int) -> str:
    return datetime.fromtimestamp(instante_ms / 1_000, UTC).isoformat(timespec="seconds")
