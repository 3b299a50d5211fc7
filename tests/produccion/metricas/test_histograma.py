"""Durations fall into the bucket whose edge they do not exceed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from src.produccion.metricas.histograma import LIMITES_S, Histograma


def test_un_borde_pertenece_a_su_cubo():
    histograma = Histograma((0.1, 1.0))

    for duracion_s in (0.1, 0.10001, 1.0, 7.0):
        histograma.observar(duracion_s)

    assert histograma.acumulados == (1, 3, 4)
    assert histograma.suma_s == 0.1 + 0.10001 + 1.0 + 7.0


def test_un_reloj_que_retrocede_cuenta_como_nada():
    histograma = Histograma((0.1,))

    histograma.observar(-5.0)

    assert (histograma.acumulados, histograma.suma_s) == ((1, 1), 0.0)


@given(st.lists(st.floats(0, 100)))
def test_cada_cubo_cuenta_los_que_no_pasan_de_su_borde(duraciones: list[float]):
    histograma = Histograma()

    for duracion_s in duraciones:
        histograma.observar(duracion_s)

    esperados = [sum(d <= limite for d in duraciones) for limite in LIMITES_S]
    assert histograma.acumulados == (*esperados, len(duraciones))
