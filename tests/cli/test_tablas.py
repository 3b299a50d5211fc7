"""Tables in terminals that are too narrow for them."""

from __future__ import annotations

import io

from rich.console import Console
from rich.text import Text

from src.cli.tablas import Columna, tabla_que_cabe

COLUMNAS = (
    Columna("id"),
    Columna("price"),
    Columna("when", 1),
    Columna("fee", 2),
    Columna("why", libre=True),
)
FILA = ("tm-0123456789", "8719.60000000", "2026-01-01 00:00:00", "0.10", "the book is thin")


def pintar(ancho: int, fila: tuple[str, ...] = FILA) -> tuple[list[str], list[str]]:
    """Lines of the table, and the names of the columns that are missing."""
    salida = io.StringIO()
    hecha = tabla_que_cabe(COLUMNAS, [[Text(celda) for celda in fila]], ancho)
    hecha.imprimir(Console(file=salida, width=ancho), Console(file=io.StringIO()))
    return salida.getvalue().splitlines(), hecha.sin_sitio


def test_donde_cabe_todo_no_cambia_nada():
    lineas, faltan = pintar(100)

    assert (len(lineas), faltan) == (2, [])
    assert all(celda in lineas[1] for celda in FILA)


def test_antes_que_una_columna_sobran_los_ceros():
    lineas, faltan = pintar(68)

    assert faltan == []
    assert "8719.6 " in lineas[1]


def test_lo_menos_importante_se_deja_antes_que_partir_un_numero():
    lineas, faltan = pintar(50)

    assert faltan == ["when", "fee"]
    assert lineas[0].split() == ["id", "price", "why"]
    assert "8719.6 " in lineas[1]


def test_lo_imprescindible_sale_entero_aunque_no_quepa():
    lineas, _ = pintar(20)

    assert "tm-0123456789 8719.6 " in lineas[1]


def test_solo_la_prosa_se_parte():
    lineas, _ = pintar(50, (*FILA[:4], "the book has been thin for a while"))

    assert len(lineas) == 3
    assert lineas[1].startswith("tm-0123456789 8719.6 the book")
