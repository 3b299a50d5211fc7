"""``timonel logs``: what daemons and monitors told the store, and what they tell from now on."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
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
_FILLS = 1_000
_DICHO, _LLENADO = "logs", "trades"
_AUMENTA, _REDUCE = "aumentar_", "reducir_"
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

    Positions that were increased or reduced are among it, of the newest 1,000 fills. With --json each line is
    one entry.
    """
    cliente, consola = Cliente(api_url), Console(highlight=False, emoji=False, markup=False, soft_wrap=True)
    filtro = {"symbol": symbol, "account_id": account_id}
    dichas = _pedir(cliente, _DICHO, filtro, limit)
    llenas = _pedir(cliente, _LLENADO, filtro, _FILLS)
    for fila in _juntar(reversed(dichas), reversed(llenas))[-limit:]:
        _mostrar(consola, fila, como_json=como_json)
    if not follow:
        return
    visto = {
        lista: int(filas[0]["id"]) if filas else 0 for lista, filas in ((_DICHO, dichas), (_LLENADO, llenas))
    }
    try:
        while True:
            _esperar()
            nuevas = {lista: _nuevas(cliente, lista, filtro, ultimo) for lista, ultimo in visto.items()}
            for fila in _juntar(nuevas[_DICHO], nuevas[_LLENADO]):
                _mostrar(consola, fila, como_json=como_json)
            visto |= {lista: int(filas[-1]["id"]) for lista, filas in nuevas.items() if filas}
    except KeyboardInterrupt:
        return


def _esperar() -> None:
    time.sleep(_ENTRE_MIRADAS_S)


def _juntar(dichas: Iterable[dict[str, Any]], llenas: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was told, each as it came, and the increases and reductions where the time of their fills is."""
    cambios = [_cambio(fila) for fila in llenas if fila["operation"].startswith((_AUMENTA, _REDUCE))]
    return list(heapq.merge(dichas, cambios, key=lambda fila: fila["created_at"] or 0.0))


def _cambio(fila: dict[str, Any]) -> dict[str, Any]:
    """A fill as an entry; it has no number among the entries."""
    que = "increased" if fila["operation"].startswith(_AUMENTA) else "reduced"
    lado = fila["operation"].rpartition("_")[2]
    texto = f"{que} {lado} {fila['quantity']} at {fila['price']}"
    if que == "reduced" and None not in (fila["realized_pnl"], fila["commission"]):
        neto = Decimal(fila["realized_pnl"]) - Decimal(fila["commission"])
        texto += f": {neto:+.2f} after commission ({fila['status']})"
    return {
        "id": None,
        "account_id": fila["account_id"],
        "symbol": fila["symbol"],
        "level": "INFO",
        "kind": f"position_{que}",
        "message": texto,
        "data": {"trade_id": fila["id"], "operation": fila["operation"], "status": fila["status"]},
        "created_at": fila["executed_at"],
    }


def _nuevas(cliente: Cliente, lista: str, filtro: dict[str, str | None], visto: int) -> list[dict[str, Any]]:
    """What came after a number, oldest first; an API that is away for a moment ends nothing."""
    nuevas: list[dict[str, Any]] = []
    antes_de: int | None = None
    try:
        while True:
            tramo = _pedir(cliente, lista, filtro, _TRAMO, antes_de)
            nuevas += [fila for fila in tramo if fila["id"] > visto]
            if len(tramo) < _TRAMO or tramo[-1]["id"] <= visto:
                break
            antes_de = int(tramo[-1]["id"])
    except FalloApi as fallo:
        if fallo.codigo_salida != SIN_RESPUESTA:
            raise
        consola_de_mensajes().print(str(fallo), style="yellow", markup=False)
        return []
    return nuevas[::-1]


def _pedir(
    cliente: Cliente, lista: str, filtro: dict[str, str | None], limite: int, antes_de: int | None = None
) -> list[dict[str, Any]]:
    campos = {**filtro, "limit": str(limite), "before": None if antes_de is None else str(antes_de)}
    dados = {campo: valor for campo, valor in campos.items() if valor is not None}
    filas: list[dict[str, Any]] = cliente.pedir("GET", f"/api/v1/{lista}?{urlencode(dados)}").cuerpo[lista]
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
