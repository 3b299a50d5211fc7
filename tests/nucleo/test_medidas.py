"""Spread, range and share of failures, against the plainest way to count them."""

from __future__ import annotations

from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.medidas import RangoMovil, TasaDeFallos, spread_bps


class TestSpread:
    def test_diez_puntos_basicos(self):
        assert spread_bps(99.95, 100.05) == pytest.approx(10.0)

    @pytest.mark.parametrize("libro", [(0.0, 1.0), (1.0, 0.0), (2.0, 1.0), (float("nan"), 1.0)])
    def test_un_libro_sin_dos_lados_no_tiene_spread(self, libro: tuple[float, float]):
        assert isnan(spread_bps(*libro))

    def test_un_libro_cerrado_no_tiene_distancia(self):
        assert spread_bps(1.0, 1.0) == 0.0


class TestRango:
    def test_la_distancia_del_menor_al_mayor(self):
        rango = RangoMovil(1_000)
        assert [rango.tomar(p, i) for i, p in enumerate((100.0, 95.0, 104.5))] == pytest.approx(
            [0.0, 100 / 95 - 1, 0.1]
        )

    def test_lo_que_queda_fuera_de_la_ventana_se_olvida(self):
        rango = RangoMovil(1_000)
        rango.tomar(50.0, 0)
        assert rango.tomar(100.0, 999) == 1.0
        assert rango.tomar(100.0, 1_000) == 0.0

    @pytest.mark.parametrize("precio", [0.0, -1.0, float("nan"), float("inf")])
    def test_lo_que_no_es_un_precio_no_deja_rastro(self, precio: float):
        rango = RangoMovil(1_000)
        rango.tomar(100.0, 0)
        assert isnan(rango.tomar(precio, 1))
        assert rango.tomar(50.0, 2) == 1.0

    @given(
        pasos=st.lists(st.tuples(st.floats(0.1, 1e6), st.integers(0, 500)), min_size=1, max_size=80),
        ventana_ms=st.integers(1, 1_000),
    )
    def test_es_lo_mismo_que_mirarlos_todos(self, pasos: list[tuple[float, int]], ventana_ms: int):
        rango, vistos, ahora_ms = RangoMovil(ventana_ms), [], 0
        for precio, dt in pasos:
            ahora_ms += dt
            vistos.append((ahora_ms, precio))
            dentro = [p for t, p in vistos if t > ahora_ms - ventana_ms]
            assert rango.tomar(precio, ahora_ms) == max(dentro) / min(dentro) - 1.0


class TestTasa:
    def test_con_pocas_llamadas_no_se_sabe(self):
        tasa = TasaDeFallos(1_000, 2)
        tasa.tomar(0, fallida=True)
        assert tasa.en(0) is None
        tasa.tomar(1, fallida=False)
        assert tasa.en(1) == 0.5

    def test_las_viejas_no_cuentan(self):
        tasa = TasaDeFallos(1_000, 1)
        tasa.tomar(0, fallida=True)
        tasa.tomar(500, fallida=False)
        assert tasa.en(1_000) == 0.0
        assert tasa.en(1_500) is None

    @given(pasos=st.lists(st.tuples(st.booleans(), st.integers(0, 400)), max_size=80))
    def test_es_lo_mismo_que_contarlas_todas(self, pasos: list[tuple[bool, int]]):
        tasa, vistas, ahora_ms = TasaDeFallos(1_000, 1), [], 0
        for fallida, dt in pasos:
            ahora_ms += dt
            tasa.tomar(ahora_ms, fallida=fallida)
            vistas.append((ahora_ms, fallida))
            dentro = [f for t, f in vistas if t > ahora_ms - 1_000]
            assert tasa.en(ahora_ms) == sum(dentro) / len(dentro)
