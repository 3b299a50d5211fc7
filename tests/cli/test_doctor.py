"""``timonel doctor`` and ``timonel journal``: exit codes, the report, the repair."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from src.cli.doctor import doctor
from src.cli.journal import journal
from src.cli.salida import con_codigo_de_salida
from src.produccion.diario.apertura_diario import examinar
from src.produccion.diario.diario import DiarioSqlite
from src.produccion.riesgo.enclavamiento import Enclavamiento, Razon, escribir_respaldo
from src.produccion.supervision.identidad import candado
from tests.artefactos.fabrica import crear_artefacto
from tests.produccion.diarios import sin_disparadores, un_diario

app = typer.Typer()
app.command()(con_codigo_de_salida(doctor))
app.add_typer(journal, name="journal")

ENTORNO = {
    "TIMONEL_EXCHANGE_URL": "",
    "COLUMNS": "200",
    "BINANCE_TESTNET_API_KEY": "clave-secreta",
    "BINANCE_TESTNET_API_SECRET": "muy-secreto",
}


@pytest.fixture
def lugar(tmp_path: Path) -> list[str]:
    crear_artefacto(tmp_path / "ent")
    return ["--state-dir", str(tmp_path / "est"), "--artefacts", str(tmp_path / "ent")]


@pytest.fixture
def ruta(tmp_path: Path) -> Path:
    return un_diario(tmp_path / "est" / "testnet-1" / "BTCUSDT" / "diario.sqlite")


def correr(*argumentos: str, **entorno: str):
    return CliRunner(env=ENTORNO | entorno).invoke(app, list(argumentos))


def test_todo_en_orden(lugar: list[str], ruta: Path):
    resultado = correr("doctor", *lugar, "--offline")

    assert resultado.exit_code == 0, resultado.output
    assert "journal testnet-1/BTCUSDT" in resultado.stdout
    assert "secret" not in resultado.output


def test_un_fallo_es_codigo_1_y_va_en_el_json(lugar: list[str], ruta: Path):
    sin_disparadores(ruta, "UPDATE events SET type = 'Y' WHERE seq = 4")

    resultado = correr("doctor", *lugar, "--offline", "--json")

    assert resultado.exit_code == 1
    fallos = [f for f in json.loads(resultado.stdout)["checks"] if f["result"] == "failure"]
    assert [f["check"] for f in fallos] == ["journal testnet-1/BTCUSDT"]


def test_un_cerrojo_echado_es_codigo_1(lugar: list[str], ruta: Path):
    escribir_respaldo(ruta.parent, Enclavamiento(Razon.DRAWDOWN, "daemon", 1_700_000_000_000))

    resultado = correr("doctor", *lugar, "--offline", "--json")

    assert resultado.exit_code == 1
    fallos = [f for f in json.loads(resultado.stdout)["checks"] if f["result"] == "failure"]
    assert [f["check"] for f in fallos] == ["latch testnet-1/BTCUSDT"]


def test_opciones_contradictorias_son_codigo_2(lugar: list[str]):
    assert correr("doctor", *lugar, "--live", TIMONEL_EXCHANGE_URL="http://127.0.0.1:1").exit_code == 2


def test_reparar_cuenta_lo_que_queda_y_lo_que_se_pierde(lugar: list[str], ruta: Path):
    sin_disparadores(ruta, "UPDATE events SET type = 'Y' WHERE seq = 4")

    resultado = correr("doctor", *lugar, "--repair")

    assert resultado.exit_code == 0, resultado.output
    assert "9 records kept" in resultado.stderr
    assert "lost:  record 4 (aggregate agent:sim-1:BTCUSDT:train_x, version 2)" in resultado.stderr
    assert "1 journals below" in resultado.stderr
    assert examinar(ruta) == []
    assert correr("doctor", *lugar, "--offline").exit_code == 0


def test_reparar_en_json(lugar: list[str], ruta: Path):
    sin_disparadores(ruta, "DELETE FROM events WHERE seq = 11")

    (hecha,) = json.loads(correr("doctor", *lugar, "--repair", "--json").stdout)["repaired"]

    assert hecha["journal"] == str(ruta)
    assert Path(hecha["copy"]).exists()
    assert hecha["kept"] == 11
    assert hecha["locked"] is True


def test_reparar_no_toca_uno_sano(lugar: list[str], ruta: Path):
    antes = ruta.read_bytes()

    resultado = correr("doctor", *lugar, "--repair")

    assert resultado.exit_code == 0
    assert "0 repaired" in resultado.stderr
    assert ruta.read_bytes() == antes


def test_no_se_repara_bajo_un_demonio(lugar: list[str], ruta: Path):
    sin_disparadores(ruta, "UPDATE events SET type = 'Y' WHERE seq = 4")
    antes = ruta.read_bytes()

    with candado(ruta.parent, "train_x"):
        resultado = correr("doctor", *lugar, "--repair")

    assert resultado.exit_code == 2
    assert "train_x" in resultado.stderr
    assert ruta.read_bytes() == antes


def test_exportar_da_lineas_en_orden(lugar: list[str], ruta: Path):
    resultado = correr("journal", "export", "--state-dir", str(ruta.parents[2]))

    eventos = [json.loads(linea) for linea in resultado.stdout.splitlines()]
    assert [(e["aggregate"], e["version"]) for e in eventos] == sorted(
        (e["aggregate"], e["version"]) for e in eventos
    )
    assert len(eventos) == 12
    assert correr("journal", "export", "--state-dir", str(ruta.parent)).stdout == resultado.stdout


def test_exportar_dice_cuando_se_desenclavo_salvo_que_se_pida_comparable(ruta: Path):
    diario = DiarioSqlite(ruta)
    contenido: dict[str, object] = {"reason": "looked into it", "by": "Ana", "at": 1_700_000_000_000}
    diario.anotar_luego("risk", "UNLOCKED", 1_700_000_000_000, contenido)
    diario.cerrar()

    def desenclavado(*opciones: str) -> dict[str, object]:
        salida = correr("journal", "export", "--state-dir", str(ruta.parent), *opciones).stdout
        (evento,) = [e for e in map(json.loads, salida.splitlines()) if e["type"] == "UNLOCKED"]
        return {"occurred_at_ms": evento["occurred_at_ms"], "at": evento["payload"].get("at")}

    assert desenclavado() == {"occurred_at_ms": 1_700_000_000_000, "at": 1_700_000_000_000}
    assert desenclavado("--canonical") == {"occurred_at_ms": 0, "at": None}


def test_exportar_de_varios_pide_uno(ruta: Path):
    un_diario(ruta.parents[1] / "ETHUSDT" / "diario.sqlite")

    resultado = correr("journal", "export", "--state-dir", str(ruta.parents[2]))

    assert resultado.exit_code == 2
    assert str(ruta.parent) in resultado.stderr


def test_verificar_dice_cual_esta_mal(ruta: Path):
    otra = un_diario(ruta.parents[1] / "ETHUSDT" / "diario.sqlite")
    sin_disparadores(otra, "UPDATE events SET type = 'Y' WHERE seq = 4")

    resultado = correr("journal", "verify", "--state-dir", str(ruta.parents[2]))

    assert resultado.exit_code == 1
    assert f"{ruta}: ok" in resultado.stderr
    assert f"{otra}: damaged" in resultado.stderr
    assert "record 4" in resultado.stderr


def test_sin_diarios_se_dice(tmp_path: Path):
    resultado = correr("journal", "verify", "--state-dir", str(tmp_path))

    assert resultado.exit_code == 2
    assert "choose another --state-dir" in resultado.stderr
