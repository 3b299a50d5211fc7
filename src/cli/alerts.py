"""``timonel alerts``: tells people what they have to know, and takes their commands; a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from src.cli.comun_cuenta import ESTADO, OpcionConfig, OpcionDetallado, OpcionEstado, OpcionJson
from src.cli.salida import con_codigo_de_salida, consola_de_mensajes

if TYPE_CHECKING:
    from src.produccion.alertas.escucha import Oyente
    from src.produccion.alertas.estadistica import Cuenta
    from src.produccion.config.alertas import SeccionAlertas
    from src.produccion.montaje_alertas import OficinaAbierta

_TITULOS = ("channel", "kind", "sent", "waiting", "held back", "failed", "failed tries", "last error")

alerts = typer.Typer(help="Deliver alerts, and look at how that goes.", invoke_without_command=True)


@alerts.callback()
@con_codigo_de_salida
def deliver(
    ctx: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Deliver what is waiting, and end: for cron.")] = False,
    no_commands: Annotated[
        bool, typer.Option("--no-commands", help="Take no commands: another process does.")
    ] = False,
    config: OpcionConfig = None,
    state_dir: OpcionEstado = ESTADO,
    verbose: OpcionDetallado = False,
) -> None:
    """Deliver the alerts of the shared store to the chats and services of timonel.yaml, until interrupted.

    It holds no keys of the exchange. Alerts wait in the store while it does not run or a channel is down;
    several at once share the work. Only one of them may take commands of a bot.

        timonel alerts --config timonel.yaml

    Exit codes: 0 asked to end, or nothing left to deliver; 1 (--once) something was not delivered and waits;
    2 bad input; 4 the store does not answer.
    """
    if ctx.invoked_subcommand is not None:
        return
    from src.produccion.bitacora import AjustesBitacora, configurada
    from src.produccion.config.alertas import secretos_de
    from src.produccion.config.config import leer_ajustes

    avisos = leer_ajustes(config).alerts
    ajustes = AjustesBitacora(detallado=verbose, secretos=secretos_de(avisos, os.environ))
    with configurada(state_dir / "alerts.log", ajustes=ajustes):
        bien = asyncio.run(_repartir(avisos, state_dir, una_vez=once, mandos=not no_commands))
    if not bien:
        raise typer.Exit(1)


@alerts.command("test")
@con_codigo_de_salida
def probar(
    config: OpcionConfig = None, state_dir: OpcionEstado = ESTADO, como_json: OpcionJson = False
) -> None:
    """Send a test message to every channel at once.

    Exit codes: 0 all of them took it, 1 one did not, 2 bad input.
    """
    resultados = asyncio.run(_probar(config, state_dir))
    if como_json:
        typer.echo(json.dumps({"channels": resultados}))
    else:
        for uno in resultados:
            typer.echo(f"{uno['channel']}: {uno['error'] or 'sent'}")
    if any(uno["error"] for uno in resultados):
        raise typer.Exit(1)


@alerts.command()
@con_codigo_de_salida
def stats(
    hours: Annotated[float, typer.Option(min=0, help="How far back; 0 is everything that is kept.")] = 24.0,
    como_json: OpcionJson = False,
    state_dir: OpcionEstado = ESTADO,
) -> None:
    """Count messages by channel and kind: sent, waiting, held back for a digest, given up.

    Exit codes: 0 done, 2 bad input.
    """
    from src.produccion.alertas.estadistica import contar, sin_repartir
    from src.produccion.almacen.conexion import abrir_almacen, leer

    motor = abrir_almacen(None, state_dir, existente=True)
    try:
        with leer(motor) as conexion:
            cuentas, nuevas = contar(conexion, hours or None), sin_repartir(conexion)
    finally:
        motor.dispose()
    if como_json:
        filas = [dict(zip(_CAMPOS, cuenta, strict=True)) for cuenta in cuentas]
        typer.echo(json.dumps({"hours": hours or None, "unrouted": nuevas, "channels": filas}))
        return
    Console(highlight=False, emoji=False).print(_tabla(cuentas))
    if nuevas:
        typer.echo(f"{nuevas} alerts wait for a deliverer: timonel alerts")


_CAMPOS = ("channel", "kind", "sent", "waiting", "held_back", "failed", "failed_tries", "last_error")


def _tabla(cuentas: list[Cuenta]) -> Table:
    tabla = Table(box=None, pad_edge=False)
    for i, titulo in enumerate(_TITULOS):
        numero = 1 < i < len(_TITULOS) - 1
        tabla.add_column(titulo, justify="right" if numero else "left", no_wrap=i < len(_TITULOS) - 1)
    for cuenta in cuentas:
        tabla.add_row(*("" if valor is None else str(valor) for valor in cuenta))
    return tabla


async def _repartir(ajustes: SeccionAlertas, estado: Path, *, una_vez: bool, mandos: bool) -> bool:
    from src.produccion.montaje_alertas import abrir_oficina

    async with abrir_oficina(ajustes, estado) as oficina:
        if una_vez:
            return await oficina.repartidor.una_vez()
        await _hasta_un_aviso(oficina, oficina.oyente if mandos else None)
        return True


async def _hasta_un_aviso(oficina: OficinaAbierta, oyente: Oyente | None) -> None:
    """Deliver and listen until a signal asks to end; what is being sent is finished."""
    bucle = asyncio.get_running_loop()
    for aviso in (signal.SIGINT, signal.SIGTERM):
        bucle.add_signal_handler(aviso, oficina.repartidor.terminar)
    nombres = ", ".join(canal.destino.nombre for canal in oficina.canales)
    consola_de_mensajes().print(f"delivering to {nombres}", markup=False)
    async with asyncio.TaskGroup() as grupo:
        escucha = None if oyente is None else grupo.create_task(oyente.correr())
        await oficina.repartidor.correr()
        if escucha is not None:
            escucha.cancel()


async def _probar(config: Path | None, estado: Path) -> list[dict[str, str | None]]:
    from src.nucleo.alertas import Clase, Mensaje, Nivel
    from src.nucleo.errores import AvisoSinEntregar
    from src.produccion.config.config import leer_ajustes
    from src.produccion.montaje_alertas import abrir_oficina

    prueba = Mensaje(f"{Nivel.INFO.value} {Clase.TEST.value}", "A test of Timonel's alerts.", Nivel.INFO)
    resultados: list[dict[str, str | None]] = []
    async with abrir_oficina(leer_ajustes(config).alerts, estado) as oficina:
        for canal in oficina.canales:
            error = None
            try:
                await canal.enviar(prueba)
            except AvisoSinEntregar as fallo:
                error = str(fallo)
            resultados.append({"channel": canal.destino.nombre, "error": error})
    return resultados
