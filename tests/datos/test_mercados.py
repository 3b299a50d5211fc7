"""Default markets and the exchange's own are consistent and legal for the data."""

from __future__ import annotations

import copy
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.datos.mercado_bolsa import leer_tramos, mercado_de_bolsa
from src.datos.mercados import decimales, mercado_por_defecto
from src.datos.sintetico import generar
from src.datos.tabla import TablaVelas
from src.nucleo.cartera import margen_mantenimiento
from src.nucleo.errores import BolsaIncompatible, ConfiguracionInvalida, LecturaFallida
from src.nucleo.intervalos import HORA_MS
from tests.datos.bolsa_falsa import SIMBOLO, TRAMOS

CONOCIDOS = ("BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT", "DOTUSDT", "DOGEUSDT")


def tabla_a(*precios: float) -> TablaVelas:
    close = np.array(precios)
    instantes = 1_640_995_200_000 + HORA_MS * np.arange(len(precios))
    return TablaVelas(apertura_ms=instantes, open=close, high=close, low=close, close=close, volume=close * 0)


def test_el_mercado_de_bitcoin_es_el_publicado():
    filtros = mercado_por_defecto("BTCUSDT").filtros
    assert (filtros.tick, filtros.paso, filtros.nocional_min) == (
        Decimal("0.10"),
        Decimal("0.001"),
        Decimal("50"),
    )
    assert (filtros.cantidad_max, filtros.cantidad_max_mercado) == (Decimal("1000"), Decimal("120"))
    assert mercado_por_defecto("ETHUSDT").filtros.nocional_min == Decimal("20")


@pytest.mark.parametrize("simbolo", [*CONOCIDOS, "NUEVOUSDT", "BTCUSDC"])
def test_el_margen_de_mantenimiento_es_continuo_entre_tramos(simbolo):
    tramos = mercado_por_defecto(simbolo).tramos
    for antes, despues in pairwise(tramos):
        assert despues.nocional_max > antes.nocional_max
        assert despues.apalancamiento_max < antes.apalancamiento_max
        assert despues.tasa_mantenimiento > antes.tasa_mantenimiento
        techo = antes.nocional_max
        assert techo * antes.tasa_mantenimiento - antes.deduccion == pytest.approx(
            techo * despues.tasa_mantenimiento - despues.deduccion, abs=1e-6
        )
    assert tramos[0].deduccion == 0.0
    assert tramos[-1].apalancamiento_max == 1


@pytest.mark.parametrize("simbolo", CONOCIDOS)
def test_un_tramo_pide_menos_mantenimiento_que_margen_inicial(simbolo):
    for tramo in mercado_por_defecto(simbolo).tramos:
        assert tramo.tasa_mantenimiento < 1.0 / tramo.apalancamiento_max


@given(a=st.floats(1, 1e9), b=st.floats(1, 1e9))
def test_mas_nocional_nunca_pide_menos_mantenimiento(a, b):
    tramos = mercado_por_defecto("BTCUSDT").tramos
    menor, mayor = sorted((a, b))
    assert margen_mantenimiento(menor, tramos) <= margen_mantenimiento(mayor, tramos) + 1e-6


def test_el_tick_no_es_mas_grueso_que_los_datos():
    assert mercado_por_defecto("BTCUSDT", tabla_a(30_000.0, 30_000.25)).filtros.tick == Decimal("0.01")
    assert mercado_por_defecto("BTCUSDT", tabla_a(30_000.0, 30_001.0)).filtros.tick == Decimal("0.10")


@given(digitos=st.integers(0, 8), entero=st.integers(1, 10**10))
def test_los_decimales_de_los_precios(digitos, entero):
    texto = Decimal(entero).scaleb(-digitos).normalize()
    esperados = max(0, -int(texto.as_tuple().exponent))
    assert decimales(tabla_a(float(texto))) == esperados


def test_los_decimales_tienen_un_tope():
    assert decimales(tabla_a(1.0 / 3.0)) == 8


@pytest.mark.parametrize("precio", [1e-5, 0.37, 3.2, 99.0, 2_500.0, 900_000.0])
def test_un_simbolo_desconocido_tiene_filtros_que_sirven(precio):
    filtros = mercado_por_defecto("NUEVOUSDT", tabla_a(precio)).filtros
    assert filtros.tick <= Decimal(repr(precio)) / 1_000
    assert float(filtros.paso) * precio <= max(5.0, precio * 0.001) or filtros.paso == 1
    assert filtros.cantidad_max_mercado <= filtros.cantidad_max
    assert float(filtros.cantidad_max) * precio >= 1e6


def test_quien_pregunta_igual_recibe_lo_mismo():
    tabla = generar("NUEVOUSDT", "1h", 50, 1, precio_inicial=3.0)
    assert mercado_por_defecto("NUEVOUSDT", tabla) == mercado_por_defecto("NUEVOUSDT", tabla)


def test_el_activo_de_margen_es_la_cotizacion():
    assert mercado_por_defecto("BTCUSDC").activo_margen == "USDC"


@pytest.mark.parametrize("simbolo", ["BTC", "USDT", "btcusdt", ""])
def test_un_simbolo_sin_activo_de_margen(simbolo):
    with pytest.raises(ConfiguracionInvalida, match="does not end in USDT or USDC; write it as Binance does"):
        mercado_por_defecto(simbolo)


def test_el_funding_de_un_simbolo_puede_ser_otro():
    mercado = mercado_de_bolsa(
        "BTCUSDT", {"symbols": [SIMBOLO]}, [{"symbol": "BTCUSDT", "fundingIntervalHours": 4}]
    )
    assert mercado.intervalo_funding_ms == 4 * HORA_MS


def test_el_mercado_de_la_bolsa_coincide_con_el_de_siempre():
    """But for the highest and lowest price, which move with the prices of the exchange."""
    mercado, supuesto = (
        mercado_de_bolsa("BTCUSDT", {"symbols": [SIMBOLO]}, []),
        mercado_por_defecto("BTCUSDT"),
    )
    limites = (mercado.filtros.precio_min, mercado.filtros.precio_max)
    assert limites == (Decimal("556.80"), Decimal(4_529_764))
    filtros = replace(supuesto.filtros, precio_min=limites[0], precio_max=limites[1])
    assert mercado == replace(supuesto, filtros=filtros)


def test_un_filtro_que_falta_se_dice():
    fila = copy.deepcopy(SIMBOLO)
    del fila["filters"][0]
    with pytest.raises(LecturaFallida, match="BTCUSDT cannot be read: KeyError\\('PRICE_FILTER'\\)"):
        mercado_de_bolsa("BTCUSDT", {"symbols": [fila]}, [])


def test_los_tramos_llegan_como_lista_o_como_objeto():
    assert leer_tramos(TRAMOS, "BTCUSDT") == leer_tramos([TRAMOS], "BTCUSDT")
    with pytest.raises(LecturaFallida, match="no row for ETHUSDT"):
        leer_tramos([TRAMOS], "ETHUSDT")


def test_un_simbolo_que_no_esta():
    with pytest.raises(BolsaIncompatible, match="'ETHUSDT' is not listed"):
        mercado_de_bolsa("ETHUSDT", {"symbols": [SIMBOLO]}, [])
