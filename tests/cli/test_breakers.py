"""``timonel breakers`` and ``timonel risk``: what they show, whom they reach, and how they fail."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update
from typer.testing import CliRunner

from src.cli.app import app
from src.produccion.almacen import mandos_riesgo
from src.produccion.almacen.alimentador import Titular
from src.produccion.almacen.conexion import abrir_almacen, escribir, leer
from src.produccion.almacen.demonios import DemonioNuevo, presentarse
from src.produccion.almacen.esquema import ahora_bd, audit_log, daemons
from src.produccion.almacen.filas_disyuntor import escribir_cambio, escribir_modo, escribir_reglas
from src.produccion.almacen.lectura_diario import Apunte
from src.produccion.monitor.reglas import tras_un_resultado
from tests.constructores import INICIO_MS

TITULAR = Titular("sim-1", "BTCUSDT", "agente")
REGLAS = {
    "exchange": "binance",
    "symbol": "BTCUSDT",
    "kinds": {"latency": {"limit": 500.0, "cool_down_ms": 60_000}},
}
ABIERTO = {
    "exchange": "binance",
    "kind": "latency",
    "state": "OPEN",
    "previous_state": "CLOSED",
    "value": 812.0,
    "limit": 500.0,
    "unit": "ms",
    "violations": 3,
    "opened_at": INICIO_MS,
    "reason": "812 ms: 3 samples in a row reached 500 ms",
    "by": "daemon",
}


@pytest.fixture
def almacen(tmp_path: Path) -> Iterator[Engine]:
    """One breaker that is open."""
    motor = abrir_almacen(None, tmp_path)
    with escribir(motor) as conexion:
        escribir_reglas(conexion, TITULAR, "j", Apunte(1, "breakers", "BREAKER_RULES", INICIO_MS, REGLAS))
        apunte = Apunte(2, "breaker:latency", "BREAKER_OPENED", INICIO_MS, ABIERTO)
        escribir_cambio(conexion, TITULAR, "j", apunte)
    yield motor
    motor.dispose()


def correr(carpeta: Path, *argumentos: str) -> tuple[int, str, str]:
    resultado = CliRunner().invoke(app, [*argumentos, "--state-dir", str(carpeta)])
    return resultado.exit_code, resultado.stdout, resultado.stderr


def test_la_lista_dice_estado_limite_y_motivo(almacen: Engine, tmp_path: Path):
    codigo, salida, _ = correr(tmp_path, "breakers", "--symbol", "btcusdt")

    assert codigo == 0
    for parte in ("BTCUSDT", "latency", "OPEN", "500 ms", "812 ms"):
        assert parte in salida


def test_lo_que_midio_quien_no_vive_es_lo_ultimo_que_se_supo(almacen: Engine, tmp_path: Path):
    muerto = correr(tmp_path, "breakers")[1]
    presentarse(almacen, DemonioNuevo("sim-1", "BTCUSDT", 1, "host"))
    vivo = correr(tmp_path, "breakers")[1]

    assert ("last known, its daemon does not live" in muerto, "last known" in vivo) == (True, False)
    assert ("by hand: timonel" in muerto, "by hand: timonel" in vivo) == (False, True)


def test_en_json_va_todo(almacen: Engine, tmp_path: Path):
    codigo, salida, _ = correr(tmp_path, "breakers", "--json")

    (uno,) = json.loads(salida)["breakers"]
    assert (codigo, uno["id"]) == (0, "sim-1:binance:BTCUSDT:latency")
    assert (uno["state"], uno["value"], uno["limit_value"], uno["unit"]) == ("OPEN", 812.0, 500.0, "ms")


def test_la_tabla_dice_entero_el_id_que_quieren_la_api_y_la_orden(almacen: Engine, tmp_path: Path):
    assert "sim-1:binance:BTCUSDT:latency" in correr(tmp_path, "breakers")[1]


def test_en_80_columnas_ningun_numero_se_parte(
    almacen: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "80")

    primera = correr(tmp_path, "breakers")[1].splitlines()[1]

    assert primera.startswith("sim-1:binance:BTCUSDT:latency OPEN")
    assert "812 ms" in primera


@pytest.mark.parametrize(
    ("cual", "mas", "codigo", "dicho"),
    [
        ("sim-1:binance:BTCUSDT:latency", (), 6, "trades default BTCUSDT sim-1"),
        ("latency", ("--symbol", "btcusdt"), 6, "trades default BTCUSDT;"),
        ("latency", (), 2, "name the symbol with --symbol, or give the id"),
        ("sim-1:binance:BTCUSDT:latency", ("--symbol", "ETHUSDT"), 2, "is of BTCUSDT, not of ETHUSDT"),
        ("sim-1:binance:BTCUSDT:latency", ("--account", "sim-2"), 2, "is of sim-1, not of sim-2"),
        ("tiempo", (), 2, "`timonel breakers` lists"),
        ("x:binance:BTCUSDT:tiempo", (), 2, "`timonel breakers` lists"),
        ("::BTCUSDT:stop_execution", (), 2, "the stop_execution breaker of BTCUSDT is closed already"),
    ],
)
def test_se_cierra_por_su_id_o_por_clase_y_simbolo(
    almacen: Engine, tmp_path: Path, cual: str, mas: tuple[str, ...], codigo: int, dicho: str
):
    hecho = correr(tmp_path, "breakers", "reset", cual, *mas, "--reason", "checked")

    assert (hecho[0], dicho in " ".join(hecho[2].split())) == (codigo, True), hecho


@pytest.mark.parametrize("mas", [("LOUD",), ()])
def test_quien_no_acierta_con_el_modo_sabe_donde_verlo(almacen: Engine, tmp_path: Path, mas: tuple[str, ...]):
    codigo, _, fallo = correr(tmp_path, "risk", "mode", *mas, "--reason", "x")

    dicho = " ".join(fallo.replace("│", " ").split())
    assert (codigo, "`timonel risk show` tells the present one" in dicho) == (2, True), fallo


def test_la_ayuda_del_modo_dice_donde_verlo():
    ayuda = CliRunner().invoke(app, ["risk", "mode", "--help"], env={"COLUMNS": "160"}).stdout

    assert "timonel risk show" in ayuda
    for modo in ("ACTIVE", "REDUCING", "HALTED"):
        assert modo in ayuda


def test_la_historia_es_de_los_cambios(almacen: Engine, tmp_path: Path):
    codigo, salida, _ = correr(tmp_path, "breakers", "--history", "5", "--json")

    (cambio,) = json.loads(salida)["changes"]
    assert (codigo, cambio["state"], cambio["requested_by"]) == (0, "OPEN", "daemon")
    assert "812 ms" in correr(tmp_path, "breakers", "--history", "5")[1]


def test_sin_demonio_no_se_cierra_nada(almacen: Engine, tmp_path: Path):
    orden = ("breakers", "reset", "latency", "--symbol", "BTCUSDT", "--reason", "checked")

    codigo, _, fallo = correr(tmp_path, *orden)

    assert codigo == 6
    assert "no running daemon of this store trades default BTCUSDT" in fallo


def test_sin_demonio_un_programa_lee_lo_mismo_que_de_un_cierre(almacen: Engine, tmp_path: Path):
    """`timonel close` ends so, too."""
    orden = ("risk", "mode", "ACTIVE", "--reason", "x", "--account", "nada", "--json")

    codigo, salida, _ = correr(tmp_path, *orden)

    assert (codigo, json.loads(salida)["kind"]) == (6, "unreachable")


def test_sin_motivo_no_se_cierra_nada(almacen: Engine, tmp_path: Path):
    codigo, _, fallo = correr(
        tmp_path, "breakers", "reset", "latency", "--symbol", "BTCUSDT", "--reason", " "
    )
    assert (codigo, "a reason is needed" in fallo) == (2, True)


def los_asientos(almacen: Engine) -> list[tuple[object, ...]]:
    c = audit_log.c
    consulta = select(c.client_id, c.username, c.address, c.action, c.target, c.status).order_by(c.id)
    with leer(almacen) as conexion:
        return [tuple(fila) for fila in conexion.execute(consulta)]


def test_un_demonio_que_no_contesta_es_otro_codigo(
    almacen: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    presentarse(almacen, DemonioNuevo("sim-1", "BTCUSDT", 1, "host"))
    monkeypatch.setattr(mandos_riesgo, "TOMAR_MS", 1)

    codigo, salida, _ = correr(tmp_path, "risk", "mode", "HALTED", "--reason", "news", "--json")

    (respuesta,) = json.loads(salida)["results"]
    assert codigo == 4
    dicho = "no daemon took the command in time; nothing was done; its daemon's last sign of life is "
    assert respuesta["error"].startswith(dicho)

    assert los_asientos(almacen) == [
        ("default", getpass.getuser(), f"local:{getpass.getuser()}", "risk.mode", "BTCUSDT", 504)
    ]


def test_de_un_demonio_muerto_se_dice_desde_cuando_calla(almacen: Engine, tmp_path: Path):
    presentarse(almacen, DemonioNuevo("sim-1", "BTCUSDT", 1, "host"))
    with escribir(almacen) as conexion:
        conexion.execute(update(daemons).values(heartbeat_ms=ahora_bd() - 300_000))

    codigo, _, fallo = correr(tmp_path, "risk", "mode", "ACTIVE", "--reason", "checked")

    assert codigo == 6
    dicho = " ".join(fallo.split())
    assert "trades anything; the one on sim-1 is not alive: silent since " in dicho
    assert "nothing was done; start it again: `timonel live`" in dicho


def test_el_de_ejecuciones_se_cierra_sin_demonio(almacen: Engine, tmp_path: Path):
    with escribir(almacen) as conexion:
        for _ in range(3):
            tras_un_resultado(conexion, "default", "BTCUSDT", INICIO_MS, bien=False)
    orden = (
        "breakers",
        "reset",
        "stop_execution",
        "--symbol",
        "BTCUSDT",
        "--reason",
        "new key",
        "--by",
        "ana",
    )

    assert correr(tmp_path, *orden)[0] == 0

    codigo, _, fallo = correr(tmp_path, *orden)
    assert (codigo, "closed already" in fallo) == (2, True)
    de_ana = ("default", "ana", f"local:{getpass.getuser()}", "breaker.reset", "BTCUSDT")
    assert los_asientos(almacen) == [(*de_ana, 200), (*de_ana, 400)]


def test_los_modos_que_se_pusieron_se_ven(almacen: Engine, tmp_path: Path):
    contenido = {"mode": "HALTED", "reason": "news", "by": "ana"}
    with escribir(almacen) as conexion:
        escribir_modo(conexion, TITULAR, "j", Apunte(3, "risk", "RISK_MODE", INICIO_MS, contenido))

    assert correr(tmp_path, "risk", "show")[1] == (
        "BTCUSDT of sim-1: HALTED, by ana: news; no daemon of it runs\n"
    )
    (modo,) = json.loads(correr(tmp_path, "risk", "show", "--json")[1])["modes"]
    assert (modo["mode"], modo["account_id"]) == ("HALTED", "sim-1")


@pytest.mark.parametrize(
    "orden",
    [
        ("breakers",),
        ("breakers", "--history", "5"),
        ("breakers", "reset", "latency", "--symbol", "BTCUSDT", "--reason", "calm"),
        ("breakers", "reset", "stop_execution", "--symbol", "BTCUSDT", "--reason", "calm"),
        ("risk", "show"),
        ("risk", "mode", "HALTED", "--reason", "storm"),
        ("alerts", "stats"),
    ],
)
def test_donde_no_hay_almacen_se_dice_y_no_se_hace_ninguno(tmp_path: Path, orden: tuple[str, ...]):
    equivocada = tmp_path / "estadoo"

    codigo, _, errores = correr(equivocada, *orden)

    assert codigo == 2
    assert f"there is no store at {equivocada / 'timonel.sqlite'}" in errores.replace("\n", "")
    assert not equivocada.exists()
