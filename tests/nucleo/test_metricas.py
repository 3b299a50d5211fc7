"""Metrics: known answers, what is undefined, and properties that hold for every curve."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from src.nucleo.bootstrap import indices_estacionarios, intervalos_bootstrap, largo_de_bloque
from src.nucleo.errores import DatosInvalidos
from src.nucleo.metricas import (
    Costos,
    Curva,
    drawdowns,
    mantener,
    max_drawdown,
    medir_operaciones,
    medir_riesgo,
    racha_bajo_maximo,
    rendimiento_total,
    rendimientos,
    resumir,
    rotacion,
    sharpe,
    sortino,
    volatilidad,
)

HORAS_ANO = 8_766.0

curvas = arrays(np.float64, st.integers(2, 60), elements=st.floats(1.0, 1e6))
retornos_cualesquiera = arrays(np.float64, st.integers(2, 60), elements=st.floats(-0.5, 0.5))


def una_curva(equity, exposicion=None) -> Curva:
    valores = np.asarray(equity, dtype=np.float64)
    sostenida = np.zeros(len(valores)) if exposicion is None else np.asarray(exposicion, dtype=np.float64)
    return Curva(valores, np.linspace(100.0, 110.0, len(valores)), sostenida)


def resumir_curva(curva: Curva, **cambios):
    datos = {"netos": [], "nocional": [], "costos": Costos(0.0, 0.0, 0.0), "velas_ano": HORAS_ANO}
    return resumir(curva, **({"velas": len(curva.equity)} | datos | cambios))


def test_rendimientos_y_total_de_una_curva_conocida():
    equity = np.array([100.0, 110.0, 99.0])
    assert rendimientos(equity) == pytest.approx([0.1, -0.1])
    assert rendimiento_total(equity) == pytest.approx(-0.01)


def test_despues_de_la_ruina_no_queda_nada_que_perder():
    equity = np.array([100.0, -20.0, -30.0, 50.0])
    assert rendimientos(equity).tolist() == [-1.0, 0.0, 0.0]
    assert rendimiento_total(equity[:3]) == -1.0
    assert max_drawdown(equity) == 1.0


def test_volatilidad_y_sharpe_usan_la_desviacion_muestral():
    retornos = np.array([0.01, -0.01, 0.03, 0.01])
    desviacion = math.sqrt(sum((r - 0.01) ** 2 for r in retornos) / 3)
    assert volatilidad(retornos, 4.0) == pytest.approx(2 * desviacion)
    assert sharpe(retornos, 4.0) == pytest.approx(2 * 0.01 / desviacion)


def test_sortino_reparte_las_perdidas_entre_todos_los_retornos():
    retornos = np.array([0.02, -0.01, 0.02, -0.01])
    assert sortino(retornos, 1.0) == pytest.approx(0.005 / math.sqrt(0.0002 / 4))


def test_sin_perdidas_el_sortino_no_existe():
    assert sortino(np.array([0.01, 0.02]), HORAS_ANO) is None


@given(st.floats(1e-3, 1e9), st.integers(1, 50))
def test_un_equity_constante_vale_cero(nivel, velas):
    """A run that does nothing has no merit: neither 100 nor infinity."""
    riesgo = medir_riesgo(np.full(velas, nivel), HORAS_ANO)
    assert riesgo == (0.0, 0.0, 0.0, 0.0, 0.0)


@given(st.floats(-0.1, 0.1), st.integers(3, 200))
def test_un_crecimiento_constante_no_tiene_riesgo_que_medir(tasa, velas):
    """Rounding noise in the returns must not become an enormous Sharpe."""
    assert sharpe(rendimientos(1_000.0 * (1.0 + tasa) ** np.arange(velas)), HORAS_ANO) == 0.0


@given(curvas)
def test_el_drawdown_esta_entre_cero_y_uno_y_empieza_en_cero(equity):
    caidas = drawdowns(equity)
    assert caidas[0] == 0.0
    assert np.all((caidas >= 0.0) & (caidas <= 1.0))
    assert max_drawdown(equity) >= 1.0 - equity[-1] / equity.max() - 1e-12


@given(curvas, st.sampled_from([1e-4, 0.5, 8.0, 1e5]))
def test_nada_depende_de_la_unidad_monetaria(equity, factor):
    uno, otro = medir_riesgo(equity, HORAS_ANO), medir_riesgo(equity * factor, HORAS_ANO)
    for a, b in zip(uno, otro, strict=True):
        assert (a is None) == (b is None)
        assert a is None or a == pytest.approx(b, rel=1e-6, abs=1e-9)


@given(retornos_cualesquiera, st.sampled_from([0.25, 2.0]))
def test_el_sharpe_no_depende_del_apalancamiento(retornos, factor):
    assert sharpe(retornos * factor, HORAS_ANO) == pytest.approx(
        sharpe(retornos, HORAS_ANO), rel=1e-6, abs=1e-6
    )


@given(curvas)
def test_los_rendimientos_encadenados_dan_el_total(equity):
    assert np.prod(1.0 + rendimientos(equity)) - 1.0 == pytest.approx(
        rendimiento_total(equity), rel=1e-9, abs=1e-9
    )


@given(curvas)
def test_mantener_una_vez_es_comprar_y_mantener(precio):
    assert mantener(precio, 1.0) == pytest.approx(precio / precio[0], rel=1e-9)


def test_mantener_un_corto_gana_cuando_el_precio_cae():
    assert mantener(np.array([100.0, 90.0, 81.0]), -0.5) == pytest.approx([1.0, 1.05, 1.1025])


def test_mantener_en_exceso_se_arruina_y_no_revive():
    assert mantener(np.array([100.0, 40.0, 80.0]), 2.0).tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("equity", "esperada"),
    [([1, 2, 3], 0), ([3, 2, 1], 2), ([2, 1, 2, 1, 1, 1, 3], 3), ([5], 0)],
)
def test_la_racha_cuenta_velas_bajo_el_maximo(equity, esperada):
    assert racha_bajo_maximo(np.array(equity, dtype=np.float64)) == esperada


def test_las_operaciones_se_miden_solo_cerradas():
    medidas = medir_operaciones([30.0, -10.0, 0.0, -10.0])
    assert medidas == (4, 0.25, 1.5, 2.5, 30.0, -10.0)


def test_sin_operaciones_las_cifras_no_existen():
    assert medir_operaciones([]) == (0, None, None, None, None, None)


def test_sin_perdidas_el_factor_de_beneficio_no_existe():
    assert medir_operaciones([5.0, 1.0]).factor_beneficio is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_la_tasa_de_acierto_es_una_fraccion(netos):
    medidas = medir_operaciones(netos)
    assert 0.0 <= medidas.tasa_acierto <= 1.0
    assert medidas.factor_beneficio is None or medidas.factor_beneficio >= 0.0
    assert medidas.peor <= medidas.esperanza + 1e-6
    assert medidas.esperanza <= medidas.mejor + 1e-6


def test_la_rotacion_es_nocional_por_equity_medio():
    assert rotacion([1_000.0, 500.0], np.array([900.0, 1_100.0])) == pytest.approx(1.5)
    assert rotacion([1_000.0], np.array([0.0])) == 0.0


def test_el_costo_total_resta_el_funding_recibido():
    assert Costos(10.0, 5.0, -2.0).total == 17.0


def test_la_ultima_exposicion_no_se_sostuvo_y_no_cuenta():
    resumen = resumir_curva(una_curva([100.0, 101.0, 102.0], [0.5, -0.1, 99.0]))
    assert resumen.exposicion_media == pytest.approx(0.2)
    assert resumen.exposicion_absoluta_media == pytest.approx(0.3)
    assert resumen.tiempo_en_mercado == 1.0


def test_un_solo_punto_se_resume_sin_inventar_nada():
    resumen = resumir_curva(una_curva([100.0]))
    assert resumen.agente == (0.0, 0.0, 0.0, 0.0, 0.0)
    assert resumen.intervalos is None


def test_resumenes_iguales_de_corridas_iguales():
    curva = una_curva(np.random.default_rng(3).uniform(90.0, 110.0, 200))
    assert resumir_curva(curva) == resumir_curva(curva)


@pytest.mark.parametrize("malo", [math.nan, math.inf])
def test_un_numero_que_no_lo_es_se_nombra(malo):
    with pytest.raises(DatosInvalidos, match="equity of point 1"):
        resumir_curva(una_curva([100.0, malo]))


def test_columnas_de_distinto_largo_se_rechazan():
    with pytest.raises(DatosInvalidos, match="one length"):
        resumir_curva(Curva(np.ones(3), np.ones(2), np.ones(3)))


def test_los_bloques_son_consecutivos_y_dan_la_vuelta():
    indices = indices_estacionarios(50, 200, 10.0, np.random.default_rng(0))
    assert indices.shape == (200, 50)
    assert indices.min() == 0
    assert indices.max() == 49
    consecutivos = (np.diff(indices, axis=1) % 50 == 1).mean()
    assert consecutivos == pytest.approx(0.9, abs=0.02)


def test_cada_posicion_sale_igual_de_seguido():
    cuentas = np.bincount(
        indices_estacionarios(20, 4_000, 3.0, np.random.default_rng(1)).ravel(), minlength=20
    )
    assert cuentas / cuentas.sum() == pytest.approx(np.full(20, 0.05), abs=0.003)


def test_los_intervalos_dependen_solo_de_la_semilla():
    retornos = np.random.default_rng(5).normal(0.001, 0.01, 300)
    uno, otro, tercero = (
        intervalos_bootstrap(retornos, HORAS_ANO, generador=np.random.default_rng(semilla))
        for semilla in (7, 7, 8)
    )
    assert uno == otro
    assert uno != tercero


@given(retornos_cualesquiera)
def test_los_intervalos_estan_ordenados_y_son_finitos(retornos):
    intervalos = intervalos_bootstrap(retornos, HORAS_ANO, generador=np.random.default_rng(0), muestras=50)
    for intervalo in (intervalos.sharpe, intervalos.rendimiento, intervalos.max_drawdown):
        assert math.isfinite(intervalo.bajo)
        assert intervalo.bajo <= intervalo.alto
    assert intervalos.max_drawdown.bajo >= 0.0
    assert intervalos.max_drawdown.alto <= 1.0


def test_el_intervalo_de_un_ruido_independiente_es_el_de_la_teoria():
    """For independent returns the Sharpe's error is 1/√n per candle."""
    retornos = np.random.default_rng(11).normal(0.0, 0.01, 4_000)
    intervalo = intervalos_bootstrap(retornos, 1.0, generador=np.random.default_rng(0)).sharpe
    assert intervalo.alto - intervalo.bajo == pytest.approx(2 * 1.96 / math.sqrt(4_000), rel=0.15)


@pytest.mark.parametrize(("retornos", "confianza"), [([0.1], 0.95), ([0.1, 0.2], 1.0)])
def test_un_remuestreo_imposible_se_rechaza(retornos, confianza):
    with pytest.raises(DatosInvalidos, match="bootstrap needs"):
        intervalos_bootstrap(np.array(retornos), 1.0, generador=np.random.default_rng(0), confianza=confianza)


def test_el_bloque_crece_con_la_raiz_cubica():
    assert [largo_de_bloque(n) for n in (2, 1_000, 27_000)] == [1.0, 10.0, 30.0]
