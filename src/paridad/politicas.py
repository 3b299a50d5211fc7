"""The policies that parity is measured with."""

from __future__ import annotations

from collections.abc import Sequence

from src.nucleo.politica import Politica
from src.nucleo.tipos import Observacion

GUION = (0.5, 0.9, 0.3, -0.4, -0.5, -0.9, -0.3, 0.4, 0.0)
"""One round through all nine operations: open, increase, reduce, close on both sides, keep."""


class PoliticaGuionizada:
    """Repeats a list of actions whatever it sees."""

    def __init__(self, acciones: Sequence[float] = GUION) -> None:
        self._acciones = acciones
        self._vistas = 0

    def predecir(self, observacion: Observacion) -> float:
        """The next action of the list."""
        accion = self._acciones[self._vistas % len(self._acciones)]
        self._vistas += 1
        return accion


class PoliticaGrabada:
    """Keeps a copy of everything a policy sees, and has it stand still on the last candle.

    Args:
        politica: The one that decides.
        decisiones: After this many, every action is 0.0.
    """

    def __init__(self, politica: Politica, decisiones: int) -> None:
        self._politica = politica
        self._decisiones = decisiones
        self.observaciones: list[Observacion] = []

    def predecir(self, observacion: Observacion) -> float:
        """The policy's action."""
        self.observaciones.append(Observacion(observacion.market.copy(), observacion.portfolio.copy()))
        if len(self.observaciones) > self._decisiones:
            return 0.0
        return self._politica.predecir(observacion)
