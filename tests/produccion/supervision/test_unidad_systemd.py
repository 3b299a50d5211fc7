"""The unit restarts what a restart can help, and systemd finds nothing to complain about."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from src.nucleo import errores

UNIDAD = Path(__file__).parents[3] / "deploy" / "timonel@.service"


def valor(clave: str) -> str:
    lineas = [linea.partition("=") for linea in UNIDAD.read_text().splitlines()]
    (encontrado,) = [resto for nombre, _, resto in lineas if nombre == clave]
    return encontrado


def test_no_se_repite_lo_que_pide_una_persona():
    codigos = {
        clase.codigo_salida
        for clase in vars(errores).values()
        if isinstance(clase, type) and issubclass(clase, errores.ErrorTimonel)
    }
    pasajeros = {errores.ArranqueFallido.codigo_salida}

    assert set(map(int, valor("RestartPreventExitStatus").split())) == codigos - pasajeros
    assert valor("Restart") == "on-failure"
    assert valor("SuccessExitStatus") == "130"


def test_se_vigila_y_se_para_en_orden():
    assert valor("Type") == "notify"
    assert int(valor("WatchdogSec")) > 0
    assert valor("KillSignal") == "SIGTERM"
    assert int(valor("TimeoutStopSec")) >= 60


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_la_entiende(tmp_path: Path):
    texto = UNIDAD.read_text()
    texto = texto.replace("/opt/timonel/.venv/bin/python", sys.executable).replace(
        "timonel\n", f"{getpass.getuser()}\n"
    )
    copia = tmp_path / "timonel@prueba.service"
    copia.write_text(texto)

    hecho = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(copia)],
        capture_output=True,
        text=True,
        timeout=60,
    )

    quejas = [linea for linea in (hecho.stdout + hecho.stderr).splitlines() if copia.name in linea]
    assert quejas == []
    assert hecho.returncode == 0, hecho.stderr
