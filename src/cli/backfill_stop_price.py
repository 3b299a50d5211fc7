"""``timonel backfill_stop_price``: absolute stops for operations that know only a percentage."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from src.cli.comun_cuenta import ESTADO, OpcionEnsayo, OpcionEstado, precio_escrito
from src.cli.salida import consola_de_mensajes

if TYPE_CHECKING:
    from src.produccion.monitor.relleno import Lote, Rellenada

_RAYA = "=" * 40


def backfill_stop_price(
    batch_size: Annotated[int, typer.Option("--batch-size", help="Operations in one transaction.")] = 1_000,
    dry_run: OpcionEnsayo = False,
    state_dir: OpcionEstado = ESTADO,
) -> None:
    """Give operations that have a stop_loss_percent and no stop_price their absolute stop.

    BUY: entry·(1 − p/100). SELL: entry·(1 + p/100). Afterwards the price alone counts. Interrupted and
    started again, it leaves alone what was done. Operations whose numbers make no stop are named and left.

    Exit codes: 0 done, 1 some operations could not be filled in, 2 bad input, 130 interrupted.
    """
    from src.produccion.almacen.conexion import abrir_almacen
    from src.produccion.monitor.relleno import por_rellenar, rellenar

    motor = abrir_almacen(None, state_dir, existente=True)
    try:
        cuantas = por_rellenar(motor)
        _empezar(cuantas, batch_size, ensayo=dry_run)
        hechas = actualizadas = 0
        with _barra() as barra:
            tarea = barra.add_task("operations", total=cuantas)
            for lote in rellenar(motor, time.time_ns() // 1_000_000, batch_size, ensayo=dry_run):
                _contar(lote)
                hechas, actualizadas = hechas + len(lote.filas), actualizadas + lote.actualizadas
                barra.update(tarea, completed=hechas, total=lote.total)
    finally:
        motor.dispose()
    _acabar(hechas, actualizadas, ensayo=dry_run)
    if actualizadas < hechas:
        raise typer.Exit(1)


def _barra() -> Progress:
    """Shown on a terminal only; the lines of the result go to standard output."""
    consola = consola_de_mensajes()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=consola,
        transient=True,
        redirect_stdout=False,
        disable=not consola.is_terminal,
    )


def _empezar(cuantas: int, lote: int, *, ensayo: bool) -> None:
    typer.echo("Starting stop_price backfill...")
    if ensayo:
        typer.echo("   DRY RUN MODE (no changes will be made)")
    typer.echo(f"   Batch size: {lote}\n")
    typer.echo(f"Found {cuantas} operations to backfill\n")


def _contar(lote: Lote) -> None:
    hasta = lote.desde + len(lote.filas) - 1
    typer.echo(f"Processing batch {lote.numero} ({lote.desde}-{hasta} of {lote.total})...")
    for fila in lote.filas:
        typer.echo(f"  {linea(fila)}")
    typer.echo(f"  Batch complete: {lote.actualizadas} updated\n")


def linea(fila: Rellenada) -> str:
    """One operation."""
    if fila.stop is None:
        return f"Op#{fila.operation_id}: skipped, {fila.motivo}"
    stop = precio_escrito(float(fila.stop))
    return f"Op#{fila.operation_id}: stop_price={stop} (from {float(fila.porcentaje)}%)"


def _acabar(hechas: int, actualizadas: int, *, ensayo: bool) -> None:
    typer.echo(_RAYA)
    typer.echo("Backfill complete!")
    typer.echo(f"   Total operations processed: {hechas}")
    typer.echo(f"   Successfully updated: {actualizadas}")
    if actualizadas < hechas:
        typer.echo(f"   Skipped: {hechas - actualizadas}")
    if ensayo:
        typer.echo("   DRY RUN: No changes were made")
