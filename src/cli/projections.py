"""``timonel projections``: tables that follow from events, made again from them."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from src.cli.db import CarpetaEstado, ComoJson, Direccion
from src.cli.salida import con_codigo_de_salida, consola_de_mensajes

projections = typer.Typer(help="Tables that follow from events.", no_args_is_help=True)


@projections.callback()
def _grupo() -> None:
    """Tables that follow from events."""


@projections.command()
@con_codigo_de_salida
def rebuild(
    db_url: Direccion = None, state_dir: CarpetaEstado = Path("estado"), como_json: ComoJson = False
) -> None:
    """Make stop_executions again from stop_events; says how many rows were not what their events say."""
    from src.produccion.almacen.conexion import abrir_almacen
    from src.produccion.almacen.proyecciones import reconstruir

    motor = abrir_almacen(db_url, state_dir, existente=True)
    barra = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=consola_de_mensajes(),
        transient=True,
    )
    try:
        with barra:
            tarea = barra.add_task("stop events", total=None)
            hecha = reconstruir(motor, lambda n, total: barra.update(tarea, completed=n, total=total))
    finally:
        motor.dispose()
    if como_json:
        datos = {"events": hecha.eventos, "executions": hecha.ejecuciones, "different": hecha.distintas}
        typer.echo(json.dumps(datos))
        return
    typer.echo(
        f"{hecha.eventos:,} events, {hecha.ejecuciones:,} executions;"
        f" {hecha.distintas:,} were not what their events say"
    )
