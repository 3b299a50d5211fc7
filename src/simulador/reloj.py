"""Market time: it stands still in lockstep and runs at a multiple of real time otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable


class RelojMercado:
    """The exchange's clock.

    Args:
        inicio_ms: Market time when the exchange opens.
        velocidad: Market seconds per real second; ``None`` in lockstep.
        monotono: Real seconds.
    """

    def __init__(
        self, inicio_ms: int, velocidad: float | None, monotono: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotono = monotono
        self._velocidad = velocidad
        self._base_ms = inicio_ms
        self._base_s = monotono()
        self._visto_ms = inicio_ms
        self._detenido = velocidad is None
        self.desvio_ms = 0  # what the exchange's clock shows beyond market time

    def ahora_ms(self) -> int:
        """Market time as the exchange's clock shows it."""
        return self.mercado_ms() + self.desvio_ms

    def mercado_ms(self) -> int:
        """Market time."""
        if self._detenido or self._velocidad is None:
            return self._base_ms
        return self._base_ms + int((self._monotono() - self._base_s) * 1000 * self._velocidad)

    def desviar(self, ms: int) -> None:
        """Move the exchange's clock; the market goes on at its own time."""
        self.desvio_ms += ms
        self._visto_ms += ms

    def ahora_paciente_ms(self) -> int:
        """Market time plus the real time that passed while the market stood still; never goes back.

        A client's clock runs on while the market waits for it: its timestamps may be that much ahead.
        """
        ahora = self.ahora_ms()
        if self._detenido:
            ahora += int((self._monotono() - self._base_s) * 1000)
        self._visto_ms = max(self._visto_ms, ahora)
        return self._visto_ms

    def fijar(self, instante_ms: int) -> None:
        """A market step happened at this time."""
        if self._detenido:
            self._base_ms = instante_ms
            self._base_s = self._monotono()

    def espera_s(self, instante_ms: int) -> float:
        """Real seconds until a market time; 0 when it has passed."""
        if self._velocidad is None:
            return 0.0
        return max(0.0, (instante_ms - self.mercado_ms()) / 1000 / self._velocidad)

    def pausar(self) -> None:
        """Let market time stand still for a while."""
        if not self._detenido:
            self.detener()

    def reanudar(self) -> None:
        """Go on after a pause; a market in lockstep stands still anyway."""
        if self._velocidad is not None:
            self._base_s = self._monotono()
            self._detenido = False

    def detener(self) -> None:
        """Stop at the current time: the candles have run out."""
        ahora = self.mercado_ms()
        self._detenido = True
        self._base_ms = ahora
        self._base_s = self._monotono()
