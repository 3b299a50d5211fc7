"""Two runs held against each other: row by row, or journal byte by byte."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from caos.invariantes import Violacion
from caos.procesos import Encargo
from caos.pruebas import leer_filas
from src.nucleo.columnas import REGISTRO
from src.produccion.diario.diario import exportar

_COLUMNAS = tuple(REGISTRO)
_AJENAS = frozenset({"timestamp"})  # when something was seen is not what happened
_DIFERENCIAS_MAX = 10


def comparar_filas(limpia: Encargo, sucia: Encargo) -> list[Violacion]:
    """Differences between the CSV rows of a run without faults and of one with them."""
    return list(_filas_distintas(_todas(limpia), _todas(sucia)))


def _todas(encargo: Encargo) -> list[list[str]]:
    return [fila for filas in leer_filas(encargo.produccion).values() for fila in filas]


def _filas_distintas(limpias: list[list[str]], sucias: list[list[str]]) -> Iterator[Violacion]:
    nombre = "faults leave no trace"
    if len(limpias) != len(sucias):
        yield Violacion(nombre, f"{len(limpias)} rows without faults, {len(sucias)} with them")
    halladas = 0
    for numero, (una, otra) in enumerate(zip(limpias, sucias, strict=False), 1):
        distintas = [
            f"{columna} {a!r} → {b!r}"
            for columna, a, b in zip(_COLUMNAS, una, otra, strict=True)
            if a != b and columna not in _AJENAS
        ]
        if distintas:
            yield Violacion(nombre, f"row {numero}: {', '.join(distintas)}")
            halladas += 1
            if halladas == _DIFERENCIAS_MAX:
                return


def comparar_diarios(primera: Encargo, segunda: Encargo) -> list[Violacion]:
    """The first lines in which the canonical journals of two runs differ."""
    pares = zip_longest(exportar(primera.diario, canonico=True), exportar(segunda.diario, canonico=True))
    halladas = []
    for numero, (una, otra) in enumerate(pares, 1):
        if una != otra:
            halladas.append(
                Violacion(
                    "the same seed, the same journal", f"line {numero}: {_texto(una)} and {_texto(otra)}"
                )
            )
            if len(halladas) == _DIFERENCIAS_MAX:
                break
    return halladas


def _texto(linea: bytes | None) -> str:
    return "nothing" if linea is None else linea.decode().strip()
