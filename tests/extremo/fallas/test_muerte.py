"""The daemon's process is killed at one exact call: the next one goes on, and the record does not show it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from src.artefactos.artefacto import leer_artefacto
from tests.extremo.fallas.banco import AJUSTES, VELAS, Ensayo, Fila, Mando, sin
from tests.extremo.procesos import Agente, un_artefacto_inquieto

_EN_DISCO_S = 0.3
"""Longer than a record takes to the disk."""

MUERTES = {
    "before": '{kind: hold, at: {call: "POST /fapi/v1/order", nth: 4, stage: before}}',
    "after": '{kind: hold, at: {call: "POST /fapi/v1/order", nth: 4, stage: after}}',
    "stop": '{kind: hold, at: {call: "POST /fapi/v1/algoOrder", nth: 2, stage: after}}',
    "replacing": '{kind: hold, at: {call: "DELETE /fapi/v1/algoOrder", nth: 1, stage: before}}',
}


def un_ensayo(carpeta: Path, *fallas: str) -> Ensayo:
    """One whose policy needs no script, so that a second process decides as the first would have."""
    return Ensayo(carpeta, fallas, train_id=un_artefacto_inquieto(carpeta / "ent", VELAS))


def hasta_la_muerte(ensayo: Ensayo, mando: Mando) -> Agente:
    """Run a daemon until the exchange holds still, and kill it there.

    Not in the moment in which an exit is on its way beside its record: its fill is booked then without the
    decision, which `test_reinicio` tries.
    """
    agente = Agente(ensayo.carpeta, ensayo.train_id, mando.simulador.url, ajustes=AJUSTES)
    with agente.corriendo() as proceso:
        (detencion,) = mando.pedir("GET", "holds?wait=30")["holds"]
        time.sleep(_EN_DISCO_S)
        proceso.kill()
        proceso.wait(10)
    mando.pedir("POST", "holds/release", {"id": detencion["id"]})
    return agente


@pytest.fixture(scope="module")
def inquietas(tmp_path_factory: pytest.TempPathFactory) -> list[Fila]:
    """The rows of a daemon that nobody kills."""
    ensayo = un_ensayo(tmp_path_factory.mktemp("inquieto"))
    return ensayo.correr(leer_artefacto(ensayo.carpeta / "ent", ensayo.train_id).actor).filas


@pytest.mark.parametrize(
    "falla",
    [pytest.param(f, marks=[pytest.mark.slow] * (i == "stop")) for i, f in MUERTES.items()],
    ids=MUERTES,
)
def test_una_muerte_en_una_llamada_exacta(tmp_path: Path, inquietas: list[Fila], falla: str):
    ensayo = un_ensayo(tmp_path, falla)
    with ensayo.bolsa() as mando:
        salida = hasta_la_muerte(ensayo, mando).correr()
        assert salida.codigo == 0, salida.texto
    assert ensayo.veces == {"hold": 1}
    assert ensayo.violaciones() == []
    assert sin(ensayo.filas) == sin(inquietas)


def test_muere_con_una_orden_de_respuesta_perdida(tmp_path: Path, inquietas: list[Fila]):
    """The answer is lost first; the kill finds the daemon looking for its order."""
    fallas = (
        '{kind: lose_answer, at: {call: "POST /fapi/v1/order", nth: 4}}',
        '{kind: hold, at: {call: "GET /fapi/v1/order", nth: 1, stage: before}}',
    )
    ensayo = un_ensayo(tmp_path, *fallas)
    with ensayo.bolsa() as mando:
        salida = hasta_la_muerte(ensayo, mando).correr()
        assert salida.codigo == 0, salida.texto
    assert ensayo.veces == {"hold": 1, "lose_answer": 1}
    assert ensayo.violaciones() == []
    assert sin(ensayo.filas) == sin(inquietas)
