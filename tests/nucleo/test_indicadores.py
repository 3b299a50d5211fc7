"""Indicators: one stream, wherever it began, gives the same numbers, and they are the known ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from ta.momentum import rsi
from ta.trend import MACD, sma_indicator
from ta.volatility import BollingerBands

from src.nucleo.indicadores import (
    VELAS_CALENTAMIENTO,
    Indicadores,
    MediaExponencial,
    ParametrosIndicadores,
    calcular_serie,
    nombres_columnas,
)
from src.nucleo.observacion import Rasgos
from tests.constructores import una_vela, unas_velas, velas_con_cierres

P = ParametrosIndicadores()
TOTAL = 9_000
SALTO, QUIETAS, SIN_VOLUMEN = 1_700, range(2_300, 2_480), range(3_100, 3_190)
REINICIOS = (
    *(
        1,
        2,
        13,
        199,
        500,
        700,
        701,
        1_299,
    ),  # the warm-up ends at, and around, the jump or in the quiet stretch
    *(SALTO - 1, SALTO, SALTO + 1, QUIETAS.start, QUIETAS.start + 90, QUIETAS.stop - 1, QUIETAS.stop),
    *(SIN_VOLUMEN.start, SIN_VOLUMEN.start + 70, TOTAL - VELAS_CALENTAMIENTO),
    *range(3_333, TOTAL - VELAS_CALENTAMIENTO, 333),
)


def _mercado_movido():
    """A long series with a jump, a stretch at one price, candles without volume and calm after a storm."""
    velas = unas_velas(TOTAL, semilla=11, volatilidad=0.008)
    salto = [
        v._replace(open=v.open / 2, high=v.high / 2, low=v.low / 2, close=v.close / 2) for v in velas[SALTO:]
    ]
    velas[SALTO:] = salto
    for i in QUIETAS:
        velas[i] = una_vela(velas[QUIETAS.start - 1].close, apertura_ms=velas[i].apertura_ms)
    for i in SIN_VOLUMEN:
        velas[i] = velas[i]._replace(volume=0.0)
    return velas


VELAS = _mercado_movido()


@pytest.fixture(scope="module", params=Rasgos)
def rasgos(request):
    return request.param


@pytest.fixture(scope="module")
def serie(rasgos):
    return calcular_serie(VELAS, P, rasgos)


@pytest.fixture(scope="module")
def esperadas():
    cierres = pd.Series([vela.close for vela in VELAS])
    macd = MACD(cierres, window_slow=26, window_fast=12, window_sign=9)
    bandas = BollingerBands(cierres, window=20, window_dev=2)
    return {
        "SMA_50": sma_indicator(cierres, 50),
        "SMA_200": sma_indicator(cierres, 200),
        "RSI_14": rsi(cierres, 14),
        "MACD_12_26_9": macd.macd(),
        "MACDh_12_26_9": macd.macd_diff(),
        "MACDs_12_26_9": macd.macd_signal(),
        "BBL_20_2.0": bandas.bollinger_lband(),
        "BBM_20_2.0": bandas.bollinger_mavg(),
        "BBU_20_2.0": bandas.bollinger_hband(),
        "BBB_20_2.0": bandas.bollinger_wband(),
        "BBP_20_2.0": bandas.bollinger_pband(),
    }


@pytest.fixture(scope="module")
def tabla():
    p = nombres_columnas(P, Rasgos.SEMILLA)
    e = nombres_columnas(P, Rasgos.ESTACIONARIOS)
    return (
        dict(zip(p, calcular_serie(VELAS, P).T, strict=True)),
        dict(zip(e, calcular_serie(VELAS, P, Rasgos.ESTACIONARIOS).T, strict=True)),
    )


def bits(valores) -> np.ndarray:
    return np.asarray(valores, dtype=np.float64).astype(np.float32).view(np.uint32)


class TestReinicios:
    @pytest.mark.parametrize("inicio", REINICIOS)
    def test_tras_el_calentamiento_da_los_mismos_bits(self, rasgos, serie, inicio):
        """A stream that begins late agrees with the whole series from its thousandth candle on."""
        fin = min(TOTAL, inicio + VELAS_CALENTAMIENTO + 60)
        indicadores = Indicadores(P, rasgos)

        filas = [indicadores.actualizar(vela) for vela in VELAS[inicio:fin]]

        desde = VELAS_CALENTAMIENTO - 1
        np.testing.assert_array_equal(bits(filas[desde:]), bits(serie[inicio + desde : fin]))

    def test_y_hasta_el_final(self, rasgos, serie):
        indicadores = Indicadores(P, rasgos)
        filas = [indicadores.actualizar(vela) for vela in VELAS[1_234:]]

        np.testing.assert_array_equal(
            bits(filas[VELAS_CALENTAMIENTO - 1 :]), bits(serie[1_234 + VELAS_CALENTAMIENTO - 1 :])
        )

    def test_el_calentamiento_hace_falta(self, rasgos, serie):
        """Otherwise the tests above would prove nothing."""
        recientes = calcular_serie(VELAS[1_500:1_700], P, rasgos)

        assert (bits(recientes) != bits(serie[1_500:1_700])).any()

    def test_vela_a_vela_es_la_serie_entera(self, rasgos, serie):
        indicadores = Indicadores(P, rasgos)

        for vela, fila in zip(VELAS[:400], serie, strict=False):
            assert indicadores.actualizar(vela) == tuple(fila)

    def test_el_futuro_no_cambia_el_pasado(self, rasgos, serie):
        corte = 2_000
        otro_futuro = [vela._replace(close=vela.close * 3, high=vela.high * 3) for vela in VELAS[corte:]]

        otra = calcular_serie(VELAS[:corte] + otro_futuro, P, rasgos)

        np.testing.assert_array_equal(otra[:corte], serie[:corte])
        assert (otra[corte:] != serie[corte:]).any(axis=1).all()

    def test_todo_es_finito_desde_la_primera_vela(self, serie):
        assert np.isfinite(serie).all()


class TestOraculo:
    """The ``ta`` library as a second opinion on the eleven indicator columns."""

    @pytest.mark.parametrize("columna", nombres_columnas(P, Rasgos.SEMILLA)[5:])
    def test_ta_da_lo_mismo_tras_el_calentamiento(self, esperadas, columna):
        propia = calcular_serie(VELAS, P)[:, nombres_columnas(P, Rasgos.SEMILLA).index(columna)]
        otra = esperadas[columna].to_numpy().copy()
        se_mueven = np.ones(TOTAL, dtype=bool)
        if columna.startswith("BB"):  # a running variance is noise where the price stands still
            se_mueven[QUIETAS.start : QUIETAS.stop + 19] = False

        desde = VELAS_CALENTAMIENTO - 1
        iguales = np.isclose(propia, otra, rtol=1e-6, atol=1e-7)[desde:]

        assert iguales[se_mueven[desde:]].all()


class TestEstacionarios:
    """Each column against a formula over whole arrays."""

    @pytest.mark.parametrize("velas", [1, 6, 24])
    def test_los_retornos_son_logaritmos(self, tabla, velas):
        semilla, suya = tabla
        cierres = semilla["close"]

        np.testing.assert_allclose(
            suya[f"retorno_{velas}"][velas:], np.log(cierres[velas:] / cierres[:-velas]), atol=1e-14
        )

    def test_las_distancias_y_osciladores_son_relativos(self, tabla):
        semilla, suya = tabla
        close = semilla["close"]
        esperadas = {
            "distancia_SMA_50": close / semilla["SMA_50"] - 1.0,
            "distancia_SMA_200": close / semilla["SMA_200"] - 1.0,
            "RSI_14_centrado": semilla["RSI_14"] / 50.0 - 1.0,
            "MACD_12_26_9_relativo": semilla["MACD_12_26_9"] / close,
            "MACDh_12_26_9_relativo": semilla["MACDh_12_26_9"] / close,
            "BBP_20_2.0_centrado": 2.0 * semilla["BBP_20_2.0"] - 1.0,
            "BBB_20_2.0_fraccion": semilla["BBB_20_2.0"] / 100.0,
            "rango_relativo": (semilla["high"] - semilla["low"]) / close,
        }

        for columna, esperada in esperadas.items():
            np.testing.assert_allclose(suya[columna], esperada, atol=1e-14, err_msg=columna)

    def test_el_volumen_se_mide_en_desviaciones_y_se_recorta(self, tabla):
        semilla, suya = tabla
        z, volumen = suya["volumen_z_50"], semilla["volume"]
        for fila in (1_000, 1_001, SIN_VOLUMEN.start, SIN_VOLUMEN.start + 10, 4_000):
            ventana = volumen[fila - 49 : fila + 1]
            assert z[fila] == pytest.approx(
                np.clip((ventana[-1] - ventana.mean()) / ventana.std(), -5.0, 5.0)
            )
        assert (z[SIN_VOLUMEN.start + 49 : SIN_VOLUMEN.stop] == 0.0).all()

    def test_un_volumen_enorme_llega_hasta_cinco(self):
        velas = velas_con_cierres([100.0] * 60)
        velas[-1] = velas[-1]._replace(volume=1e9)

        assert calcular_serie(velas, P, Rasgos.ESTACIONARIOS)[-1, -1] == 5.0

    def test_no_dependen_del_nivel_de_los_precios(self, tabla):
        _, suya = tabla
        dobles = [
            v._replace(open=2 * v.open, high=2 * v.high, low=2 * v.low, close=2 * v.close) for v in VELAS
        ]

        np.testing.assert_array_equal(
            calcular_serie(dobles, P, Rasgos.ESTACIONARIOS), np.column_stack(list(suya.values()))
        )


class TestPreciosQuietos:
    PRECIOS = (100.0, 30_000.0, 26_415.63, 47_185.632, 0.1, 1.7e-7)

    @pytest.mark.parametrize("precio", PRECIOS)
    def test_el_rsi_es_cincuenta_y_el_macd_cero(self, precio):
        fila = calcular_serie(velas_con_cierres([precio] * 300), P)[-1]
        valores = dict(zip(nombres_columnas(P, Rasgos.SEMILLA), fila, strict=True))

        assert valores["RSI_14"] == 50.0
        assert valores["MACD_12_26_9"] == valores["MACDh_12_26_9"] == valores["MACDs_12_26_9"] == 0.0

    @pytest.mark.parametrize("precio", PRECIOS)
    def test_las_bandas_se_cierran_y_el_precio_esta_en_su_mitad(self, precio):
        fila = calcular_serie(velas_con_cierres([precio] * 300), P)[-1]

        assert fila[-5:-1] == pytest.approx([precio, precio, precio, 0.0], rel=1e-15, abs=1e-12)
        assert fila[-1] == 0.5

    @pytest.mark.parametrize("volumen", PRECIOS)
    def test_un_volumen_constante_no_es_ni_mucho_ni_poco(self, volumen):
        velas = velas_con_cierres([100.0] * 60, volumen=volumen)

        assert calcular_serie(velas, P, Rasgos.ESTACIONARIOS)[-1, -1] == 0.0

    def test_los_rasgos_estacionarios_son_todos_cero(self):
        assert not calcular_serie(velas_con_cierres([100.0] * 300), P, Rasgos.ESTACIONARIOS)[-1].any()


class TestRsiExtremo:
    def test_solo_subir_es_cien_y_solo_bajar_es_cero(self):
        sube = calcular_serie(velas_con_cierres(range(100, 140)), P)
        baja = calcular_serie(velas_con_cierres(range(140, 100, -1)), P)

        assert (sube[1:, 7] == 100.0).all()
        assert (baja[1:, 7] == 0.0).all()


class TestColumnas:
    def test_la_semilla_tiene_sus_dieciseis_en_su_orden(self):
        assert nombres_columnas(P, Rasgos.SEMILLA) == (
            *("open", "high", "low", "close", "volume", "SMA_50", "SMA_200", "RSI_14"),
            *("MACD_12_26_9", "MACDh_12_26_9", "MACDs_12_26_9"),
            *("BBL_20_2.0", "BBM_20_2.0", "BBU_20_2.0", "BBB_20_2.0", "BBP_20_2.0"),
        )

    def test_los_estacionarios_son_doce(self):
        assert nombres_columnas(P, Rasgos.ESTACIONARIOS) == (
            *("retorno_1", "retorno_6", "retorno_24", "distancia_SMA_50", "distancia_SMA_200"),
            *("RSI_14_centrado", "MACD_12_26_9_relativo", "MACDh_12_26_9_relativo"),
            *("BBP_20_2.0_centrado", "BBB_20_2.0_fraccion", "rango_relativo", "volumen_z_50"),
        )

    def test_llevan_los_largos_en_el_nombre(self):
        otros = ParametrosIndicadores(
            SMA_short=7,
            SMA_long=99,
            RSI_length=6,
            MACD_fast=3,
            MACD_slow=5,
            MACD_signal=2,
            BB_length=10,
            BB_std=3,
        )

        nombres = nombres_columnas(otros, Rasgos.SEMILLA)

        assert nombres[5:9] == ("SMA_7", "SMA_99", "RSI_6", "MACD_3_5_2")
        assert nombres[-1] == "BBP_10_3.0"

    def test_la_serie_tiene_una_fila_por_vela_y_una_columna_por_nombre(self, rasgos, serie):
        assert serie.shape == (TOTAL, len(nombres_columnas(P, rasgos)))
        assert Indicadores(P, rasgos).columnas == nombres_columnas(P, rasgos)

    def test_sin_velas_no_hay_filas(self, rasgos):
        assert calcular_serie([], P, rasgos).shape == (0, len(nombres_columnas(P, rasgos)))


class TestParametros:
    def test_otros_largos_miran_otras_velas(self):
        """SMA 2 and 3 over 1, 2, 3, 10; the bands over two candles at one deviation."""
        cortos = ParametrosIndicadores(SMA_short=2, SMA_long=3, BB_length=2, BB_std=1.0)

        fila = dict(
            zip(
                nombres_columnas(cortos, Rasgos.SEMILLA),
                calcular_serie(velas_con_cierres([1.0, 2.0, 3.0, 10.0]), cortos)[-1],
                strict=True,
            )
        )

        assert (fila["SMA_2"], fila["SMA_3"]) == (6.5, 5.0)
        assert (fila["BBL_2_1.0"], fila["BBM_2_1.0"], fila["BBU_2_1.0"]) == (3.0, 6.5, 10.0)
        assert (fila["BBB_2_1.0"], fila["BBP_2_1.0"]) == (pytest.approx(700 / 6.5), 1.0)

    @pytest.mark.parametrize(
        ("cambios", "memoria"),
        [({}, 200), ({"SMA_long": 20, "SMA_short": 10}, 50), ({"BB_length": 300}, 300)],
    )
    def test_la_memoria_es_la_de_la_ventana_mas_larga(self, cambios, memoria):
        assert ParametrosIndicadores(**cambios).memoria == memoria


def test_una_media_exponencial_empieza_en_su_primer_valor():
    media = MediaExponencial(0.25)

    assert [media.actualizar(x) for x in (8.0, 12.0, 9.0)] == [8.0, 9.0, 9.0]
