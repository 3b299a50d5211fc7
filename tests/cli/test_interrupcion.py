"""Ctrl+C at any moment of a command's life, from its first import to its last breath."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from src.cli.interrupcion import INTERRUMPIDO

RAIZ = Path(__file__).parents[2]
NADIE = ("--exchange-url", "http://127.0.0.1:9")

ORDENES = {
    "live.py": ("live.py", "--train-id", "nadie"),
    "train.py": ("train.py", "--synthetic"),
    "timonel monitor_stops": ("-m", "src.cli.entrada", "monitor_stops", *NADIE),
    "timonel panic": ("-m", "src.cli.entrada", "panic", *NADIE),
}

CON_MARCA = """
import runpy, sys
class Marca:
    def find_spec(self, nombre, *_):
        if nombre == {busca!r}:
            print("empieza", flush=True)
            import time
            time.sleep(20)
sys.path.insert(0, {raiz!r})
sys.meta_path.insert(0, Marca())
sys.argv = {argumentos!r}
runpy.{corre}(sys.argv[0], run_name="__main__")
"""


def python(*argumentos: str) -> subprocess.Popen[str]:
    """An interpreter at work, its words to be read."""
    return subprocess.Popen(
        [sys.executable, *argumentos],
        cwd=RAIZ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def cargando(orden: tuple[str, ...], busca: str) -> Iterator[subprocess.Popen[str]]:
    """The command, held in the middle of its imports."""
    por_modulo = orden[0] == "-m"
    guion = CON_MARCA.format(
        busca=busca,
        raiz=str(RAIZ),
        argumentos=list(orden[1:] if por_modulo else orden),
        corre="run_module" if por_modulo else "run_path",
    )
    with python("-c", guion) as proceso:
        try:
            assert proceso.stdout is not None
            assert proceso.stdout.readline() == "empieza\n"
            yield proceso
        finally:
            proceso.kill()


@pytest.mark.parametrize("nombre", ORDENES)
def test_mientras_se_carga_acaba_callado(nombre: str):
    busca = "src.produccion.panico.panico" if "panic" in nombre else "typer"
    with cargando(ORDENES[nombre], busca) as proceso:
        proceso.send_signal(signal.SIGINT)
        _, mensajes = proceso.communicate(timeout=30)

    assert (proceso.returncode, mensajes) == (INTERRUMPIDO, "")


def test_panic_interrumpido_no_dice_plana():
    """Whoever interrupts it must look: nothing was verified."""
    with python(*ORDENES["timonel panic"]) as proceso:
        assert proceso.stdout is not None
        assert "trying again" in proceso.stdout.readline()
        proceso.send_signal(signal.SIGINT)
        dicho, mensajes = proceso.communicate(timeout=30)

    assert (proceso.returncode, mensajes) == (INTERRUMPIDO, "")
    assert dicho.splitlines()[-1].startswith("interrupted: NOT VERIFIED; something may have been sent")


FINAL = """
import atexit, sys, time
from src.cli.interrupcion import correr
def orden():
    {cuerpo}
@atexit.register
def demorarse():
    print("acaba", flush=True)
    time.sleep(0.5)
correr(lambda: orden)
"""


def acabar(cuerpo: str) -> tuple[int, str]:
    """The exit code and messages of a process that is interrupted once its command has ended."""
    with python("-c", FINAL.format(cuerpo=cuerpo)) as proceso:
        assert proceso.stdout is not None
        assert proceso.stdout.readline() == "acaba\n"
        for _ in range(3):
            proceso.send_signal(signal.SIGINT)
            time.sleep(0.05)
        _, mensajes = proceso.communicate(timeout=30)
    return proceso.returncode, mensajes


@pytest.mark.parametrize(
    ("cuerpo", "codigo"),
    [("sys.exit(3)", 3), ("return", 0), ("raise KeyboardInterrupt", INTERRUMPIDO)],
)
def test_lo_que_ya_acabo_acaba_como_iba(cuerpo: str, codigo: int):
    assert acabar(cuerpo) == (codigo, "")
