"""The ``timonel`` command itself."""

from __future__ import annotations

import tomllib
from pathlib import Path

from typer.testing import CliRunner

from src.cli.app import app

PROYECTO = Path(__file__).parents[2] / "pyproject.toml"


def test_la_version_es_la_del_proyecto():
    version = tomllib.loads(PROYECTO.read_text(encoding="utf-8"))["project"]["version"]

    resultado = CliRunner().invoke(app, ["--version"])

    assert resultado.exit_code == 0, resultado.output
    assert resultado.stdout == f"timonel {version}\n"


def test_sin_orden_se_muestra_la_ayuda():
    ayuda = CliRunner().invoke(app, []).output

    assert "Train a SAC agent" in ayuda
    assert "monitor_stops" in ayuda
