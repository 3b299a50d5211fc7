"""What doing the same thing at every candle would earn: the first thing to know about a market."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from src.entrenamiento.entorno import EntornoTrading

CONSTANTES = {"flat": 0.0, "long": 1.0, "short": -1.0}


class Expectativa(NamedTuple):
    """A constant action over a span."""

    nombre: str
    recompensa_media: float  # per step
    finales: int  # episodes that ended early, in drawdown or without equity


def calcular_expectativas(entorno: EntornoTrading) -> list[Expectativa]:
    """Mean reward per step of standing aside, of full long and of full short over the environment's span.

    An episode that ends early is followed by another from that candle, so the whole span counts.
    """
    return [_expectativa(entorno, nombre, accion) for nombre, accion in CONSTANTES.items()]


def _expectativa(entorno: EntornoTrading, nombre: str, accion: float) -> Expectativa:
    constante = np.array([accion], dtype=np.float32)
    inicio, ultima = entorno.primera_decision, entorno.datos.ultima
    total, pasos, finales = 0.0, 0, 0
    while inicio < ultima:
        entorno.reset(options={"inicio": inicio, "longitud": ultima - inicio})
        terminado = truncado = False
        while not (terminado or truncado):
            _, recompensa, terminado, truncado, _ = entorno.step(constante)
            total += recompensa
            pasos += 1
        finales += terminado
        inicio = entorno.fila
    return Expectativa(nombre, total / pasos, finales)
