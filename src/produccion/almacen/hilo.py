"""A thread for work with a store that may hang: whoever waits for it can leave, and so can the process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class HiloSuelto(Executor):
    """One daemon thread that does one thing after the other.

    The standard library's pools are waited for when the interpreter ends; this one is not.

    Args:
        nombre: Of the thread.
    """

    def __init__(self, nombre: str) -> None:
        self._cola: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        threading.Thread(target=self._trabajar, name=nombre, daemon=True).start()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Do it after what was given before, in the context of whoever gives it."""
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

        self._cola.put(hacer)
        return futuro

    def shutdown(self, wait: bool = False, **_: Any) -> None:
        """End after what was given before; nobody waits for it."""
        self._cola.put(None)

    def _trabajar(self) -> None:
        while (hacer := self._cola.get()) is not None:
            hacer()
