"""The store's books after monitors were killed: every way of being wrong is found; and a run, small."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from caos.almacen import principal
from caos.cuentas_almacen import COMPROBACIONES, Resto, comprobar
from caos.monitores import sortear_golpes

RED = True
TOKEN, OTRO = "op-1:88200:1", "op-2:88200:2"
PASOS = ("STOP_TRIGGERED", "EXECUTION_SUBMITTED", "EXECUTED")


def _evento(seq: int, token: str, version: int, tipo: str) -> dict[str, object]:
    return {"event_seq": seq, "execution_token": token, "version": version, "event_type": tipo}


def un_resto() -> Resto:
    """Two operations, executed once each."""
    return Resto(
        tokens=frozenset({TOKEN, OTRO}),
        ordenes=[{"symbol": "AUSDT"}, {"symbol": "BUSDT"}],
        eventos=[
            _evento(3 * n + i, token, i, tipo)
            for n, token in enumerate((TOKEN, OTRO))
            for i, tipo in enumerate(PASOS, 1)
        ],
        ejecuciones=[{"execution_token": token, "status": "EXECUTED"} for token in (TOKEN, OTRO)],
        reclamos=[{"execution_token": TOKEN, "done": True, "holder": "uno"}],
        distintas=0,
    )


def dos_veces(r: Resto) -> Resto:
    return r._replace(ordenes=[*r.ordenes, {"symbol": "AUSDT"}])


def una_de_menos(r: Resto) -> Resto:
    return r._replace(ordenes=r.ordenes[:1])


def sin_contar(r: Resto) -> Resto:
    return r._replace(eventos=r.eventos[:-1])


def contada_dos_veces(r: Resto) -> Resto:
    return r._replace(eventos=[*r.eventos, _evento(7, OTRO, 4, "EXECUTED")])


def a_medias(r: Resto) -> Resto:
    return r._replace(ejecuciones=[r.ejecuciones[0], {"execution_token": OTRO, "status": "SUBMITTED"}])


def reclamo_abierto(r: Resto) -> Resto:
    return r._replace(reclamos=[{"execution_token": TOKEN, "done": False, "holder": "uno"}])


def proyeccion_distinta(r: Resto) -> Resto:
    return r._replace(distintas=1)


def version_saltada(r: Resto) -> Resto:
    return r._replace(eventos=[*r.eventos, _evento(7, OTRO, 5, "BLOCKED")])


ROTURAS: list[tuple[Callable[[Resto], Resto], int, str]] = [
    (dos_veces, 0, "the position in AUSDT was closed 2 times"),
    (una_de_menos, 0, "1 orders were executed for 2"),
    (sin_contar, 0, f"0 executions of {OTRO}"),
    (contada_dos_veces, 0, f"2 executions of {OTRO}"),
    (a_medias, 0, f"has {OTRO} as SUBMITTED"),
    (reclamo_abierto, 0, "was left open by uno"),
    (proyeccion_distinta, 1, "changed 1 executions"),
    (version_saltada, 2, f"is version 5 of {OTRO}, not 4"),
]


def test_un_resto_correcto_no_tiene_violaciones():
    assert comprobar(un_resto()) == []


@pytest.mark.parametrize(("romper", "cual", "detalle"), ROTURAS)
def test_cada_violacion_se_encuentra(romper: Callable[[Resto], Resto], cual: int, detalle: str):
    halladas = comprobar(romper(un_resto()))

    assert any(v.invariante == COMPROBACIONES[cual][0] and detalle in v.detalle for v in halladas), halladas


def test_la_misma_semilla_da_los_mismos_golpes():
    golpes = sortear_golpes(3, 8, 5, 40)

    assert golpes == sortear_golpes(3, 8, 5, 40)
    assert golpes != sortear_golpes(4, 8, 5, 40)
    assert [golpe.muerte for golpe in golpes] == [True] * 8 + [False] * 5


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("base", ["sqlite", "postgresql"])
def test_matar_monitores_y_cortar_el_almacen_no_pierde_ni_repite_nada(base: str, tmp_path: Path):
    figuras = tmp_path / "chaos-store.json"

    codigo = principal(
        [
            *("--operations", "20", "--monitors", "2", "--kills", "3", "--cuts", "3", "--store", base),
            *("--output", str(figuras)),
        ]
    )
    (contado,) = json.loads(figuras.read_text())["stores"]

    assert contado["violations"] == []
    assert (codigo, contado["executed"]) == (0, 20)
