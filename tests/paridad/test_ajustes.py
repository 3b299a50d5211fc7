"""What makes a move of a stop legal, and that what is not legal is found."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from src.nucleo.frenos import TipoFreno
from src.paridad.ajustes import COLUMNAS, Ajuste, escribir_ajustes, faltas
from tests.nucleo.test_niveles import ENTRADA, ESCALERA, INICIAL

TICK = Decimal("0.10")
MINUTO_MS = 60_000
_STOPS = [INICIAL, *(stop for _, _, stop in ESCALERA)]
SUBIDA = [
    Ajuste(0, (i + 1) * MINUTO_MS, True, mark, nombre, _STOPS[i], stop)
    for i, (nombre, mark, stop) in enumerate(ESCALERA)
]
BAJADA = [
    ajuste._replace(
        largo=False,
        mark=2 * ENTRADA - ajuste.mark,
        anterior=2 * ENTRADA - ajuste.anterior,
        nuevo=2 * ENTRADA - ajuste.nuevo,
    )
    for ajuste in SUBIDA
]


@pytest.mark.parametrize("ajustes", [[], SUBIDA, BAJADA, SUBIDA[3:5]], ids=["none", "long", "short", "part"])
def test_lo_legal_no_tiene_faltas(ajustes: list[Ajuste]):
    assert faltas(ajustes, TipoFreno.NIVELES, TICK) == []


@pytest.mark.parametrize(
    ("cambio", "falta"),
    [
        ({"nuevo": 42_900.0}, "42900.0 is not tighter than 43000.0"),
        ({"nuevo": INICIAL}, "43000.0 is not tighter than 43000.0"),
        ({"mark": 43_200.0}, "43200.0 is on the wrong side of the mark 43200.0"),
        ({"nuevo": 43_200.05}, "43200.05 is not on the tick 0.10"),
        ({"nivel": "span_2"}, "'span_2' is no level of niveles"),
    ],
)
def test_un_ajuste_ilegal_se_encuentra(cambio: dict[str, object], falta: str):
    (hallada,) = faltas([SUBIDA[0]._replace(**cambio)], TipoFreno.NIVELES, TICK)

    assert hallada.endswith(falta)
    assert hallada.startswith("1970-01-01T00:01:00")


def test_un_stop_mas_flojo_de_un_corto_se_encuentra():
    assert faltas([BAJADA[0]._replace(nuevo=45_100.0)], TipoFreno.NIVELES, TICK)


def test_un_nivel_no_vuelve_ni_se_aplica_dos_veces():
    repetido = [SUBIDA[0], SUBIDA[1]._replace(nivel=SUBIDA[0].nivel)]
    al_reves = [SUBIDA[0]._replace(nivel="profit_20"), SUBIDA[1]]

    assert [f.split(": ")[1] for f in faltas(repetido, TipoFreno.NIVELES, TICK)] == [
        "towards_be_20 after towards_be_20"
    ]
    assert [f.split(": ")[1] for f in faltas(al_reves, TipoFreno.NIVELES, TICK)] == [
        "break_even after profit_20"
    ]


def test_otra_operacion_empieza_de_nuevo():
    otra = [ajuste._replace(operacion_ms=1) for ajuste in SUBIDA]

    assert faltas([*SUBIDA, *otra], TipoFreno.NIVELES, TICK) == []


def test_un_ajuste_sale_de_donde_quedo_el_stop():
    (falta,) = faltas([SUBIDA[0], SUBIDA[2]], TipoFreno.NIVELES, TICK)

    assert falta.endswith("it moves 44066.0, but the stop was 43200.0")


def test_los_tramos_van_en_orden():
    niveles = ["break_even", "span_2", "span_4"]
    tramos = [ajuste._replace(nivel=nivel) for ajuste, nivel in zip(SUBIDA[:3], niveles, strict=True)]

    assert faltas(tramos, TipoFreno.HAND_SPAN, TICK) == []
    assert faltas([*tramos, SUBIDA[3]._replace(nivel="span_3")], TipoFreno.HAND_SPAN, TICK)


def test_el_porcentaje_espera_un_minuto():
    seguidos = [ajuste._replace(nivel="porcentaje") for ajuste in SUBIDA]
    pronto = [seguidos[0], seguidos[1]._replace(instante_ms=seguidos[0].instante_ms + MINUTO_MS - 1)]

    assert faltas(seguidos, TipoFreno.PORCENTAJE, TICK) == []
    assert faltas(pronto, TipoFreno.PORCENTAJE, TICK)


def test_lo_que_no_sigue_al_mercado_no_se_mueve():
    assert len(faltas(SUBIDA, TipoFreno.FIJA, TICK)) == len(SUBIDA)


def test_la_lista_se_escribe_entera(tmp_path: Path):
    escribir_ajustes([SUBIDA[0], BAJADA[1]], tmp_path / "lista.csv")

    with (tmp_path / "lista.csv").open(encoding="utf-8", newline="") as archivo:
        una, otra = csv.DictReader(archivo)
    assert tuple(una) == COLUMNAS
    assert (una["side"], una["level"], una["old_stop"], una["new_stop"]) == (
        *("long", "towards_be_20", "43000.0", "43200.0"),
    )
    assert (otra["side"], otra["mark"]) == ("short", "43300.0")
