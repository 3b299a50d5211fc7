"""What commands share: where messages go, and errors as exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from src.nucleo.errores import ErrorTimonel

INTERRUMPIDO = 130
"""Exit code of a command that was asked to stop."""


def consola_de_mensajes() -> Console:
    """Standard error: standard output is for results."""
    return Console(stderr=True, soft_wrap=True, highlight=False)


@contextmanager
def errores_como_salida(consola: Console) -> Iterator[None]:
    """End the command with the exit code of an error that Timonel raised on purpose, after telling it."""
    try:
        yield
    except ErrorTimonel as fallo:
        consola.print(f"error: {fallo}", style="red", markup=False)
        raise typer.Exit(fallo.codigo_salida) from fallo
    except KeyboardInterrupt as fallo:
        consola.print("interrupted", style="yellow")
        raise typer.Exit(INTERRUMPIDO) from fallo
