"""Reads of the store that are done together: who asks while one is under way shares the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_Tanda = dict[K, list[asyncio.Future[V]]]


class Juntas(Generic[K, V]):
    """Reads many keys in one go, in a thread.

    A read begins after everybody whom it answers has asked, so that nobody is told of the past: however many
    ask, each gets what a read of its own would have found.

    Args:
        leer: Reads every key; blocks. What it raises is raised to all who wait for it.
    """

    def __init__(self, leer: Callable[[Sequence[K]], Mapping[K, V]]) -> None:
        self._leer = leer
        self._esperan: _Tanda[K, V] = {}
        self._leyendo = False

    async def dar(self, clave: K) -> V:
        """The value of a key, read from now on."""
        bucle = asyncio.get_running_loop()
        futuro: asyncio.Future[V] = bucle.create_future()
        self._esperan.setdefault(clave, []).append(futuro)
        if not self._leyendo:
            self._empezar(bucle)
        return await futuro

    def _empezar(self, bucle: asyncio.AbstractEventLoop) -> None:
        tanda, self._esperan = self._esperan, {}
        self._leyendo = True
        lectura = bucle.run_in_executor(None, self._leer, tuple(tanda))
        lectura.add_done_callback(partial(self._acabar, bucle, tanda))

    def _acabar(
        self, bucle: asyncio.AbstractEventLoop, tanda: _Tanda[K, V], lectura: asyncio.Future[Mapping[K, V]]
    ) -> None:
        self._leyendo = False
        if self._esperan and not bucle.is_closed():
            self._empezar(bucle)
        for clave, futuros in tanda.items():
            for futuro in futuros:
                if futuro.done():
                    continue  # whoever waited is gone
                if lectura.cancelled():
                    futuro.cancel()
                elif (fallo := lectura.exception()) is not None:
                    futuro.set_exception(fallo)
                else:
                    futuro.set_result(lectura.result()[clave])
