"""Plots: thinning keeps the extremes, pictures are reproducible, labels are legible."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from src.graficos import (
    DatosGrafico,
    TramoPosicion,
    a_png,
    a_svg,
    figura_acciones,
    figura_drawdown,
    figura_equity,
    figura_operaciones,
    figura_panorama,
    guardar,
)
from src.graficos.curvas import separar
from src.graficos.datos import adelgazar
from src.graficos.estilo import Color, cifra, porcentaje
from src.nucleo.errores import ConfiguracionInvalida, DatosInvalidos
from src.nucleo.metricas import Costos, Curva, resumir
from tests.constructores import HORA_MS, INICIO_MS

FIGURAS = (figura_equity, figura_drawdown, figura_operaciones, figura_acciones)


def unos_datos(n: int = 120, posiciones: int = 2, **cambios) -> DatosGrafico:
    azar = np.random.default_rng(0)
    precio = 100.0 * np.cumprod(1.0 + azar.normal(0.0, 0.01, n))
    exposicion = np.sign(np.sin(np.arange(n) / 7.0)) * 0.5
    equity = 1_000.0 * np.cumprod(
        1.0 + np.concatenate(([0.0], exposicion[:-1] * np.diff(precio) / precio[:-1]))
    )
    tramos = tuple(
        TramoPosicion(i % 2 == 0, INICIO_MS + i * HORA_MS, 100.0, INICIO_MS + (i + 1) * HORA_MS, 101.0)
        for i in range(posiciones)
    )
    datos = {
        "tiempo_ms": INICIO_MS + HORA_MS * np.arange(n, dtype=np.int64),
        "precio": precio,
        "equity": equity,
        "exposicion": exposicion,
        "accion": azar.uniform(-1.0, 1.0, n),
        "posiciones": tramos,
    }
    return DatosGrafico(**(datos | cambios))


@pytest.mark.parametrize("dibujar", FIGURAS)
@pytest.mark.parametrize("n", [1, 2, 120, 5_000])
def test_cada_grafico_se_dibuja_igual_dos_veces(dibujar, n):
    datos = unos_datos(n)
    svg = a_svg(dibujar(datos), "what it shows")
    assert svg == a_svg(dibujar(datos), "what it shows")
    raiz = ET.fromstring(svg)
    assert raiz.get("aria-label") == "what it shows"
    assert raiz.get("viewBox")


@pytest.mark.parametrize("dibujar", FIGURAS)
def test_los_graficos_no_traen_nada_de_fuera_ni_la_hora(dibujar):
    svg = a_svg(dibujar(unos_datos()))
    assert "<metadata" not in svg
    assert 'id="axes_1"' not in svg
    assert svg.count("http") == svg.count("http://www.w3.org/")


def test_los_colores_del_svg_se_dejan_cambiar_por_la_pagina():
    svg = a_svg(figura_equity(unos_datos()))
    assert f"var(--agente, {Color.AGENTE.value})" in svg


def test_el_texto_de_una_descripcion_no_puede_ser_marcado():
    svg = a_svg(figura_equity(unos_datos()), 'a "quoted" <b> & more')
    assert ET.fromstring(svg).get("aria-label") == "a  quoted   b    more"


def test_una_serie_larga_da_un_dibujo_pequeno():
    assert len(a_svg(figura_equity(unos_datos(30_000)))) < 200_000


def test_sin_acciones_ni_posiciones_tambien_hay_dibujo():
    datos = unos_datos(30, posiciones=0, accion=np.full(30, np.nan), exposicion=np.zeros(30))
    for dibujar in FIGURAS:
        assert a_png(dibujar(datos)).startswith(b"\x89PNG")


def test_muchas_posiciones_se_dicen_en_vez_de_marcarse():
    assert "too many to mark" in a_svg(figura_operaciones(unos_datos(400, posiciones=300)))


def test_un_hueco_se_sombrea():
    datos = unos_datos(huecos_ms=((INICIO_MS + HORA_MS, INICIO_MS + 5 * HORA_MS),))
    assert a_svg(figura_equity(datos)) != a_svg(figura_equity(unos_datos()))


def test_el_panorama_se_guarda_como_png_y_svg(tmp_path):
    datos = unos_datos()
    resumen = resumir(
        Curva(datos.equity, datos.precio, datos.exposicion),
        velas=len(datos.equity),
        netos=[1.0, -1.0],
        nocional=[100.0],
        costos=Costos(1.0, 1.0, 0.0),
        velas_ano=8_766.0,
    )
    figura = figura_panorama(datos, resumen, "ABCUSDT 1h")
    assert guardar(figura, tmp_path / "panorama.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in guardar(figura, tmp_path / "panorama.svg").read_text()
    with pytest.raises(ConfiguracionInvalida, match=r"\.png or \.svg"):
        guardar(figura, tmp_path / "panorama.bmp")


def test_columnas_de_distinto_largo_se_rechazan():
    with pytest.raises(DatosInvalidos, match="one length"):
        unos_datos(10, precio=np.ones(9))


@given(arrays(np.float64, st.integers(1, 3_000), elements=st.floats(-1e6, 1e6)), st.integers(4, 200))
def test_adelgazar_conserva_extremos_primero_y_ultimo(valores, puntos):
    indices = adelgazar(valores, puntos)
    assert len(indices) <= max(puntos, 4)
    assert indices[0] == 0
    assert indices[-1] == len(valores) - 1
    assert np.all(np.diff(indices) > 0)
    assert valores[indices].min() == valores.min()
    assert valores[indices].max() == valores.max()


@given(st.lists(st.floats(-1.0, 2.0), max_size=6).map(sorted))
def test_los_rotulos_no_se_pisan(alturas):
    separadas = separar(alturas, 0.1)
    assert all(b - a >= 0.1 - 1e-9 for a, b in pairwise(separadas))


@pytest.mark.parametrize(
    ("valor", "texto"), [(-1234.5, "−1,234.50"), (12.0, "+12.00"), (0.0, "0.00"), (-0.001, "0.00")]
)
def test_las_cifras_llevan_signo_verdadero_y_el_cero_ninguno(valor, texto):
    assert cifra(valor, signo=True) == texto


def test_un_porcentaje_se_escribe_con_su_signo():
    assert porcentaje(-0.1234) == "−12.3%"
