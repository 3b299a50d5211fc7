"""What commands share: where messages go, and errors as exit codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec

import typer
from rich.console import Console

from src.cli.interrupcion import INTERRUMPIDO
from src.nucleo.errores import ErrorTimonel

P = ParamSpec("P")


def consola_de_mensajes() -> Console:
    """Standard error: standard output is for results."""
    return Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)


@contextmanager
def errores_como_salida(consola: Console) -> Iterator[None]:
    """End the command with the exit code of an error that Timonel raised on purpose, after telling it."""
    try:
        yield
    except ErrorTimonel as fallo:
        from src.produccion.secretos import Tapadera

        consola.print(f"error: {Tapadera().tapar(str(fallo))}", style="red", markup=False)
        raise typer.Exit(fallo.codigo_salida) from fallo
    except KeyboardInterrupt as fallo:
        consola.print("interrupted", style="yellow")
        raise typer.Exit(INTERRUMPIDO) from fallo


def con_codigo_de_salida(comando: Callable[P, None]) -> Callable[P, None]:
    """A command that fails as `errores_como_salida` says."""

    @wraps(comando)
    def envuelto(*args: P.args, **kwargs: P.kwargs) -> None:
        with errores_como_salida(consola_de_mensajes()):
            comando(*args, **kwargs)

    return envuelto
