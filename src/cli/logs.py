"""``timonel logs``: what daemons and monitors told the store, and what they tell from now on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
import typer
from rich.console import Console
from rich.text import Text

from src.cli.cliente_api import SIN_RESPUESTA, Cliente, FalloApi
from src.cli.operar import OpcionApi, OpcionJson, OpcionLimite, OpcionSimbolo
from src.cli.salida import consola_de_mensajes

_ENTRE_MIRADAS_S = 1.0
_TRAMO = 200
_COLORES = {"INFO": "", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}


def logs(
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl+C.")
    ] = False,
    limit: OpcionLimite = 20,
    symbol: OpcionSimbolo = None,
    account_id: Annotated[
        str | None, typer.Option("--account", "--account-id", help="One account only.")
    ] = None,
    como_json: OpcionJson = False,
    api_url: OpcionApi = None,
) -> None:
    """Show what daemons and monitors told the store, oldest first; the whole log is a file of each process.

    With --json each line is one entry.
    """
    cliente, consola = Cliente(api_url), Console(highlight=False, emoji=False, markup=False, soft_wrap=True)
    filtro = {"symbol": symbol, "account_id": account_id}
    ultimas = _pedir(cliente, filtro, limit)
    for fila in reversed(ultimas):
        _mostrar(consola, fila, como_json=como_json)
    if not follow:
        return
    visto = int(ultimas[0]["id"]) if ultimas else 0
    try:
        while True:
            _esperar()
            for fila in _nuevas(cliente, filtro, visto):
                _mostrar(consola, fila, como_json=como_json)
                visto = int(fila["id"])
    except KeyboardInterrupt:
        return


def _esperar() -> None:
    time.sleep(_ENTRE_MIRADAS_S)


def _nuevas(cliente: Cliente, filtro: dict[str, str | None], visto: int) -> Iterator[dict[str, Any]]:
    """What came after a number, oldest first; an API that is away for a moment ends nothing."""
    nuevas: list[dict[str, Any]] = []
    antes_de: int | None = None
    try:
        while True:
            tramo = _pedir(cliente, filtro, _TRAMO, antes_de)
            nuevas += [fila for fila in tramo if fila["id"] > visto]
            if len(tramo) < _TRAMO or tramo[-1]["id"] <= visto:
                break
            antes_de = int(tramo[-1]["id"])
    except FalloApi as fallo:
        if fallo.codigo_salida != SIN_RESPUESTA:
            raise
        consola_de_mensajes().print(str(fallo), style="yellow", markup=False)
        return
    yield from reversed(nuevas)


def _pedir(
    cliente: Cliente, filtro: dict[str, str | None], limite: int, antes_de: int | None = None
) -> list[dict[str, Any]]:
    campos = {**filtro, "limit": str(limite), "before": None if antes_de is None else str(antes_de)}
    dados = {campo: valor for campo, valor in campos.items() if valor is not None}
    filas: list[dict[str, Any]] = cliente.pedir("GET", f"/api/v1/logs?{urlencode(dados)}").cuerpo["logs"]
    return filas


def _mostrar(consola: Console, fila: dict[str, Any], *, como_json: bool) -> None:
    if como_json:
        typer.echo(orjson.dumps(fila).decode())
        return
    cuando = datetime.fromtimestamp(fila["created_at"], UTC).strftime("%Y-%m-%d %H:%M:%S")
    donde = " ".join(parte for parte in (fila["account_id"], fila["symbol"]) if parte)
    nivel = Text(fila["level"], style=_COLORES[fila["level"]])
    cabeza = f" {donde} " if donde else " "
    consola.print(Text.assemble(f"{cuando} ", nivel, f"{cabeza}{fila['kind']}: {fila['message']}"))
