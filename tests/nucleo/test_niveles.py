"""The ladder of eight levels and Hand-Span: examples whose numbers hold."""

from __future__ import annotations

from math import inf, nextafter

import pytest

from src.nucleo.niveles import (
    NIVELES,
    candidatos_por_niveles,
    candidatos_por_tramos,
    precio_break_even,
    precio_de_nivel,
)

ENTRADA, INICIAL, OBJETIVO = 44_000.0, 43_000.0, 46_000.0
ESCALERA = [  # level, mark from which it counts, stop
    ("towards_be_20", 44_400.0, 43_200.0),
    ("break_even", 44_700.0, 44_066.0),  # 44,000 · 1.0015
    ("profit_20", 45_000.0, 44_400.0),
    ("profit_40", 45_200.0, 44_800.0),
    ("profit_55", 45_400.0, 45_100.0),
    ("profit_70", 45_600.0, 45_400.0),
    ("profit_82", 45_760.0, 45_640.0),
    ("profit_90", 45_900.0, 45_800.0),
]


def reflejado(precio: float) -> float:
    return 2.0 * ENTRADA - precio


def por_niveles(mark: float, aplicado: str = "", costo: float = 0.0015):
    return list(candidatos_por_niveles(ENTRADA, INICIAL, OBJETIVO, mark, aplicado, costo, largo=True))


def por_tramos(mark: float, aplicado: str = "", costo: float = 0.0015):
    return list(candidatos_por_tramos(ENTRADA, INICIAL, mark, aplicado, costo, largo=True))


class TestNiveles:
    @pytest.mark.parametrize(("indice", "nombre", "mark", "stop"), [(i, *f) for i, f in enumerate(ESCALERA)])
    def test_cada_nivel_cuenta_desde_su_umbral(self, indice, nombre, mark, stop):
        """In at 44,000, initial stop at 43,000, target at 46,000."""
        assert [n for n, _ in por_niveles(nextafter(mark - 1e-3, 0.0))] == [f[0] for f in ESCALERA[:indice]]
        assert [n for n, _ in por_niveles(mark)] == [f[0] for f in ESCALERA[: indice + 1]]
        assert por_niveles(mark)[-1] == (nombre, pytest.approx(stop, abs=1e-6))

    @pytest.mark.parametrize(("nivel", "fila"), list(zip(NIVELES, ESCALERA, strict=True)))
    def test_un_corto_es_el_reflejo(self, nivel, fila):
        """All but break-even, whose cost is a factor: 44,000 / 1.0015."""
        _, _, stop = fila
        corto = precio_de_nivel(nivel, ENTRADA, reflejado(INICIAL), reflejado(OBJETIVO), 0.0015, largo=False)

        esperado = 44_000.0 / 1.0015 if nivel.nombre == "break_even" else reflejado(stop)
        assert corto == pytest.approx(esperado, abs=1e-6)

    @pytest.mark.parametrize("indice", range(8))
    def test_lo_aplicado_no_vuelve(self, indice):
        assert [nombre for nombre, _ in por_niveles(46_000.0, ESCALERA[indice][0])] == [
            fila[0] for fila in ESCALERA[indice + 1 :]
        ]

    def test_un_ajuste_manual_no_agota_ningun_nivel(self):
        assert len(por_niveles(46_000.0, "manual_adjust")) == 8

    def test_sin_costo_el_break_even_es_la_entrada(self):
        assert por_niveles(44_700.0, costo=0.0)[-1] == ("break_even", ENTRADA)

    @pytest.mark.parametrize("objetivo", [ENTRADA, 43_900.0])
    def test_un_objetivo_que_no_esta_a_favor_no_tiene_niveles(self, objetivo):
        for mark in (43_000.0, 45_000.0):
            assert not list(candidatos_por_niveles(ENTRADA, INICIAL, objetivo, mark, "", 0.0015, largo=True))


class TestTramos:
    @pytest.mark.parametrize(
        ("mark", "candidatos"),
        [
            (43_500.0, []),
            (44_999.9, []),
            (45_000.0, [("break_even", 44_066.0)]),
            (45_999.9, [("break_even", 44_066.0)]),
            (46_000.0, [("break_even", 44_066.0), ("span_2", 45_000.0)]),
            (49_100.0, [("break_even", 44_066.0), ("span_5", 48_000.0)]),
        ],
    )
    def test_un_tramo_es_lo_que_va_de_la_entrada_al_primer_stop(self, mark, candidatos):
        assert por_tramos(mark) == [(nombre, pytest.approx(stop)) for nombre, stop in candidatos]

    @pytest.mark.parametrize(
        ("aplicado", "quedan"),
        [("break_even", ["span_3"]), ("span_2", ["span_3"]), ("span_3", []), ("span_4", [])],
    )
    def test_lo_aplicado_no_vuelve(self, aplicado, quedan):
        assert [nombre for nombre, _ in por_tramos(47_000.0, aplicado)] == quedan

    @pytest.mark.parametrize("aplicado", ["", "manual_adjust", "span_", "span_x", "towards_be_20"])
    def test_otras_palabras_no_agotan_ningun_tramo(self, aplicado):
        assert [nombre for nombre, _ in por_tramos(47_000.0, aplicado)] == ["break_even", "span_3"]

    def test_sin_distancia_no_hay_tramos(self):
        assert not list(candidatos_por_tramos(ENTRADA, ENTRADA, 50_000.0, "", 0.0015, largo=True))

    def test_un_corto_gana_hacia_abajo(self):
        candidatos = list(candidatos_por_tramos(ENTRADA, 45_000.0, 41_900.0, "", 0.0, largo=False))

        assert candidatos == [("break_even", ENTRADA), ("span_2", 43_000.0)]


def test_el_break_even_con_costos_es_simetrico_en_proporcion():
    """``entry² / price`` takes one side to the other: both leave the same factor for the fees."""
    largo, corto = (precio_break_even(ENTRADA, 0.0015, largo=lado) for lado in (True, False))

    assert largo == pytest.approx(44_066.0)
    assert ENTRADA * ENTRADA / largo == pytest.approx(corto)
    assert precio_break_even(ENTRADA, 0.0, largo=True) == precio_break_even(ENTRADA, 0.0, largo=False)
    assert corto < ENTRADA < largo < inf
