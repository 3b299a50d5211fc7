"""Commands for people that have daemons do something, over HTTP; exit codes as in `operar`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from src.cli.cliente_api import Cliente
from src.cli.operar import OpcionApi, OpcionJson, OpcionSimbolo, contar_resultados

OpcionSi = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")]
OpcionDeUsuario = Annotated[
    str | None, typer.Option("--user", help="One account; all of them if omitted.", show_default=False)
]
OpcionCuenta = Annotated[
    str | None,
    typer.Option("--account-id", help="Like sim-0123456789ab; a dry run needs it.", show_default=False),
]


def stop(
    symbol: OpcionSimbolo = None,
    user: OpcionDeUsuario = None,
    account_id: OpcionCuenta = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Recorded.")] = None,
    yes: OpcionSi = False,
    como_json: OpcionJson = False,
    api_url: OpcionApi = None,
) -> None:
    """End daemons after their step, by their exit policy; a supervisor does not start them again."""
    cliente = Cliente(api_url)
    cuales = "all daemons" if symbol is None else f"the daemons of {symbol.upper()}"
    confirmar(f"End {cuales}{'' if user is None else f' for {user}'}?", sin_preguntar=yes)
    campos = {"symbol": symbol, "user_id": user, "account_id": account_id, "reason": reason}
    dados = {campo: valor for campo, valor in campos.items() if valor is not None}
    contar_resultados(cliente.pedir("POST", "/api/v1/stop", dados).cuerpo, como_json=como_json)


def confirmar(pregunta: str, *, sin_preguntar: bool) -> None:
    """Ask on a terminal.

    Raises:
        typer.Abort: The answer is no.
    """
    if not sin_preguntar and sys.stdin.isatty():
        typer.confirm(pregunta, abort=True, err=True)
