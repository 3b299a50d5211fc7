"""The figures of a session."""

from __future__ import annotations

import pytest

from src.produccion.sesion import Estadisticas


@pytest.mark.parametrize(("equity", "retorno"), [(11_000.0, 0.1), (9_000.0, -0.1)])
def test_el_retorno_es_lo_que_cambio_de_lo_que_habia(equity: float, retorno: float):
    assert Estadisticas(equity_inicial=10_000.0, equity=equity).retorno == pytest.approx(retorno)


def test_de_nada_no_hay_retorno():
    assert Estadisticas(equity_inicial=0.0).campos()["retorno"] == 0.0
