"""Where a client is in what happens: an id that only grows, and how far it came in each table."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

TABLAS = "abos"
"""Letters of the sequences: alerts, breakers, orders, stops."""

TARDANZA_S = 10.0
"""Wall seconds for which PostgreSQL may show a row with a number that is smaller than one shown before."""

_SUELTOS_MAXIMOS = 50
_NO_SE_SABE = "0"
_ID = re.compile(r"(\d{16})-([a-z0-9.+]+)")
_PARTE = re.compile(r"([a-z])(\d{1,18})((?:\+\d{1,9})*)")


class Marca(NamedTuple):
    """How much of a table was told: every row up to a number, and some beyond."""

    hasta: int
    sueltos: frozenset[int] = frozenset()

    def incluye(self, numero: int) -> bool:
        """Whether a row is among them."""
        return numero <= self.hasta or numero in self.sueltos

    @property
    def ultimo(self) -> int:
        """The greatest of them."""
        return max(self.sueltos, default=self.hasta)

    def __str__(self) -> str:
        # More of them would make a long id: what is left out is told twice.
        cercanos = sorted(self.sueltos)[:_SUELTOS_MAXIMOS]
        return f"{self.hasta}" + "".join(f"+{numero - self.hasta}" for numero in cercanos)


Posicion = Mapping[str, Marca]
"""By the letter of the table."""


def como_texto(posicion: Posicion | None) -> str:
    """The opaque part of an id; of nobody knows where, one that cannot be read again."""
    if posicion is None:
        return _NO_SE_SABE
    return ".".join(f"{letra}{posicion[letra]}" for letra in TABLAS)


class IdLeido(NamedTuple):
    """An id that a client brought."""

    numero: int
    posicion: Posicion


def leer_id(texto: str) -> IdLeido | None:
    """What an id says; ``None`` when it is none of ours."""
    entero = _ID.fullmatch(texto)
    if entero is None:
        return None
    posicion = {}
    for parte in entero[2].split("."):
        visto = _PARTE.fullmatch(parte)
        if visto is None:
            return None
        hasta = int(visto[2])
        sueltos = frozenset(hasta + int(lejos) for lejos in visto[3].split("+")[1:])
        posicion[visto[1]] = Marca(hasta, sueltos)
    return IdLeido(int(entero[1]), posicion) if set(posicion) == set(TABLAS) else None


class Secuencia:
    """The rows of a table that were told already.

    Numbers are given when a row is written and seen when its transaction ends: on PostgreSQL a smaller one
    may be seen after a greater one. So what is younger than a while is looked at again.

    Args:
        hasta: Every row up to here counts as told.
        tardanza_s: How long is a while; 0.0 where rows are seen in their order.
    """

    def __init__(self, hasta: int, tardanza_s: float) -> None:
        self._hasta = self.visto = hasta
        """`visto`: the greatest number that was looked at."""
        self._tardanza_s = tardanza_s
        self._dichos: set[int] = set()
        self._topes: deque[tuple[float, int]] = deque()

    @property
    def marca(self) -> Marca:
        """How much was told."""
        return Marca(self._hasta, frozenset(self._dichos))

    @property
    def repasados(self) -> int:
        """How many of those told are looked at again."""
        return len(self._dichos)

    def decir(self, numero: int) -> bool:
        """Count a row as told, the smaller ones first; whether it was not before."""
        if numero <= self._hasta or numero in self._dichos:
            return False
        if self._tardanza_s:
            self._dichos.add(numero)
        else:
            self._hasta = numero
        return True

    def avanzar(self, maximo: int, ahora_s: float) -> None:
        """Everything up to a number has been looked at now."""
        if maximo > self.visto:
            self.visto = maximo
            self._topes.append((ahora_s, maximo))
        while self._topes and ahora_s - self._topes[0][0] >= self._tardanza_s:
            self._hasta = max(self._hasta, self._topes.popleft()[1])
        self._dichos = {numero for numero in self._dichos if numero > self._hasta}
