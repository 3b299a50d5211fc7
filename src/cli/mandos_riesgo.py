"""What the commands that ask something of running daemons share."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from src.cli.salida import consola_de_mensajes
from src.nucleo.errores import SolicitudInvalida

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from src.produccion.almacen.demonios import DemonioVivo
    from src.produccion.almacen.mandos import MandoGuardado

OpcionMotivo = Annotated[str, typer.Option(help="Why; it is recorded.")]
OpcionQuien = Annotated[
    str | None,
    typer.Option(
        help="Who; the user of the operating system if omitted. It is recorded.", show_default=False
    ),
]
OpcionCuenta = Annotated[
    str | None, typer.Option(help="One account only, as `timonel breakers --json` names it.")
]

_SIN_RESPUESTA = 4
_RECHAZADO = 2


def mandar(
    estado: Path,
    de: tuple[str | None, str | None, str | None],
    pedir: Callable[[Engine, DemonioVivo], MandoGuardado],
) -> list[dict[str, Any]]:
    """Give the same command to every daemon that is meant, and wait for their answers.

    Args:
        estado: The state directory.
        de: Tenant, symbol and account; ``None`` for any.
        pedir: Gives the command to one.

    Raises:
        SolicitudInvalida: No daemon that is meant lives.
    """
    from src.produccion.almacen.conexion import abrir_almacen
    from src.produccion.almacen.mandos_riesgo import Alcance, demonios_de, esperar_desenlace
    from src.produccion.api.silencio import es_de, sobre_callados

    almacen = abrir_almacen(None, estado)
    try:
        demonios = demonios_de(almacen, *de)
        if not demonios:
            nombres = " ".join(nombre for nombre in de if nombre is not None) or "anything"
            calla = sobre_callados(almacen, partial(es_de, Alcance(*de)))
            quien = f"no running daemon of this store trades {nombres}{calla.quienes}"
            raise SolicitudInvalida(f"{quien}; nothing was done{calla.remedio}")
        mandos = [pedir(almacen, demonio) for demonio in demonios]
        hechos = [esperar_desenlace(almacen, mando) for mando in mandos]
        return [_con_senales(almacen, mando) for mando in hechos]
    finally:
        almacen.dispose()


def contar(respuestas: Sequence[dict[str, Any]], *, como_json: bool) -> None:
    """Print what came of commands; ends with an exit code when one was not carried out.

    Raises:
        typer.Exit: One was refused, or nobody answered.
    """
    if como_json:
        typer.echo(json.dumps({"results": list(respuestas)}))
    else:
        for respuesta in respuestas:
            quien = respuesta["symbol"] + (f" of {de}" if (de := respuesta["account_id"]) else "")
            texto = respuesta.get("message") or respuesta.get("error") or "done"
            consola_de_mensajes().print(f"{quien}: {texto}", markup=False)
    malas = [r for r in respuestas if not r["success"]]
    if malas:
        raise typer.Exit(max(int(r.get("exit_code", _RECHAZADO)) for r in malas))


def respuesta_de(mando: MandoGuardado) -> dict[str, Any]:
    """What came of a command, as it is told."""
    donde = {"symbol": mando.symbol, "account_id": mando.account_id, "command_id": mando.id}
    if mando.outcome is not None:
        return {**mando.outcome, **donde}
    error = (
        "no daemon took the command in time; nothing was done"
        if mando.claimed_by is None
        else "the daemon took it and has not answered; look at what it did"
    )
    return {"success": False, "error": error, "exit_code": _SIN_RESPUESTA, **donde}


def _con_senales(almacen: Engine, mando: MandoGuardado) -> dict[str, Any]:
    """What came of a command; where nobody told, also what is known of the daemon that owes it."""
    from src.produccion.api.silencio import sobre_el_de

    respuesta = respuesta_de(mando)
    if mando.outcome is not None:
        return respuesta
    _, dicho = sobre_el_de(almacen, mando)
    return {**respuesta, "error": f"{respuesta['error']}; {dicho}"}
