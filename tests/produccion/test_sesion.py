"""The figures of a session."""

from __future__ import annotations

import pytest

from src.produccion.sesion import Estadisticas, linea_de_estado


@pytest.mark.parametrize(("equity", "retorno"), [(11_000.0, 0.1), (9_000.0, -0.1)])
def test_el_retorno_es_lo_que_cambio_de_lo_que_habia(equity: float, retorno: float):
    assert Estadisticas(equity_inicial=10_000.0, equity=equity).retorno == pytest.approx(retorno)


def test_de_nada_no_hay_retorno():
    de_nada = Estadisticas(equity_inicial=0.0, equity=5_000.0)

    assert de_nada.campos()["retorno"] is None
    assert de_nada.tabla()["return"] == "–"
    assert "(–)" in linea_de_estado("BTCUSDT", de_nada)
