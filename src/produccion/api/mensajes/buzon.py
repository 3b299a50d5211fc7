"""What waits for one client: all that happens, in its order; of each state the newest."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from src.produccion.api.mensajes.posicion import Posicion


class Carta(NamedTuple):
    """A message without its id, encoded once however many clients get it."""

    texto: str  # members of the object, with its closing brace
    posicion: Posicion | None = None  # where its reader is after it; ``None``: where it was


def escribir_carta(
    tipo: str, canal: str | None, contenido: Any, ahora_s: float, posicion: Posicion | None = None
) -> Carta:
    """Encode a message.

    Args:
        tipo: Its kind.
        canal: Its channel; ``None`` for what is of none.
        contenido: The payload; a number that JSON does not know becomes null.
        ahora_s: Unix seconds.
        posicion: Where its reader is after it.
    """
    miembros = {"type": tipo, "channel": canal, "timestamp": ahora_s, "payload": contenido}
    return Carta(orjson.dumps(miembros).decode()[1:], posicion)


class Buzon:
    """The queue of one client.

    Args:
        limite: Messages that matter and may wait, besides those that were owed at once.
    """

    def __init__(self, limite: int) -> None:
        self._limite = limite
        self._debidas = 0  # of those that wait
        self._sucesos: deque[Carta] = deque()
        self._estados: OrderedDict[str, Carta] = OrderedDict()
        self._hay = asyncio.Event()

    @property
    def sin_sucesos(self) -> bool:
        """Whether nothing that matters waits."""
        return not self._sucesos

    def __len__(self) -> int:
        return len(self._sucesos) + len(self._estados)

    def poner_suceso(self, carta: Carta) -> bool:
        """Let something that matters wait; whether there was room for it."""
        if len(self._sucesos) >= self._limite + self._debidas:
            return False
        self._sucesos.append(carta)
        self._hay.set()
        return True

    def poner_debidas(self, cartas: Sequence[Carta]) -> None:
        """Let what a client is owed wait: its beginning, and what it missed, which has a bound of its own."""
        self._sucesos.extend(cartas)
        self._debidas += len(cartas)
        self._hay.set()

    def poner_estado(self, clave: str, carta: Carta) -> None:
        """Let the state of something wait; an older one that still does is gone, and leaves its turn."""
        self._estados[clave] = carta
        self._hay.set()

    def olvidar_estados(self, prefijo: str) -> None:
        """Nobody wants these any more."""
        for clave in [clave for clave in self._estados if clave.startswith(prefijo)]:
            del self._estados[clave]

    async def esperar(self) -> None:
        """Wait until there is something."""
        await self._hay.wait()

    def sacar(self) -> Carta | None:
        """The next message; ``None`` when there is none."""
        if self._sucesos:
            self._debidas = max(0, self._debidas - 1)
            return self._sucesos.popleft()
        if self._estados:
            return self._estados.popitem(last=False)[1]
        self._hay.clear()
        return None
