"""Candles to features: one candle at a time and whole series, the same numbers.

Window statistics are recomputed from the window with exactly rounded sums, so they do not depend on
where the stream began; exponential averages are recursive and forget their beginning during the
warm-up. The whole-series form calls the same update, so there is one formula for each column.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import fsum, log, sqrt

import numpy as np

from src.nucleo.observacion import Rasgos
from src.nucleo.tipos import Matriz, Vela

VELAS_CALENTAMIENTO = 1_000
"""Candles after which the features no longer depend on where the stream began."""

_VENTANA_VOLUMEN = 50
_RETORNOS = (1, 6, 24)
_Z_MAXIMO = 5.0
_RSI_NEUTRO = 50.0
_BBP_NEUTRO = 0.5
_OLVIDO = 8  # old values are dropped when this many times the memory has piled up


@dataclass(frozen=True, slots=True, kw_only=True)
class ParametrosIndicadores:
    """Lengths of the indicators, in candles; the names are those of the training YAML."""

    SMA_short: int = 50
    SMA_long: int = 200
    RSI_length: int = 14
    MACD_fast: int = 12
    MACD_slow: int = 26
    MACD_signal: int = 9
    BB_length: int = 20
    BB_std: float = 2.0

    @property
    def memoria(self) -> int:
        """Closed candles that any window statistic looks back on."""
        return max(self.SMA_short, self.SMA_long, self.BB_length, _VENTANA_VOLUMEN, max(_RETORNOS) + 1)


def nombres_columnas(parametros: ParametrosIndicadores, rasgos: Rasgos) -> tuple[str, ...]:
    """The feature columns in the order of the matrix."""
    p = parametros
    macd = f"{p.MACD_fast}_{p.MACD_slow}_{p.MACD_signal}"
    bandas = f"{p.BB_length}_{float(p.BB_std)}"
    match rasgos:
        case Rasgos.SEMILLA:
            return (
                *("open", "high", "low", "close", "volume"),
                *(f"SMA_{p.SMA_short}", f"SMA_{p.SMA_long}", f"RSI_{p.RSI_length}"),
                *(f"MACD_{macd}", f"MACDh_{macd}", f"MACDs_{macd}"),
                *(f"BB{letra}_{bandas}" for letra in "LMUBP"),
            )
        case Rasgos.ESTACIONARIOS:
            return (
                *(f"retorno_{velas}" for velas in _RETORNOS),
                *(f"distancia_SMA_{p.SMA_short}", f"distancia_SMA_{p.SMA_long}"),
                *(f"RSI_{p.RSI_length}_centrado", f"MACD_{macd}_relativo", f"MACDh_{macd}_relativo"),
                *(f"BBP_{bandas}_centrado", f"BBB_{bandas}_fraccion"),
                *("rango_relativo", f"volumen_z_{_VENTANA_VOLUMEN}"),
            )


class MediaExponencial:
    """A recursive exponential average that starts at its first value."""

    __slots__ = ("alfa", "valor")

    def __init__(self, alfa: float) -> None:
        self.alfa = alfa
        self.valor: float | None = None

    def actualizar(self, x: float) -> float:
        """Take a value and return the new average."""
        valor = self.valor
        valor = x if valor is None else valor + self.alfa * (x - valor)
        self.valor = valor
        return valor


class Indicadores:
    """Features of a stream of contiguous closed candles, one candle at a time.

    Args:
        parametros: Lengths of the indicators.
        rasgos: Which set of columns to produce.
    """

    def __init__(self, parametros: ParametrosIndicadores, rasgos: Rasgos = Rasgos.SEMILLA) -> None:
        self._p = parametros
        self._rasgos = rasgos
        self.columnas = nombres_columnas(parametros, rasgos)
        self._memoria = parametros.memoria
        self._cierres: list[float] = []
        self._volumenes: list[float] = []
        self._subidas = MediaExponencial(1.0 / parametros.RSI_length)
        self._bajadas = MediaExponencial(1.0 / parametros.RSI_length)
        self._rapida = MediaExponencial(2.0 / (parametros.MACD_fast + 1))
        self._lenta = MediaExponencial(2.0 / (parametros.MACD_slow + 1))
        self._senal = MediaExponencial(2.0 / (parametros.MACD_signal + 1))

    def actualizar(self, vela: Vela) -> tuple[float, ...]:
        """Take the next closed candle and return its features, in the order of `columnas`.

        Before the longest window is full, statistics use the candles there are; the values are
        comparable with a longer stream's only after `VELAS_CALENTAMIENTO` candles.
        """
        close = vela.close
        rsi = self._actualizar_rsi(close)
        macd, histograma, senal = self._actualizar_macd(close)
        self._recordar(close, vela.volume)
        p = self._p
        sma_corta = self._media(p.SMA_short)
        sma_larga = self._media(p.SMA_long)
        inferior, media, superior, ancho, posicion = self._bandas(close)
        if self._rasgos is Rasgos.SEMILLA:
            return (
                *(vela.open, vela.high, vela.low, close, vela.volume, sma_corta, sma_larga, rsi),
                *(macd, histograma, senal, inferior, media, superior, ancho, posicion),
            )
        return (
            *self._retornos(close),
            *(close / sma_corta - 1.0, close / sma_larga - 1.0, rsi / 50.0 - 1.0),
            *(macd / close, histograma / close, 2.0 * posicion - 1.0, ancho / 100.0),
            *((vela.high - vela.low) / close, self._z_volumen()),
        )

    def _recordar(self, close: float, volume: float) -> None:
        self._cierres.append(close)
        self._volumenes.append(volume)
        if len(self._cierres) >= _OLVIDO * self._memoria:
            del self._cierres[: -self._memoria]
            del self._volumenes[: -self._memoria]

    def _media(self, largo: int) -> float:
        return _media_exacta(self._cierres[-largo:])

    def _actualizar_rsi(self, close: float) -> float:
        cambio = close - self._cierres[-1] if self._cierres else 0.0
        subida = self._subidas.actualizar(cambio if cambio > 0.0 else 0.0)
        bajada = self._bajadas.actualizar(-cambio if cambio < 0.0 else 0.0)
        if bajada == 0.0:
            return _RSI_NEUTRO if subida == 0.0 else 100.0
        return 100.0 - 100.0 / (1.0 + subida / bajada)

    def _actualizar_macd(self, close: float) -> tuple[float, float, float]:
        macd = self._rapida.actualizar(close) - self._lenta.actualizar(close)
        senal = self._senal.actualizar(macd)
        return macd, macd - senal, senal

    def _bandas(self, close: float) -> tuple[float, float, float, float, float]:
        media, desviacion = _media_y_desviacion(self._cierres[-self._p.BB_length :])
        inferior = media - self._p.BB_std * desviacion
        superior = media + self._p.BB_std * desviacion
        amplitud = superior - inferior
        posicion = (close - inferior) / amplitud if amplitud > 0.0 else _BBP_NEUTRO
        return inferior, media, superior, 100.0 * amplitud / media, posicion

    def _retornos(self, close: float) -> tuple[float, ...]:
        cierres = self._cierres
        ultimo = len(cierres) - 1
        return tuple(log(close / cierres[max(0, ultimo - velas)]) for velas in _RETORNOS)

    def _z_volumen(self) -> float:
        media, desviacion = _media_y_desviacion(self._volumenes[-_VENTANA_VOLUMEN:])
        if desviacion == 0.0:
            return 0.0
        return min(_Z_MAXIMO, max(-_Z_MAXIMO, (self._volumenes[-1] - media) / desviacion))


def _media_exacta(valores: list[float]) -> float:
    return fsum(valores) / len(valores)


def _media_y_desviacion(valores: list[float]) -> tuple[float, float]:
    """Mean and population standard deviation (ddof = 0), from exactly rounded sums."""
    if min(valores) == max(valores):
        return valores[0], 0.0
    media = fsum(valores) / len(valores)
    return media, sqrt(fsum([(x - media) * (x - media) for x in valores]) / len(valores))


def calcular_serie(
    velas: Iterable[Vela], parametros: ParametrosIndicadores, rasgos: Rasgos = Rasgos.SEMILLA
) -> Matriz:
    """Features of a whole series; float64 (candles, columns), row by row what `Indicadores` gives."""
    indicadores = Indicadores(parametros, rasgos)
    filas = [indicadores.actualizar(vela) for vela in velas]
    return np.array(filas, dtype=np.float64).reshape(len(filas), len(indicadores.columnas))
