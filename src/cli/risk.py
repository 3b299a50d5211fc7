"""``timonel risk``: what the agents of this store may do."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from src.cli.comun_cuenta import ESTADO, OpcionEstado, OpcionJson
from src.cli.mandos_riesgo import Acto, OpcionCuenta, OpcionMotivo, OpcionQuien, contar, mandar
from src.cli.salida import con_codigo_de_salida
from src.nucleo.riesgo import ModoRiesgo

risk = typer.Typer(help="Risk mode: look at it, set it.", no_args_is_help=True)


@risk.callback()
def _risk() -> None:
    """Risk mode: look at it, set it."""


def _comprobar(escrito: str | None) -> str:
    if escrito not in set(ModoRiesgo):
        que = "no mode is named" if escrito is None else f"{escrito!r} is none"
        raise typer.BadParameter(
            f"{que}; use one of {', '.join(ModoRiesgo)}; `timonel risk show` tells the present one"
        )
    return str(escrito)


@risk.command()
@con_codigo_de_salida
def mode(
    reason: OpcionMotivo,
    mode: Annotated[
        str | None,
        typer.Argument(
            metavar=f"[{'|'.join(ModoRiesgo)}]",
            help="What the agent may do; `timonel risk show` tells the present one.",
            show_default=False,
            callback=_comprobar,
        ),
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="One symbol only.")] = None,
    account: OpcionCuenta = None,
    client_id: Annotated[str | None, typer.Option(help="One tenant only.")] = None,
    by: OpcionQuien = None,
    como_json: OpcionJson = False,
    state_dir: OpcionEstado = ESTADO,
) -> None:
    """Set the risk mode of every running daemon that is named; it is kept until it is set again.

    ACTIVE trades. REDUCING opens and increases nothing. HALTED sends nothing that the agent decides, exits
    neither: stops, drawdown emergency and exits by hand go on. `timonel risk show` tells the present one.
    Writes to the store as whoever owns this machine, logged in or not; over HTTP roles decide.

    Exit codes: 0 done, 2 bad input or refused, 4 a daemon did not answer,
    6 no running daemon is meant; nothing was done.
    """
    from src.produccion.almacen.mandos_riesgo import PeticionModo, comprobar_motivo, pedir_modo
    from src.produccion.riesgo.enclavamiento import operador

    peticion, quien = PeticionModo(ModoRiesgo(str(mode)), comprobar_motivo(reason)), operador(by)
    pedido = {"mode": peticion.modo.value, "reason": peticion.motivo}
    respuestas = mandar(
        state_dir,
        (client_id, None if symbol is None else symbol.upper(), account),
        lambda almacen, demonio: pedir_modo(almacen, demonio, peticion, quien),
        Acto("risk.mode", pedido, by),
    )
    contar(respuestas, como_json=como_json)


@risk.command()
@con_codigo_de_salida
def show(
    client_id: Annotated[str | None, typer.Option(help="One tenant only.")] = None,
    como_json: OpcionJson = False,
    state_dir: OpcionEstado = ESTADO,
) -> None:
    """List the mode of every daemon of this store, and wherever one was set, as they were told last.

    Exit codes: 0 done, 2 bad input.
    """
    from src.produccion.almacen.conexion import abrir_almacen, leer
    from src.produccion.almacen.modos import modos_vigentes

    almacen = abrir_almacen(None, state_dir, existente=True)
    try:
        with leer(almacen) as conexion:
            modos = modos_vigentes(conexion, client_id)
    finally:
        almacen.dispose()
    if como_json:
        typer.echo(json.dumps({"modes": [modo._asdict() for modo in modos]}))
        return
    for modo in modos:
        typer.echo(modo.texto)
