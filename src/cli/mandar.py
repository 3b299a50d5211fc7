"""Commands for people that have daemons do something, over HTTP; exit codes as in `operar`."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import quote, urlencode

import typer

from src.cli.cliente_api import Cliente, FalloApi
from src.cli.operar import (
    OpcionApi,
    OpcionCuenta,
    OpcionJson,
    OpcionSimbolo,
    Simbolo,
    contar_resultados,
)
from src.cli.salida import con_codigo_de_salida, consola_de_mensajes

OpcionSi = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")]
OpcionDeUsuario = Annotated[
    str | None, typer.Option("--user", help="One account; all of them if omitted.", show_default=False)
]
OpcionClave = Annotated[
    str | None,
    typer.Option("--key", help="Idempotency key: a repeat with it is not another order.", show_default=False),
]

_VERLA_S = 5.0
_ENTRE_MIRADAS_S = 0.2

order = typer.Typer(no_args_is_help=True, help="Open a position by hand, or cancel an order.")


def _cantidad(escrita: str) -> str:
    if escrita.startswith("-"):
        raise typer.BadParameter(f"{escrita} is not above 0; SIDE says which way")
    return escrita


@order.command(context_settings={"ignore_unknown_options": True})
@con_codigo_de_salida
def create(
    symbol: Simbolo,
    side: Annotated[str, typer.Argument(metavar="SIDE", help="buy or sell.", show_default=False)],
    quantity: Annotated[
        str,
        typer.Argument(metavar="QUANTITY", help="Base asset.", show_default=False, callback=_cantidad),
    ],
    stop: Annotated[str | None, typer.Option("--stop", help="Absolute price.")] = None,
    target: Annotated[str | None, typer.Option("--target", help="Absolute price.")] = None,
    user: Annotated[str | None, typer.Option("--user", help="The account.", show_default=False)] = None,
    account_id: OpcionCuenta = None,
    key: OpcionClave = None,
    yes: OpcionSi = False,
    como_json: OpcionJson = False,
    api_url: OpcionApi = None,
) -> None:
    """Open a position at market on a flat account, protected at once, and wait for what comes of it."""
    cliente = Cliente(api_url)
    confirmar(f"{side.upper()} {quantity} {symbol.upper()} at market?", sin_preguntar=yes)
    campos = {
        "symbol": symbol,
        "side": side.upper(),
        "quantity": quantity,
        "stop": stop,
        "target": target,
        "user_id": user,
        "account_id": account_id,
    }
    dados = {campo: valor for campo, valor in campos.items() if valor is not None}
    clave = key or str(uuid.uuid4())
    cuerpo = cliente.pedir("POST", "/api/v1/orders/create", dados, clave).cuerpo
    if cuerpo["success"] is True:
        _esperar_a_verla(cliente, cuerpo["results"][0])
    contar_resultados(cuerpo, como_json=como_json)


def _esperar_a_verla(cliente: Cliente, hecha: Mapping[str, str]) -> None:
    """Wait until the store shows the position: it is fed from the daemon's journal, a little later."""
    ruta = f"/api/v1/positions?{urlencode({'symbol': hecha['symbol']})}"
    hasta_s = time.monotonic() + _VERLA_S
    try:
        while not any(
            una["user_id"] == hecha["user_id"] for una in cliente.pedir("GET", ruta).cuerpo["positions"]
        ):
            if time.monotonic() > hasta_s:
                consola_de_mensajes().print("the store does not show the position yet; it will in a moment")
                return
            time.sleep(_ENTRE_MIRADAS_S)
    except FalloApi as fallo:  # the order was carried out all the same
        consola_de_mensajes().print(str(fallo), style="yellow", markup=False)


@order.command()
@con_codigo_de_salida
def cancel(
    order_id: Annotated[str, typer.Argument(metavar="ID", help="From `timonel orders`.", show_default=False)],
    yes: OpcionSi = False,
    como_json: OpcionJson = False,
    api_url: OpcionApi = None,
) -> None:
    """Cancel an order that is not over, or a target; the stops of an open position stay."""
    cliente = Cliente(api_url)
    confirmar(f"Cancel order {order_id}?", sin_preguntar=yes)
    ruta = f"/api/v1/orders/{quote(order_id, safe='')}/cancel"
    contar_resultados(cliente.pedir("POST", ruta, {}).cuerpo, como_json=como_json)


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
