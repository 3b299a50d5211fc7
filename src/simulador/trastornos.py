"""Where a fault injector may interfere with conditional orders; by default nobody does."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from src.simulador.algos import Algo
from src.simulador.titular import Titular


class Disparo(Enum):
    """What becomes of a conditional order whose trigger was met."""

    NORMAL = "normal"
    ATASCADO = "stuck"  # stays TRIGGERING: its child never comes
    HIJA_EXPIRADA = "child expired"  # the child ends EXPIRED with nothing filled
    HIJA_PARCIAL = "child partly filled"  # the child fills half and ends EXPIRED


class Trastornos(Protocol):
    """What the engine asks at the decisive points.

    An injector that drops a conditional order silently calls ``Motor.olvidar(titular, algo)``.
    """

    def ignora_disparo(self, titular: Titular, algo: Algo) -> bool:
        """Whether a trigger that was met has no effect: the order goes on waiting.

        Asked each time the price meets the trigger, once per market step at most.
        """
        ...

    def al_disparar(self, titular: Titular, algo: Algo) -> Disparo:
        """What becomes of an order that triggers; asked once per order."""
        ...

    def hija_primero(self, titular: Titular, algo: Algo) -> bool:
        """Whether the events of the child go out before TRIGGERED; asked once per order that has a child."""
        ...


class SinTrastornos:
    """An exchange that works."""

    def ignora_disparo(self, titular: Titular, algo: Algo) -> bool:
        """Every trigger counts."""
        return False

    def al_disparar(self, titular: Titular, algo: Algo) -> Disparo:
        """The child is made and filled."""
        return Disparo.NORMAL

    def hija_primero(self, titular: Titular, algo: Algo) -> bool:
        """TRIGGERED comes first."""
        return False
