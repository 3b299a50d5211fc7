"""The observation: the same numbers for training, evaluation and production."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.errores import DatosInvalidos
from src.nucleo.observacion import (
    Escalador,
    FormaPortafolio,
    construir_observacion,
    exposicion_de,
    recortar,
    valorar,
    vector_portafolio,
)
from tests.constructores import una_cuenta

VENTANA = np.arange(6, dtype=np.float32).reshape(3, 2)
FORMA = FormaPortafolio(capital_referencia=10_000.0, apalancamiento=2.0)


def portafolio(cuenta, precio=30_000.0, forma=FORMA) -> list[float]:
    return construir_observacion(VENTANA, cuenta, precio, forma).portfolio.tolist()


class TestPortafolio:
    def test_sin_posicion_solo_cuenta_el_saldo(self):
        assert portafolio(una_cuenta(saldo=12_500.0)) == [1.25, 0.0, 0.0]

    def test_un_largo_que_gana(self):
        """0.25 BTC from 30,000 to 32,000: +500; equity 10,500; exposure 8,000 of 21,000."""
        observado = portafolio(una_cuenta(cantidad=0.25, entrada=30_000.0), 32_000.0)

        assert observado == pytest.approx([1.05, 0.5, 8_000 / 21_000], rel=1e-7)

    def test_un_corto_que_pierde(self):
        """The same move against a short: -500; equity 9,500; exposure -8,000 of 19,000."""
        observado = portafolio(una_cuenta(cantidad=-0.25, entrada=30_000.0), 32_000.0)

        assert observado == pytest.approx([0.95, -0.5, -8_000 / 19_000], rel=1e-7)

    @pytest.mark.parametrize(("cantidad", "lado"), [(0.25, 1.0), (-0.25, -1.0), (0.0, 0.0)])
    def test_la_forma_de_la_semilla_lleva_el_lado(self, cantidad, lado):
        forma = FORMA._replace(lado_en_vez_de_exposicion=True)

        assert portafolio(una_cuenta(cantidad=cantidad), forma=forma)[2] == lado

    def test_sin_normalizar_los_montos_van_en_su_moneda(self):
        forma = FORMA._replace(normalizar=False)

        observado = portafolio(una_cuenta(cantidad=0.25), 32_000.0, forma)

        assert observado == pytest.approx([10_500.0, 500.0, 8_000 / 21_000], rel=1e-7)

    def test_el_capital_de_referencia_es_la_unidad(self):
        forma = FORMA._replace(capital_referencia=5_000.0)

        assert portafolio(una_cuenta(cantidad=0.25), 32_000.0, forma)[:2] == pytest.approx([2.1, 1.0])

    @pytest.mark.parametrize(
        ("saldo", "precio"),
        [(math.nan, 30_000.0), (math.inf, 30_000.0), (10_000.0, math.nan), (10_000.0, math.inf)],
    )
    def test_una_equity_que_no_es_finita_se_rechaza(self, saldo, precio):
        with pytest.raises(DatosInvalidos, match="equity is"):
            portafolio(una_cuenta(saldo=saldo, cantidad=0.25), precio)


class TestNumerosSueltos:
    @pytest.mark.parametrize("cantidad", [0.25, -0.25, 0.0])
    @pytest.mark.parametrize("lado", [True, False])
    def test_el_vector_es_el_mismo_bit_a_bit(self, cantidad, lado):
        forma = FORMA._replace(lado_en_vez_de_exposicion=lado)
        cuenta = una_cuenta(saldo=9_876.54321, cantidad=cantidad, entrada=30_123.45)

        suelto = vector_portafolio(valorar(9_876.54321, cantidad, 30_123.45, 31_007.7, 2.0), forma)

        esperada = construir_observacion(VENTANA, cuenta, 31_007.7, forma)
        assert suelto.tobytes() == esperada.portfolio.tobytes()


class TestForma:
    def test_es_float32_con_la_ventana_tal_cual(self):
        observacion = construir_observacion(VENTANA, una_cuenta(cantidad=0.25), 31_000.0, FORMA)

        assert observacion.market.dtype == observacion.portfolio.dtype == np.float32
        assert observacion.portfolio.shape == (3,)
        np.testing.assert_array_equal(observacion.market, VENTANA)


class TestExposicion:
    @pytest.mark.parametrize(
        ("cantidad", "equity", "esperada"),
        [
            (0.0, 10_000.0, 0.0),
            (0.25, 10_000.0, 0.375),
            (-0.25, 10_000.0, -0.375),
            (1.0, 10_000.0, 1.5),
            (-1.0, 10_000.0, -1.5),
            (0.001, 0.0, math.inf),
            (-0.001, 0.0, -math.inf),
            (0.001, -50.0, math.inf),
            (-0.001, -50.0, -math.inf),
            (0.0, -50.0, 0.0),
        ],
    )
    def test_es_la_parte_usada_con_su_lado(self, cantidad, equity, esperada):
        assert exposicion_de(cantidad, 30_000.0, equity, 2.0) == esperada

    @given(st.floats(-100, 100), st.floats(1e-6, 1e6), st.floats(-1e6, 1e6), st.floats(1, 125))
    def test_su_signo_es_el_lado_y_recortada_no_sale_de_menos_uno_a_uno(
        self, cantidad, precio, equity, apalancamiento
    ):
        exposicion = exposicion_de(cantidad, precio, equity, apalancamiento)

        assert exposicion * cantidad >= 0.0
        assert -1.0 <= recortar(exposicion) <= 1.0
        assert recortar(exposicion) == exposicion or abs(exposicion) > 1.0


class TestEscalador:
    escalador = Escalador(media=np.array([10.0, -1.0]), escala=np.array([2.0, 0.5]))

    def test_resta_la_media_y_divide_por_la_escala(self):
        escalado = self.escalador.transformar(np.array([[10.0, -1.0], [14.0, 0.0], [9.0, -2.0]]))

        assert escalado.dtype == np.float32
        assert escalado.tolist() == [[0.0, 0.0], [2.0, 2.0], [-0.5, -2.0]]

    def test_una_fila_sola_da_lo_mismo_que_en_su_matriz(self):
        rasgos = np.random.default_rng(1).normal(10.0, 3.0, (50, 2))

        enteras = self.escalador.transformar(rasgos)

        for fila, escalada in zip(rasgos, enteras, strict=True):
            np.testing.assert_array_equal(self.escalador.transformar(fila), escalada)

    def test_la_cuenta_se_hace_en_doble_precision(self):
        """Around a large mean float32 would lose the difference."""
        escalador = Escalador(media=np.array([1e8]), escala=np.array([1.0]))

        assert escalador.transformar(np.array([1e8 + 0.5])).tolist() == [0.5]

    @pytest.mark.parametrize("valor", [math.nan, math.inf, -math.inf])
    def test_un_rasgo_que_no_es_finito_se_rechaza(self, valor):
        with pytest.raises(DatosInvalidos, match="a feature is NaN or infinite"):
            self.escalador.transformar(np.array([[10.0, valor]]))
