"""What breakers measure: the spread of a book, the range of a price, the share of calls that fail."""

from __future__ import annotations

from collections import deque
from math import inf, nan

_BPS = 10_000.0


def spread_bps(bid: float, ask: float) -> float:
    """Distance between the best prices in basis points of their mean; not a number without both sides."""
    if not 0.0 < bid <= ask:
        return nan
    return _BPS * (ask - bid) / ((ask + bid) / 2.0)


class RangoMovil:
    """How far a price has moved within a window of market time; each price costs next to nothing.

    Args:
        ventana_ms: How far back it looks.
    """

    def __init__(self, ventana_ms: int) -> None:
        self._ventana_ms = ventana_ms
        self._minimos: deque[tuple[int, float]] = deque()  # rising: the first is the smallest of the window
        self._maximos: deque[tuple[int, float]] = deque()  # falling

    def tomar(self, precio: float, instante_ms: int) -> float:
        """Take a price; the range up to it as a fraction of the smallest price.

        One that is no price is not a number, and leaves nothing behind.
        """
        if not 0.0 < precio < inf:
            return nan
        while self._minimos and self._minimos[-1][1] >= precio:
            self._minimos.pop()
        while self._maximos and self._maximos[-1][1] <= precio:
            self._maximos.pop()
        for lado in (self._minimos, self._maximos):
            lado.append((instante_ms, precio))
            while lado[0][0] <= instante_ms - self._ventana_ms:
                lado.popleft()
        return self._maximos[0][1] / self._minimos[0][1] - 1.0


class TasaDeFallos:
    """The share of calls that failed within a window of market time.

    Args:
        ventana_ms: How far back it looks.
        minimo: Calls below which a share says nothing.
    """

    def __init__(self, ventana_ms: int, minimo: int) -> None:
        self._ventana_ms = ventana_ms
        self._minimo = minimo
        self._llamadas: deque[tuple[int, bool]] = deque()
        self._fallidas = 0

    def tomar(self, instante_ms: int, *, fallida: bool) -> None:
        """One more call has ended."""
        self._llamadas.append((instante_ms, fallida))
        self._fallidas += fallida
        self._olvidar(instante_ms)

    def en(self, ahora_ms: int) -> float | None:
        """The share now, a fraction; ``None`` while there are too few calls."""
        self._olvidar(ahora_ms)
        cuantas = len(self._llamadas)
        return self._fallidas / cuantas if cuantas >= self._minimo else None

    def _olvidar(self, ahora_ms: int) -> None:
        while self._llamadas and self._llamadas[0][0] <= ahora_ms - self._ventana_ms:
            self._fallidas -= self._llamadas.popleft()[1]
