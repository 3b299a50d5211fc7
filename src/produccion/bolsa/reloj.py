"""Market time, and keeping it right."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from src.nucleo.errores import ErrorBolsa
from src.produccion.puertos import Bolsa

SALTO_S = 0.5
"""How far this machine's clock may move against its own stopwatch before the exchange is asked again."""

_VISTAZO_S = 5.0
_MUESTRAS = 3
_TRAS_FALLO_S = 30.0

log = structlog.get_logger(__name__)


class RelojMercado:
    """The exchange's clock: its last reading plus the time since, never behind an event; it never runs back.

    While frozen it is the latest event alone: on an exchange whose market waits for its agents, time passes
    only with events.

    Args:
        pared: This machine's clock in seconds since 1970; counts only until the first reading.
        monotono: Seconds that nobody can set.
    """

    def __init__(
        self, pared: Callable[[], float] = time.time, monotono: Callable[[], float] = time.monotonic
    ) -> None:
        self._pared = pared
        self._monotono = monotono
        self._base_ms = pared() * 1_000
        self._base_s = monotono()
        self._diferencia_s = pared() - self._base_s
        self._ultimo_evento_ms = 0
        self._dado_ms = 0
        self._leido = False
        self._congelado = False

    @property
    def congelado(self) -> bool:
        """Whether time passes with events only."""
        return self._congelado

    def ahora_ms(self) -> int:
        """Market time, UTC milliseconds; it stands still where a reading says that it had run ahead."""
        self._dado_ms = max(self._dado_ms, self.firma_ms())
        return self._dado_ms

    def firma_ms(self) -> int:
        """What the exchange's clock shows now, even when that is earlier than it seemed: for signatures."""
        if self._congelado:
            return self._ultimo_evento_ms
        transcurrido_ms = (self._monotono() - self._base_s) * 1_000
        return max(int(self._base_ms + transcurrido_ms), self._ultimo_evento_ms)

    def observar(self, evento_ms: int) -> None:
        """Take the time of an event."""
        if evento_ms > self._ultimo_evento_ms:
            self._ultimo_evento_ms = evento_ms

    def sincronizar(self, servidor_ms: int, ida_vuelta_ms: int = 0) -> None:
        """Take the exchange's own reading of its clock.

        Args:
            servidor_ms: What it said.
            ida_vuelta_ms: How long it took to ask; half of it has passed since.
        """
        self._base_ms = servidor_ms + ida_vuelta_ms / 2
        self._base_s = self._monotono()
        self._diferencia_s = self._pared() - self._base_s
        self._ultimo_evento_ms = servidor_ms
        if not self._leido:
            # Until now it was this machine's clock, which may be of another year than a replayed market's.
            self._leido, self._dado_ms = True, 0

    def congelar(self) -> None:
        """Let time pass with events only, from the latest one on: what ran ahead of it is forgotten."""
        self._congelado = True
        self._dado_ms = 0

    def salto_s(self) -> float:
        """How far this machine's clock was set, or how long it slept, since the last reading."""
        return self._pared() - self._monotono() - self._diferencia_s

    def cronometrar_s(self) -> float:
        """Seconds of the stopwatch."""
        return self._monotono()


async def mantener_hora(bolsa: Bolsa, reloj: RelojMercado, cada_s: float) -> None:
    """Read the exchange's clock now, every so often, and whenever this machine's clock was moved; for ever.

    Args:
        bolsa: Whose time it is.
        reloj: Kept right; left alone while it is frozen.
        cada_s: Wall seconds between two readings.
    """
    while True:
        espera_s = cada_s if await _sincronizar(bolsa, reloj) else min(cada_s, _TRAS_FALLO_S)
        hasta_s = reloj.cronometrar_s() + espera_s
        while (resta_s := hasta_s - reloj.cronometrar_s()) > 0:
            await asyncio.sleep(min(resta_s, _VISTAZO_S))
            if abs(salto_s := reloj.salto_s()) > SALTO_S and not reloj.congelado:
                log.warning("reloj_movido", segundos=round(salto_s, 3))
                break


async def _sincronizar(bolsa: Bolsa, reloj: RelojMercado) -> bool:
    """Take the reading that came back soonest."""
    if reloj.congelado:
        return True
    try:
        lecturas = [await _medir(bolsa, reloj) for _ in range(_MUESTRAS)]
    except ErrorBolsa as fallo:
        log.warning("hora_sin_leer", motivo=str(fallo))
        return False
    ida_vuelta_s, servidor_ms, leida_s = min(lecturas)
    if reloj.congelado:
        return True
    antes_ms = reloj.firma_ms()
    desde_entonces_ms = (reloj.cronometrar_s() - leida_s) * 1_000
    reloj.sincronizar(round(servidor_ms + desde_entonces_ms), round(ida_vuelta_s * 1_000))
    log.debug("hora_leida", correccion_ms=reloj.firma_ms() - antes_ms, ida_vuelta_s=round(ida_vuelta_s, 4))
    return True


async def _medir(bolsa: Bolsa, reloj: RelojMercado) -> tuple[float, int, float]:
    """Round trip in seconds, what the exchange said, and when it arrived."""
    antes_s = reloj.cronometrar_s()
    servidor_ms = await bolsa.hora_ms()
    leida_s = reloj.cronometrar_s()
    return leida_s - antes_s, servidor_ms, leida_s
