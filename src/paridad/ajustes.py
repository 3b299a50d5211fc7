"""Every move of a trailing stop, listed, and held against what a legal one is."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

from src.nucleo.frenos import TipoFreno
from src.nucleo.niveles import BREAK_EVEN, NIVELES
from src.nucleo.registro import texto_utc

_PAUSA_MIN_MS = 60_000
"""The shortest time between two moves of the plain percentage."""

_ESCALERA = tuple(nivel.nombre for nivel in NIVELES)
_TRAMO = "span_"
COLUMNAS = ("time", "side", "mark", "level", "old_stop", "new_stop", "operation")


class Ajuste(NamedTuple):
    """One move of one operation's stop; prices in quote asset per unit."""

    operacion_ms: int  # when the operation was opened, market time
    instante_ms: int
    largo: bool
    mark: float
    nivel: str
    anterior: float
    nuevo: float


def faltas(ajustes: Sequence[Ajuste], tipo: TipoFreno, tick: Decimal) -> list[str]:
    """What is not legal about a list of moves; empty when all of them are.

    A legal one is tighter than the stop before it, begins where the last one ended, lies on the right side
    of the mark and on the tick, and has a level that its operation has not passed yet.

    Args:
        ajustes: In the order in which they happened.
        tipo: The strategy that made them.
        tick: Of the symbol.
    """
    halladas = [f"{_cual(ajuste)}: {falta}" for ajuste in ajustes for falta in _de_uno(ajuste, tipo, tick)]
    for _, grupo in groupby(ajustes, lambda ajuste: ajuste.operacion_ms):
        for uno, otro in pairwise(grupo):
            halladas += [f"{_cual(otro)}: {falta}" for falta in _de_dos(uno, otro, tipo)]
    return halladas


def _de_uno(ajuste: Ajuste, tipo: TipoFreno, tick: Decimal) -> Iterator[str]:
    _, _, largo, mark, nivel, anterior, nuevo = ajuste
    if not (nuevo > anterior if largo else nuevo < anterior):
        yield f"{nuevo} is not tighter than {anterior}"
    if not (nuevo < mark if largo else nuevo > mark):
        yield f"{nuevo} is on the wrong side of the mark {mark}"
    if Decimal(repr(nuevo)) % tick:
        yield f"{nuevo} is not on the tick {tick}"
    if orden_de(nivel, tipo) is None:
        yield f"{nivel!r} is no level of {tipo}"


def _de_dos(uno: Ajuste, otro: Ajuste, tipo: TipoFreno) -> Iterator[str]:
    if otro.anterior != uno.nuevo:
        yield f"it moves {otro.anterior}, but the stop was {uno.nuevo}"
    if tipo is TipoFreno.PORCENTAJE:
        if otro.instante_ms - uno.instante_ms < _PAUSA_MIN_MS:
            yield f"{otro.instante_ms - uno.instante_ms} ms after the last one"
        return
    antes, despues = orden_de(uno.nivel, tipo), orden_de(otro.nivel, tipo)
    if antes is not None and despues is not None and despues <= antes:
        yield f"{otro.nivel} after {uno.nivel}"


def orden_de(nivel: str, tipo: TipoFreno) -> int | None:
    """Where a level stands in its strategy's order; ``None`` when the strategy has no such level."""
    match tipo:
        case TipoFreno.NIVELES:
            return _ESCALERA.index(nivel) if nivel in _ESCALERA else None
        case TipoFreno.HAND_SPAN:
            if nivel == BREAK_EVEN:
                return 1
            tramos = nivel.removeprefix(_TRAMO)
            return int(tramos) if nivel.startswith(_TRAMO) and tramos.isdecimal() else None
        case TipoFreno.PORCENTAJE:
            return 0 if nivel == TipoFreno.PORCENTAJE.value else None
        case _:
            return None


def _cual(ajuste: Ajuste) -> str:
    lado = "long" if ajuste.largo else "short"
    return f"{texto_utc(ajuste.instante_ms)} {lado} {ajuste.nivel}"


def escribir_ajustes(ajustes: Iterable[Ajuste], ruta: Path) -> None:
    """Write the list as CSV, one row per move."""
    with ruta.open("w", encoding="utf-8", newline="") as archivo:
        salida = csv.writer(archivo, lineterminator="\n")
        salida.writerow(COLUMNAS)
        for abierta_ms, instante_ms, largo, mark, nivel, anterior, nuevo in ajustes:
            lado = "long" if largo else "short"
            salida.writerow(
                [texto_utc(instante_ms), lado, mark, nivel, anterior, nuevo, texto_utc(abierta_ms)]
            )
