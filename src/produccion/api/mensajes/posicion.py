"""Where a client is in what happens: an id that only grows, and how far it came in each table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

TABLAS = "abos"
"""Letters of the sequences: alerts, breakers, orders, stops."""

TARDANZA_S = 30.0
"""Wall seconds for which PostgreSQL may show a row with a number that is smaller than one shown before."""

_NO_SE_SABE = "0"
_HUECOS_ESCRITOS = 50
_ID = re.compile(r"(\d{16})-([a-z0-9.+]+)")
_PARTE = re.compile(r"([a-z])(\d{1,18})((?:\+\d{1,18})*)")


class Marca(NamedTuple):
    """How much of a table was told: every row up to a number, but some that could not be seen yet."""

    hasta: int
    huecos: frozenset[int] = frozenset()  # numbers below

    def incluye(self, numero: int) -> bool:
        """Whether a row was told, if there is one of this number."""
        return numero <= self.hasta and numero not in self.huecos

    def tras(self, numero: int, huecos: Iterable[int]) -> Marca:
        """The mark after a row was told, of those that follow in their order or were not seen before.

        Args:
            numero: The row's.
            huecos: What cannot be seen yet.
        """
        if numero <= self.hasta:
            return self._replace(huecos=self.huecos - {numero})
        return Marca(numero, self.huecos | {h for h in huecos if self.hasta < h < numero})

    def __str__(self) -> str:
        primeros, huecos = self.hasta, sorted(self.huecos)
        if len(huecos) > _HUECOS_ESCRITOS:  # an id stays short: what is beyond is told twice
            primeros, huecos = huecos[_HUECOS_ESCRITOS] - 1, huecos[:_HUECOS_ESCRITOS]
        return f"{primeros}" + "".join(f"+{primeros - hueco}" for hueco in huecos)


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
        posicion[visto[1]] = Marca(hasta, frozenset(hasta - int(n) for n in visto[3].split("+")[1:]))
    return IdLeido(int(entero[1]), posicion) if set(posicion) == set(TABLAS) else None


class Secuencia:
    """How much of a table was told.

    Numbers are given when a row is written and seen when its transaction ends: on PostgreSQL a smaller one
    may be seen after a greater one. So a number that nobody has is looked for again for a while.

    Args:
        hasta: Every row up to here counts as told.
        ahora_s: A clock that never runs back.
        huecos: Numbers up to there that nobody has.
    """

    def __init__(self, hasta: int, ahora_s: float, huecos: Iterable[int] = ()) -> None:
        self.marca = Marca(hasta, frozenset(huecos))
        self._desde_s = dict.fromkeys(self.marca.huecos, ahora_s)

    def avanzar(self, hasta: int, ahora_s: float, huecos: Iterable[int] = ()) -> None:
        """All rows up to a number were told, but those that nobody has of these numbers."""
        self._desde_s = {
            hueco: desde_s
            for hueco in huecos
            if ahora_s - (desde_s := self._desde_s.get(hueco, ahora_s)) < TARDANZA_S
        }
        self.marca = Marca(hasta, frozenset(self._desde_s))
