"""A person opens a position; the commands adopt, trail and watch it against a simulator, as processes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from sqlalchemy import select

from src.produccion.almacen.conexion import abrir_almacen, leer
from src.produccion.almacen.esquema import operations, stop_events
from tests.extremo.procesos import RAIZ, Simulador, con_calentamiento, entorno, un_simulador
from tests.secretos import SECRETO

CIERRES = (20_000.0, 20_000.0, 20_400.0, 19_900.0, 19_500.0, 19_500.0)
CLAVE = {"X-MBX-APIKEY": "simulador"}


class Plaza:
    """A simulator that moves when it is told, and a store."""

    def __init__(self, carpeta: Path, simulador: Simulador) -> None:
        self.simulador = simulador
        self._estado = carpeta / "estado"
        self._lugar = ("--state-dir", str(self._estado))
        self._agente = self._sim("join", symbol="BTCUSDT", interval="1h")["agent"]

    def mover_hasta(self, mark: float) -> None:
        """Candles, until the mark is there."""
        for _ in CIERRES:
            self._sim("done", agent=self._agente)
            if float(self.simulador.publico("/fapi/v1/premiumIndex", symbol="BTCUSDT")["markPrice"]) == mark:
                return
        raise AssertionError(f"the mark never was {mark}")

    def comprar(self) -> None:
        """A person buys 0.05."""
        campos = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.05"}
        self.simulador.pedir("/fapi/v1/order", "POST", **campos)

    def timonel(self, *orden: str, espera: int = 0) -> str:
        """A command of the account; what it printed, or its message when it should fail."""
        hecho = self._correr(*orden, "--exchange-url", self.simulador.url)
        assert hecho.returncode == espera, hecho.stderr + hecho.stdout
        return hecho.stderr if espera else hecho.stdout

    def interrumpida(self, *orden: str, senal: signal.Signals) -> int:
        """The exit code of a command that is interrupted after the first line it prints."""
        with subprocess.Popen(
            [sys.executable, "-m", "src.cli.app", *orden, *self._lugar, "--exchange-url", self.simulador.url],
            cwd=RAIZ,
            env=entorno(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as proceso:
            assert proceso.stdout is not None
            assert proceso.stdout.readline()
            proceso.send_signal(senal)
            return proceso.wait(timeout=30)

    def sin_bolsa(self, *orden: str) -> str:
        """A command that reads the store alone."""
        return self._correr(*orden).stdout

    def _correr(self, *orden: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "src.cli.app", *orden, *self._lugar],
            cwd=RAIZ,
            env=entorno(),
            capture_output=True,
            text=True,
            timeout=60,
        )

    def romper(self, **falla: Any) -> None:
        """Arm a fault."""
        self._sim("faults", **falla)

    @property
    def residentes(self) -> list[tuple[str, float, bool]]:
        """Type, trigger and whether it closes all, of what waits at the exchange."""
        return sorted(
            (s["orderType"], float(s["triggerPrice"]), bool(s["closePosition"])) for s in self.simulador.stops
        )

    def tabla(self, cual: Any) -> list[dict[str, Any]]:
        motor = abrir_almacen(None, self._estado)
        try:
            with leer(motor) as conexion:
                return [dict(fila) for fila in conexion.execute(select(cual)).mappings()]
        finally:
            motor.dispose()

    def _sim(self, ruta: str, **cuerpo: Any) -> dict[str, Any]:
        pedido = urllib.request.Request(
            f"{self.simulador.url}/sim/v1/{ruta}", json.dumps(cuerpo).encode(), CLAVE, method="POST"
        )
        with urllib.request.urlopen(pedido, timeout=5) as respuesta:
            return dict(json.load(respuesta))


@contextmanager
def _una_plaza(carpeta: Path) -> Iterator[Plaza]:
    velas = con_calentamiento(CIERRES)
    with un_simulador(carpeta, velas, "--path", "close", "--control") as simulador:
        yield Plaza(carpeta, simulador)


@pytest.fixture
def plaza(tmp_path: Path) -> Iterator[Plaza]:
    with _una_plaza(tmp_path) as abierta:
        abierta.comprar()
        yield abierta


def test_adoptar_arrastrar_y_salir_por_el_stop_de_la_bolsa(plaza: Plaza):
    """Adopted at 20,004; 40 % of the way to the target puts the stop at break-even, where it is hit."""
    dicho = plaza.timonel("adopt", "BTCUSDT", "--stop", "19600", "--target", "21000")
    assert "Stop:      19600.00, at the exchange, closes the whole position" in dicho
    assert plaza.residentes == [("STOP_MARKET", 19_600.0, True), ("TAKE_PROFIT_MARKET", 21_000.0, False)]
    assert "already" in plaza.timonel("adopt", "BTCUSDT", "--stop", "19600", espera=2)

    plaza.mover_hasta(20_400.0)
    ensayo = plaza.timonel("adjust_trailing_stops", "--dry-run")
    assert ensayo.endswith("DRY RUN: No changes were made\n")
    assert len(plaza.residentes) == 2
    movido = json.loads(plaza.timonel("adjust_trailing_stops", "--json"))["operations"][0]
    assert (movido["result"], movido["level"]) == ("ADJUSTED", "break_even")
    stop = float(movido["stop"])
    assert 20_034.0 <= stop <= 20_034.1
    assert plaza.residentes == [
        ("STOP_MARKET", 19_600.0, True),
        ("STOP_MARKET", stop, False),
        ("TAKE_PROFIT_MARKET", 21_000.0, False),
    ]
    assert "Adjusted 0 of 1 operations" in plaza.timonel("adjust_trailing_stops")

    plaza.mover_hasta(19_900.0)
    assert plaza.simulador.posicion == 0.0
    assert plaza.timonel("monitor_stops") == "No triggers\n"

    (operacion,) = plaza.tabla(operations)
    assert (operacion["status"], operacion["initial_stop_price"]) == ("CLOSED", 19_600)
    eventos = plaza.tabla(stop_events)
    assert [e["event_type"] for e in eventos] == ["STOP_TRIGGERED", "EXECUTED"]
    assert (eventos[1]["stop_price"], float(eventos[1]["quantity"])) == (operacion["stop_price"], 0.05)
    assert plaza.residentes == []


@pytest.mark.parametrize("falla", [{"kind": "stop_dropped"}, {"kind": "stop_ignored", "times": "always"}])
def test_lo_que_la_bolsa_no_dispara_lo_ejecuta_el_monitor_una_vez(plaza: Plaza, falla: dict[str, Any]):
    """The stop is forgotten, or its trigger ignored: after three seconds beyond it, one order and no more."""
    plaza.timonel("adopt", "BTCUSDT", "--stop", "19600")
    plaza.romper(**falla)
    plaza.mover_hasta(19_500.0)
    assert plaza.simulador.posicion == 0.05

    ronda = json.loads(plaza.timonel("monitor_stops", "--json"))
    otra = plaza.timonel("monitor_stops")

    (disparo,) = ronda["triggers"]
    assert (disparo["type"], disparo["result"], disparo["quantity"]) == ("STOP_LOSS", "EXECUTED", "0.05")
    assert otra == "No triggers\n"
    assert plaza.simulador.posicion == 0.0
    assert [orden["side"] for orden in plaza.simulador.ordenes] == ["BUY", "SELL"]
    assert [e["event_type"] for e in plaza.tabla(stop_events)] == [
        "STOP_TRIGGERED",
        "EXECUTION_SUBMITTED",
        "EXECUTED",
    ]
    assert plaza.residentes == []
    informe = json.loads(plaza.sin_bolsa("stops", "report", "--json", "--hours", "0"))
    assert (informe["executions"]["EXECUTED"], informe["latency_ms"]["count"]) == (1, 1)


def test_el_monitor_continuo_acaba_igual_por_cualquiera_de_las_dos_senales(plaza: Plaza):
    orden = ("monitor_stops", "--continuous", "--interval", "0.2", "--json")

    assert {plaza.interrumpida(*orden, senal=s) for s in (signal.SIGINT, signal.SIGTERM)} == {130}


@pytest.mark.skipif(not (which("curl") and which("openssl")), reason="curl or openssl is not installed")
def test_el_ejemplo_de_los_documentos_abre_una_posicion_a_mano(tmp_path: Path):
    documento = (RAIZ / "docs" / "operaciones.md").read_text(encoding="utf-8")
    (ejemplo,) = [b for b in re.findall(r"```bash\n(.*?)```", documento, re.DOTALL) if "openssl" in b]
    with _una_plaza(tmp_path) as plaza:
        guion = ejemplo.replace("http://127.0.0.1:8899", plaza.simulador.url)
        guion = guion.replace("-hmac simulador", f"-hmac {SECRETO}")

        hecho = subprocess.run(
            ["bash", "-ec", guion], env=entorno(), capture_output=True, text=True, timeout=60
        )

        assert plaza.simulador.posicion == 0.05, hecho.stdout + hecho.stderr


def test_lo_que_no_se_puede_adoptar_se_dice_y_no_cambia_nada(plaza: Plaza):
    """Wrong side, off the filter, another symbol, a flat account."""
    casos = {
        ("--stop", "20100"): "wrong side of the mark",
        ("--stop", "0.001"): "outside the price filter",
    }
    for opciones, motivo in casos.items():
        assert motivo in plaza.timonel("adopt", "BTCUSDT", *opciones, espera=2)
    assert "not listed" in plaza.timonel("adopt", "XYZUSDT", "--stop", "1", espera=2)
    plaza.simulador.cerrar_a_mano()
    assert "flat" in plaza.timonel("adopt", "BTCUSDT", "--stop", "19600", espera=2)
    assert plaza.residentes == []
    assert plaza.tabla(operations) == []


def test_sin_stop_posible_la_posicion_se_cierra(plaza: Plaza):
    plaza.romper(kind="stop_4130", at={"call": "POST /fapi/v1/algoOrder"}, times="always")

    dicho = plaza.timonel("adopt", "BTCUSDT", "--stop", "19600", espera=4)

    assert "was closed" in dicho
    assert plaza.simulador.posicion == 0.0
    assert [fila["status"] for fila in plaza.tabla(operations)] == ["CLOSED"]
