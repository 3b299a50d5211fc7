"""Ctrl+C while a command is loaded and after it has ended: no traceback, and no other exit code.

It needs the standard library alone, so that it is there before anything else is.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

INTERRUMPIDO = 130
"""Exit code of a command that was asked to stop."""


def correr(cargar: Callable[[], Callable[[], object]]) -> None:
    """Load a command and run it as all that this process does.

    Args:
        cargar: Imports what the command needs and returns it; nothing may be open yet, as Ctrl+C ends the
            process at once.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        cargar()()  # started in the background: nobody at a terminal interrupts it
        return
    signal.signal(signal.SIGINT, _acabar)
    orden = cargar()
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        orden()
    except KeyboardInterrupt:
        sys.exit(INTERRUMPIDO)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _acabar(_senal: int, _marco: FrameType | None) -> None:
    os._exit(INTERRUMPIDO)
