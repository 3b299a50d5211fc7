"""Which figures are measured."""

from __future__ import annotations

import ast
from pathlib import Path

import bench
from bench.grupos import GRUPOS, elegir


def test_una_figura_trae_su_grupo():
    (grupo,) = elegir(["decision_p99_ms"], soak=False)

    assert "decision_p50_ms" in grupo.figuras


def test_sin_nombres_se_mide_todo_menos_lo_largo():
    assert {grupo.funcion for grupo in GRUPOS} - {grupo.funcion for grupo in elegir([], soak=False)} == {
        "medir_soak"
    }
    assert elegir([], soak=True) == list(GRUPOS)


def test_cada_grupo_tiene_su_funcion():
    """Read, not imported: some of the modules bring torch."""
    for grupo in GRUPOS:
        arbol = ast.parse((Path(bench.__file__).parent / f"{grupo.modulo}.py").read_text(encoding="utf-8"))
        assert grupo.funcion in {nodo.name for nodo in arbol.body if isinstance(nodo, ast.FunctionDef)}
