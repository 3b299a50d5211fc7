"""The `timonel` command: every subcommand lives in its own module."""

from __future__ import annotations

from importlib import metadata
from typing import Annotated

import typer

from src.cli.adjust_trailing_stops import adjust_trailing_stops
from src.cli.adopt import adopt
from src.cli.alerts import alerts
from src.cli.api import api
from src.cli.backfill_stop_price import backfill_stop_price
from src.cli.breakers import breakers
from src.cli.db import db
from src.cli.doctor import doctor
from src.cli.evaluate import evaluate
from src.cli.journal import journal
from src.cli.logs import logs
from src.cli.mandar import order, stop
from src.cli.monitor_stops import monitor_stops
from src.cli.operar import (
    CODIGOS_DE_SALIDA,
    account,
    close,
    login,
    logout,
    orders,
    positions,
    price,
    status,
    stopentry,
    trades,
)
from src.cli.projections import projections
from src.cli.replay import replay
from src.cli.report import report
from src.cli.risk import risk
from src.cli.salida import GrupoConJson, con_codigo_de_salida
from src.cli.simulator import simulator
from src.cli.stops import stops
from src.cli.train import train
from src.cli.users import users
from src.produccion.config.cli import live
from src.produccion.panico.panico import principal as panico


def _decir_version(pedida: bool) -> None:
    if not pedida:
        return
    try:
        typer.echo(f"timonel {metadata.version('timonel')}")
    except metadata.PackageNotFoundError as fallo:
        raise typer.BadParameter("Timonel runs from a checkout that is not installed") from fallo
    raise typer.Exit


app = typer.Typer(
    name="timonel",
    cls=GrupoConJson,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for comando in (
    *(train, evaluate, live, simulator, report, replay, doctor, api),
    *(adopt, adjust_trailing_stops, monitor_stops, backfill_stop_price),
):
    app.command(name=comando.__name__)(con_codigo_de_salida(comando))
for pregunta in (
    *(login, logout, positions, price, account, orders, trades, status, logs),
    *(close, stopentry, stop),
):
    app.command(name=pregunta.__name__, epilog=CODIGOS_DE_SALIDA)(con_codigo_de_salida(pregunta))
app.add_typer(journal, name="journal")
app.add_typer(db, name="db")
app.add_typer(projections, name="projections")
app.add_typer(stops, name="stops")
app.add_typer(users, name="users")
app.add_typer(alerts, name="alerts")
app.add_typer(breakers, name="breakers")
app.add_typer(risk, name="risk")
app.add_typer(order, name="order")


@app.callback()
def _timonel(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_decir_version, is_eager=True, help="Show the version and end."),
    ] = False,
) -> None:
    """Train a SAC agent on futures candles and run it live, with the same numbers everywhere."""


@app.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
def panic(argumentos: Annotated[list[str] | None, typer.Argument(metavar="[OPTIONS]")] = None) -> None:
    """Flatten an account at once; starts even where nothing else does. Options: timonel panic --help."""
    raise typer.Exit(panico(argumentos or []))


def principal() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    principal()
