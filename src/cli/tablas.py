"""Tables for people: what is read as one thing is never split over lines, however narrow the terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

_DECIMAL = re.compile(r"-?\d+\.\d+")
_LIBRE_MINIMO = 16  # characters that a text which may be folded needs
_HUECO, _HUECO_ESTRECHO = 2, 1


class Columna(NamedTuple):
    """A column of a table."""

    titulo: str
    prescindible: int = 0  # the largest is left out first; 0 never is
    libre: bool = False  # prose, which may go over several lines


class TablaQueCabe(NamedTuple):
    """A table, and the columns that it has no room for."""

    tabla: Table
    ancho: int  # characters that it needs
    sin_sitio: list[str]

    def imprimir(self, consola: Console, mensajes: Console) -> None:
        """Print it on one console and say on the other what was left out."""
        hay = consola.width
        consola.width = max(hay, self.ancho)  # the terminal folds what it must; nothing is cut off
        consola.print(self.tabla, crop=False)
        consola.width = hay
        if self.sin_sitio:
            mensajes.print(f"no room for {', '.join(self.sin_sitio)}: a wider terminal or --json shows all")


def tabla_que_cabe(columnas: Sequence[Columna], filas: Sequence[Sequence[Text]], ancho: int) -> TablaQueCabe:
    """Fit a table: first without the zeros at the end of numbers, then without columns that can be missed.

    Args:
        columnas: From left to right.
        filas: A cell for each column.
        ancho: Characters that there are.
    """
    quedan, hueco = list(range(len(columnas))), _HUECO
    if _ancho(columnas, filas, quedan, hueco) > ancho:
        filas, hueco = [[_sin_ceros(celda) for celda in fila] for fila in filas], _HUECO_ESTRECHO
    while _ancho(columnas, filas, quedan, hueco) > ancho:
        sobra = max(quedan, key=lambda i: columnas[i].prescindible)
        if not columnas[sobra].prescindible:
            break
        quedan.remove(sobra)
    tabla = Table(box=None, pad_edge=False, padding=(0, hueco, 0, 0))
    for i in quedan:
        tabla.add_column(columnas[i].titulo, overflow="fold", no_wrap=not columnas[i].libre)
    for fila in filas:
        tabla.add_row(*(fila[i] for i in quedan))
    sin_sitio = [columna.titulo for i, columna in enumerate(columnas) if i not in quedan]
    return TablaQueCabe(tabla, _ancho(columnas, filas, quedan, hueco), sin_sitio)


def _ancho(
    columnas: Sequence[Columna], filas: Sequence[Sequence[Text]], quedan: Sequence[int], hueco: int
) -> int:
    anchos = [_ancho_de(columnas[i], [fila[i] for fila in filas]) for i in quedan]
    return sum(anchos) + hueco * (len(anchos) - 1)


def _ancho_de(columna: Columna, celdas: Sequence[Text]) -> int:
    entero = max([len(columna.titulo), *(celda.cell_len for celda in celdas)])
    return min(entero, max(len(columna.titulo), _LIBRE_MINIMO)) if columna.libre else entero


def _sin_ceros(celda: Text) -> Text:
    texto = celda.plain
    if not _DECIMAL.fullmatch(texto):
        return celda
    return Text(texto.rstrip("0").rstrip("."), style=celda.style)
