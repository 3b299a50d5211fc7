"""Candles on the grid of every interval: gaps are found and filled without looking ahead."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.datos.continuidad import (
    Hueco,
    buscar_huecos,
    inferir_intervalo,
    rellenar_huecos,
    validar_continuidad,
    validar_rejilla,
    velas_entre,
)
from src.datos.tabla import TablaVelas
from src.nucleo.errores import ConfiguracionInvalida, DatosInvalidos
from src.nucleo.intervalos import INTERVALOS, MES, apertura_de, siguiente_apertura

INICIO = 1_640_995_200_000  # 2022-01-01


def tabla_de(aperturas: list[int]) -> TablaVelas:
    close = 100.0 + np.arange(len(aperturas))
    return TablaVelas(
        apertura_ms=np.array(aperturas, dtype=np.int64),
        open=close - 0.5,
        high=close + 1.0,
        low=close - 1.0,
        close=close,
        volume=np.ones(len(aperturas)),
        origen="velas.csv",
    )


def en(intervalo: str, *numeros: int) -> TablaVelas:
    """Candles with these numbers on the grid."""
    primera = apertura_de(INICIO, intervalo)
    return tabla_de([siguiente_apertura(primera, intervalo, numero) for numero in numeros])


presentes = st.sets(st.integers(0, 60), min_size=2).map(sorted)


@pytest.mark.parametrize("intervalo", INTERVALOS)
def test_cada_intervalo_se_infiere_de_sus_velas(intervalo):
    assert inferir_intervalo(en(intervalo, *range(5), 9)) == intervalo


def test_una_sola_vela_no_dice_su_intervalo():
    with pytest.raises(DatosInvalidos, match=r"1 candle does not tell its interval"):
        inferir_intervalo(en("1h", 0))


def test_una_distancia_que_binance_no_tiene():
    with pytest.raises(DatosInvalidos, match=r"420000 ms apart, which is no interval"):
        inferir_intervalo(tabla_de([INICIO, INICIO + 420_000]))


@pytest.mark.parametrize("intervalo", INTERVALOS)
def test_una_vela_fuera_de_la_rejilla_se_nombra(intervalo):
    tabla = en(intervalo, *range(6))
    corrida = tabla.apertura_ms.copy()
    corrida[4] += 1_000
    with pytest.raises(
        DatosInvalidos, match=rf"velas.csv row 5: open_time is '{corrida[4]}'.*off the {intervalo} grid"
    ):
        validar_rejilla(tabla_de(corrida.tolist()), intervalo)


def test_una_semana_que_empieza_en_domingo_esta_fuera_de_la_rejilla():
    lunes = apertura_de(INICIO, "1w")
    with pytest.raises(DatosInvalidos, match="off the 1w grid"):
        validar_rejilla(tabla_de([lunes - 86_400_000, lunes + 6 * 86_400_000]), "1w")


def test_una_tabla_vacia_esta_en_la_rejilla():
    validar_rejilla(tabla_de([]), "1h")
    assert buscar_huecos(tabla_de([]), "1h") == []


@given(intervalo=st.sampled_from(INTERVALOS), numeros=presentes)
def test_los_huecos_cuentan_lo_que_falta(intervalo, numeros):
    numeros = [*range(-70, -62), *(n - 60 for n in numeros)]  # most steps are one candle
    tabla = en(intervalo, *numeros)
    huecos = buscar_huecos(tabla, intervalo)
    assert sum(hueco.faltan for hueco in huecos) == numeros[-1] - numeros[0] + 1 - len(numeros)
    for hueco in huecos:
        assert velas_entre(hueco.desde_ms, hueco.hasta_ms + 1, intervalo) == hueco.faltan


@given(intervalo=st.sampled_from(INTERVALOS), numeros=presentes)
def test_rellenar_deja_una_rejilla_completa_y_conserva_lo_que_hay(intervalo, numeros):
    tabla = en(intervalo, *range(-8, 0), *numeros)
    llena = rellenar_huecos(tabla, intervalo)
    validar_continuidad(llena, intervalo)
    conservadas = np.isin(llena.apertura_ms, tabla.apertura_ms)
    assert list(tabla) == [vela for vela, queda in zip(llena, conservadas, strict=True) if queda]
    ultimo = None
    for vela, queda in zip(llena, conservadas, strict=True):
        if not queda:
            assert vela[1:] == (ultimo, ultimo, ultimo, ultimo, 0.0)
        ultimo = vela.close


@given(numeros=presentes, corte=st.integers(10, 60))
def test_rellenar_un_prefijo_es_el_prefijo_de_rellenar(numeros, corte):
    """No filled candle depends on anything after it."""
    tabla = en("1h", *range(-8, 0), *numeros)
    prefijo = tabla[:corte]
    lleno = rellenar_huecos(prefijo, "1h")
    assert list(rellenar_huecos(tabla, "1h"))[: len(lleno)] == list(lleno)


def test_sin_huecos_la_tabla_es_la_misma():
    tabla = en("1h", *range(5))
    assert rellenar_huecos(tabla, "1h") is tabla


@pytest.mark.parametrize("metodo", ["linear", "bfill", "FFILL", ""])
def test_otro_metodo_se_niega_con_la_razon(metodo):
    with pytest.raises(ConfiguracionInvalida, match=rf"interpol_method is '{metodo}'.*not known.*Use ffill"):
        rellenar_huecos(en("1h", 0, 1, 2), "1h", metodo)


def test_la_falta_de_continuidad_dice_donde_cuantas_y_que_hacer():
    tabla = en("1h", 0, 1, 2, 5, 6, 8)
    assert buscar_huecos(tabla, "1h")[0] == Hueco(INICIO + 3 * 3_600_000, INICIO + 4 * 3_600_000, 2)
    with pytest.raises(DatosInvalidos) as fallo:
        validar_continuidad(tabla, "1h")
    assert str(fallo.value) == (
        "velas.csv: 3 1h candles missing in 2 gaps; the first gap, of 2, goes from 2022-01-01T03:00:00Z to "
        "2022-01-01T04:00:00Z. Fill them with flat candles at the last close (`interpol_method: ffill`), "
        "or choose a span without them."
    )


def test_los_meses_de_distinto_largo_son_continuos():
    validar_continuidad(en(MES, *range(30)), MES)


@given(
    intervalo=st.sampled_from(INTERVALOS),
    desde=st.integers(-10, 50),
    velas=st.integers(0, 50),
    antes=st.integers(0, 59_999),
)
def test_las_velas_de_un_rango(intervalo, desde, velas, antes):
    primera = siguiente_apertura(apertura_de(INICIO, intervalo), intervalo, desde)
    ultima = siguiente_apertura(primera, intervalo, velas)
    assert velas_entre(primera - antes, ultima - antes, intervalo) == velas
    assert velas_entre(primera, ultima, intervalo) == velas
    assert velas_entre(ultima, primera, intervalo) == 0
