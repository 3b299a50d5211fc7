"""Two runs that differ in one cell are told apart by that cell."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path

from caos.comparacion import comparar_diarios, comparar_filas
from caos.procesos import Encargo
from src.nucleo.columnas import REGISTRO
from src.produccion.diario.diario import DiarioSqlite


def un_encargo(carpeta: Path, *filas: dict[str, str], sesion: str = "s") -> Encargo:
    encargo = Encargo(carpeta=carpeta, train_id="t", url="", ajustes=carpeta / "timonel.yaml")
    encargo.produccion.mkdir(parents=True)
    with (encargo.produccion / f"registro_{sesion}.csv").open("w", newline="") as archivo:
        escritor = csv.DictWriter(archivo, list(REGISTRO), restval="")
        escritor.writeheader()
        escritor.writerows(filas)
    return encargo


def con_diario(carpeta: Path, *pasos: int) -> Encargo:
    encargo = un_encargo(carpeta)
    diario = DiarioSqlite(carpeta / "state" / "c" / "s" / "diario.sqlite")

    async def anotar() -> None:
        for paso in pasos:
            await diario.anotar("agent:x", "ROWS", paso, {"step": paso})

    asyncio.run(anotar())
    diario.cerrar()
    return encargo


def test_dos_corridas_iguales_no_difieren(tmp_path: Path):
    una = un_encargo(tmp_path / "una", {"paso": "1"}, {"paso": "2"})
    otra = un_encargo(tmp_path / "otra", {"paso": "1"}, {"paso": "2"}, sesion="otra")

    assert comparar_filas(una, otra) == []


def test_la_hora_en_que_se_vio_no_cuenta(tmp_path: Path):
    una = un_encargo(tmp_path / "una", {"paso": "1", "timestamp": "a"})
    otra = un_encargo(tmp_path / "otra", {"paso": "1", "timestamp": "b"})

    assert comparar_filas(una, otra) == []


def test_una_celda_distinta_se_nombra(tmp_path: Path):
    una = un_encargo(tmp_path / "una", {"paso": "1", "balance": "10.0"})
    otra = un_encargo(tmp_path / "otra", {"paso": "1", "balance": "10.1"})

    (violacion,) = comparar_filas(una, otra)
    assert violacion.detalle == "row 1: balance '10.0' → '10.1'"


def test_una_fila_de_menos_se_dice(tmp_path: Path):
    una = un_encargo(tmp_path / "una", {"paso": "1"}, {"paso": "2"})
    otra = un_encargo(tmp_path / "otra", {"paso": "1"})

    (violacion,) = comparar_filas(una, otra)
    assert violacion.detalle == "2 rows without faults, 1 with them"


def test_dos_diarios_iguales_no_difieren(tmp_path: Path):
    assert comparar_diarios(con_diario(tmp_path / "a", 1, 2), con_diario(tmp_path / "b", 1, 2)) == []


def test_el_primer_evento_distinto_se_dice(tmp_path: Path):
    (violacion,) = comparar_diarios(con_diario(tmp_path / "a", 1, 2), con_diario(tmp_path / "b", 1, 3))

    assert violacion.detalle.startswith("line 2: ")


def test_un_evento_de_menos_se_dice(tmp_path: Path):
    (violacion,) = comparar_diarios(con_diario(tmp_path / "a", 1, 2), con_diario(tmp_path / "b", 1))

    assert violacion.detalle.endswith(" and nothing")
