"""From the request to the exchange: API, shared store, daemon and simulator as real processes."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from src.nucleo.registro import texto_utc
from tests.constructores import INICIO_MS
from tests.extremo.procesos import (
    RAIZ,
    Agente,
    Simulador,
    con_calentamiento,
    entorno,
    esperar,
    un_artefacto,
    un_simulador,
)
from tests.secretos import SECRETO

MINUTO_MS = 60_000
QUIETO = con_calentamiento([30_000.0 + 5.0 * (i % 3) for i in range(400)], intervalo_ms=MINUTO_MS)
"""A market that goes nowhere, a candle every second and a half."""

AJUSTES = """\
decision: {max_candle_age_s: 600}
feature_range: {hold_entries_above: 1}
exchange: {recv_window_ms: 60000}
"""
CUENTAS = """\
accounts:
  entera: {environment: sim, api_key_env: CLAVE_A, api_secret_env: SECRETO_A}
  mitades: {environment: sim, api_key_env: CLAVE_A, api_secret_env: SECRETO_A, use_guardian_half: true}
"""


@dataclass
class Api:
    """A running API and a token for it."""

    url: str
    token: str

    def pedir(self, **pedido: Any) -> tuple[int, dict[str, Any]]:
        """Status and answer of ``POST /guardian``."""
        peticion = urllib.request.Request(
            f"{self.url}/guardian",
            data=json.dumps({"symbol": "BTCUSDT", **pedido}).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(peticion, timeout=30) as respuesta:
                return respuesta.status, json.load(respuesta)
        except urllib.error.HTTPError as fallo:
            with fallo:
                return fallo.code, json.load(fallo)


@contextmanager
def una_api(carpeta: Path) -> Iterator[Api]:
    with closing(socket.socket()) as libre:
        libre.bind(("127.0.0.1", 0))
        puerto = libre.getsockname()[1]
    estado = ("--state-dir", str(carpeta / "estado"))
    timonel([*("users", "add", "robot", "--role", "service"), *estado])
    token = timonel([*("users", "token", "robot"), *estado]).strip()
    orden = ["api", "--port", str(puerto), "--accounts", str(carpeta / "accounts.yaml"), *estado]
    proceso = subprocess.Popen(
        [sys.executable, "-m", "src.cli.app", *orden],
        cwd=RAIZ,
        env=entorno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{puerto}"
    try:
        esperar(lambda: escucha(url), proceso)
        yield Api(url, token)
    finally:
        proceso.terminate()
        proceso.wait(10)


def timonel(orden: list[str]) -> str:
    hecho = subprocess.run(
        [sys.executable, "-m", "src.cli.app", *orden],
        cwd=RAIZ,
        env=entorno(),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return hecho.stdout


def escucha(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as respuesta:
            return bool(respuesta.status == 200)
    except OSError:
        return False


def un_agente(carpeta: Path, bolsa: Simulador, usuario: str) -> Agente:
    """Long with half of its equity, a stop 2 % below and a target 6 % above."""
    train_id = un_artefacto(
        carpeta / "ent",
        0.5,
        data_downloader__interval="1m",
        entorno__proteccion__tipo="fija",
        entorno__proteccion__stop={"modo": "porcentaje", "valor": 2.0},
        entorno__proteccion__objetivo={"modo": "porcentaje", "valor": 6.0},
        entorno__proteccion__velas_bloqueo=1_000,
    )
    (carpeta / "accounts.yaml").write_text(CUENTAS)
    opciones = ("--user", usuario, "--accounts", str(carpeta / "accounts.yaml"))
    claves = {"CLAVE_A": "simulador", "SECRETO_A": SECRETO}
    return Agente(carpeta, train_id, bolsa.url, AJUSTES, opciones, claves)


def gatillos(bolsa: Simulador) -> list[tuple[str, float, bool]]:
    """Type, trigger and whether it closes the whole position, of every order that waits."""
    return sorted((s["orderType"], float(s["triggerPrice"]), s["closePosition"]) for s in bolsa.stops)


def vivo(carpeta: Path) -> bool:
    """Whether the daemon has told the store that it lives."""
    ruta = carpeta / "estado" / "timonel.sqlite"
    if not ruta.exists():
        return False
    with closing(sqlite3.connect(f"file:{ruta}?mode=ro", uri=True)) as conexion:
        return bool(conexion.execute("SELECT count(*) FROM daemons").fetchone()[0])


@pytest.mark.timeout(180)
def test_ajustar_y_cerrar_llegan_a_la_bolsa_y_a_quien_lo_pidio(tmp_path: Path):
    with un_simulador(tmp_path, QUIETO, "--speed", "40", "--interval", "1m") as bolsa:
        agente = un_agente(tmp_path, bolsa, "entera")
        with una_api(tmp_path) as api:
            assert api.pedir(action="close", user_id="entera")[0] == 503
            with agente.corriendo() as demonio:
                esperar(lambda: len(bolsa.stops) == 3 and vivo(tmp_path), demonio)
                (_, inicial, _) = gatillos(bolsa)[0]

                estado, ajuste = api.pedir(
                    action="adjust",
                    user_id="entera",
                    stop=29_700.0,
                    target=31_000.0,
                    level_metadata={"level_name": "break_even", "previous_level": "towards_be_20"},
                    market_context={"timestamp": time.time()},
                )
                assert (estado, ajuste["success"]) == (200, True), ajuste
                assert INICIO_MS < 1_000 * ajuste["timestamp"] < INICIO_MS + len(QUIETO) * MINUTO_MS
                contexto = {"timestamp": ajuste["timestamp"]}  # market time, long past by the wall clock
                estado, viejo = api.pedir(action="close", user_id="entera", market_context=contexto)
                assert (estado, "close may be 60 s old" in viejo["detail"]) == (400, True), viejo
                assert ajuste["direction"] == "BUY"
                assert (ajuste["stop"], ajuste["level_applied"]) == (29_700.0, "break_even")
                assert ajuste["adjustment_confirmed"] is True
                assert ajuste["redis_updated"] is False
                frenos = [g for tipo, g, cierra in gatillos(bolsa) if tipo == "STOP_MARKET" and not cierra]
                metas = [g for tipo, g, _ in gatillos(bolsa) if tipo == "TAKE_PROFIT_MARKET"]
                assert (frenos, metas) == ([29_700.0], [31_000.0])
                assert inicial < 29_700.0

                estado, flojo = api.pedir(action="adjust", user_id="entera", stop=29_000.0)
                assert estado == 409
                assert "Looser stop not allowed (current 29700.0, new 29000.0)" in flojo["detail"]

                estado, cierre = api.pedir(action="close", user_id="entera")
                assert (estado, cierre["success"]) == (200, True), cierre
                assert bolsa.posicion == 0.0
                assert bolsa.stops == []

                estado, nada = api.pedir(action="adjust", user_id="entera", stop=29_900.0)
                assert (estado, nada["detail"]) == (409, "No open position to adjust")

    cierres = [fila for fila in agente.registros[-1] if fila["operacion"] == "cerrar_long"]
    assert [(fila["status"], fila["timestamp"]) for fila in cierres] == [
        ("manual", texto_utc(round(1_000 * cierre["timestamp"])))
    ]


@pytest.mark.timeout(180)
def test_medio_cierre_deja_la_mitad_con_su_stop(tmp_path: Path):
    with un_simulador(tmp_path, QUIETO, "--speed", "40", "--interval", "1m") as bolsa:
        agente = un_agente(tmp_path, bolsa, "mitades")
        with una_api(tmp_path) as api, agente.corriendo() as demonio:
            esperar(lambda: len(bolsa.stops) == 3 and vivo(tmp_path), demonio)
            entera = bolsa.posicion

            assert api.pedir(action="close", user_id="mitades")[0] == 400
            estado, mitad = api.pedir(action="half_close")

            assert (estado, mitad["successful_users"]) == (200, 1), mitad
            (resultado,) = mitad["results"]
            assert resultado["message"].startswith("Half-close done; SL moved ")
            assert bolsa.posicion == pytest.approx(entera / 2, abs=0.001)
            cantidades = {float(s["quantity"]) for s in bolsa.stops if not s["closePosition"]}
            assert cantidades == {bolsa.posicion}
