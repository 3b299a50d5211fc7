"""An event loop whose clock jumps to the next timer, so that waiting costs nothing."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any


class _SelectorImpaciente(selectors.DefaultSelector):
    """Never waits: what would have been waited for is added to the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.ahora = 0.0

    def select(self, timeout: float | None = None) -> Any:
        listos = super().select(0)
        if listos:
            return listos
        if timeout is None:
            raise RuntimeError("everything waits and nothing will happen")
        self.ahora += max(0.0, timeout)
        return listos


class BucleVirtual(asyncio.SelectorEventLoop):
    """For tests without real input or output."""

    def __init__(self) -> None:
        self._impaciente = _SelectorImpaciente()
        super().__init__(self._impaciente)

    def time(self) -> float:
        return self._impaciente.ahora
