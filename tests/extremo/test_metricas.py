"""The real daemon's metrics port, and what its logs must not hold."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from src.produccion.metricas.catalogo import DEL_DEMONIO, TITULAR
from tests.extremo.procesos import Agente, Simulador, esperar, un_artefacto, un_simulador
from tests.extremo.test_guardian import AJUSTES, QUIETO

EN_TIEMPO = ("--speed", "40", "--interval", "1m")


def un_puerto() -> int:
    with socket.create_server(("127.0.0.1", 0)) as libre:
        return int(libre.getsockname()[1])


def un_agente(carpeta: Path, bolsa: Simulador, puerto: int, accion: float = 0.5) -> Agente:
    train_id = un_artefacto(carpeta / "ent", accion, data_downloader__interval="1m")
    return Agente(carpeta, train_id, bolsa.url, AJUSTES + f"metrics: {{port: {puerto}}}\n")


def leer(puerto: int) -> dict[str, dict[tuple[str, ...], float]]:
    """Values by metric and by the labels after those of the daemon; empty while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{puerto}/metrics", timeout=5) as respuesta:
            texto = respuesta.read().decode()
    except (urllib.error.URLError, ConnectionError):
        return {}
    leido: dict[str, dict[tuple[str, ...], float]] = {}
    for familia in text_string_to_metric_families(texto):
        for m in familia.samples:
            etiquetas = tuple(v for k, v in m.labels.items() if k not in TITULAR)
            leido.setdefault(m.name, {})[etiquetas] = m.value
    return leido


@pytest.mark.timeout(120)
def test_lo_que_se_lee_es_lo_que_tiene_la_bolsa(tmp_path: Path):
    with un_simulador(tmp_path, QUIETO, *EN_TIEMPO) as bolsa:
        puerto = un_puerto()
        agente = un_agente(tmp_path, bolsa, puerto)
        with agente.corriendo() as demonio:
            esperar(lambda: leer(puerto).get("timonel_position_base", {}).get(()), demonio)
            esperar(lambda: leer(puerto)["timonel_candles_decided_total"][()] >= 2, demonio)
            leido = leer(puerto)
            posicion, stops = bolsa.posicion, bolsa.stops

    assert leido["timonel_position_base"][()] == posicion > 0.0
    assert leido["timonel_stop_price_quote"][()] == float(stops[0]["triggerPrice"])
    assert (leido["timonel_protected"][()], leido["timonel_position_naked"][()]) == (1.0, 0.0)
    assert leido["timonel_orders_finished_total"][("filled",)] >= 1.0
    assert leido["timonel_decision_seconds_count"][()] >= 2.0
    assert leido["timonel_stream_age_seconds"][("mark_price",)] < 30.0
    publicadas = {nombre.removesuffix("_bucket") for nombre in leido}
    assert {m.nombre for m in DEL_DEMONIO} <= publicadas


@pytest.mark.timeout(120)
def test_un_puerto_ocupado_impide_empezar_solo_si_no_hay_nada_en_juego(tmp_path: Path):
    with un_simulador(tmp_path, QUIETO, *EN_TIEMPO) as bolsa, socket.create_server(("127.0.0.1", 0)) as otro:
        ocupado = int(otro.getsockname()[1])
        agente = un_agente(tmp_path, bolsa, ocupado)

        plana = agente.correr()
        assert plana.codigo == 2
        assert f"127.0.0.1:{ocupado}" in plana.texto
        assert "choose another metrics.port" in plana.texto

        ajustes, agente.ajustes = agente.ajustes, AJUSTES
        assert agente.correr("--candles", "1", "--on-exit", "keep").codigo == 0
        assert bolsa.posicion > 0.0
        agente.ajustes = ajustes
        abierta = agente.correr("--candles", "1", "--on-exit", "keep")

    assert abierta.codigo == 0, abierta.texto
    assert "metricas_sin_puerto" in abierta.texto
