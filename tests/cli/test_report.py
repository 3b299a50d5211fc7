"""``timonel report``: what it prints where, and how it ends."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from src.cli.report import report
from src.cli.salida import con_codigo_de_salida
from tests.analisis.fabrica import cambiar_celda, escribir_emergencias, una_sesion


@pytest.fixture
def registro(tmp_path):
    return una_sesion().escribir(tmp_path / "registro.csv")


@pytest.fixture
def ejecutar():
    aplicacion = typer.Typer()
    aplicacion.command()(con_codigo_de_salida(report))
    return lambda *argumentos: CliRunner().invoke(aplicacion, [str(argumento) for argumento in argumentos])


def test_muestra_la_tabla_y_escribe_la_pagina_al_lado(ejecutar, registro):
    resultado = ejecutar(registro)
    assert resultado.exit_code == 0
    assert "Sharpe" in resultado.stdout
    assert resultado.stderr == ""
    assert registro.with_suffix(".html").read_text().startswith("<!doctype html>")


def test_escribe_donde_se_le_dice(ejecutar, registro, tmp_path):
    assert ejecutar(registro, "--output", tmp_path / "informe.html").exit_code == 0
    assert (tmp_path / "informe.html").exists()
    assert not registro.with_suffix(".html").exists()


def test_json_no_imprime_nada_mas(ejecutar, registro, tmp_path):
    emergencias = escribir_emergencias(tmp_path / "e.csv", ("2024-01-01T03:00:00.000Z", "x", 1.0, 1.0, 1, ""))
    registro.write_bytes(registro.read_bytes()[:-30])
    resultado = ejecutar(registro, "--emergencies", emergencias, "--json")
    leido = json.loads(resultado.stdout)
    assert leido["emergencies"][0]["reason"] == "x"
    assert "cut off" in leido["warnings"][0]
    assert "warning: registro.csv: line 11 was cut off" in resultado.stderr
    assert not registro.with_suffix(".html").exists()


def test_una_entrada_mala_termina_con_codigo_2(ejecutar, registro):
    resultado = ejecutar(cambiar_celda(registro, 3, "equity", "x"))
    assert resultado.exit_code == 2
    assert resultado.stdout == ""
    assert "line 3, column 'equity'" in resultado.stderr


def test_una_salida_que_no_se_puede_escribir_termina_con_codigo_2(ejecutar, registro, tmp_path):
    resultado = ejecutar(registro, "--output", tmp_path / "no" / "existe.html")
    assert resultado.exit_code == 2
    assert "cannot be written" in resultado.stderr
