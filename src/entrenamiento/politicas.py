"""Policies that learn nothing: what a trained one must beat."""

from __future__ import annotations

import numpy as np

from src.nucleo.politica import Politica
from src.nucleo.tipos import Observacion


class PoliticaConstante:
    """The same action at every candle."""

    def __init__(self, accion: float) -> None:
        self._accion = accion

    def predecir(self, observacion: Observacion) -> float:
        """The action, whatever is seen."""
        return self._accion


class PoliticaAleatoria:
    """Uniform actions, the same ones for the same seed."""

    def __init__(self, semilla: int) -> None:
        self._azar = np.random.default_rng(semilla)

    def predecir(self, observacion: Observacion) -> float:
        """The next draw, as a float32 like a trained policy's."""
        return float(np.float32(self._azar.uniform(-1.0, 1.0)))


def politicas_de_referencia(semilla: int) -> dict[str, Politica]:
    """The policies that evaluation compares with, by name."""
    return {
        "flat": PoliticaConstante(0.0),
        "long": PoliticaConstante(1.0),
        "short": PoliticaConstante(-1.0),
        "random": PoliticaAleatoria(semilla),
    }
