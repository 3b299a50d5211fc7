"""The reward: each term pushes in the direction that its name says."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.recompensa import (
    FormaRecompensa,
    Paso,
    ReglaRecompensa,
    aversion,
    calcular_recompensa,
    retorno_logaritmico,
)

REGLA = ReglaRecompensa(factor_aversion_riesgo=0.1, penalizacion_no_operar=0.02)
SEMILLA = REGLA._replace(forma=FormaRecompensa.SEMILLA)


def un_paso(equity=1_000.0, equity_nueva=1_000.0, maximo=1_000.0, maximo_nuevo=None, inactivo=False) -> Paso:
    """A step whose peak follows the equity."""
    return Paso(equity, equity_nueva, maximo, maximo_nuevo or max(maximo, equity_nueva), inactivo)


class TestRetorno:
    def test_ganar_suma_y_perder_resta(self):
        assert calcular_recompensa(un_paso(equity_nueva=1_010.0), REGLA) > 0
        assert calcular_recompensa(un_paso(equity_nueva=990.0), REGLA) < 0
        assert calcular_recompensa(un_paso(), REGLA) == 0

    def test_es_cien_veces_el_logaritmo(self):
        assert retorno_logaritmico(un_paso(equity_nueva=1_000.0 * math.e)) == pytest.approx(100.0)

    def test_perderlo_todo_cuesta_mucho_pero_es_un_numero(self):
        for arruinada in (0.0, -500.0):
            retorno = retorno_logaritmico(un_paso(equity_nueva=arruinada))
            assert math.isfinite(retorno)
            assert retorno == pytest.approx(100 * math.log(1e-8 / 1_000))

    def test_partir_de_nada_tambien_es_un_numero(self):
        assert math.isfinite(retorno_logaritmico(un_paso(equity=0.0)))

    @given(st.lists(st.floats(100.0, 10_000.0), min_size=2, max_size=6))
    def test_los_retornos_de_los_pasos_suman_el_del_camino(self, equities):
        suma = sum(retorno_logaritmico(un_paso(a, b)) for a, b in pairwise(equities))

        assert suma == pytest.approx(retorno_logaritmico(un_paso(equities[0], equities[-1])), abs=1e-9)


class TestAversion:
    def test_caer_bajo_el_maximo_cuesta(self):
        """From the peak to 10 % below it, at 0.1: one point."""
        assert aversion(un_paso(equity_nueva=900.0), 0.1) == pytest.approx(1.0)

    def test_solo_cuenta_lo_que_aumenta_la_caida(self):
        """From 10 % to 15 % below the peak: half a point."""
        assert aversion(un_paso(900.0, 850.0, maximo=1_000.0), 0.1) == pytest.approx(0.5)

    def test_recuperarse_no_cuesta_ni_premia(self):
        assert aversion(un_paso(900.0, 950.0, maximo=1_000.0), 0.1) == 0.0
        assert aversion(un_paso(900.0, 1_100.0, maximo=1_000.0), 0.1) == 0.0
        assert aversion(un_paso(900.0, 900.0, maximo=1_000.0), 0.1) == 0.0

    def test_un_nuevo_maximo_dentro_del_paso_cuenta(self):
        """Up to 1,100 inside the candle and back to 1,000: 9.09 % below the new peak."""
        assert aversion(un_paso(maximo_nuevo=1_100.0), 1.0) == pytest.approx(100 / 11)

    def test_se_resta_de_la_recompensa(self):
        paso = un_paso(equity_nueva=900.0)

        sin = calcular_recompensa(paso, REGLA._replace(factor_aversion_riesgo=0.0))
        con = calcular_recompensa(paso, REGLA)

        assert con - sin == pytest.approx(-1.0)
        assert con == pytest.approx(100 * math.log(0.9) - 1.0)

    @given(st.floats(1.0, 1e6), st.floats(1.0, 1e6), st.floats(1.0, 1e6), st.floats(0.0, 10.0))
    def test_nunca_es_un_premio(self, equity, equity_nueva, maximo, factor):
        paso = un_paso(equity, equity_nueva, max(equity, maximo))

        assert aversion(paso, factor) >= 0.0


class TestNoOperar:
    @pytest.mark.parametrize("regla", [REGLA, SEMILLA])
    def test_quedarse_fuera_se_castiga(self, regla):
        dentro = calcular_recompensa(un_paso(), regla)
        fuera = calcular_recompensa(un_paso(inactivo=True), regla)

        assert fuera - dentro == pytest.approx(-0.02)

    @pytest.mark.parametrize("regla", [REGLA, SEMILLA])
    def test_sin_penalizacion_da_igual(self, regla):
        libre = regla._replace(penalizacion_no_operar=0.0)

        assert (
            calcular_recompensa(un_paso(inactivo=True), libre) == calcular_recompensa(un_paso(), libre) == 0.0
        )


class TestSemilla:
    def test_ganar_es_el_retorno_simple_en_porcentaje(self):
        assert calcular_recompensa(un_paso(equity_nueva=1_010.0), SEMILLA) == pytest.approx(1.0)

    @pytest.mark.parametrize("factor", [0.1, 1.0, 2.0])
    def test_perder_se_pondera_con_la_aversion(self, factor):
        regla = SEMILLA._replace(factor_aversion_riesgo=factor)

        assert calcular_recompensa(un_paso(equity_nueva=990.0), regla) == pytest.approx(-factor)

    def test_no_mira_la_caida_desde_el_maximo(self):
        cerca, lejos = un_paso(900.0, 909.0, maximo=900.0), un_paso(900.0, 909.0, maximo=5_000.0)

        assert calcular_recompensa(cerca, SEMILLA) == calcular_recompensa(lejos, SEMILLA)

    def test_normalizada_se_aplasta_con_la_tangente(self):
        regla = SEMILLA._replace(normalizar=True)

        assert calcular_recompensa(un_paso(equity_nueva=1_010.0), regla) == pytest.approx(math.tanh(1.0))
        assert calcular_recompensa(un_paso(equity_nueva=9_000.0), regla) == pytest.approx(1.0)
        assert calcular_recompensa(un_paso(inactivo=True), regla) == pytest.approx(-math.tanh(0.02))

    def test_la_logaritmica_no_se_normaliza(self):
        regla = REGLA._replace(normalizar=True)

        assert calcular_recompensa(un_paso(equity_nueva=9_000.0), regla) == pytest.approx(100 * math.log(9.0))
