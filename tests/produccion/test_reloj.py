"""Market time."""

from __future__ import annotations

import time

from src.produccion.reloj import RelojMercado

DIA_MS = 86_400_000


def pared_ms() -> int:
    return time.time_ns() // 1_000_000


def test_sin_saber_nada_es_la_hora_de_esta_maquina():
    assert abs(RelojMercado().ahora_ms() - pared_ms()) < 1_000


def test_sincronizado_sigue_a_la_bolsa():
    reloj = RelojMercado()
    reloj.sincronizar(pared_ms() - DIA_MS)

    assert abs(reloj.ahora_ms() - (pared_ms() - DIA_MS)) < 1_000


def test_el_reloj_corre_entre_eventos():
    reloj = RelojMercado()
    reloj.sincronizar(1_000_000)
    antes = reloj.ahora_ms()
    time.sleep(0.02)

    assert 15 <= reloj.ahora_ms() - antes < 1_000


def test_el_reloj_nunca_va_por_detras_de_un_evento():
    reloj = RelojMercado()
    reloj.sincronizar(1_000_000)
    reloj.observar(5_000_000)
    reloj.observar(2_000_000)

    assert reloj.ahora_ms() == 5_000_000


def test_congelado_solo_pasa_el_tiempo_con_los_eventos():
    reloj = RelojMercado()
    reloj.sincronizar(1_000_000)
    reloj.congelar()
    time.sleep(0.01)
    assert reloj.ahora_ms() == 1_000_000

    reloj.observar(1_000_500)

    assert reloj.ahora_ms() == 1_000_500


def test_la_bolsa_puede_atrasar_el_reloj():
    """A new reading replaces the old offset, even when it is earlier."""
    reloj = RelojMercado()
    reloj.congelar()
    reloj.sincronizar(9_000_000)
    reloj.sincronizar(8_000_000)

    assert reloj.ahora_ms() == 8_000_000
