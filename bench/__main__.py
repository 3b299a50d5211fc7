"""The command line of the bench."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench.grupos import GRUPOS, elegir, medir
from bench.medida import Medida
from bench.tabla import escribir, mostrar

SALIDA = Path("build/bench.json")
_ANCHO = 160  # where nobody says how wide the terminal is
_UN_HILO = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def principal(argumentos: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    lector = argparse.ArgumentParser(prog="python -m bench", description="Every figure, beside its peer.")
    figuras = [figura for grupo in GRUPOS for figura in grupo.figuras]
    lector.add_argument("--only", action="append", default=[], choices=figuras, metavar="NAME",
                        help=f"measure only this figure; repeatable: {', '.join(figuras)}")  # fmt: skip
    lector.add_argument("--quick", action="store_true", help="short runs: rough figures")
    lector.add_argument("--soak", action="store_true", help="20,000 candles as well, for memory growth")
    opciones = lector.parse_args(argumentos)
    os.environ.update(dict.fromkeys(_UN_HILO, "1"))
    SALIDA.parent.mkdir(exist_ok=True)
    avisos = Console(stderr=True)
    consola = Console() if avisos.is_terminal else Console(width=_ANCHO)
    medidas: list[Medida] = []
    for grupo in elegir(opciones.only, soak=opciones.soak):
        with avisos.status(f"measuring {', '.join(grupo.figuras)}"):
            medidas += medir(grupo, rapido=opciones.quick)
    mostrar(medidas, consola)
    escribir(medidas, SALIDA, conservar=bool(opciones.only))
    consola.print(f"written to {SALIDA}")


if __name__ == "__main__":
    principal()
