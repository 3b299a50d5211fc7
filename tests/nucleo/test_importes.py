"""Rounding for people, and the formulas of an open position."""

from __future__ import annotations

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.importes import (
    Abierta,
    cantidad,
    cociente_porcentaje,
    distancia_porcentaje,
    dolares,
    porcentaje,
    precio,
)

LARGA = Abierta(larga=True, cantidad=D("0.00033"), entrada=D("88837.92"))
CORTA = LARGA._replace(larga=False)
ACTUAL = D("89245.50")


def test_una_larga_gana_cuando_sube_y_una_corta_pierde_lo_mismo():
    assert LARGA.pnl(ACTUAL) == D("0.1345014")
    assert CORTA.pnl(ACTUAL) == D("-0.1345014")
    assert (dolares(LARGA.pnl(ACTUAL)), dolares(CORTA.pnl(ACTUAL))) == ("0.13", "-0.13")


def test_el_porcentaje_es_del_precio_de_entrada():
    assert porcentaje(LARGA.pnl_porcentaje(ACTUAL)) == "0.46"
    assert porcentaje(CORTA.pnl_porcentaje(ACTUAL)) == "-0.46"


def test_la_distancia_es_del_precio_actual_y_negativa_por_debajo():
    assert porcentaje(distancia_porcentaje(D("87061.16"), ACTUAL)) == "-2.45"
    assert porcentaje(distancia_porcentaje(D("92391.44"), ACTUAL)) == "3.53"


def test_una_larga_se_vende_al_bid_y_una_corta_se_compra_al_ask():
    assert LARGA.precio_de_salida(D(99), D(101)) == D(99)
    assert CORTA.precio_de_salida(D(99), D(101)) == D(101)


def test_lo_que_no_se_sabe_no_es_cero():
    assert [LARGA.pnl(None), LARGA.pnl_porcentaje(None), LARGA.valor(None)] == [None] * 3
    assert [distancia_porcentaje(None, D(1)), distancia_porcentaje(D(1), None)] == [None] * 2
    assert [cociente_porcentaje(D(1), None), cociente_porcentaje(D(1), D(0))] == [None] * 2
    assert [dolares(None), cantidad(None), porcentaje(None), precio(None)] == [None] * 4
    assert [dolares(D("NaN")), dolares(D("Infinity"))] == [None] * 2


@pytest.mark.parametrize(
    ("valor", "texto"),
    [
        ("2.345", "2.35"),
        ("-2.345", "-2.35"),
        ("2.344999", "2.34"),
        ("-0.004", "0.00"),
        ("1e19", "1" + "0" * 19 + ".00"),
    ],
)
def test_los_montos_se_redondean_a_la_mitad_hacia_fuera(valor: str, texto: str):
    assert dolares(D(valor)) == texto


def test_una_cantidad_tiene_ocho_decimales():
    assert cantidad(D("0.00033")) == "0.00033000"
    assert cantidad(D("0.123456785")) == "0.12345679"


@pytest.mark.parametrize(
    ("valor", "texto"),
    [
        ("88837.923456", "88837.92"),
        ("89245.5", "89245.50"),
        ("100", "100.00"),
        ("2.1234", "2.1234"),
        ("50.1", "50.10"),
        ("0.0812345678901", "0.08123457"),
        ("0", "0.00"),
    ],
)
def test_un_precio_pequeno_conserva_su_tick(valor: str, texto: str):
    assert precio(D(valor)) == texto


@given(st.decimals(-(10**20), 10**20, places=18))
def test_redondear_no_se_aleja_mas_de_media_unidad(valor: D):
    assert abs(D(dolares(valor) or "") - valor) <= D("0.005")
    assert abs(D(cantidad(valor) or "") - valor) <= D("0.000000005")
