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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

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
        self._fin_s = math.inf  # it runs again after a failure of its own
        with HiloSuelto("alimentador") as hilo:
            try:
                while True:
                    muestra = self._muestra()
                    espera_s = await bucle.run_in_executor(hilo, self._girar, muestra)
                    await asyncio.sleep(espera_s)
            finally:
                await self._acabar(hilo, DESPEDIDA_S, asyncio.Event(), insistir=False)

    async def rematar(self, plazo_s: float = DESPEDIDA_S, prisa: asyncio.Event | None = None) -> bool:
        """Feed what is in the journal, trying again while the store is down; whether all of it arrived.

        Args:
            plazo_s: Wall seconds that it may take.
            prisa: Somebody does not want to wait any longer.
        """
        with HiloSuelto("alimentador") as hilo:
            return await self._acabar(hilo, plazo_s, prisa or asyncio.Event(), insistir=True)

    async def _acabar(
        self, hilo: HiloSuelto, plazo_s: float, prisa: asyncio.Event, *, insistir: bool
    ) -> bool:
        self._fin_s = time.monotonic() + plazo_s
        cierre = asyncio.get_running_loop().run_in_executor(hilo, partial(self._cerrar, insistir=insistir))
        apuro = asyncio.create_task(prisa.wait())
        try:
            await self._esperar({cierre, apuro}, plazo_s)
        finally:
            apuro.cancel()
            self._fin_s = 0.0  # whatever is left in the thread stops by itself
        if cierre.done() and cierre.result():
            return True
        log.warning("alimentador_sin_acabar", efecto="the next start feeds the rest")
        return False

    async def _esperar(self, que: set[asyncio.Future[Any]], plazo_s: float) -> None:
        corto_s = min(plazo_s, DESPEDIDA_S)
        hechos, _ = await asyncio.wait(que, timeout=corto_s, return_when=asyncio.FIRST_COMPLETED)
        if not hechos and plazo_s > corto_s:
            log.warning("almacen_se_espera", plazo_s=plazo_s, efecto="Ctrl+C ends at once")
            await asyncio.wait(que, timeout=plazo_s - corto_s, return_when=asyncio.FIRST_COMPLETED)

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

    def _cerrar(self, *, insistir: bool) -> bool:
        todo = self._la_tolva().cerrar(insistir=insistir)
        self._tolva = None
        return todo
