"""An event loop whose clock jumps to the next timer, so that waiting costs nothing."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

_POR_UN_HILO_S = 2.0  # of real time that a thread gets before the clock goes on without it


class _SelectorImpaciente(selectors.DefaultSelector):
    """Never waits: what would have been waited for is added to the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.ahora = 0.0
        self.hilos = 0  # whose work somebody waits for

    def select(self, timeout: float | None = None) -> Any:
        listos = super().select(0)
        if not listos and self.hilos and timeout != 0:
            listos = super().select(_POR_UN_HILO_S)
        if listos:
            return listos
        if timeout is None:
            raise RuntimeError("everything waits and nothing will happen")
        self.ahora += max(0.0, timeout)
        return listos


class BucleVirtual(asyncio.SelectorEventLoop):
    """For tests without real input or output, other than a thread's."""

    def __init__(self) -> None:
        self._impaciente = _SelectorImpaciente()
        super().__init__(self._impaciente)

    def time(self) -> float:
        return self._impaciente.ahora

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        futuro = super().run_in_executor(executor, func, *args)
        self._impaciente.hilos += 1
        futuro.add_done_callback(self._un_hilo_menos)
        return futuro

    def _un_hilo_menos(self, _: asyncio.Future[Any]) -> None:
        self._impaciente.hilos -= 1
