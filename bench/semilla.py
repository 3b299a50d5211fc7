"""The way of the systems before: recompute everything on each candle, decide with torch."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pandas as pd
from stable_baselines3 import SAC
from ta.momentum import RSIIndicator
from ta.trend import MACD, SMAIndicator
from ta.volatility import BollingerBands

from bench.banco import BolsaEnMemoria, velas_de_calentamiento
from bench.cronometro import Cronometro
from bench.mercado_falso import mensaje_kline
from bench.sb3 import modelo_gemelo
from bench.taller import SIMBOLO, Taller
from src.nucleo.ordenes import Orden
from src.nucleo.tipos import LadoOrden

FILAS = 300
"""Candles of the window that every indicator is recomputed over."""

_PORTAFOLIO = [1.0, 0.0, 0.0]


class Semilla:
    """Decides on a pandas window.

    Args:
        taller: Market, scaler and weights.
    """

    def __init__(self, taller: Taller) -> None:
        primera = velas_de_calentamiento(taller)
        filas = [taller.tabla.vela(i) for i in range(primera - FILAS, primera)]
        self._ventana = pd.DataFrame(filas).set_index("apertura_ms")
        self._tamano = taller.configuracion.entorno.window_size
        self._escalador: Any = pickle.loads(taller.escalador_pickle)
        self._modelo: SAC = modelo_gemelo(taller)

    def decidir(self, mensaje: bytes) -> float:
        """From a kline's bytes to the action."""
        k = json.loads(mensaje)["data"]["k"]
        self._ventana.loc[k["t"]] = [float(k[campo]) for campo in "ohlcv"]
        self._ventana = self._ventana.iloc[-FILAS:]
        rasgos = self._escalador.transform(indicadores(self._ventana).iloc[-self._tamano :].to_numpy())
        observacion = {
            "market": rasgos.astype("float32"),
            "portfolio": pd.Series(_PORTAFOLIO).to_numpy("float32"),
        }
        accion, _ = self._modelo.predict(observacion, deterministic=True)
        return float(accion[0])


def indicadores(ventana: pd.DataFrame) -> pd.DataFrame:
    """The sixteen columns over the whole window."""
    close = ventana["close"]
    macd, bandas = MACD(close, 26, 12, 9), BollingerBands(close, 20, 2)
    return ventana.assign(
        sma_corta=SMAIndicator(close, 50).sma_indicator(),
        sma_larga=SMAIndicator(close, 200).sma_indicator(),
        rsi=RSIIndicator(close, 14).rsi(),
        macd=macd.macd(),
        macd_histograma=macd.macd_diff(),
        macd_senal=macd.macd_signal(),
        inferior=bandas.bollinger_lband(),
        media=bandas.bollinger_mavg(),
        superior=bandas.bollinger_hband(),
        ancho=bandas.bollinger_wband(),
        posicion=bandas.bollinger_pband(),
    )


async def decidir_como_antes(
    taller: Taller, bolsa: BolsaEnMemoria, cronometro: Cronometro, velas: int
) -> None:
    """Decide on so many candles, sending the same order on each."""
    semilla = Semilla(taller)
    primera = velas_de_calentamiento(taller)
    for i in range(primera, primera + velas):
        mensaje = mensaje_kline(taller.tabla.vela(i))
        cronometro.llegar()
        lado = LadoOrden.BUY if semilla.decidir(mensaje) > 0.0 else LadoOrden.SELL
        await bolsa.enviar(Orden(SIMBOLO, lado, 1.0, False, f"tm-{i:026d}"))
