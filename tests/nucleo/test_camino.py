"""The way of the price inside a candle."""

from __future__ import annotations

import pytest

from src.nucleo.camino import camino_intravela
from src.nucleo.tipos import Camino
from tests.constructores import una_vela, unas_velas


def test_una_vela_que_sube_pasa_antes_por_el_minimo():
    vela = una_vela(open=100.0, high=110.0, low=95.0, close=105.0)

    assert [punto.precio for punto in camino_intravela(vela)] == [100.0, 95.0, 110.0, 105.0]


def test_una_vela_que_baja_pasa_antes_por_el_maximo():
    vela = una_vela(open=105.0, high=110.0, low=95.0, close=100.0)

    assert [punto.precio for punto in camino_intravela(vela)] == [105.0, 110.0, 95.0, 100.0]


def test_una_vela_que_cierra_donde_abrio_cuenta_como_subida():
    vela = una_vela(open=100.0, high=110.0, low=95.0, close=100.0)

    assert [punto.precio for punto in camino_intravela(vela)] == [100.0, 95.0, 110.0, 100.0]


def test_los_puntos_caen_en_cuartos_y_solo_la_apertura_salta():
    puntos = camino_intravela(una_vela(), Camino.OHLC)

    assert [(punto.fraccion, punto.salto) for punto in puntos] == [
        (0.0, True),
        (0.25, False),
        (0.5, False),
        (1.0, False),
    ]


def test_por_cierres_hay_un_solo_punto_al_que_se_salta():
    puntos = camino_intravela(una_vela(open=100.0, high=110.0, low=95.0, close=105.0), Camino.CLOSE)

    assert puntos == ((105.0, 1.0, True),)


@pytest.mark.parametrize("camino", Camino)
def test_el_ultimo_punto_es_el_cierre_y_ninguno_sale_de_la_vela(camino):
    for vela in unas_velas(200, semilla=3):
        puntos = camino_intravela(vela, camino)

        assert (puntos[-1].precio, puntos[-1].fraccion) == (vela.close, 1.0)
        assert all(vela.low <= punto.precio <= vela.high for punto in puntos)
