"""A seed decides everything, and every kind of fault has its turn."""

from __future__ import annotations

from collections import Counter

import pytest

from caos.guion import FIJAS, REPETIBLES, TRANSPARENTES, Muerte, Sitio, desde_paso, sortear
from src.simulador.fallas.clases import Clase
from src.simulador.fallas.lectura import leer_guion


def test_la_misma_semilla_da_el_mismo_guion():
    assert sortear(7, 500, 20, 100) == sortear(7, 500, 20, 100)
    assert sortear(7, 500, 20, 100) != sortear(8, 500, 20, 100)


@pytest.mark.parametrize("clases", [FIJAS, TRANSPARENTES, REPETIBLES])
def test_el_simulador_entiende_todo_lo_que_se_sortea(clases):
    guion = sortear(3, 500, 50, 5 * len(clases), clases)

    for cosa in (*guion.muertes, *guion.desgracias):
        (falla,) = leer_guion(cosa.guion()).fallas
        assert falla.veces == 1


def test_todas_las_clases_de_falla_tienen_su_turno():
    """Only a hold is no misfortune: it is how the kills are aimed."""
    assert set(FIJAS) == set(Clase) - {Clase.HOLD}

    veces = Counter(desgracia.clase for desgracia in sortear(1, 500, 0, 3 * len(FIJAS)).desgracias)

    assert veces.pop("price_jump") == 3 + 3 * 5  # one more with each fault of a triggered stop
    assert set(veces.values()) == {3}


def test_todos_los_sitios_tienen_sus_muertes():
    sitios = Counter(muerte.sitio for muerte in sortear(1, 5_000, 200, 0).muertes)

    assert set(sitios) == set(Sitio)


def test_las_cosas_suceden_en_orden_y_dentro_del_mercado():
    guion = sortear(4, 300, 40, 80)

    for cosas in (guion.muertes, guion.desgracias):
        pasos = [cosa.paso for cosa in cosas]
        assert pasos == sorted(pasos)
        assert 1 <= min(pasos) <= max(pasos) <= 4 * 300


def test_la_primera_muerte_no_puede_ser_en_una_recuperacion():
    assert all(sortear(s, 100, 1, 0).muertes[0].sitio is not Sitio.RECUPERACION for s in range(60))


def test_una_falla_tardia_no_se_arma_en_el_pasado():
    guion = sortear(2, 300, 0, 60)
    vela = next(d for d in guion.desgracias if d.clase == "kline")

    assert vela.en(1_000).falla["at"]["candle"] == 251
    assert vela.en(1_000).paso == 1_001


def test_una_muerte_en_una_llamada_espera_a_su_paso():
    muerte = Muerte(1, Sitio.ORDEN, 40, "POST /fapi/v1/order", 1, "after")

    assert muerte.guion() == desde_paso(
        40, {"kind": "hold", "at": {"call": "POST /fapi/v1/order", "stage": "after"}}
    )


def test_un_relevo_muere_con_los_dos_stops_vivos():
    """After the new one was placed, before the old one is cancelled."""
    relevos = {m[3::2] for m in sortear(1, 5_000, 200, 0).muertes if m.sitio is Sitio.RELEVO}

    assert relevos == {("POST /fapi/v1/algoOrder", "after"), ("DELETE /fapi/v1/algoOrder", "before")}


def test_el_precio_salta_tambien_en_medio_de_un_relevo():
    saltos = [d.falla["at"] for d in sortear(1, 5_000, 0, 20 * len(FIJAS)).desgracias if "percent" in d.falla]

    assert {"call": "POST /fapi/v1/algoOrder", "stage": "after"} in saltos
    assert "step" in saltos
