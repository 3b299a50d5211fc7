"""What commands share: where messages go, and errors as exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec

import typer
from rich.console import Console
from typer.core import TyperGroup
from typer.exceptions import TyperException

from src.cli.interrupcion import INTERRUMPIDO
from src.nucleo.errores import ErrorTimonel

P = ParamSpec("P")

_JSON = "--json"


def consola_de_mensajes() -> Console:
    """Standard error: standard output is for results."""
    return Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)


@contextmanager
def errores_como_salida(consola: Console, *, como_json: bool = False) -> Iterator[None]:
    """End the command with the exit code of an error that Timonel raised on purpose, after telling it.

    Args:
        consola: Where people read it.
        como_json: Whether a program reads it as well, on standard output.
    """
    try:
        yield
    except ErrorTimonel as fallo:
        from src.produccion.secretos import Tapadera

        texto = Tapadera().tapar(str(fallo))
        consola.print(f"error: {texto}", style="red", markup=False)
        if como_json:
            _escribir_fallo(fallo, texto)
        raise typer.Exit(fallo.codigo_salida) from fallo
    except KeyboardInterrupt as fallo:
        consola.print("interrupted", style="yellow")
        if como_json:
            escribir_fallo("interrupted", INTERRUMPIDO, "interrupted")
        raise typer.Exit(INTERRUMPIDO) from fallo


def con_codigo_de_salida(comando: Callable[P, None]) -> Callable[P, None]:
    """A command that fails as `errores_como_salida` says; ``como_json`` is its ``--json``."""

    @wraps(comando)
    def envuelto(*args: P.args, **kwargs: P.kwargs) -> None:
        with errores_como_salida(consola_de_mensajes(), como_json=bool(kwargs.get("como_json"))):
            comando(*args, **kwargs)

    return envuelto


def escribir_fallo(
    clase: str, codigo: int, mensaje: str, *, exito: bool | None = False, **campos: object
) -> None:
    """One object on standard output, where a program expects the result.

    Args:
        clase: What kind of failure it is, in one word.
        codigo: Exit code.
        mensaje: As people read it.
        exito: ``None`` where it may have been done.
        campos: What else there is to say.
    """
    dicho = {"success": exito, "kind": clase, "exit_code": codigo, "message": mensaje, **campos}
    typer.echo(json.dumps(dicho))


class GrupoConJson(TyperGroup):
    """The whole command: what was mistyped beside a ``--json`` is told to the program as well."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As any group does, after looking for ``--json``: a command that was mistyped has no options yet."""
        ctx.meta[_JSON] = _JSON in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the arguments name."""
        try:
            return super().invoke(ctx)
        except TyperException as fallo:
            if ctx.meta[_JSON]:
                escribir_fallo("usage", fallo.exit_code, fallo.format_message())
            raise
        except typer.Abort:
            if ctx.meta[_JSON]:
                escribir_fallo("aborted", 1, "aborted")
            raise


def _escribir_fallo(fallo: ErrorTimonel, texto: str) -> None:
    from src.cli.cliente_api import FalloApi
    from src.produccion.api.clases_error import clase_de

    if isinstance(fallo, FalloApi):
        campos = {} if fallo.problema is None else {"problem": fallo.problema}
        escribir_fallo(fallo.clase, fallo.codigo_salida, texto, exito=fallo.exito, **campos)
    else:
        escribir_fallo(clase_de(fallo)[1] or "invalid_request", fallo.codigo_salida, texto)
