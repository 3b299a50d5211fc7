"""``docs/fallos.md`` names every fault, scripts each as it can be scripted, and names tests that exist."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import yaml

from src.simulador.fallas.clases import Clase
from src.simulador.fallas.lectura import leer_falla

DOCUMENTO = (Path(__file__).parents[3] / "docs" / "fallos.md").read_text(encoding="utf-8")
LINEAS = re.findall(r"`(\{kind: .*?\})`", DOCUMENTO)
PRUEBAS = re.findall(r"`(test_\w+)\.py::(test_\w+)(?:\[([^\]]+)\])?`", DOCUMENTO)
FILAS = [fila for fila in DOCUMENTO.splitlines() if fila.startswith("| ") and not fila.startswith("| fault")]


def ids_de(funcion: object) -> set[str]:
    """The identifiers of a parametrised test, or what they are made from."""
    marcas = [marca for marca in getattr(funcion, "pytestmark", []) if marca.name == "parametrize"]
    return {str(i) for marca in marcas for i in (marca.kwargs.get("ids") or marca.args[1])}


def test_estan_todas_las_clases_de_fallo():
    assert {leer_falla(yaml.safe_load(linea), ()).clase for linea in LINEAS} == set(Clase)


def test_cada_fila_se_puede_escribir_y_se_prueba():
    assert all("`{kind: " in fila and "`test_" in fila for fila in FILAS)


@pytest.mark.parametrize(("archivo", "nombre", "caso"), PRUEBAS)
def test_cada_prueba_nombrada_existe(archivo: str, nombre: str, caso: str):
    funcion = getattr(importlib.import_module(f"tests.extremo.fallas.{archivo}"), nombre)
    assert not caso or caso in ids_de(funcion)
