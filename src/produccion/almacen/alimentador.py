"""Feeds the shared store from a daemon's journal, for as long as the daemon runs.

The journal is the buffer: while the store is down nothing is lost and nobody waits, and afterwards feeding
goes on from the last record that arrived. SQLAlchemy is imported in the thread that needs it, after the
daemon has started.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from src.produccion.almacen.tolva import Tolva

CADA_MUESTRA_S = 60.0
"""How often balance and metrics are written."""


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
        url: The store's address; ``None`` for the default.
        estado: The ``--state-dir``.
        titular: Whose journal it is.
        medir: Asked once a minute in the event loop; ``None`` when there is nothing to write.
    """

    def __init__(
        self,
        diario: Path,
        url: str | None,
        estado: Path,
        titular: Titular,
        medir: Callable[[], Muestra | None] = lambda: None,
    ) -> None:
        self._lugar = (diario, url, estado, titular)
        self._medir = medir
        self._proxima_s = 0.0
        self._tolva: Tolva | None = None
        self._cerrojo = threading.Lock()

    async def correr(self) -> None:
        """Feed until cancelled; then everything that is in the journal is fed once more."""
        try:
            while True:
                espera_s = await asyncio.to_thread(self._girar, self._muestra())
                await asyncio.sleep(espera_s)
        finally:
            await asyncio.to_thread(self._cerrar)

    def _muestra(self) -> Muestra | None:
        ahora_s = time.monotonic()
        if ahora_s < self._proxima_s:
            return None
        self._proxima_s = ahora_s + CADA_MUESTRA_S
        return self._medir()

    def _girar(self, muestra: Muestra | None) -> float:
        from src.produccion.almacen.tolva import Tolva

        with self._cerrojo:
            if self._tolva is None:
                self._tolva = Tolva(*self._lugar)
            return self._tolva.girar(muestra)

    def _cerrar(self) -> None:
        with self._cerrojo:
            if self._tolva is not None:
                self._tolva.cerrar()
                self._tolva = None
