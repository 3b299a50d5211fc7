"""Market time."""

from __future__ import annotations

import time


class RelojMercado:
    """``max(wall + offset, latest event)``; while frozen, the latest event alone.

    It is frozen on an exchange whose market waits for its agents: there, time passes only with events.
    """

    def __init__(self) -> None:
        self._desfase_ms = 0
        self._ultimo_evento_ms = 0
        self._congelado = False

    def ahora_ms(self) -> int:
        """Market time, UTC milliseconds."""
        if self._congelado:
            return self._ultimo_evento_ms
        return max(_pared_ms() + self._desfase_ms, self._ultimo_evento_ms)

    def observar(self, evento_ms: int) -> None:
        """Take the time of an event."""
        if evento_ms > self._ultimo_evento_ms:
            self._ultimo_evento_ms = evento_ms

    def sincronizar(self, servidor_ms: int) -> None:
        """Take the exchange's own reading of its clock."""
        self._desfase_ms = servidor_ms - _pared_ms()
        self._ultimo_evento_ms = servidor_ms

    def congelar(self) -> None:
        """Let time pass with events only."""
        self._congelado = True


def _pared_ms() -> int:
    return time.time_ns() // 1_000_000
