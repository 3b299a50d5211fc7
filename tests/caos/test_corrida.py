"""The proof end to end, small: real processes, real kills, and the books afterwards."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from caos.__main__ import principal
from src.cli.app import app


def test_matar_tres_veces_no_pierde_ni_repite_nada(tmp_path: Path):
    """Afterwards the whole session, its three deaths included, can be decided again bit for bit."""
    corrida, figuras = tmp_path / "corrida", tmp_path / "chaos.json"

    codigo = principal(
        [
            *("--kills", "3", "--candles", "60", "--faults", "5", "--seed", "2"),
            *("--keep", str(corrida), "--output", str(figuras)),
        ]
    )
    contado = json.loads(figuras.read_text())
    decididas = [repetir(registro, corrida) for registro in corrida.rglob("registro_*.csv")]

    assert contado["violations"] == []
    assert codigo == 0
    assert sum(contado["kills"].values()) == 3
    assert contado["candles"] == 60
    assert sum(decididas) == contado["decided"]


def repetir(registro: Path, corrida: Path) -> int:
    """How many decisions of a session came out the same."""
    resultado = CliRunner().invoke(
        app, ["replay", str(registro), "--json", "--state-dir", str(corrida / "run" / "state")]
    )
    assert resultado.exit_code == 0, resultado.output
    return int(json.loads(resultado.stdout)["equal"])
