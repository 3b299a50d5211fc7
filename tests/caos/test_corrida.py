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
            *("--kills", "3", "--candles", "60", "--faults", "6", "--seed", "2"),
            *("--keep", str(corrida), "--output", str(figuras)),
        ]
    )
    contado = json.loads(figuras.read_text())
    repetido = CliRunner().invoke(
        app,
        [
            *("replay", next(corrida.rglob("registro_*.csv")).stem.removeprefix("registro_"), "--json"),
            *("--artefacts", str(corrida / "run" / "artefacts"), "--state-dir", str(corrida / "run" / "state")),
        ],
    )

    assert contado["violations"] == []
    assert codigo == 0
    assert sum(contado["kills"].values()) == 3
    assert contado["candles"] == 60
    resultado = json.loads(repetido.stdout)
    assert repetido.exit_code == 0
    assert resultado["decisions"] == resultado["equal"] == contado["decided"]
