"""The pace of requests: never more weight in a minute than the exchange allows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

PESO_POR_MINUTO = 2_400
CABECERA_PESO = "X-MBX-USED-WEIGHT-1M"

_PARTE = 0.8  # the rest stays free for a daemon behind the same address
_MINUTO_S = 60
_MARGEN_S = 1.0  # our minute may begin a little before the exchange's


class Ritmo:
    """Waits before the weight of the current minute is used up.

    Args:
        limite: Weight that the exchange allows in a minute.
        dormir: Waits for seconds.
        ahora_s: Wall clock in seconds; the exchange counts by its minutes.
    """

    def __init__(
        self,
        limite: int = PESO_POR_MINUTO,
        *,
        dormir: Callable[[float], Awaitable[None]] = asyncio.sleep,
        ahora_s: Callable[[], float] = time.time,
    ) -> None:
        self._techo = int(limite * _PARTE)
        self._dormir = dormir
        self._ahora_s = ahora_s
        self._usado = 0
        self._minuto = -1

    async def turno(self, peso: int) -> None:
        """Return when a request of this weight may be sent."""
        if self._empezo_otro_minuto():
            self._usado = 0
        if self._usado and self._usado + peso > self._techo:
            await self.esperar(_MINUTO_S - self._ahora_s() % _MINUTO_S + _MARGEN_S)
            self._empezo_otro_minuto()
            self._usado = 0
        self._usado += peso

    async def esperar(self, segundos: float) -> None:
        """Wait, by the clock this pace was given."""
        await self._dormir(segundos)

    def anotar(self, cabeceras: Mapping[str, str]) -> None:
        """Take the used weight from an answer's headers; the exchange counts others of this address too."""
        texto = cabeceras.get(CABECERA_PESO, "")
        if texto.isdigit():
            self._empezo_otro_minuto()
            self._usado = int(texto)

    def _empezo_otro_minuto(self) -> bool:
        minuto = int(self._ahora_s() // _MINUTO_S)
        otro = minuto != self._minuto
        self._minuto = minuto
        return otro
