"""From log prices to candles: extremes, volumes, ticks and times of a synthetic market."""

from __future__ import annotations

from math import log
from typing import NamedTuple

import numpy as np

from src.datos.mercados import filtros_por_defecto
from src.datos.tabla import Enteros, TablaVelas, revisar
from src.nucleo.errores import ConfiguracionInvalida
from src.nucleo.intervalos import DIA_MS, MES, apertura_de, siguiente_apertura
from src.nucleo.tipos import Filtros, Matriz

_TICKS_MINIMOS = 1_000  # a start price of fewer ticks would move in visible steps
_VOLUMEN_DIARIO = 1e9  # quote asset


class Forma(NamedTuple):
    """What turns log prices into candles."""

    simbolo: str
    intervalo: str
    inicio_ms: int
    precio_inicial: float


def vestir(
    azar: np.random.Generator, forma: Forma, aperturas: Matriz, cierres: Matriz, sigmas: Matriz
) -> TablaVelas:
    """Give log opens and closes their extremes, volumes, ticks and times."""
    filtros = filtros_por_defecto(forma.simbolo, forma.precio_inicial)
    _exigir_precio(forma, filtros)
    alto, bajo = _extremos(azar, aperturas, cierres, sigmas)
    precio = log(forma.precio_inicial)
    open_ = _al_tick(np.exp(precio + aperturas), filtros)
    close = _al_tick(np.exp(precio + cierres), filtros)
    tabla = TablaVelas(
        apertura_ms=_aperturas_ms(forma, len(cierres)),
        open=open_,
        high=np.maximum(_al_tick(np.exp(precio + alto), filtros), np.maximum(open_, close)),
        low=np.minimum(_al_tick(np.exp(precio + bajo), filtros), np.minimum(open_, close)),
        close=close,
        volume=_volumen(azar, forma, close, sigmas, np.abs(cierres - aperturas), filtros),
        origen=f"synthetic {forma.simbolo} {forma.intervalo}",
    )
    return revisar(tabla)


def _exigir_precio(forma: Forma, filtros: Filtros) -> None:
    minimo = _TICKS_MINIMOS * filtros.tick
    if not minimo <= forma.precio_inicial < 1e9:
        raise ConfiguracionInvalida(
            f"start price {forma.precio_inicial} does not suit {forma.simbolo}, whose tick is "
            f"{filtros.tick}; use at least {minimo}"
        )


def _extremos(
    azar: np.random.Generator, aperturas: Matriz, cierres: Matriz, sigmas: Matriz
) -> tuple[Matriz, Matriz]:
    """Maximum and minimum of a Brownian bridge between each open and close."""
    retorno = cierres - aperturas
    uniformes = 1.0 - azar.random((2, len(cierres)))  # (0, 1]
    amplitud = np.sqrt(retorno**2 - 2.0 * sigmas**2 * np.log(uniformes))
    return aperturas + 0.5 * (retorno + amplitud[0]), aperturas + 0.5 * (retorno - amplitud[1])


def _volumen(
    azar: np.random.Generator,
    forma: Forma,
    close: Matriz,
    sigmas: Matriz,
    movimiento: Matriz,
    filtros: Filtros,
) -> Matriz:
    """Base volume, on the step: larger when volatility or the candle's own move is."""
    dias = (siguiente_apertura(forma.inicio_ms, forma.intervalo) - forma.inicio_ms) / DIA_MS
    agitacion = np.log((0.7 * sigmas + 0.3 * movimiento) / np.median(sigmas))
    nocional = _VOLUMEN_DIARIO * dias * np.exp(0.9 * agitacion + 0.35 * azar.standard_normal(len(close)))
    return _a_multiplo(np.maximum(nocional / close, float(filtros.paso)), filtros.escala_lote)


def _al_tick(precios: Matriz, filtros: Filtros) -> Matriz:
    return np.maximum(_a_multiplo(precios, filtros.escala_tick), float(filtros.tick))


def _a_multiplo(valores: Matriz, escala: tuple[int, int]) -> Matriz:
    numerador, denominador = escala
    return np.rint(valores * (denominador / numerador)) * numerador / denominador


def _aperturas_ms(forma: Forma, velas: int) -> Enteros:
    primera = apertura_de(forma.inicio_ms, forma.intervalo)
    if forma.intervalo == MES:
        return np.array([siguiente_apertura(primera, MES, i) for i in range(velas)], dtype=np.int64)
    paso = siguiente_apertura(primera, forma.intervalo) - primera
    return primera + paso * np.arange(velas, dtype=np.int64)
