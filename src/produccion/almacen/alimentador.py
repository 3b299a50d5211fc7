"""Feeds the shared store from a daemon's journal, for as long as the daemon runs.

The journal is the buffer: while the store is down nothing is lost and nobody waits, and afterwards feeding
goes on from the last record that arrived. SQLAlchemy is imported in the thread that needs it, after the
daemon has started.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import structlog

from src.nucleo.alertas import PERDIDA_GRANDE
from src.produccion.almacen.acceso import Acceso
from src.produccion.supervision.hilo import HiloSuelto

if TYPE_CHECKING:
    from src.produccion.almacen.tolva import Tolva

CADA_MUESTRA_S = 60.0
"""How often balance and metrics are written."""

DESPEDIDA_S = 0.8
"""Wall seconds that the end may take; what has not arrived by then is fed at the next start."""

log = structlog.get_logger(__name__)


class Titular(NamedTuple):
    """Whose journal it is."""

    account_id: str
    symbol: str
    agent_id: str | None = None
    client_id: str = "default"
    user_id: str = "default"


class Muestra(NamedTuple):
    """How a daemon is now."""

    instante_ms: int  # market time
    balance: float | None = None  # margin asset; ``None`` when it is not known
    equity: float | None = None
    metricas: Mapping[str, float] = {}  # by name, with its unit at the end


class Alimentador:
    """A service of the daemon; a store that is down is told once and never ends it.

    Args:
        diario: The journal's file.
        acceso: To the store.
        titular: Whose journal it is.
        medir: Asked once a minute in the event loop; ``None`` when there is nothing to write.
        perdida_grande: Share of the equity from which a loss is an alert of its own.
    """

    def __init__(
        self,
        diario: Path,
        acceso: Acceso,
        titular: Titular,
        medir: Callable[[], Muestra | None] = lambda: None,
        perdida_grande: float = PERDIDA_GRANDE,
    ) -> None:
        self._lugar = (diario, acceso, titular)
        self._medir = medir
        self._perdida_grande = perdida_grande
        self._proxima_s = 0.0
        self._tolva: Tolva | None = None
        self._fin_s = math.inf

    async def correr(self) -> None:
        """Feed until cancelled; then what is in the journal is fed once more, as far as the time goes."""
        bucle = asyncio.get_running_loop()
        with HiloSuelto("alimentador") as hilo:
            try:
                while True:
                    muestra = self._muestra()
                    espera_s = await bucle.run_in_executor(hilo, self._girar, muestra)
                    await asyncio.sleep(espera_s)
            finally:
                await self._acabar(hilo)

    async def rematar(self) -> None:
        """Feed what is in the journal, as far as the time goes."""
        with HiloSuelto("alimentador") as hilo:
            await self._acabar(hilo)

    async def _acabar(self, hilo: HiloSuelto) -> None:
        self._fin_s = time.monotonic() + DESPEDIDA_S
        cierre = asyncio.get_running_loop().run_in_executor(hilo, self._cerrar)
        hechos, _ = await asyncio.wait({cierre}, timeout=DESPEDIDA_S)
        for hecho in hechos:
            hecho.result()
        if not hechos:
            log.warning("alimentador_sin_acabar", efecto="the next start feeds the rest")

    def _muestra(self) -> Muestra | None:
        ahora_s = time.monotonic()
        if ahora_s < self._proxima_s:
            return None
        self._proxima_s = ahora_s + CADA_MUESTRA_S
        return self._medir()

    def _girar(self, muestra: Muestra | None) -> float:
        return self._la_tolva().girar(muestra)

    def _la_tolva(self) -> Tolva:
        from src.produccion.almacen.tolva import Tolva

        if self._tolva is None:
            self._tolva = Tolva(*self._lugar, self._queda_tiempo, self._perdida_grande)
        return self._tolva

    def _queda_tiempo(self) -> bool:
        return time.monotonic() < self._fin_s

    def _cerrar(self) -> None:
        self._la_tolva().cerrar()
        self._tolva = None
