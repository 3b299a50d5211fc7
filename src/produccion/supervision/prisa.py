"""Somebody who does not want to wait for what is left to do at the end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import structlog

T = TypeVar("T")

SENALES = (signal.SIGINT, signal.SIGTERM)

log = structlog.get_logger(__name__)


async def interrumpible(orden: Coroutine[Any, Any, T]) -> T:
    """Run something to its end; SIGTERM cancels it as Ctrl+C does, until it takes the signal itself."""
    tarea = asyncio.ensure_future(orden)
    # Signals can only be taken in the main thread; elsewhere the end is its owner's.
    with suppress(RuntimeError, ValueError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, tarea.cancel)
    return await tarea


@contextmanager
def con_prisa() -> Iterator[asyncio.Event]:
    """Set by Ctrl+C and SIGTERM within the block, which end nothing by themselves; nor do they after it.

    How it ended is settled by then, and the exit code must say that.
    """
    bucle, prisa = asyncio.get_running_loop(), asyncio.Event()
    puestas = []
    for senal in SENALES:
        # Signals can only be taken in the main thread; elsewhere the end is its owner's.
        with suppress(RuntimeError, ValueError):
            bucle.add_signal_handler(senal, prisa.set)
            puestas.append(senal)
    try:
        yield prisa
    finally:
        for senal in puestas:
            bucle.add_signal_handler(senal, log.info, "ya_acaba")
