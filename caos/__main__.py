"""``make chaos``: kill the daemon at seeded points under seeded faults, then look into the books."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from caos.comparacion import comparar_diarios, comparar_filas
from caos.corrida import Avance, Balance, Corrida, Vigia, carpeta_de
from caos.guion import FIJAS, REPETIBLES, TRANSPARENTES, Guion, sortear
from caos.informe import escribir, mostrar
from caos.invariantes import Violacion
from caos.procesos import Encargo, ProcesoFallido
from caos.terreno import preparar
from src.cli.salida import consola_de_mensajes
from src.nucleo.errores import ErrorTimonel

FALLAS_POR_MUERTE = 5
RESERVA = 130
"""Faults drawn for a hundred that shall happen."""

ORDENES_POR_VELA = 0.2
"""A run with fewer orders proves little."""

_ASENTAR_S = 0.2  # the journal writes what nobody waits for within this time


@dataclass(frozen=True, slots=True, kw_only=True)
class Pedido:
    """What the command line asked for."""

    muertes: int
    semilla: int
    velas: int
    fallas: int
    datos: Path | None
    base: Path


def principal(argumentos: Sequence[str] | None = None) -> int:
    """Run, check, print, write; returns the exit code."""
    o = _lector().parse_args(argumentos)
    consola = Console(width=None if sys.stdout.isatty() else 120)
    fallas = FALLAS_POR_MUERTE * o.kills if o.faults is None else o.faults
    try:
        with _carpeta(o.keep) as base:
            pedido = Pedido(
                muertes=o.kills,
                semilla=o.seed,
                velas=o.candles,
                fallas=fallas,
                datos=o.data,
                base=base,
            )
            with _barra(consola, o.kills) as vigia:
                if o.transparent:
                    balance = _transparente(pedido, vigia)
                elif o.repeat:
                    balance = _repetida(pedido, vigia)
                else:
                    guion = sortear(o.seed, o.candles, o.kills, _con_reserva(fallas), FIJAS)
                    balance, _ = _correr(pedido, guion, "run", vigia)
    except ErrorTimonel as fallo:
        consola_de_mensajes().print(f"error: {fallo}", style="red", markup=False)
        return fallo.codigo_salida
    except ProcesoFallido as fallo:
        consola_de_mensajes().print(f"error: {fallo}", style="red", markup=False)
        return 1
    _exigir(balance, o.kills, fallas)
    mostrar(balance, o.seed, consola)
    escribir(balance, o.seed, Path(o.output or f"build/chaos-{o.seed}.json"))
    return 1 if balance.violaciones else 0


def _transparente(pedido: Pedido, vigia: Vigia) -> Balance:
    """A run under faults that must leave no trace, and the same without any."""
    fallas = _con_reserva(pedido.fallas)
    guion = sortear(pedido.semilla, pedido.velas, pedido.muertes, fallas, TRANSPARENTES)
    _, limpia = _correr(pedido, sortear(pedido.semilla, pedido.velas, 0, 0), "clean", vigia)
    balance, sucia = _correr(pedido, guion, "faulty", vigia)
    balance.violaciones += comparar_filas(limpia, sucia)
    return balance


def _repetida(pedido: Pedido, vigia: Vigia) -> Balance:
    """The same seed twice."""
    fallas = _con_reserva(pedido.fallas)
    guion = sortear(pedido.semilla, pedido.velas, pedido.muertes, fallas, REPETIBLES)
    _, primera = _correr(pedido, guion, "first", vigia, _ASENTAR_S)
    balance, segunda = _correr(pedido, guion, "second", vigia, _ASENTAR_S)
    balance.violaciones += comparar_diarios(primera, segunda)
    return balance


def _correr(
    pedido: Pedido, guion: Guion, nombre: str, vigia: Vigia, asentar_s: float = 0.0
) -> tuple[Balance, Encargo]:
    terreno = preparar(carpeta_de(pedido.base, nombre), pedido.velas, pedido.datos)
    return Corrida(terreno, guion, vigia, asentar_s).correr()


def _con_reserva(fallas: int) -> int:
    """Some find no occasion, such as those of a stop that is never triggered."""
    return -(-fallas * RESERVA // 100)


def _exigir(balance: Balance, muertes: int, fallas: int) -> None:
    """A run that did less than it was asked to proves nothing."""
    if balance.muertes.total() < muertes:
        balance.violaciones.append(
            Violacion("the run is the one asked for", f"{balance.muertes.total()} of {muertes} kills")
        )
    if balance.ordenes < ORDENES_POR_VELA * balance.velas:
        balance.violaciones.append(
            Violacion("the run is the one asked for", f"{balance.ordenes} orders in {balance.velas} candles")
        )
    if balance.fallas.total() < fallas:
        balance.violaciones.append(
            Violacion("the run is the one asked for", f"{balance.fallas.total()} of {fallas} faults happened")
        )


def _lector() -> argparse.ArgumentParser:
    lector = argparse.ArgumentParser(prog="python -m caos", description=__doc__)
    lector.add_argument("--kills", type=int, default=200, help="kill -9s, each at a seeded point")
    lector.add_argument("--seed", type=int, default=1, help="decides where, and which faults happen")
    lector.add_argument("--candles", type=int, default=5_000, help="candles to trade")
    lector.add_argument("--faults", type=int, help="injected faults; 5 for each kill if omitted")
    lector.add_argument("--data", type=Path, help="candle file; a synthetic market if omitted")
    lector.add_argument("--keep", type=Path, help="new folder for the run's files; thrown away if omitted")
    lector.add_argument("--output", help="figures as JSON; build/chaos-SEED.json if omitted")
    modo = lector.add_mutually_exclusive_group()
    modo.add_argument(
        "--transparent",
        action="store_true",
        help="only faults that must leave no trace; compare every row with a run without any",
    )
    modo.add_argument(
        "--repeat", action="store_true", help="run the seed twice and compare the journals byte for byte"
    )
    return lector


@contextmanager
def _carpeta(pedida: Path | None) -> Iterator[Path]:
    if pedida is not None:
        pedida.mkdir(parents=True)
        yield pedida.absolute()
        return
    base = Path(tempfile.mkdtemp(prefix="timonel-chaos-"))
    try:
        yield base
    finally:
        shutil.rmtree(base, ignore_errors=True)


@contextmanager
def _barra(consola: Console, muertes: int) -> Iterator[Vigia]:
    columnas = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columnas, console=consola, disable=not consola.is_terminal) as progreso:
        pasos = progreso.add_task("market steps")
        caidas = progreso.add_task("kills", total=muertes)

        def vigia(avance: Avance) -> None:
            progreso.update(pasos, completed=avance.paso, total=avance.pasos)
            progreso.update(caidas, completed=avance.muertes)

        yield vigia


if __name__ == "__main__":
    sys.exit(principal())
