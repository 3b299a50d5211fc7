"""Average true range, and the prices of stop and target that follow from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.tipos import EscalaPrecio, Vela
from src.nucleo.volatilidad import (
    Distancia,
    ModoDistancia,
    atr,
    precio_objetivo,
    precio_stop,
    rango_verdadero,
    serie_atr,
)
from tests.constructores import unas_velas

TICK = EscalaPrecio(1, 10)
PORCENTAJE, ATR, SPAN = ModoDistancia.PORCENTAJE, ModoDistancia.ATR, ModoDistancia.SPAN


def una_vela(alto: float, bajo: float, cierre: float) -> Vela:
    return Vela(0, cierre, alto, bajo, cierre, 1.0)


class TestAtr:
    @pytest.mark.parametrize(
        ("alto", "bajo", "rango"), [(105.0, 98.0, 7.0), (110.0, 104.0, 10.0), (99.0, 91.0, 9.0)]
    )
    def test_el_rango_cuenta_desde_el_cierre_anterior(self, alto, bajo, rango):
        assert rango_verdadero(una_vela(100.0, 100.0, 100.0), una_vela(alto, bajo, bajo)) == rango

    def test_es_la_media_de_los_ultimos(self):
        """Ranges of 2, 4 and 9."""
        velas = [
            una_vela(*barra)
            for barra in ((101, 99, 100), (101, 99, 100), (103, 99, 102), (110, 101, 105), (106, 103, 104))
        ]

        assert serie_atr(velas, 3) == [None, None, None, 5.0, (4.0 + 9.0 + 3.0) / 3.0]
        assert atr(velas, 3) == 16.0 / 3.0
        assert atr(velas[:3], 3) is None

    @given(n=st.integers(1, 20), desde=st.integers(0, 40))
    def test_no_depende_de_donde_empieza_la_historia(self, n: int, desde: int):
        """To the last bit: a daemon that started yesterday computes what training computed."""
        velas = unas_velas(80, semilla=1)
        entera, corta = serie_atr(velas, n), serie_atr(velas[desde:], n)

        assert corta[n:] == entera[desde + n :]
        assert [atr(velas[: i + 1], n) for i in range(len(velas))] == entera


class TestPrecios:
    @pytest.mark.parametrize(
        ("distancia", "largo", "stop"),
        [
            (Distancia(PORCENTAJE, 2.0), True, 29_400.0),
            (Distancia(PORCENTAJE, 2.0), False, 30_600.0),
            (Distancia(ATR, 1.5), True, 29_814.8),  # 185.175 away, no nearer than asked
            (Distancia(ATR, 1.5), False, 30_185.2),
        ],
    )
    def test_el_stop(self, distancia, largo, stop):
        assert precio_stop(30_000.0, distancia, 123.45, TICK, largo=largo) == stop

    @pytest.mark.parametrize(
        ("distancia", "largo", "objetivo"),
        [
            (Distancia(PORCENTAJE, 2.0), True, 30_600.0),
            (Distancia(PORCENTAJE, 2.0), False, 29_400.0),
            (Distancia(ATR, 1.5), True, 30_185.2),
            (Distancia(ATR, 1.5), False, 29_814.8),
            (Distancia(SPAN, 3.0), True, 30_900.0),
            (Distancia(SPAN, 3.0), False, 29_100.0),
        ],
    )
    def test_el_objetivo(self, distancia, largo, objetivo):
        stop = 29_700.0 if largo else 30_300.0

        assert precio_objetivo(30_000.0, distancia, 123.45, stop, TICK, largo=largo) == objetivo

    @pytest.mark.parametrize(
        ("distancia", "rango"),
        [(Distancia(ATR, 2.0), None), (Distancia(ATR, 2.0), 15_000.0), (Distancia(ATR, 2.0), 0.0)],
    )
    def test_sin_un_precio_positivo_no_hay_stop(self, distancia, rango):
        """The range is not known, reaches down to nothing, or is none at all."""
        assert precio_stop(30_000.0, distancia, rango, TICK, largo=True) is None

    def test_un_corto_no_tiene_objetivo_por_debajo_de_cero(self):
        assert (
            precio_objetivo(30_000.0, Distancia(PORCENTAJE, 100.0), None, 31_000.0, TICK, largo=False) is None
        )

    @pytest.mark.parametrize(
        ("largo", "stop", "objetivo"), [(True, 29_500.0, 30_500.0), (False, 30_500.0, 29_500.0)]
    )
    def test_mas_alla_del_filtro_de_precio_son_sus_limites(self, largo, stop, objetivo):
        estrecho, lejos = EscalaPrecio(1, 10, 29_500.0, 30_500.0), Distancia(PORCENTAJE, 2.0)

        assert precio_stop(30_000.0, lejos, None, estrecho, largo=largo) == stop
        assert precio_objetivo(30_000.0, lejos, None, stop, estrecho, largo=largo) == objetivo
