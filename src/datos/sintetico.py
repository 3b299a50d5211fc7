"""Markets that never were: candles with the habits of real ones, the same for the same seed."""

from __future__ import annotations

from math import exp, sqrt
from typing import NamedTuple

import numpy as np

from src.datos.tabla import Enteros, TablaVelas
from src.datos.vestir import Forma, vestir
from src.nucleo.errores import ConfiguracionInvalida
from src.nucleo.intervalos import validar_intervalo, velas_por_ano
from src.nucleo.tipos import Matriz

INICIO_MS = 1_640_995_200_000  # 2022-01-01
PRECIO_INICIAL = 30_000.0


class Clima(NamedTuple):
    """The habits of a synthetic market; rates are per candle unless a year is said."""

    volatilidad_anual: float = 0.6
    duracion_regimen: float = 250.0  # candles, mean
    deriva_tendencia: float = 0.06  # drift of a bull or bear regime, in volatilities of a candle
    retorno_rango: float = 0.02  # share of the distance to its centre that a range takes back
    garch_alfa: float = 0.08
    garch_beta: float = 0.9
    frecuencia_saltos: float = 0.002
    tamano_salto: float = 5.0  # in volatilities of a candle
    frecuencia_huecos: float = 0.004  # candles that open away from the last close
    tamano_hueco: float = 1.5
    retorno_anual: float = 0.3  # share of the way back to the start price taken in a year


CLIMA = Clima()


_ALCISTA, _BAJISTA, _RANGO = 0, 1, 2
_VOLATILIDAD_REGIMEN = np.array([0.9, 1.25, 0.7])
_VARIANZA_MAXIMA = 36.0  # of GARCH, times its long-run mean


def generar(
    simbolo: str,
    intervalo: str,
    velas: int,
    semilla: int,
    inicio_ms: int = INICIO_MS,
    precio_inicial: float = PRECIO_INICIAL,
    clima: Clima = CLIMA,
) -> TablaVelas:
    """Candles of a market with bull, bear and range regimes, volatility clusters, jumps and opening gaps.

    Prices lie on the symbol's tick, volumes on its step and follow volatility.

    Args:
        simbolo: Gives tick and step.
        intervalo: One of Binance's.
        velas: How many, at least 1.
        semilla: Equal arguments give equal candles.
        inicio_ms: The first candle is the one that contains this instant.
        precio_inicial: Open of the first candle.
        clima: The market's habits.
    Raises:
        ConfiguracionInvalida: No candles, an unknown interval, or a price too small for the tick.
    """
    azar = np.random.default_rng(semilla)
    regimenes = _regimenes(azar, velas, clima.duracion_regimen)
    sigma = clima.volatilidad_anual / sqrt(velas_por_ano(validar_intervalo(intervalo)))
    cierres, aperturas, sigmas = _recorrido(azar, regimenes, sigma, velas_por_ano(intervalo), clima)
    forma = Forma(simbolo, intervalo, inicio_ms, precio_inicial)
    return vestir(azar, forma, aperturas, cierres, sigmas)


def generar_aprendible(
    simbolo: str,
    intervalo: str,
    velas: int,
    semilla: int,
    inicio_ms: int = INICIO_MS,
    precio_inicial: float = PRECIO_INICIAL,
    *,
    amplitud: float = 0.12,
    duracion: tuple[int, int] = (80, 160),
    ruido: float = 0.003,
) -> TablaVelas:
    """Candles whose direction can be learned, and that go nowhere in the long run.

    Long rises and falls take turns between two levels, so buying and holding earns about nothing, and
    moving averages, RSI, MACD and Bollinger bands tell which way it goes.

    Args:
        simbolo: Gives tick and step.
        intervalo: One of Binance's.
        velas: How many, at least 1.
        semilla: Equal arguments give equal candles; two seeds differ in where the turns are.
        inicio_ms: The first candle is the one that contains this instant.
        precio_inicial: Middle of the two levels.
        amplitud: Distance from the middle to either level, as a log return.
        duracion: Fewest and most candles of a leg.
        ruido: Standard deviation of a candle's return around the leg's drift.
    Raises:
        ConfiguracionInvalida: As for `generar`.
    """
    azar = np.random.default_rng(semilla)
    _exigir_velas(velas)
    choques = (ruido * azar.standard_normal(velas)).tolist()
    nivel, destino = 0.0, amplitud if azar.random() < 0.5 else -amplitud
    restan = max(1, int(azar.integers(duracion[0], duracion[1] + 1)) // 2)
    cierres: list[float] = []
    for choque in choques:
        nivel += (destino - nivel) / restan + choque
        cierres.append(nivel)
        restan -= 1
        if restan == 0:
            destino = -destino
            restan = int(azar.integers(duracion[0], duracion[1] + 1))
    aperturas = np.concatenate(([0.0], cierres[:-1]))
    forma = Forma(simbolo, intervalo, inicio_ms, precio_inicial)
    return vestir(azar, forma, aperturas, np.array(cierres), np.full(velas, ruido))


def _exigir_velas(velas: int) -> None:
    if velas < 1:
        raise ConfiguracionInvalida(f"{velas} candles were asked for; ask for at least 1")


def _regimenes(azar: np.random.Generator, velas: int, duracion: float) -> Enteros:
    """A Markov chain over the three regimes; it never stays when it switches. Shape (candles,)."""
    _exigir_velas(velas)
    tramos = int(2 * velas / duracion) + 16
    while True:
        largos = azar.geometric(1.0 / duracion, tramos)
        if largos.sum() >= velas:
            break
        tramos *= 2
    cambios = azar.integers(1, 3, tramos)
    cambios[0] = azar.integers(0, 3)
    return np.repeat(np.cumsum(cambios) % 3, largos)[:velas].astype(np.int64)


def _recorrido(
    azar: np.random.Generator, regimenes: Enteros, sigma: float, por_ano: float, clima: Clima
) -> tuple[Matriz, Matriz, Matriz]:
    """Log closes and opens relative to the start, and the volatility of each candle."""
    velas = len(regimenes)
    normales = azar.standard_normal(velas)
    saltos = (
        (azar.random(velas) < clima.frecuencia_saltos)
        * clima.tamano_salto
        * azar.standard_t(4, velas)
        / sqrt(2)
    )
    huecos = (azar.random(velas) < clima.frecuencia_huecos) * clima.tamano_hueco * azar.standard_normal(velas)
    huecos[0] = 0.0
    bases = sigma * _VOLATILIDAD_REGIMEN[regimenes]
    derivas = sigma * clima.deriva_tendencia * np.array([1.0, -1.0, 0.0])[regimenes]
    centros = np.concatenate(([True], regimenes[1:] != regimenes[:-1]))
    regreso = 1.0 - exp(-clima.retorno_anual / por_ano)
    alfa, beta = clima.garch_alfa, clima.garch_beta
    varianza, nivel, centro, choque = 1.0, 0.0, 0.0, 0.0
    cierres, aperturas, sigmas = [], [], []
    for base, deriva, regimen, empieza, normal, salto, hueco in zip(
        *(c.tolist() for c in (bases, derivas, regimenes, centros, normales, saltos, huecos)), strict=True
    ):
        varianza = min((1.0 - alfa - beta) + (alfa * choque * choque + beta) * varianza, _VARIANZA_MAXIMA)
        volatilidad = base * sqrt(varianza)
        if empieza:
            centro = nivel
        choque = normal
        apertura = nivel + hueco * volatilidad
        retorno = deriva + volatilidad * normal + base * salto - regreso * nivel
        if regimen == _RANGO:
            retorno -= clima.retorno_rango * (apertura - centro)
        nivel = apertura + retorno
        aperturas.append(apertura)
        cierres.append(nivel)
        sigmas.append(volatilidad)
    return np.array(cierres), np.array(aperturas), np.array(sigmas)
