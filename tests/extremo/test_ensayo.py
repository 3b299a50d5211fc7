"""Dry runs: what the CSV says is what the exchange did."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from src.nucleo.tipos import Operacion
from tests.constructores import unas_velas
from tests.extremo.procesos import (
    CALENTAMIENTO,
    RAIZ,
    Agente,
    dicho,
    entorno,
    escribir,
    saldos_sin_explicar,
    un_artefacto,
    un_artefacto_inquieto,
    un_simulador,
)


@pytest.mark.parametrize("camino", ["close", "ohlc"])
def test_el_saldo_se_explica_fila_a_fila(tmp_path: Path, camino: str):
    velas = unas_velas(CALENTAMIENTO + 60, semilla=11)
    with un_simulador(tmp_path, velas, "--path", camino) as bolsa:
        agente = Agente(tmp_path, un_artefacto_inquieto(tmp_path / "ent", velas), bolsa.url)
        inicial = bolsa.saldo
        salida = agente.correr("--candles", "50", "--on-exit", "close")

        assert salida.codigo == 0, salida.texto
        (filas,) = agente.registros
        funding = bolsa.ingresos("FUNDING_FEE")
        ejecutadas = [o for o in bolsa.ordenes if o["status"] == "FILLED"]
        assert bolsa.saldo == float(filas[-1]["balance"])
        assert bolsa.posicion == 0.0

    assert [f["paso"] for f in filas if f["action"]] == [str(i + 1) for i in range(50)]
    assert {f["operacion"] for f in filas} == set(Operacion)
    assert len(funding) >= 3
    assert len(ejecutadas) == sum(f["resultado"] == "ejecutada" for f in filas)
    assert filas[0]["balance"] == str(inicial + dicho(filas[0]))
    assert filas[0]["recompensa"] == ""
    assert saldos_sin_explicar(filas, funding) == []


def test_el_ensayo_de_un_solo_comando(tmp_path: Path):
    """Its own simulator and a throw-away state: nothing is left running, nothing is remembered."""
    datos = escribir(tmp_path / "velas.csv", unas_velas(1_600, semilla=2))
    agente = Agente(tmp_path, un_artefacto(tmp_path / "ent"))

    salida = agente.correr("--simulated", "--data", str(datos), "--candles", "20")

    assert salida.codigo == 0, salida.texto
    assert "candle limit" in salida.texto
    assert "equity at the end" in salida.texto
    comienzo = salida.texto.splitlines()[:7]
    assert comienzo[0] == f"SIMULATED: {agente.train_id} trades BTCUSDT 1h"
    assert comienzo[3] == "  position  none"
    assert comienzo[6].startswith("waiting for the next candle: it closes at ")
    (filas,) = agente.registros
    assert len([f for f in filas if f["action"]]) == 20
    assert not (tmp_path / "estado").exists()


def test_los_datos_se_acaban_y_la_posicion_se_queda(tmp_path: Path):
    with un_simulador(tmp_path, unas_velas(CALENTAMIENTO + 5, semilla=11)) as bolsa:
        agente = Agente(tmp_path, un_artefacto(tmp_path / "ent", 0.5), bolsa.url)
        salida = agente.correr()

        assert salida.codigo == 0, salida.texto
        assert "end of data" in salida.texto
        assert bolsa.posicion > 0.0


def test_un_mercado_que_no_espera(tmp_path: Path):
    """In real time the daemon keeps up by itself, and hears of its account by the user stream."""
    velas = unas_velas(CALENTAMIENTO + 200, semilla=4)
    minutos = [v._replace(apertura_ms=velas[0].apertura_ms + i * 60_000) for i, v in enumerate(velas)]
    with un_simulador(tmp_path, minutos, "--speed", "30") as bolsa:
        train_id = un_artefacto(tmp_path / "ent", 0.5, data_downloader__interval="1m")
        agente = Agente(tmp_path, train_id, bolsa.url)
        agente.ajustes += "decision: {max_candle_age_s: 600}\n"  # 20 s of this machine's time
        salida = agente.correr("--candles", "2", "--on-exit", "close")

        assert salida.codigo == 0, salida.texto
        assert bolsa.posicion == 0.0
    (filas,) = agente.registros
    assert next(f["operacion"] for f in filas if f["status"] == "ok") == "abrir_long"


def test_el_proceso_no_carga_lo_que_no_necesita(tmp_path: Path):
    agente = Agente(tmp_path, un_artefacto(tmp_path / "ent"))
    codigo = (
        "import runpy, sys\n"
        "try:\n"
        "    runpy.run_path('live.py', run_name='__main__')\n"
        "except SystemExit as fin:\n"
        "    print('code', fin.code)\n"
        "pesados = {'torch', 'sklearn', 'pandas', 'matplotlib', 'prometheus_client'}\n"
        "print(sorted(pesados & set(sys.modules)))\n"
    )

    hecho = subprocess.run(
        [sys.executable, "-c", codigo, *agente.orden("--simulated", "--candles", "3")],
        cwd=RAIZ,
        env=entorno(),
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert hecho.stdout.splitlines()[-2:] == ["code 0", "[]"], hecho.stderr
