"""Garbage is collected when the daemon has nothing to do: while it is, no thread of the process goes on.

The interpreter would do so whenever enough has been allocated, which is as often as not between a mark and
the order that protects from it.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from src.produccion.supervision.cortesia import Cortesia

_ENTRE_MIRADAS_S = 0.01
_JOVEN, _TODO = 1, 2


class RitmoRecogida(NamedTuple):
    """How often, in wall seconds."""

    joven_s: float = 1.0  # what was made since the last time
    todo_s: float = 60.0  # the rest as well
    espera_s: float = 5.0  # for a moment without work, at most


class Recogida:
    """Collects at its own moments instead of the interpreter's.

    Args:
        cortesia: Says when the daemon has nothing to do.
        ritmo: How often.
    """

    def __init__(self, cortesia: Cortesia, ritmo: RitmoRecogida | None = None) -> None:
        self._cortesia = cortesia
        self._ritmo = ritmo or RitmoRecogida()

    @contextmanager
    def a_ratos(self) -> Iterator[None]:
        """Let the interpreter collect nothing by itself meanwhile, and never look at what there is by now."""
        gc.disable()
        gc.freeze()
        try:
            yield
        finally:
            gc.unfreeze()
            gc.enable()

    async def correr(self) -> None:
        """Collect for ever."""
        bucle = asyncio.get_running_loop()
        proxima_s = bucle.time() + self._ritmo.todo_s
        while True:
            await asyncio.sleep(self._ritmo.joven_s)
            await self._rato_libre()
            toca_todo = bucle.time() >= proxima_s
            gc.collect(_TODO if toca_todo else _JOVEN)
            if toca_todo:
                proxima_s = bucle.time() + self._ritmo.todo_s

    async def _rato_libre(self) -> None:
        for _ in range(int(self._ritmo.espera_s / _ENTRE_MIRADAS_S)):
            if self._cortesia.libre:
                return
            await asyncio.sleep(_ENTRE_MIRADAS_S)
