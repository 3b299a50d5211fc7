"""``timonel replay``: what it prints, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from src.cli.app import app
from tests.produccion.grabada import SELLO, Grabacion, una_grabacion


@pytest.fixture
def grabacion(tmp_path: Path) -> Grabacion:
    return una_grabacion(tmp_path / "ent")


def ejecutar(tmp_path: Path, *argumentos: str) -> Result:
    lugares = ("--artefacts", str(tmp_path / "ent"), "--state-dir", str(tmp_path / "estado"))
    return CliRunner().invoke(app, ["replay", *argumentos, *lugares])


def test_todo_igual_termina_con_codigo_0(grabacion: Grabacion, tmp_path: Path):
    grabacion.escribir(tmp_path / "estado")

    resultado = ejecutar(tmp_path, SELLO)

    assert resultado.exit_code == 0, resultado.output
    assert "12 of 12 decisions equal" in resultado.output


def test_una_diferencia_termina_con_codigo_1_y_se_muestra(grabacion: Grabacion, tmp_path: Path):
    grabacion.decididas()[0]["equity"] += 1.0
    grabacion.escribir(tmp_path / "estado")

    resultado = ejecutar(tmp_path, SELLO)

    assert resultado.exit_code == 1
    assert "11 of 12 decisions equal" in resultado.output
    assert "equity" in resultado.output


def test_en_json_no_hay_nada_mas(grabacion: Grabacion, tmp_path: Path):
    grabacion.decididas()[3]["action"] = 0.123
    grabacion.escribir(tmp_path / "estado")

    contado = json.loads(ejecutar(tmp_path, SELLO, "--json").stdout)

    assert (contado["decisions"], contado["equal"]) == (12, 11)
    assert contado["differences"][0]["what"] == "action"
    assert contado["differences"][0]["recorded"] == "0.123"


def test_una_sesion_se_nombra_tambien_por_su_archivo(grabacion: Grabacion, tmp_path: Path):
    grabacion.escribir(tmp_path / "estado")
    registro = grabacion.artefacto.ruta / "produccion" / f"registro_{SELLO}.csv"

    resultado = CliRunner().invoke(app, ["replay", str(registro), "--state-dir", str(tmp_path / "estado")])

    assert resultado.exit_code == 0, resultado.output


def test_una_sesion_desconocida_nombra_las_conocidas(grabacion: Grabacion, tmp_path: Path):
    grabacion.escribir(tmp_path / "estado")

    resultado = ejecutar(tmp_path, "20991231_000000")

    assert resultado.exit_code == 2
    assert f"known: {SELLO}; choose another --state-dir" in resultado.stderr


def test_sin_diarios_se_dice_donde_se_busco(tmp_path: Path):
    resultado = ejecutar(tmp_path, SELLO)

    assert resultado.exit_code == 2
    assert "there is no recorded session" in resultado.stderr


def test_unas_velas_cambiadas_se_rechazan(grabacion: Grabacion, tmp_path: Path):
    grabacion.escribir(tmp_path / "estado")
    (grabacion.artefacto.ruta / "produccion" / f"velas_{SELLO}.npz").write_bytes(b"otra cosa")

    resultado = ejecutar(tmp_path, SELLO)

    assert resultado.exit_code == 2
    assert "is not the file" in resultado.stderr


def test_una_sesion_sin_calentamiento_se_dice(grabacion: Grabacion, tmp_path: Path):
    """A daemon that died before its first candle."""
    grabacion.eventos = grabacion.eventos[:1]
    grabacion.escribir(tmp_path / "estado")

    resultado = ejecutar(tmp_path, SELLO)

    assert resultado.exit_code == 2
    assert "ended before its first candle" in resultado.stderr


def test_un_sello_de_dos_diarios_pide_mas(grabacion: Grabacion, tmp_path: Path):
    grabacion.escribir(tmp_path / "estado" / "uno")
    grabacion.escribir(tmp_path / "estado" / "otro")

    resultado = ejecutar(tmp_path, SELLO)

    assert resultado.exit_code == 2
    assert "names 2 sessions" in resultado.stderr
