"""Commands for people, over HTTP: they hold no keys and ask the API.

Exit codes: 0 done, 1 refused or failed, 2 bad input, 6 nobody there, 7 not logged in or not allowed, 8 given
but its outcome is not known yet.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import orjson
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from src.cli.cliente_api import (
    FICHA,
    RECHAZADO,
    SIN_RESPUESTA,
    SIN_SABER,
    URL_API,
    URL_POR_DEFECTO,
    Cliente,
    FalloApi,
    comprobar_url,
    entrar,
)
from src.cli.comun_cuenta import activo_cotizado
from src.cli.salida import consola_de_mensajes
from src.cli.sesion_guardada import ruta_de_sesion
from src.cli.tablas import Columna, tabla_que_cabe
from src.nucleo.importes import precio

OpcionApi = Annotated[
    str | None, typer.Option("--api-url", envvar=URL_API, help="The API; where you logged in if omitted.")
]
OpcionJson = Annotated[bool, typer.Option("--json", help="Print the API's answer as JSON, a failure too.")]
OpcionAmbiente = Annotated[str | None, typer.Option("--environment", help="sim, testnet or live.")]
OpcionLimite = Annotated[int, typer.Option("--limit", min=1, max=1_000, help="How many, newest first.")]
OpcionSimbolo = Annotated[str | None, typer.Option("--symbol", help="One symbol only.")]
OpcionCuenta = Annotated[
    str | None,
    typer.Option(
        "--account-id",
        "--account",
        help="Like sim-0123456789ab, from `timonel status`; a dry run needs it.",
        show_default=False,
    ),
]
Simbolo = Annotated[str, typer.Argument(metavar="SYMBOL", help="Like BTCUSDT.", show_default=False)]

CODIGOS_DE_SALIDA = (
    "Exit codes: 0 done, 1 refused or failed, 2 bad input, 6 nobody there, 7 not logged in or not allowed,"
    " 8 given but its outcome is not known yet."
)
"""Of every command here."""

_ENTRE_PRECIOS_S = 1.0
_NO_SE_SABE = "–"
_TITULOS = {"trigger_price": "trigger", "average_price": "average", "realized_pnl": "pnl"}
_LADOS = {"BUY": "LONG", "SELL": "SHORT"}


def login(
    username: Annotated[str | None, typer.Option("--username", "-u", help="Asked for if omitted.")] = None,
    como_json: Annotated[bool, typer.Option("--json", help="Say as whom as JSON; no token.")] = False,
    api_url: OpcionApi = None,
) -> None:
    """Log in to the API; the tokens are kept in a file that only you can read. The password is asked for."""
    url = comprobar_url(api_url or URL_POR_DEFECTO)
    nombre = username or typer.prompt("User", err=True)
    ruta = ruta_de_sesion()
    cuerpo = entrar(url, nombre, _pedir_contrasena(), ruta)
    if os.environ.get(FICHA):
        consola_de_mensajes().print(
            f"warning: {FICHA} is set and wins over this log-in; unset it to use the log-in", style="yellow"
        )
    if como_json:
        quien = {campo: cuerpo[campo] for campo in ("role", "client_id", "refresh_expires_at")}
        _escribir_json({"api_url": url, "username": nombre, **quien})
        return
    consola_de_mensajes().print(
        f"logged in at {url} as {nombre} ({cuerpo['role']}, tenant {cuerpo['client_id']}); kept in {ruta}",
        markup=False,
    )


def logout(api_url: OpcionApi = None) -> None:
    """End the log-in, here and at the API."""
    if Cliente(api_url).salir():
        dicho = "logged out"
    elif os.environ.get(FICHA):
        dicho = f"nothing was ended: {FICHA} is used instead of a log-in; `unset {FICHA}`"
    else:
        dicho = "there is no log-in to end"
    consola_de_mensajes().print(dicho)


def positions(symbol: OpcionSimbolo = None, como_json: OpcionJson = False, api_url: OpcionApi = None) -> None:
    """Show open positions with profit, stop and target, and which of them no daemon tells of any more."""
    cuerpo = _leer(api_url, "/api/v1/positions", symbol=symbol)
    if como_json:
        _escribir_json(cuerpo)
        return
    tabla = Table(box=box.DOUBLE, show_header=True, min_width=38)
    tabla.add_column(Text("ACTIVE POSITIONS"), justify="left", header_style="bold")
    for i, una in enumerate(cuerpo["positions"]):
        for linea in ([Text()] if i else []) + _lineas(una):
            tabla.add_row(linea)
    if not cuerpo["positions"]:
        tabla.add_row("none")
    _consola().print(tabla)
    sin_precio = sorted({una["symbol"] for una in cuerpo["positions"] if una["current_price"] is None})
    if sin_precio:
        _avisar_sin_precio(", ".join(sin_precio), f"timonel price {sin_precio[0]}")


def price(
    symbol: Simbolo,
    watch: Annotated[bool, typer.Option("--watch", help="Every second, until Ctrl+C.")] = False,
    environment: OpcionAmbiente = None,
    como_json: OpcionJson = False,
    api_url: OpcionApi = None,
) -> None:
    """Show bid, ask and spread of a symbol."""
    cliente, consola = Cliente(api_url), _consola()
    ruta = _con(f"/api/market/price/{quote(symbol.upper(), safe='')}", environment=environment)
    if not watch:
        _mostrar_precio(consola, cliente.pedir("GET", ruta).cuerpo, como_json=como_json)
        return
    try:
        while True:
            _un_vistazo(cliente, consola, ruta, como_json=como_json)
            time.sleep(_ENTRE_PRECIOS_S)
    except KeyboardInterrupt:
        return


def account(
    environment: OpcionAmbiente = None, como_json: OpcionJson = False, api_url: OpcionApi = None
) -> None:
    """Show balance, value of the positions, what is available, and exposure."""
    cuerpo = _leer(api_url, "/api/portfolio/patrimony", environment=environment)
    if como_json:
        _escribir_json(cuerpo)
        return
    tabla = Table(box=box.DOUBLE, min_width=38)
    tabla.add_column("ACCOUNT")
    tabla.add_column(cuerpo["environment"] or "", justify="right")
    for nombre, campo in (
        ("Balance", "balance"),
        ("Unrealized P&L", "unrealized_pnl"),
        ("Equity", "patrimony"),
        ("Positions value", "positions_value"),
        ("Available", "available"),
    ):
        tabla.add_row(nombre, _dolares(cuerpo[campo]))
    tabla.add_row("Exposure", _porciento(cuerpo["exposure_percent"]))
    _consola().print(tabla)
    sin_precio = sorted(una["account_id"] for una in cuerpo["accounts"] if una["positions_value"] is None)
    if sin_precio:
        _avisar_sin_precio(f"open positions of {', '.join(sin_precio)}", "timonel positions")
    if cuerpo["environment"] is None and cuerpo["accounts"]:
        ambientes = ", ".join(sorted({una["environment"] for una in cuerpo["accounts"]}))
        consola_de_mensajes().print(f"several environments ({ambientes}): choose one with --environment")


def orders(
    limit: OpcionLimite = 20,
    symbol: OpcionSimbolo = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only those that are not over.")] = False,
    como_json: OpcionJson = False,
    api_url: OpcionApi = None,
) -> None:
    """List the daemons' orders, stops and targets, newest first."""
    solo = "true" if open_only else None
    cuerpo = _leer(api_url, "/api/v1/orders", limit=str(limit), symbol=symbol, open_only=solo)
    campos = {
        "created_at": 3,
        "symbol": 0,
        "side": 0,
        "type": 1,
        "status": 2,
        "quantity": 0,
        "trigger_price": 0 if open_only else 5,
        "average_price": 4,
        "id": 0,
    }
    _listar(cuerpo, "orders", campos, como_json=como_json)


def trades(
    limit: OpcionLimite = 20,
    symbol: OpcionSimbolo = None,
    como_json: OpcionJson = False,
    api_url: OpcionApi = None,
) -> None:
    """List fills, newest first."""
    cuerpo = _leer(api_url, "/api/v1/trades", limit=str(limit), symbol=symbol)
    campos = {
        "executed_at": 0,
        "symbol": 0,
        "operation": 1,
        "quantity": 0,
        "price": 0,
        "realized_pnl": 0,
        "commission": 2,
    }
    _listar(cuerpo, "trades", campos, como_json=como_json)


def status(como_json: OpcionJson = False, api_url: OpcionApi = None) -> None:
    """Show daemons, what holds entries back, and how many positions are open."""
    cuerpo = _leer(api_url, "/api/v1/system/status")
    if como_json:
        _escribir_json(cuerpo)
        return
    consola = Console(highlight=False, emoji=False, markup=False, soft_wrap=True)
    for falta in cuerpo["problems"]:
        consola.print(
            f"DEGRADED: {falta['account_id']} {falta['symbol']}: {falta['text']}; {falta['how_to_remove']}",
            style="bold red",
        )
    consola.print(f"entries allowed: {_entradas(cuerpo)}")
    consola.print(f"open positions: {cuerpo['open_positions']}")
    vigentes, pasados = _vigentes(cuerpo), [uno for uno in cuerpo["locks"] if not uno["current"]]
    consola.print(f"held back by: {len(vigentes) or 'nothing'}")
    _decir_candados(consola, vigentes)
    if pasados:
        consola.print(f"last known of daemons that do not live: {len(pasados)}")
        _decir_candados(consola, pasados)
    _decir_bolsas(consola, cuerpo["exchanges"])
    campos = {"account_id": 0, "symbol": 0, "user_id": 1, "alive": 0, "heartbeat_age_s": 0}
    _tabla(cuerpo["daemons"], campos)


def _entradas(estado: dict[str, Any]) -> str:
    if not estado["trading_enabled"]:
        return f"no: {estado['trading_paused_reason']}"
    return "not all: see below" if _vigentes(estado) else "yes"


def _vigentes(estado: dict[str, Any]) -> list[dict[str, Any]]:
    return [uno for uno in estado["locks"] if uno["current"]]


def _decir_candados(consola: Console, candados: list[dict[str, Any]]) -> None:
    for candado in candados:
        consola.print(f"  {candado['text']}; {candado['how_to_remove']}")


def _decir_bolsas(consola: Console, bolsas: list[dict[str, Any]]) -> None:
    for bolsa in bolsas:
        latencia, errores, detalle = bolsa["latency_ms"], bolsa["error_rate"], bolsa["detail"]
        medido = [] if latencia is None else [f"answers in {latencia:.0f} ms"]
        medido += [] if errores is None else [f"{errores:.1%} of calls without an answer"]
        dicho = "; ".join([bolsa["status"], *medido] + [detalle] * (detalle is not None))
        cuando = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(bolsa["checked_at"]))
        consola.print(f"{bolsa['exchange']} as {bolsa['account_id']} measured at {cuando} UTC: {dicho}")


def close(
    symbol: Simbolo,
    user: Annotated[str | None, typer.Option("--user", help="One account; all of them if omitted.")] = None,
    account_id: OpcionCuenta = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
    como_json: OpcionJson = False,
    api_url: OpcionApi = None,
) -> None:
    """Close a symbol's position at market and wait for what comes of it."""
    cliente = Cliente(api_url)
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Close {symbol.upper()} at market?", abort=True, err=True)
    ruta = f"/api/v1/positions/{quote(symbol.upper(), safe='')}/close"
    campos = {"user_id": user, "account_id": account_id}
    dados = {campo: valor for campo, valor in campos.items() if valor is not None}
    cuerpo = cliente.pedir("POST", ruta, dados).cuerpo
    contar_resultados(cuerpo, como_json=como_json)


def stopentry(
    reason: Annotated[str | None, typer.Option("--reason", help="Shown wherever the pause is.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Let daemons open positions again.")] = False,
    como_json: OpcionJson = False,
    api_url: OpcionApi = None,
) -> None:
    """Keep daemons from opening or increasing anything; stops and exits go on."""
    que, cuerpo = ("start", None) if undo else ("stopentry", {} if reason is None else {"reason": reason})
    hecho = Cliente(api_url).pedir("POST", f"/api/v1/{que}", cuerpo).cuerpo
    if como_json:
        _escribir_json(hecho)
    elif hecho["trading_enabled"]:
        _consola().print("entries allowed")
    else:
        _consola().print(f"entries stopped: {hecho['trading_paused_reason']}")


def contar_resultados(cuerpo: Any, *, como_json: bool) -> None:
    """Tell what came of each account's command, and end with the exit code that says so.

    Raises:
        typer.Exit: Not all of them were done, or that is not known yet.
    """
    if como_json:
        _escribir_json(cuerpo)
    else:
        for uno in cuerpo["results"]:
            dicho = uno["message"] or uno["error"] or f"command {uno['command_id']} is not over yet"
            _consola().print(f"{uno['user_id']} {uno['symbol']}: {dicho}")
    if cuerpo["success"] is not True:
        raise typer.Exit(SIN_SABER if cuerpo["success"] is None else RECHAZADO)


def _leer(api_url: str | None, ruta: str, **campos: str | None) -> Any:
    return Cliente(api_url).pedir("GET", _con(ruta, **campos)).cuerpo


def _con(ruta: str, **campos: str | None) -> str:
    dados = {campo: valor for campo, valor in campos.items() if valor is not None}
    return f"{ruta}?{urlencode(dados)}" if dados else ruta


def _un_vistazo(cliente: Cliente, consola: Console, ruta: str, *, como_json: bool) -> None:
    """One line more; what fails for a moment ends nothing."""
    try:
        cuerpo = cliente.pedir("GET", ruta).cuerpo
    except FalloApi as fallo:
        if fallo.codigo_salida != SIN_RESPUESTA:
            raise
        consola_de_mensajes().print(str(fallo), style="yellow", markup=False)
        return
    if consola.is_terminal and not como_json:
        consola.clear()
    _mostrar_precio(consola, cuerpo, como_json=como_json)


def _mostrar_precio(consola: Console, cuerpo: dict[str, Any], *, como_json: bool) -> None:
    if como_json:
        _escribir_json(cuerpo)
        return
    simbolo = cuerpo["symbol"]
    cotizado = activo_cotizado(simbolo)
    par = f"{simbolo.removesuffix(cotizado)}/{cotizado}" if cotizado else simbolo
    consola.print(
        f"{par}: Bid {_dolares(cuerpo['bid'])} | Ask {_dolares(cuerpo['ask'])} | Spread"
        f" {_dolares(_diferencia(cuerpo['ask'], cuerpo['bid']))}"
    )


def _diferencia(uno: str | None, otro: str | None) -> str | None:
    return None if uno is None or otro is None else precio(Decimal(uno) - Decimal(otro))


def _lineas(una: dict[str, Any]) -> list[Text]:
    pnl = una["unrealized_pnl"]
    color = "" if pnl is None or float(pnl) == 0 else "green" if float(pnl) > 0 else "red"
    signo = "+" if color == "green" else ""
    por_ciento = _porciento(una["unrealized_pnl_percent"], signo)
    return [
        Text(f"Symbol: {una['symbol']}"),
        Text(f"Side: {_LADOS[una['side']]}"),
        Text(f"Quantity: {una['quantity']}"),
        Text(f"Entry: {_dolares(una['entry_price'])}"),
        Text(f"Current: {_dolares(una['current_price'])}"),
        Text.assemble("P&L: ", (f"{_dolares(pnl, signo)} ({por_ciento})", color)),
        Text(f"Stop: {_dolares(una['stop_loss'])} ({_porciento(una['distance_to_stop_percent'])})"),
        Text(f"Target: {_dolares(una['take_profit'])} ({_porciento(una['distance_to_target_percent'])})"),
        Text(f"Account: {una['account_id']}"),
        *([] if una["daemon_alive"] else [Text(_sin_demonio(una["agent_time"]), "bold yellow")]),
    ]


def _avisar_sin_precio(de_que: str, donde: str) -> None:
    porque = "the exchange does not answer, or does not list it"
    consola_de_mensajes().print(
        f"warning: no current price for {de_que}: {porque}; see `{donde}`", style="yellow", markup=False
    )


def _sin_demonio(visto_s: float | None) -> str:
    de_cuando = "" if visto_s is None else f"; as of {_instante(visto_s)}"
    return f"no daemon alive{de_cuando}: look at the exchange"


def _dolares(monto: str | None, signo: str = "") -> str:
    if monto is None:
        return _NO_SE_SABE
    entera, punto, decimales = monto.removeprefix("-").partition(".")
    return f"{'-' if monto.startswith('-') else signo}${int(entera):,}{punto}{decimales}"


def _porciento(valor: str | None, signo: str = "") -> str:
    return _NO_SE_SABE if valor is None else f"{signo}{valor}%"


def _listar(cuerpo: dict[str, Any], lista: str, campos: Mapping[str, int], *, como_json: bool) -> None:
    if como_json:
        _escribir_json(cuerpo)
    else:
        _tabla(cuerpo[lista], campos)


def _tabla(filas: list[dict[str, Any]], campos: Mapping[str, int]) -> None:
    """A row for each of ``filas``; ``campos`` says in which order they can be missed, 0 never."""
    columnas = [Columna(_titulo(campo), prescindible) for campo, prescindible in campos.items()]
    celdas = [[_celda(campo, fila[campo]) for campo in campos] for fila in filas]
    consola = _consola()
    tabla_que_cabe(columnas, celdas, consola.width).imprimir(consola, consola_de_mensajes())


def _titulo(campo: str) -> str:
    return _TITULOS.get(campo, campo.removesuffix("_at").replace("_", " "))


def _celda(campo: str, valor: Any) -> Text:
    if valor is None:
        return Text(_NO_SE_SABE)
    if campo.endswith("_at"):
        return Text(_instante(valor))
    return Text(f"{valor:.1f}" if isinstance(valor, float) else str(valor))


def _instante(unix_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(unix_s))


def _escribir_json(cuerpo: Any) -> None:
    typer.echo(orjson.dumps(cuerpo).decode())


def _consola() -> Console:
    return Console(highlight=False, emoji=False, markup=False)


def _pedir_contrasena() -> str:
    """From a prompt, or the first line of standard input; never from an argument."""
    if sys.stdin.isatty():
        escrita: str = typer.prompt("Password", hide_input=True, err=True)
        return escrita
    return sys.stdin.readline().rstrip("\r\n")
