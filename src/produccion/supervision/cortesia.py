"""Work for the account goes first: threads beside the daemon's loop wait a moment while it is at it.

All threads of a process take turns at the interpreter, so that feeding a store could hold back the order that
protects a position. Whoever has time asks before each small piece of work.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

TREGUA_S = 0.1
"""What takes the daemon longer than this is waiting for others."""


class Cortesia:
    """Says whether the daemon is at work; safe among threads.

    Args:
        tregua_s: Wall seconds that a piece of work waits at most.
        hora_s: A clock of seconds that never goes back.
    """

    def __init__(self, tregua_s: float = TREGUA_S, hora_s: Callable[[], float] = time.monotonic) -> None:
        self._tregua_s = tregua_s
        self._hora_s = hora_s
        self._libre = threading.Event()
        self._libre.set()
        self._desde_s = 0.0

    def ocupar(self) -> None:
        """The daemon has something to do, from now on."""
        self._desde_s = self._hora_s()
        self._libre.clear()

    def soltar(self) -> None:
        """The daemon has nothing to do, or waits for somebody else's work."""
        self._libre.set()

    @property
    def libre(self) -> bool:
        """Whether the daemon has nothing to do."""
        return self._libre.is_set()

    def ceder(self, maximo_s: float = math.inf) -> None:
        """Return when the daemon is done, or has been at it for so long that nothing is won by waiting.

        Blocks: not for the loop.

        Args:
            maximo_s: Wall seconds to wait at most, for whoever keeps others waiting meanwhile.
        """
        if not self._libre.is_set():
            falta_s = self._desde_s + self._tregua_s - self._hora_s()
            self._libre.wait(max(0.0, min(falta_s, maximo_s)))
