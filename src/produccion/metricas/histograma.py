"""Counts durations in buckets for less than a microsecond, wherever they are measured."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

LIMITES_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper edges of the buckets, in seconds; what is longer has a bucket of its own."""


class Histograma:
    """How often which duration was seen.

    Args:
        limites_s: Upper edges, ascending; each is part of its bucket.
    """

    __slots__ = ("_cubos", "limites_s", "suma_s")

    def __init__(self, limites_s: Sequence[float] = LIMITES_S) -> None:
        self.limites_s = limites_s
        self._cubos = [0] * (len(limites_s) + 1)
        self.suma_s = 0.0

    def observar(self, duracion_s: float) -> None:
        """Count one; a clock that went back counts as none at all."""
        duracion_s = max(0.0, duracion_s)
        self._cubos[bisect_left(self.limites_s, duracion_s)] += 1
        self.suma_s += duracion_s

    @property
    def acumulados(self) -> tuple[int, ...]:
        """How many were not longer than each edge, and then how many there were."""
        total, hasta = 0, []
        for cuantas in self._cubos:
            total += cuantas
            hasta.append(total)
        return tuple(hasta)
