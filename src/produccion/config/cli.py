"""The daemon's command line."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from src.artefactos.artefacto import leer_artefacto
from src.nucleo.errores import ConfiguracionInvalida, EmergenciaDrawdown
from src.produccion.config.config import CONFIRMAR_REAL, Opciones, PoliticaSalida, comprobar_opciones

if TYPE_CHECKING:
    from src.produccion.comienzo import Comienzo
    from src.produccion.montaje import Sesion

_INTERRUMPIDO = 130
_ACEPTO = "TRADE REAL MONEY"

consola = Console(stderr=True, emoji=False)


def live(
    train_id: Annotated[
        str, typer.Option("--train-id", help="Artefact to run: a directory below --artefacts.")
    ],
    real: Annotated[
        bool, typer.Option("--live", help="Trade REAL money. Without it: the testnet.", show_default=False)
    ] = False,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Dry run against an exchange simulator started for it.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option("--data", help="Candles of the dry run (CSV, .csv.gz or Parquet).")
    ] = None,
    speed: Annotated[
        str, typer.Option("--speed", help="Speed of the dry run's market: max, 1, 60 …")
    ] = "max",
    candles: Annotated[int | None, typer.Option("--candles", help="Stop after this many candles.")] = None,
    exchange_url: Annotated[
        str | None,
        typer.Option(
            "--exchange-url",
            envvar="TIMONEL_EXCHANGE_URL",
            help="A running simulator, e.g. http://127.0.0.1:8899.",
        ),
    ] = None,
    capital: Annotated[
        float | None,
        typer.Option("--capital", help="Part of the wallet that is this agent's own, in USDT. Default: all."),
    ] = None,
    on_exit: Annotated[
        PoliticaSalida | None,
        typer.Option("--on-exit", help="What Ctrl+C does with an open position. Default: protected."),
    ] = None,
    unlock: Annotated[
        str | None, typer.Option("--unlock", help="Clear the drawdown latch; the reason is recorded.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option("--by", help="Who unlocks; recorded. Default: the user of the operating system."),
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="Settings file (timonel.yaml).")] = None,
    artefacts: Annotated[Path, typer.Option("--artefacts", help="Where artefacts live.")] = Path(
        "entrenamientos"
    ),
    state_dir: Annotated[Path, typer.Option("--state-dir", help="Where journals live.")] = Path("estado"),
    user: Annotated[
        str | None, typer.Option("--user", help="Account of accounts.yaml; otherwise the usual keys.")
    ] = None,
    accounts: Annotated[
        Path | None,
        typer.Option("--accounts", envvar="TIMONEL_ACCOUNTS", help="Accounts file. Default: accounts.yaml."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show every log event.")] = False,
) -> None:
    """Run a trained agent as a daemon: testnet by default, real money only with --live.

    Exit codes: 0 done, 2 bad input, 3 drawdown emergency, 4 operational emergency, 5 latched, 6 not started,
    130 interrupted.
    """
    opciones = Opciones(
        train_id=_train_id(train_id, artefacts),
        base=artefacts,
        estado=state_dir,
        config=config,
        real=real,
        simulado=simulated,
        datos=data,
        velocidad=speed,
        velas=candles,
        url=exchange_url,
        capital=capital,
        salida=on_exit,
        detallado=verbose,
        usuario=user,
        cuentas=accounts,
    )
    comprobar_opciones(opciones)
    if by is not None and unlock is None:
        raise ConfiguracionInvalida('--by says who unlocks; it goes with --unlock "reason"')
    raise typer.Exit(_desenclavar(opciones, unlock, by) if unlock is not None else _vivir(opciones))


def _train_id(escrito: str, artefactos: Path) -> str:
    """An artefact's name, also where its path was written."""
    nombre = escrito.rstrip("/").removeprefix(f"{artefactos}/")
    if not nombre or nombre.startswith("-"):
        raise ConfiguracionInvalida(
            f"--train-id {escrito!r} names no artefact; give the name of a directory below {artefactos}"
            " (a shell variable that is empty names none)"
        )
    return nombre


def _vivir(opciones: Opciones) -> int:
    from src.produccion.lanzamiento import ejecutar
    from src.produccion.orquestador import Motivo
    from src.produccion.supervision.prisa import interrumpible

    if opciones.real:
        _confirmar(opciones)
    try:
        vida = ejecutar(opciones, al_empezar=_anunciar, al_terminar=_despedir)
        sesion = asyncio.run(interrumpible(vida))
    except asyncio.CancelledError:
        consola.print("ended at once; an open position stays as it is", style="yellow")
        return _INTERRUMPIDO
    except EmergenciaDrawdown as fallo:
        consola.print(f"error: {fallo}", style="red", markup=False, soft_wrap=True)
        consola.print(_que_hacer(opciones), markup=False, soft_wrap=True)
        return fallo.codigo_salida
    return _INTERRUMPIDO if sesion.motivo is Motivo.INTERRUMPIDO else 0


def _que_hacer(opciones: Opciones) -> str:
    """What follows a drawdown emergency."""
    from src.produccion.lanzamiento import como_se_pidio

    if opciones.simulado:
        return "a dry run forgets its lock; the next one starts afresh"
    return (
        "the symbol stays locked on this account; look into it, then run"
        f' `python live.py {como_se_pidio(opciones)} --unlock "reason"`'
    )


def _desenclavar(opciones: Opciones, razon: str, quien: str | None) -> int:
    from src.produccion.lanzamiento import desenclavar
    from src.produccion.riesgo.enclavamiento import comprobar_desbloqueo, operador

    comprobar_desbloqueo(operador(quien), razon)
    if desenclavar(opciones, razon, quien):
        consola.print("unlocked; the peak starts again from the next equity")
    else:
        consola.print("it was not locked; nothing changed")
    return 0


def _confirmar(opciones: Opciones) -> None:
    """Show what would be traded and ask for a typed confirmation."""
    artefacto = leer_artefacto(opciones.base, opciones.train_id)
    portafolio, entorno = artefacto.configuracion.portafolio, artefacto.configuracion.entorno
    tabla = Table(title="REAL MONEY", title_style="bold red", show_header=False)
    tabla.add_column()
    tabla.add_column(overflow="fold")
    for nombre, valor in (
        ("agent", opciones.train_id),
        ("symbol", f"{artefacto.mercado.simbolo} {artefacto.configuracion.data_downloader.interval}"),
        ("leverage", str(portafolio.apalancamiento)),
        ("capital", "whole wallet" if opciones.capital is None else f"{opciones.capital:,.2f}"),
        ("drawdown limit", f"{entorno.max_drawdown_permitido:.0%}"),
    ):
        tabla.add_row(nombre, valor)
    consola.print(tabla)
    if os.environ.get(CONFIRMAR_REAL) == "YES":
        return
    if not sys.stdin.isatty():
        raise ConfiguracionInvalida(
            f"--live without a terminal needs {CONFIRMAR_REAL}=YES in the environment"
        )
    if typer.prompt(f"Type {_ACEPTO!r} to go on", err=True) != _ACEPTO:
        raise ConfiguracionInvalida("not confirmed; nothing was started")


def _anunciar(comienzo: Comienzo) -> None:
    from src.produccion.comienzo import lineas

    for linea in lineas(comienzo):
        consola.print(linea, markup=False, highlight=False, soft_wrap=True)


def _despedir(sesion: Sesion) -> None:
    # How it ended is settled, and the exit code must say that: closing what is left takes a moment.
    asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _mostrar(sesion)


def _mostrar(sesion: Sesion) -> None:
    tabla = Table(title=f"Session ended: {sesion.motivo.value}", show_header=False)
    for nombre, valor in sesion.estadisticas.tabla().items():
        tabla.add_row(nombre, valor)
    consola.print(tabla)
    consola.print(f"session CSV: {sesion.registro}", soft_wrap=True, highlight=False)
