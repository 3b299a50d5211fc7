"""``timonel stops``: how the executions of stops went."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from src.cli.comun_cuenta import ESTADO, OpcionEstado, OpcionJson
from src.cli.salida import con_codigo_de_salida

if TYPE_CHECKING:
    from src.produccion.monitor.informe_stops import InformeStops, Medida

stops = typer.Typer(help="Look at the executions of stops.", no_args_is_help=True)


@stops.callback()
def _stops() -> None:
    """Look at the executions of stops."""


@stops.command()
@con_codigo_de_salida
def report(
    hours: Annotated[
        float, typer.Option(min=0, help="How far back triggers and executions go; 0 is everything.")
    ] = 24.0,
    failure_hours: Annotated[float, typer.Option(min=0, help="The same of failures.")] = 1.0,
    client_id: Annotated[str | None, typer.Option(help="One tenant only.")] = None,
    como_json: OpcionJson = False,
    state_dir: OpcionEstado = ESTADO,
) -> None:
    """Count executions by status, with slippage, latency from trigger to execution, and failures.

    Slippage is in percent of the stop's own price, above 0 when the fill was worse. Latency is market time.
    Reads the store alone: no keys, no exchange. A replayed market lives in another year: --hours 0.

    Exit codes: 0 done, 2 bad input.
    """
    from src.produccion.almacen.conexion import abrir_almacen, leer
    from src.produccion.monitor.informe_stops import informar

    motor = abrir_almacen(None, state_dir, existente=True)
    try:
        with leer(motor) as conexion:
            informe = informar(conexion, hours or None, failure_hours or None, client_id)
    finally:
        motor.dispose()
    if como_json:
        typer.echo(json.dumps(a_json(informe), allow_nan=False))
        return
    for tabla in _tablas(informe):
        Console(highlight=False, emoji=False).print(tabla)
    if informe.anteriores:
        plural = "" if informe.anteriores == 1 else "s"
        typer.echo(f"{informe.anteriores} older execution{plural}: --hours 0 shows all")


def a_json(informe: InformeStops) -> dict[str, object]:
    """The report for programs."""
    return {
        "hours": informe.horas,
        "executions": informe.por_estado,
        "slippage_pct": _medida_a_json(informe.slippage_pct),
        "latency_ms": _medida_a_json(informe.latencia_ms),
        "failures": [
            {
                "operation_id": f.operation_id,
                "symbol": f.simbolo,
                "error_message": f.mensaje,
                "failed_at_ms": f.fallo_ms,
                "retry_count": f.reintentos,
            }
            for f in informe.fallidas
        ],
    }


def _medida_a_json(medida: Medida) -> dict[str, float | int | None]:
    return {"count": medida.cuantas, "avg": medida.media, "p99": medida.p99, "max": medida.maximo}


def _tablas(informe: InformeStops) -> list[Table]:
    periodo = "all" if informe.horas is None else f"last {informe.horas:g} h"
    estados = Table(title=f"Stop executions, {periodo}", title_justify="left", box=None, pad_edge=False)
    for titulo in informe.por_estado:
        estados.add_column(titulo, justify="right")
    estados.add_row(*(str(cuantas) for cuantas in informe.por_estado.values()))
    medidas = Table(box=None, pad_edge=False)
    for titulo in ("", "count", "avg", "p99", "max"):
        medidas.add_column(titulo, justify="right" if titulo else "left")
    medidas.add_row("slippage %", *_celdas(informe.slippage_pct, 4))
    medidas.add_row("trigger → execution ms", *_celdas(informe.latencia_ms, 0))
    fallos = Table(title=f"Failures: {len(informe.fallidas)}", title_justify="left", box=None, pad_edge=False)
    for titulo in ("operation", "failed at", "retries", "error") if informe.fallidas else ():
        fallos.add_column(titulo, overflow="fold")
    for f in informe.fallidas:
        cuando = datetime.fromtimestamp(f.fallo_ms / 1_000, UTC).isoformat(timespec="seconds")
        fallos.add_row(f.operation_id or "", cuando, str(f.reintentos), f.mensaje.replace("[", r"\["))
    return [estados, medidas, fallos]


def _celdas(medida: Medida, decimales: int) -> list[str]:
    valores = (medida.media, medida.p99, medida.maximo)
    return [str(medida.cuantas), *("" if v is None else f"{v:.{decimales}f}" for v in valores)]
