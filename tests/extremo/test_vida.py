"""Killed, interrupted, locked: what survives and what is closed."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.constructores import unas_velas
from tests.extremo.procesos import (
    CALENTAMIENTO,
    Agente,
    con_calentamiento,
    esperar,
    un_artefacto,
    un_simulador,
)


def test_matar_y_volver_a_empezar_sigue_donde_estaba(tmp_path: Path):
    subida = [30_000.0 + 100 * i for i in range(12)]
    bajada = [subida[-1] - 20 * i for i in range(1, 400)]
    with un_simulador(tmp_path, con_calentamiento(subida + bajada), "--path", "close") as bolsa:
        agente = Agente(tmp_path, un_artefacto(tmp_path / "ent", 0.5), bolsa.url)
        with agente.corriendo() as muerto:
            esperar(lambda: agente.filas() >= 25, muerto)
            muerto.send_signal(signal.SIGKILL)
            muerto.wait(10)
        posicion, ordenes = bolsa.posicion, len(bolsa.ordenes)
        (referencia,), pico = agente.diario("REFERENCE"), agente.diario("PEAK")[-1]["equity"]
        decididas_antes = len(agente.diario("CANDLE_DECIDED"))
        salida = agente.correr("--candles", "10", "--on-exit", "keep")

        assert salida.codigo == 0, salida.texto
        assert len(bolsa.ordenes) >= ordenes

    primera = agente.registros[1][0]
    assert posicion > 0.0
    assert float(primera["cantidad_activa"]) == pytest.approx(posicion, rel=0.2)
    assert primera["trade_id_activo"] == "1"
    assert agente.diario("REFERENCE") == [referencia]
    assert pico > referencia["equity"]
    assert float(primera["max_drawdown"]) == pytest.approx(1 - float(primera["equity"]) / pico, abs=1e-12)
    decididas = [evento["candle"] for evento in agente.diario("CANDLE_DECIDED")]
    assert len(decididas) == len(set(decididas)) == decididas_antes + 10
    fichas = [evento["token"] for evento in agente.diario("ORDER_INTENT")]
    assert len(fichas) == len(set(fichas))


def test_una_caida_cierra_enclava_y_pide_desbloquear(tmp_path: Path):
    caida = [30_000.0 * 0.99**i for i in range(12)]
    cierres = [round(c, 1) for c in caida + [caida[-1]] * 60]
    with un_simulador(tmp_path, con_calentamiento(cierres)) as bolsa:
        train_id = un_artefacto(tmp_path / "ent", 0.9, entorno__max_drawdown_permitido=0.05)
        agente = Agente(tmp_path, train_id, bolsa.url)

        salida = agente.correr()
        assert salida.codigo == 3, salida.texto
        assert "drawdown limit was reached" in salida.texto
        assert bolsa.posicion == 0.0
        assert bolsa.pedir("/fapi/v1/openOrders", symbol="BTCUSDT") == []
        (emergencia,) = agente.emergencias
        assert emergencia["razon"] == "max_drawdown"
        assert emergencia["posiciones_cerradas"] == "1"
        assert float(emergencia["balance_final"]) == bolsa.saldo
        ultima = agente.registros[0][-1]
        assert (ultima["status"], ultima["terminated"]) == ("emergencia", "true")
        assert 0.05 <= float(ultima["max_drawdown"]) < 0.08

        enclavado = agente.correr()
        assert enclavado.codigo == 5
        assert f"live.py --train-id {train_id}" in enclavado.texto
        assert "--unlock" in enclavado.texto
        assert f"--exchange-url {bolsa.url}" in enclavado.texto

        libre = agente.correr("--unlock", "the market calmed down")
        assert libre.codigo == 0, libre.texto
        assert agente.diario("UNLOCKED") == [{"reason": "the market calmed down"}]

        saldo, picos = bolsa.saldo, len(agente.diario("PEAK"))
        otra_vez = agente.correr("--candles", "2")
        assert otra_vez.codigo == 0, otra_vez.texto
        assert agente.diario("PEAK")[picos]["equity"] == saldo


@pytest.mark.parametrize(
    ("senal", "politica", "queda"),
    [(signal.SIGINT, "close", False), (signal.SIGINT, "keep", True), (signal.SIGTERM, "close", False)],
)
def test_interrumpir_termina_en_orden(tmp_path: Path, senal: signal.Signals, politica: str, queda: bool):
    with un_simulador(tmp_path, unas_velas(CALENTAMIENTO + 20_000)) as bolsa:
        agente = Agente(tmp_path, un_artefacto(tmp_path / "ent", 0.5), bolsa.url)
        with agente.corriendo("--on-exit", politica) as proceso:
            esperar(lambda: agente.filas() >= 5, proceso)
            proceso.send_signal(senal)
            assert proceso.wait(15) == 130
        assert (bolsa.posicion > 0.0) is queda
        ordenes = bolsa.ordenes
        assert bolsa.publico("/sim/v1/status")["agents"] == []

    filas = agente.registros[0]
    assert filas[-1]["status"] == ("ok" if queda else "manual")
    assert len(ordenes) == sum(f["resultado"] == "ejecutada" for f in filas)


def test_un_segundo_demonio_se_rechaza(tmp_path: Path):
    with un_simulador(tmp_path, unas_velas(CALENTAMIENTO + 20_000)) as bolsa:
        agente = Agente(tmp_path, un_artefacto(tmp_path / "ent", 0.5), bolsa.url)
        with agente.corriendo() as proceso:
            esperar(lambda: agente.filas() >= 2, proceso)
            segundo = agente.correr()

        assert segundo.codigo == 2
        assert f"process {proceso.pid})" in segundo.texto


def test_un_simulador_que_muere_no_deja_al_demonio_para_siempre(tmp_path: Path):
    with un_simulador(tmp_path, unas_velas(CALENTAMIENTO + 20_000)) as bolsa:
        agente = Agente(tmp_path, un_artefacto(tmp_path / "ent", 0.5), bolsa.url)
        with agente.corriendo() as proceso:
            esperar(lambda: agente.filas() >= 2, proceso)
            bolsa.proceso.kill()
            bolsa.proceso.wait(10)
            esperar(lambda: "flujo_caido" in _log(agente) or "cierre_fallido" in _log(agente), proceso)
            proceso.send_signal(signal.SIGINT)
            time.sleep(0.5)  # two equal signals at once would arrive as one
            proceso.send_signal(signal.SIGINT)
            assert proceso.wait(15) == 130


def _log(agente: Agente) -> str:
    carpeta = agente.carpeta / "ent" / agente.train_id / "produccion"
    return "".join(ruta.read_text() for ruta in carpeta.glob("*.log"))
