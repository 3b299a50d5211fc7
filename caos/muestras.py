"""What processes hold: memory, file descriptors, threads; and whether it grows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, median_low
from typing import NamedTuple

import psutil

from caos.invariantes import Violacion

CRECIMIENTO_MAX_MB = 5.0
TAREAS_MAX = 32
"""A daemon has about a dozen; one left behind at each candle or order would soon be more."""

_MB = 1 << 20
_EXTREMOS = 0.1  # share of the samples at each end that counts


class Muestra(NamedTuple):
    """One look at one process."""

    paso: int  # market step
    rss_mb: float
    descriptores: int
    hilos: int


class Sonda:
    """Looks at a process.

    Args:
        pid: Of the process.
    """

    def __init__(self, pid: int) -> None:
        self._proceso = psutil.Process(pid)
        self.muestras: list[Muestra] = []

    def mirar(self, paso: int) -> None:
        """Take one sample; a process that has ended gives none."""
        try:
            with self._proceso.oneshot():
                if self._proceso.status() == psutil.STATUS_ZOMBIE:
                    return
                self.muestras.append(
                    Muestra(
                        paso,
                        self._proceso.memory_info().rss / _MB,
                        self._proceso.num_fds(),
                        self._proceso.num_threads(),
                    )
                )
        except psutil.NoSuchProcess:
            return

    def tras(self, paso: int) -> list[Muestra]:
        """The samples from a market step on."""
        return [muestra for muestra in self.muestras if muestra.paso >= paso]


def crecimiento_mb(muestras: Sequence[Muestra]) -> float:
    """Mean resident memory of the last samples less that of the first ones."""
    primeras, ultimas = _extremos(muestras)
    return fmean(m.rss_mb for m in ultimas) - fmean(m.rss_mb for m in primeras)


def que_crece(nombre: str, muestras: Sequence[Muestra]) -> Iterator[Violacion]:
    """What a process holds more of than it did.

    Of descriptors and threads what it held most of the time counts: a connection more while an answer is
    awaited is none that was left open, and one less while the network is cut none that was closed.
    """
    if len(muestras) < 2:
        yield Violacion("resources are constant", f"{nombre}: {len(muestras)} samples say nothing")
        return
    crece = crecimiento_mb(muestras)
    if crece >= CRECIMIENTO_MAX_MB:
        yield Violacion("resources are constant", f"{nombre} grew by {crece:.1f} MB")
    for que in ("descriptores", "hilos"):
        primero, ultimo = (median_low(getattr(m, que) for m in extremo) for extremo in _extremos(muestras))
        if ultimo > primero:
            yield Violacion("resources are constant", f"{nombre}: {que} {primero} became {ultimo}")


def _extremos(muestras: Sequence[Muestra]) -> tuple[Sequence[Muestra], Sequence[Muestra]]:
    cuantas = max(1, int(len(muestras) * _EXTREMOS))
    return muestras[:cuantas], muestras[-cuantas:]


def que_tareas_quedan(registro: Path) -> Iterator[Violacion]:
    """Whether a daemon's event loop ever had more tasks than it should, as its own log says at the end."""
    with registro.open(encoding="utf-8") as lineas:
        sucesos = [json.loads(linea) for linea in lineas if '"event": "bucle"' in linea]
    if not sucesos:
        yield Violacion("resources are constant", f"{registro.name} does not say how many tasks there were")
    elif (maximo := max(int(suceso["tareas_maximo"]) for suceso in sucesos)) > TAREAS_MAX:
        yield Violacion("resources are constant", f"daemon: {maximo} tasks at once")
