"""What was read a moment ago is given again; who asks meanwhile waits for the one read under way."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

VIGENCIA_S = 1.0
_RECORDADOS = 2_000


class Leido(NamedTuple, Generic[V]):
    """A value, and how old it was when it came."""

    valor: V
    edad_s: float = 0.0


class Breve(Generic[K, V]):
    """Keeps values for a while; so it does failures, lest a source that is down be asked by everybody.

    Args:
        leer: Reads one value.
        vigencia_s: Wall seconds that a value is given again.
        ahora_s: A clock that never runs back.
    """

    def __init__(
        self,
        leer: Callable[[K], Awaitable[Leido[V]]],
        vigencia_s: float = VIGENCIA_S,
        ahora_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leer = leer
        self._vigencia_s = vigencia_s
        self._ahora_s = ahora_s
        self._lecturas: OrderedDict[K, _Lectura[V]] = OrderedDict()
        self.peticiones = 0
        self.aciertos = 0
        """Of the requests, those that were answered without a read of their own."""

    async def dar(self, clave: K) -> V:
        """The value of a key; raises what reading it raised."""
        self.peticiones += 1
        lectura = self._lecturas.get(clave)
        if lectura is None or lectura.vieja(self._ahora_s(), self._vigencia_s):
            lectura = self._empezar(clave)
        else:
            self.aciertos += 1
        return (await asyncio.shield(lectura.tarea)).valor

    def _empezar(self, clave: K) -> _Lectura[V]:
        lectura = _Lectura(asyncio.ensure_future(self._leer(clave)), self._ahora_s)
        self._lecturas[clave] = lectura
        self._lecturas.move_to_end(clave)
        while len(self._lecturas) > _RECORDADOS:
            self._lecturas.popitem(last=False)
        return lectura


class _Lectura(Generic[V]):
    """One read, under way or done."""

    def __init__(self, tarea: asyncio.Future[Leido[V]], ahora_s: Callable[[], float]) -> None:
        self.tarea = tarea
        self._ahora_s = ahora_s
        self._leida_s: float | None = None
        tarea.add_done_callback(self._acabada)

    def vieja(self, ahora_s: float, vigencia_s: float) -> bool:
        """Whether it may not be given again; one under way may."""
        return self._leida_s is not None and ahora_s - self._leida_s >= vigencia_s

    def _acabada(self, tarea: asyncio.Future[Leido[V]]) -> None:
        edad_s = 0.0
        if not tarea.cancelled() and tarea.exception() is None:
            edad_s = tarea.result().edad_s
        self._leida_s = self._ahora_s() - edad_s
