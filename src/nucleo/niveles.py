"""Where a trailing strategy wants the stop of a position, before anybody asks whether it may move there."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor
from typing import NamedTuple

BREAK_EVEN = "break_even"
COSTO_FRACCION = 0.0015
"""Unless told otherwise, break-even lies this far beyond the entry, which pays for both fills."""

_TRAMO = "span_"
_DUDA = 1e-9
"""Part of the way, in percent or in spans, that float arithmetic may lose."""


class Nivel(NamedTuple):
    """A step of the ladder: once so much of the way to the target is covered, the stop moves."""

    nombre: str
    umbral_pct: float  # of the way from the entry to the target
    parte_pct: (
        float  # of the way on which the stop lands: to the target, or from the initial stop to the entry
    )


NIVELES = (
    Nivel("towards_be_20", 20.0, 20.0),
    Nivel(BREAK_EVEN, 35.0, 0.0),
    Nivel("profit_20", 50.0, 20.0),
    Nivel("profit_40", 60.0, 40.0),
    Nivel("profit_55", 70.0, 55.0),
    Nivel("profit_70", 80.0, 70.0),
    Nivel("profit_82", 88.0, 82.0),
    Nivel("profit_90", 95.0, 90.0),
)
"""The eight levels, in the order in which they are reached."""

_HACIA_BREAK_EVEN = 0
_INDICES = {nivel.nombre: indice for indice, nivel in enumerate(NIVELES)}

Candidato = tuple[str, float]
"""Name of a level, and the stop price it asks for, not yet on the tick."""


def precio_break_even(entrada: float, costo_fraccion: float, *, largo: bool) -> float:
    """Where leaving costs nothing: ``entrada·(1+c)`` of a long, ``entrada/(1+c)`` of a short."""
    return entrada * (1.0 + costo_fraccion) if largo else entrada / (1.0 + costo_fraccion)


def precio_de_nivel(
    nivel: Nivel,
    entrada: float,
    stop_inicial: float,
    objetivo: float,
    costo_fraccion: float,
    *,
    largo: bool,
) -> float:
    """The stop price that a level stands for."""
    if nivel.nombre == BREAK_EVEN:
        return precio_break_even(entrada, costo_fraccion, largo=largo)
    parte = nivel.parte_pct / 100.0
    if nivel is NIVELES[_HACIA_BREAK_EVEN]:
        return stop_inicial + parte * (entrada - stop_inicial)
    return entrada + parte * (objetivo - entrada)


def candidatos_por_niveles(
    entrada: float,
    stop_inicial: float,
    objetivo: float,
    mark: float,
    aplicado: str,
    costo_fraccion: float,
    *,
    largo: bool,
) -> Iterator[Candidato]:
    """The levels that a mark has reached, beyond the one that was applied last.

    Args:
        entrada: Average entry price.
        stop_inicial: The stop at the opening.
        objetivo: Target; one that does not lie on the side of profit has no levels.
        mark: Mark price.
        aplicado: Name of the level applied last; any other word stands before all levels.
        costo_fraccion: How far beyond the entry break-even lies.
        largo: Side of the position.
    """
    camino = objetivo - entrada
    if camino == 0.0 or (camino > 0.0) is not largo:
        return
    avance_pct = (mark - entrada) / camino * 100.0 + _DUDA
    for nivel in NIVELES[_INDICES.get(aplicado, -1) + 1 :]:
        if avance_pct < nivel.umbral_pct:
            return
        yield (
            nivel.nombre,
            precio_de_nivel(nivel, entrada, stop_inicial, objetivo, costo_fraccion, largo=largo),
        )


def candidatos_por_tramos(
    entrada: float, stop_inicial: float, mark: float, aplicado: str, costo_fraccion: float, *, largo: bool
) -> Iterator[Candidato]:
    """Hand-Span: after one span in favour break-even, after n of them n − 1 spans beyond the entry.

    A span is the distance from the entry to the initial stop. The arguments are those of
    `candidatos_por_niveles`.
    """
    tramo = abs(entrada - stop_inicial)
    a_favor = mark - entrada if largo else entrada - mark
    if tramo == 0.0 or a_favor < 0.0:
        return
    alcanzado, hecho = floor(a_favor / tramo + _DUDA), _tramo_de(aplicado)
    if alcanzado >= 1 > hecho:
        yield BREAK_EVEN, precio_break_even(entrada, costo_fraccion, largo=largo)
    if alcanzado >= 2 and alcanzado > hecho:
        distancia = (alcanzado - 1) * tramo
        yield f"{_TRAMO}{alcanzado}", entrada + distancia if largo else entrada - distancia


def _tramo_de(nivel: str) -> int:
    if nivel == BREAK_EVEN:
        return 1
    numero = nivel.removeprefix(_TRAMO)
    return int(numero) if numero != nivel and numero.isdecimal() else 0
