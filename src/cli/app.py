"""The `timonel` command: every subcommand lives in its own module."""

from __future__ import annotations

import typer

from src.cli.evaluate import evaluate
from src.cli.report import report
from src.cli.salida import con_codigo_de_salida
from src.cli.simulator import simulator
from src.cli.train import train
from src.produccion.config.cli import live

app = typer.Typer(
    name="timonel",
    help="Train a SAC agent on futures candles and run it live, with the same numbers everywhere.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for comando in (train, evaluate, live, simulator, report):
    app.command()(con_codigo_de_salida(comando))


def principal() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    principal()
