"""The embedded simulator: it lives and dies with its daemon."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from src.nucleo.errores import ConfiguracionInvalida, EmergenciaOperacional
from src.produccion.simulado import simulador_embebido

RED = True
ARGUMENTOS = ["--synthetic", "--symbol", "BTCUSDT", "--candles", "1600"]


def hijos() -> list[psutil.Process]:
    return [hijo for hijo in psutil.Process().children() if "src.cli.simulator" in " ".join(hijo.cmdline())]


async def test_al_salir_no_queda_ningun_proceso():
    async with simulador_embebido(ARGUMENTOS) as url:
        assert url.startswith("http://127.0.0.1:")
        assert len(hijos()) == 1

    assert hijos() == []


async def test_un_simulador_que_muere_acaba_con_la_sesion():
    async def sesion() -> None:
        async with simulador_embebido(ARGUMENTOS):
            hijos()[0].send_signal(signal.SIGKILL)
            await asyncio.sleep(10)

    with pytest.raises(EmergenciaOperacional, match="simulator ended with code -9"):
        await sesion()


async def test_un_simulador_que_no_arranca_dice_por_que():
    with pytest.raises(ConfiguracionInvalida, match="nada"):
        async with simulador_embebido(["--data", "BTCUSDT=nada.csv"]):
            pass


def test_matar_a_quien_lo_arranco_tambien_lo_acaba(tmp_path: Path):
    listo = tmp_path / "listo.json"
    guion = (
        "import subprocess, sys, time;"
        f"orden = ['--until-eof', '--ready-file', {str(listo)!r}, *{ARGUMENTOS!r}];"
        "subprocess.Popen([sys.executable, '-m', 'src.cli.simulator', *orden],"
        " stdin=subprocess.PIPE, stdout=subprocess.DEVNULL); time.sleep(60)"
    )
    padre = subprocess.Popen([sys.executable, "-c", guion], cwd=Path(__file__).parents[2])
    try:
        limite = time.monotonic() + 20
        while not listo.exists() and time.monotonic() < limite:
            time.sleep(0.05)
        (hijo,) = psutil.Process(padre.pid).children()
    finally:
        os.kill(padre.pid, signal.SIGKILL)
        padre.wait()

    hijo.wait(timeout=10)
