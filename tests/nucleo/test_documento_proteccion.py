"""``docs/proteccion.md``: the numbers of its examples are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from src.nucleo.frenos import (
    Freno,
    ReglaFreno,
    ReglaMomento,
    TipoFreno,
    ajustar,
    intervalo_ms,
    momento,
    nuevo_freno,
)
from src.nucleo.niveles import NIVELES
from src.nucleo.tipos import EscalaPrecio
from tests.nucleo.test_niveles import ENTRADA, ESCALERA, INICIAL, OBJETIVO

DOCUMENTO = (Path(__file__).parents[2] / "docs" / "proteccion.md").read_text(encoding="utf-8")
TICK = EscalaPrecio(1, 10)
HORA_MS = 3_600_000


def celdas(titulo: str) -> list[list[str]]:
    """The rows of the first table below a heading, without its head."""
    seccion = DOCUMENTO.split(f"\n## {titulo}\n")[1].split("\n## ")[0]
    filas = [linea for linea in seccion.splitlines() if linea.startswith("|")]
    return [[celda.strip(" `") for celda in fila.strip("|").split("|")] for fila in filas[2:]]


def numero(texto: str) -> float:
    return float(re.sub(r"[ ,%]", "", texto))


def un_largo(objetivo: float | None = OBJETIVO) -> Freno:
    return nuevo_freno(ENTRADA, INICIAL, objetivo, ENTRADA, 0, largo=True)


def test_la_escalera_es_la_del_codigo():
    filas = [
        (n, numero(pct), numero(mark), numero(stop)) for n, pct, mark, stop in celdas("The eight levels")
    ]

    assert filas == [
        (nivel.nombre, nivel.umbral_pct, mark, stop)
        for nivel, (_, mark, stop) in zip(NIVELES, ESCALERA, strict=True)
    ]


@pytest.mark.parametrize(
    ("titulo", "tipo"), [("The eight levels", TipoFreno.NIVELES), ("Hand-Span", TipoFreno.HAND_SPAN)]
)
def test_el_freno_recorre_las_tablas(titulo: str, tipo: TipoFreno):
    freno = un_largo(OBJETIVO if tipo is TipoFreno.NIVELES else None)
    for nombre, *_, mark, stop in celdas(titulo):
        freno = ajustar(freno, numero(mark), 1, ReglaFreno(tipo), TICK)

        assert (freno.nivel, freno.stop) == (nombre, pytest.approx(numero(stop)))


def test_el_break_even_de_un_corto():
    corto = nuevo_freno(ENTRADA, 45_000.0, 42_000.0, ENTRADA, 0, largo=False)

    assert ajustar(corto, 43_300.0, 1, ReglaFreno(TipoFreno.NIVELES), TICK).stop == 43_934.1
    assert "43,934.1" in DOCUMENTO


def test_el_porcentaje_del_ejemplo():
    regla = ReglaFreno(TipoFreno.PORCENTAJE, porcentaje=1.0)

    assert ajustar(un_largo(), 45_000.0, HORA_MS, regla, TICK).stop == 44_550.0
    assert "a best mark of 45,000 it is 44,550" in DOCUMENTO


def test_los_intervalos_del_momento():
    regla = ReglaMomento()
    for limite, cada, ejemplo in celdas("Percentage"):
        horas, valor = re.fullmatch(r"(\d+) h ago: ([\d.]+)", ejemplo).groups()
        medido = momento(un_largo(), 44_500.0, int(horas) * HORA_MS)

        assert medido == pytest.approx(float(valor), abs=5e-4)
        assert intervalo_ms(medido, regla) == numero(cada.removesuffix(" s")) * 1_000
        assert "(" not in limite or numero(limite.split("(")[1].split(")")[0]) in regla
