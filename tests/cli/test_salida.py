"""What a program reads of a command that fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from src.cli.app import app
from src.cli.cliente_api import FalloApi, _de_estado
from src.cli.salida import con_codigo_de_salida
from src.nucleo.errores import AlmacenCaido, DisyuntorAbierto, ErrorTimonel, SolicitudInvalida


def fallar(fallo: BaseException, *opciones: str) -> tuple[int, str, str]:
    """What a command leaves that ends with an error."""
    una = typer.Typer()

    @una.command()
    @con_codigo_de_salida
    def orden(como_json: bool = typer.Option(False, "--json")) -> None:
        raise fallo

    resultado = CliRunner().invoke(una, list(opciones))
    return resultado.exit_code, resultado.stdout, resultado.stderr


@pytest.mark.parametrize(
    ("fallo", "clase", "codigo"),
    [
        (AlmacenCaido("the store is down"), "store", 4),
        (DisyuntorAbierto("the spread breaker is open"), "circuit_breaker_open", 2),
        (SolicitudInvalida("no such thing"), "invalid_request", 2),
        (FalloApi("nobody", 6), "unreachable", 6),
        (KeyboardInterrupt(), "interrupted", 130),
    ],
)
def test_un_fallo_se_escribe_tambien_en_json(fallo: ErrorTimonel, clase: str, codigo: int):
    salida = fallar(fallo, "--json")

    dicho = json.loads(salida[1])
    assert (salida[0], dicho["exit_code"], dicho["kind"], dicho["success"]) == (codigo, codigo, clase, False)
    assert dicho["message"] in salida[2]


def test_sin_json_no_se_escribe_nada_en_la_salida():
    assert fallar(AlmacenCaido("down")) == (4, "", "error: down\n")


def test_de_lo_que_dijo_la_api_no_se_pierde_nada():
    """What became of each account, and the ids of the commands."""
    problema: dict[str, Any] = {
        "detail": "latched",
        "kind": "latched",
        "status": 409,
        "success": False,
        "results": [{"command_id": "x"}],
    }

    codigo, salida, _ = fallar(_de_estado(409, json.dumps(problema).encode()), "--json")

    dicho = json.loads(salida)
    assert (codigo, dicho["kind"], dicho["problem"]) == (1, "latched", problema)


def test_de_lo_que_no_se_sabe_si_se_hizo_el_exito_es_nulo():
    _, salida, _ = fallar(_de_estado(504, b"a proxy gave up"), "--json")

    dicho = json.loads(salida)
    assert (dicho["success"], dicho["kind"], dicho["exit_code"]) == (None, "outcome_unknown", 8)


@pytest.mark.parametrize(
    "texto",
    ["close --json", "orders --limit 0 --json", "risk mode LOUD --reason x --json", "nothing --json"],
)
def test_lo_mal_escrito_tambien(texto: str):
    resultado = CliRunner().invoke(app, texto.split())

    dicho = json.loads(resultado.stdout)
    assert (resultado.exit_code, dicho["exit_code"], dicho["kind"]) == (2, 2, "usage")
    assert dicho["message"]
    assert resultado.stderr


def test_una_orden_de_verdad_falla_en_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TIMONEL_TOKEN", raising=False)
    monkeypatch.setenv("TIMONEL_TOKEN_FILE", str(tmp_path / "session.json"))

    resultado = CliRunner().invoke(app, ["status", "--json", "--api-url", "http://127.0.0.1:1"])

    dicho = json.loads(resultado.stdout)
    assert (resultado.exit_code, dicho["kind"]) == (7, "not_allowed")
