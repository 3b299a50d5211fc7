"""Faults of a simulator that is its own process, and a client that is killed at an exact call."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import typer
from typer.testing import CliRunner

from src.cli.salida import con_codigo_de_salida
from src.cli.simulator import simulator
from src.simulador.fallas.clases import Clase
from tests.simulador.banco import firmar

RAIZ = Path(__file__).parents[3]
GUION = """
faults:
  - kind: hold
    at: {call: "POST /fapi/v1/order", stage: before}
  - kind: hold
    at: {call: "POST /fapi/v1/order", nth: 2, stage: after}
"""
VICTIMA = """
import sys
from urllib.request import Request, urlopen
urlopen(Request(sys.argv[1], sys.argv[2].encode(), {"X-MBX-APIKEY": "simulador"}))
"""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A simulator with two holds."""
    listo, guion = tmp_path / "listo.json", tmp_path / "guion.yaml"
    guion.write_text(GUION)
    opciones = ["--synthetic", "--candles", "60", "--warmup", "20", "--control", "--scenario", str(guion)]
    proceso = subprocess.Popen(
        [sys.executable, "-m", "src.cli.simulator", *opciones, "--ready-file", str(listo)],
        cwd=RAIZ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        limite = time.monotonic() + 30
        while not listo.exists() and time.monotonic() < limite:
            time.sleep(0.05)
        yield json.loads(listo.read_bytes())["url"]
    finally:
        os.kill(proceso.pid, signal.SIGTERM)
        quejas = proceso.communicate(timeout=10)[1]
    assert (proceso.returncode, quejas) == (0, "")


def pedir(metodo: str, direccion: str) -> Any:
    """A request to a control route."""
    with urlopen(Request(direccion, method=metodo)) as respuesta:
        return json.load(respuesta)


def test_un_cliente_muere_en_una_llamada_exacta(url: str):
    """Killed before its first order executes, and after its second did."""
    hora = pedir("GET", f"{url}/fapi/v1/time")["serverTime"]
    campos = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01", "recvWindow": 60_000}
    quedan = []
    for numero in (1, 2):
        firmado = firmar(campos | {"newClientOrderId": f"v{numero}", "timestamp": hora})
        victima = subprocess.Popen([sys.executable, "-c", VICTIMA, f"{url}/fapi/v1/order", firmado])
        (detencion,) = pedir("GET", f"{url}/sim/v1/holds?wait=20")["holds"]
        assert detencion["parameters"]["newClientOrderId"] == f"v{numero}"
        victima.send_signal(signal.SIGKILL)
        victima.wait(10)
        assert pedir("POST", f"{url}/sim/v1/holds/release") == {"released": [detencion["id"]]}
        libros = pedir("GET", f"{url}/sim/v1/books?key=simulador")
        quedan.append([orden["clientOrderId"] for orden in libros["orders"]])

    assert quedan == [[], ["v2"]]
    assert pedir("GET", f"{url}/sim/v1/faults")["fired"]["by_kind"] == {"hold": 2}


def invocar(*argumentos: str) -> Any:
    """Run the command in this process."""
    aplicacion = typer.Typer()
    aplicacion.command()(con_codigo_de_salida(simulator))
    return CliRunner().invoke(aplicacion, argumentos)


def test_el_catalogo_se_lista_para_personas_y_programas():
    texto, crudo = invocar("--list-faults"), invocar("--list-faults", "--json")
    assert texto.exit_code == crudo.exit_code == 0
    assert all(clase.value in texto.stdout for clase in Clase)
    assert {ficha["kind"] for ficha in json.loads(crudo.stdout)} == {clase.value for clase in Clase}


def test_un_guion_malo_termina_con_codigo_2(tmp_path: Path):
    ruta = tmp_path / "malo.yaml"
    ruta.write_text("faults:\n  - kind: lose_anser\n")
    resultado = invocar("--synthetic", "--scenario", str(ruta))
    assert resultado.exit_code == 2
    assert "line 2, faults[0].kind: 'lose_anser'" in resultado.output


def test_un_guion_para_otra_bolsa_se_explica(tmp_path: Path):
    ruta = tmp_path / "ajeno.yaml"
    ruta.write_text("faults:\n  - {kind: stop_dropped, symbol: ADAUSDT}\n")
    resultado = invocar("--synthetic", "--scenario", str(ruta))
    assert resultado.exit_code == 2
    assert "'ADAUSDT' is not traded here" in resultado.output
