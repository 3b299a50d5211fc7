"""``timonel report``: what it prints where, and how it ends."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from src.cli.report import report
from src.cli.salida import con_codigo_de_salida
from tests.analisis.fabrica import Agente, cambiar_celda, escribir_emergencias, una_sesion


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


@pytest.fixture
def dos_sesiones(tmp_path):
    """Two sessions of one agent, the later one named first."""
    agente = una_sesion()
    primera = agente.escribir(tmp_path / "registro_1.csv")
    otro = Agente(agente.cuenta.saldo, inicio_ms=agente.ahora_ms).vela(31_500.0).vela(31_400.0)
    return otro.escribir(tmp_path / "registro_2.csv"), primera


def test_cada_sesion_conserva_su_pagina_y_otra_las_enlaza(ejecutar, dos_sesiones, tmp_path):
    segunda, primera = dos_sesiones
    assert ejecutar(primera).exit_code == 0
    sola = primera.with_suffix(".html").read_text()
    resultado = ejecutar(segunda, primera)
    assert resultado.exit_code == 0
    assert primera.with_suffix(".html").read_text() == sola
    assert "UTC, 2 candles of 1h" in segunda.with_suffix(".html").read_text()
    indice = (tmp_path / "informe.html").read_text()
    assert "UTC, 12 candles of 1h" in indice
    assert indice.index('<a href="registro_1.html">') < indice.index('<a href="registro_2.html">')
    assert [linea.rsplit("/", 1)[1] for linea in resultado.stdout.splitlines() if "report: " in linea] == [
        "registro_1.html",
        "registro_2.html",
        "informe.html",
    ]


def test_una_emergencia_va_a_la_pagina_de_su_sesion(ejecutar, dos_sesiones, tmp_path):
    segunda, primera = dos_sesiones
    emergencias = escribir_emergencias(
        tmp_path / "e.csv", ("2024-01-01T10:00:00.000Z", "drawdown", 1.0, 1.0, 1, "")
    )
    assert ejecutar(segunda, primera, "--emergencies", emergencias).exit_code == 0
    assert "<h2>Emergencies</h2>" in primera.with_suffix(".html").read_text()
    assert "<h2>Emergencies</h2>" not in segunda.with_suffix(".html").read_text()
    assert "<h2>Emergencies</h2>" in (tmp_path / "informe.html").read_text()


def test_con_un_lugar_dado_solo_se_escribe_la_pagina_conjunta(ejecutar, dos_sesiones, tmp_path):
    assert ejecutar(*dos_sesiones, "--output", tmp_path / "todas.html").exit_code == 0
    assert [pagina.name for pagina in tmp_path.glob("*.html")] == ["todas.html"]


def test_una_pagina_no_pisa_a_otra(ejecutar, dos_sesiones, tmp_path):
    segunda, primera = dos_sesiones
    segunda = segunda.rename(tmp_path / "informe.csv")
    resultado = ejecutar(segunda, primera)
    assert resultado.exit_code == 2
    assert "two pages would be written there" in resultado.stderr
    assert not list(tmp_path.glob("*.html"))


def test_json_no_imprime_nada_mas(ejecutar, registro, tmp_path):
    emergencias = escribir_emergencias(tmp_path / "e.csv", ("2024-01-01T03:00:00.000Z", "x", 1.0, 1.0, 1, ""))
    registro.write_bytes(registro.read_bytes()[:-30])
    resultado = ejecutar(registro, "--emergencies", emergencias, "--json")
    leido = json.loads(resultado.stdout)
    assert leido["emergencies"][0]["reason"] == "x"
    assert "cut off" in leido["warnings"][0]
    assert "warning: registro.csv: line 11 was cut off" in resultado.stderr
    assert not registro.with_suffix(".html").exists()


def test_una_ruta_vacia_se_nombra(ejecutar, registro):
    for argumentos in (("",), (registro, "")):
        resultado = ejecutar(*argumentos)
        assert resultado.exit_code == 2
        assert "'' names no file" in resultado.stderr
        assert "entorno.csv" not in resultado.stderr


def test_una_entrada_mala_termina_con_codigo_2(ejecutar, registro):
    resultado = ejecutar(cambiar_celda(registro, 3, "equity", "x"))
    assert resultado.exit_code == 2
    assert resultado.stdout == ""
    assert "line 3, column 'equity'" in resultado.stderr


def test_una_salida_que_no_se_puede_escribir_termina_con_codigo_2(ejecutar, registro, tmp_path):
    resultado = ejecutar(registro, "--output", tmp_path / "no" / "existe.html")
    assert resultado.exit_code == 2
    assert "cannot be written" in resultado.stderr
