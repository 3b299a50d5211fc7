"""Threads for work with a disk or a store that may hang: whoever waits can leave, and so can the process."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_Cola = SimpleQueue[Callable[[], None] | None]


class HiloSuelto(Executor):
    """Daemon threads that take one thing after the other; a single one unless more are asked for.

    The standard library's pools are waited for when the interpreter ends; this one is not. A thread is
    started when there is something for it, and ends when nobody has the pool any more.

    Args:
        nombre: Of the threads.
        cuantos: Threads at most.
    """

    def __init__(self, nombre: str, cuantos: int = 1) -> None:
        self._nombre = nombre
        self._cuantos = cuantos
        self._cola: _Cola = SimpleQueue()
        self._hilos: list[threading.Thread] = []
        self._candado = threading.Lock()
        self._despedida = weakref.finalize(self, _despedir, self._cola, cuantos)
        self._despedida.atexit = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Do it after what was given before, in the context of whoever gives it.

        Raises:
            RuntimeError: It was shut down.
        """
        futuro: Future[T] = Future()
        contexto = copy_context()

        def hacer() -> None:
            if not futuro.set_running_or_notify_cancel():
                return
            try:
                resultado = contexto.run(fn, *args, **kwargs)
            except BaseException as fallo:  # noqa: BLE001 -- whoever waits for it gets it
                futuro.set_exception(fallo)
            else:
                futuro.set_result(resultado)

        with self._candado:
            if not self._despedida.alive:
                raise RuntimeError(f"{self._nombre} has ended: nothing more can be given to it")
            self._cola.put(hacer)
            if len(self._hilos) < self._cuantos:
                hilo = threading.Thread(target=_trabajar, args=(self._cola,), name=self._nombre, daemon=True)
                self._hilos.append(hilo)
                hilo.start()
        return futuro

    def shutdown(self, wait: bool = False, **_: Any) -> None:
        """End after what was given before; nobody waits for it."""
        with self._candado:
            self._despedida()

    def acabar(self, plazo_s: float) -> bool:
        """`shutdown`, and wait for what was given before; false when it takes longer. Blocks."""
        self.shutdown()
        limite_s = time.monotonic() + plazo_s
        for hilo in self._hilos:
            hilo.join(max(0.0, limite_s - time.monotonic()))
        return not any(hilo.is_alive() for hilo in self._hilos)


async def aparte(nombre: str, hacer: Callable[[], T], plazo_s: float) -> T:
    """Do something in a thread of its own, which is left alone when it takes too long.

    Raises:
        TimeoutError: It has not ended in so many wall seconds; it still may.
    """
    with HiloSuelto(nombre) as hilo:
        async with asyncio.timeout(plazo_s):
            return await asyncio.get_running_loop().run_in_executor(hilo, hacer)


def _trabajar(cola: _Cola) -> None:
    while (hacer := cola.get()) is not None:
        hacer()
        del hacer  # what it holds must not live until the next one


def _despedir(cola: _Cola, cuantos: int) -> None:
    for _ in range(cuantos):
        cola.put(None)
