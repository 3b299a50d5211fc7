"""Synthetic markets have the habits of real ones, and the learnable one can be learned."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from src.datos.mercados import mercado_por_defecto
from src.datos.sintetico import INICIO_MS, Clima, generar, generar_aprendible
from src.datos.velas import TablaVelas, revisar, validar_continuidad
from src.nucleo.errores import ConfiguracionInvalida
from src.nucleo.intervalos import INTERVALOS, apertura_de, velas_por_ano
from src.nucleo.tipos import Vela

VELA_1000 = Vela(
    apertura_ms=1644591600000, open=27092.5, high=27270.8, low=27072.6, close=27258.7, volume=1235.397
)
VELA_APRENDIBLE_1000 = Vela(
    apertura_ms=1644591600000, open=33251.3, high=33347.4, low=33167.5, close=33227.2, volume=2060.771
)


def retornos(tabla: TablaVelas) -> np.ndarray:
    return np.diff(np.log(tabla.close))


def autocorrelacion(x: np.ndarray, distancia: int) -> float:
    return float(np.corrcoef(x[:-distancia], x[distancia:])[0, 1])


@pytest.fixture(scope="module")
def tabla() -> TablaVelas:
    return generar("BTCUSDT", "1h", 30_000, 5)


@pytest.mark.parametrize("fabrica", [generar, generar_aprendible])
def test_la_misma_semilla_da_las_mismas_velas(fabrica):
    una, otra = fabrica("BTCUSDT", "1h", 500, 9), fabrica("BTCUSDT", "1h", 500, 9)
    assert una.huella() == otra.huella()
    assert una.huella() != fabrica("BTCUSDT", "1h", 500, 10).huella()


def test_las_velas_no_cambian_con_el_tiempo():
    """Results that people wrote down stay reproducible."""
    assert generar("BTCUSDT", "1h", 1_000, 1).vela(999) == VELA_1000
    assert generar_aprendible("BTCUSDT", "1h", 1_000, 1).vela(999) == VELA_APRENDIBLE_1000


@pytest.mark.parametrize("intervalo", INTERVALOS)
@pytest.mark.parametrize("fabrica", [generar, generar_aprendible])
def test_cada_intervalo_tiene_su_rejilla(fabrica, intervalo):
    tabla = fabrica("ETHUSDT", intervalo, 40, 2, INICIO_MS + 12_345, 2_000.0)
    validar_continuidad(revisar(tabla), intervalo)
    assert tabla.apertura_ms[0] == apertura_de(INICIO_MS + 12_345, intervalo)


@pytest.mark.parametrize(
    ("simbolo", "precio"), [("BTCUSDT", 30_000.0), ("ADAUSDT", 0.5), ("NUEVOUSDT", 0.0002), ("OTROUSDT", 7.0)]
)
def test_los_precios_caen_en_el_tick(simbolo, precio):
    tabla = generar(simbolo, "15m", 2_000, 4, precio_inicial=precio)
    tick = mercado_por_defecto(simbolo, tabla).filtros.tick
    for columna in (tabla.open, tabla.high, tabla.low, tabla.close):
        assert all(Decimal(repr(valor)) % tick == 0 for valor in columna.tolist())


def test_la_volatilidad_anual_es_la_pedida(tabla):
    anual = retornos(tabla).std() * np.sqrt(velas_por_ano("1h"))
    assert 0.4 < anual < 0.85


def test_la_volatilidad_viene_en_rachas(tabla):
    magnitud = np.abs(retornos(tabla))
    assert autocorrelacion(magnitud, 1) > 0.1
    assert autocorrelacion(magnitud, 24) > 0.05
    assert abs(autocorrelacion(retornos(tabla), 1)) < 0.04


def test_hay_saltos_y_colas_pesadas(tabla):
    r = retornos(tabla)
    curtosis = ((r - r.mean()) ** 4).mean() / r.var() ** 2
    assert curtosis > 6.0
    assert np.abs(r).max() > 8 * r.std()


def test_a_veces_una_vela_abre_lejos_del_cierre(tabla):
    saltadas = (tabla.open[1:] != tabla.close[:-1]).mean()
    assert 0.001 < saltadas < 0.02


def test_el_volumen_sigue_a_la_volatilidad(tabla):
    nocional = np.log(tabla.volume[1:] * tabla.close[1:])
    assert np.corrcoef(nocional, np.abs(retornos(tabla)))[0, 1] > 0.3
    assert (tabla.volume > 0).all()


def test_los_regimenes_duran():
    """With strong trends, returns over a regime's length vary more than independent candles would."""
    fuerte = Clima(deriva_tendencia=0.5, duracion_regimen=400)
    r = retornos(generar("BTCUSDT", "1h", 40_000, 3, clima=fuerte))
    bloques = r[: len(r) // 100 * 100].reshape(-1, 100).sum(axis=1)
    assert bloques.var() > 3 * 100 * r.var()


def test_el_precio_no_se_escapa_en_siglos_de_velas():
    tabla = generar("BTCUSDT", "1w", 20_000, 8)
    assert tabla.low.min() > 10.0
    assert tabla.high.max() < 1e8


@pytest.mark.parametrize("semilla", range(5))
def test_el_mercado_aprendible_no_va_a_ningun_lado(semilla):
    tabla = generar_aprendible("BTCUSDT", "1h", 12_000, semilla)
    assert 0.8 * 30_000 < tabla.low.min() < tabla.high.max() < 1.25 * 30_000


@pytest.mark.parametrize("semilla", range(5))
def test_una_regla_simple_gana_en_el_mercado_aprendible(semilla):
    """Following the moving average at leverage 2 beats holding by far more than one in Sharpe, costs paid."""
    close = generar_aprendible("BTCUSDT", "1h", 6_000, semilla).close
    media = np.convolve(close, np.ones(50) / 50, "valid")
    actual = close[49:]
    exposicion = 2.0 * np.sign(actual - media)[:-1]
    mercado = np.diff(actual) / actual[:-1]
    costo = (0.0005 + 0.0002) * np.abs(np.diff(exposicion, prepend=0.0))
    neto = exposicion * mercado - costo
    sharpe = [np.sqrt(velas_por_ano("1h")) * serie.mean() / serie.std() for serie in (neto, mercado)]
    assert sharpe[0] > sharpe[1] + 10.0


@pytest.mark.parametrize("fabrica", [generar, generar_aprendible])
def test_pedidos_imposibles(fabrica):
    with pytest.raises(ConfiguracionInvalida, match="0 candles were asked for"):
        fabrica("BTCUSDT", "1h", 0, 1)
    with pytest.raises(ConfiguracionInvalida, match="'7m' is unknown"):
        fabrica("BTCUSDT", "7m", 10, 1)
    with pytest.raises(
        ConfiguracionInvalida, match=r"start price 0.5 does not suit BTCUSDT, whose tick is 0.10"
    ):
        fabrica("BTCUSDT", "1h", 10, 1, precio_inicial=0.5)


def test_una_sola_vela():
    assert generar("BTCUSDT", "1h", 1, 1).open[0] == 30_000.0
    assert len(generar_aprendible("BTCUSDT", "1h", 1, 1)) == 1
