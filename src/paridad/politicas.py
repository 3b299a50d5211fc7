"""The policies that parity is measured with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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


class PoliticaAlterna:
    """Opens a long and a short by turns, at the same candles whatever became of the ones before.

    One candle before an entry is due, whatever is still held is closed; in between it keeps still.

    Args:
        cada: Candles from one entry to the next, at least 2.
        intensidad: Share of equity × leverage that an entry asks for.
        al_decidir: Called at each decision.
    """

    def __init__(self, cada: int, intensidad: float, al_decidir: Callable[[], None] | None = None) -> None:
        self._cada = cada
        self._intensidad = intensidad
        self._al_decidir = al_decidir
        self._vistas = 0

    def predecir(self, observacion: Observacion) -> float:
        """An entry, an exit, or nothing."""
        vuelta, turno = divmod(self._vistas, self._cada)
        self._vistas += 1
        if self._al_decidir is not None:
            self._al_decidir()
        exposicion = float(observacion.portfolio[2])
        if turno == self._cada - 1 and exposicion != 0.0:
            return -1.0 if exposicion > 0.0 else 1.0
        if turno == 0:
            return self._intensidad if vuelta % 2 == 0 else -self._intensidad
        return 0.0
