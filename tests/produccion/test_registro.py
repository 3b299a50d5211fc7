"""The session's CSV files."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from src.nucleo.columnas import EMERGENCIAS, REGISTRO
from src.nucleo.errores import EmergenciaOperacional
from src.nucleo.registro import Fila
from src.produccion.Registro import Emergencia, RegistroProduccion, sello_libre
from tests.constructores import INICIO_MS

SELLO = "20240101_000000"
FILA: Fila = dict.fromkeys(REGISTRO) | {"paso": 1, "precio": 30_000.1, "status": "ok", "terminated": False}


def leer(ruta: Path) -> list[list[str]]:
    with ruta.open(encoding="utf-8", newline="") as archivo:
        return list(csv.reader(archivo))


def test_el_fichero_nace_con_las_42_columnas(tmp_path: Path):
    with RegistroProduccion(tmp_path / "produccion", SELLO) as registro:
        cabecera, *filas = leer(registro.ruta)

    assert registro.ruta == tmp_path / "produccion" / f"registro_{SELLO}.csv"
    assert len(cabecera) == 42
    assert tuple(cabecera) == tuple(REGISTRO)
    assert filas == []


def test_cada_fila_esta_en_disco_al_volver(tmp_path: Path):
    with RegistroProduccion(tmp_path, SELLO) as registro:
        for cuantas in (1, 2, 3):
            registro.registrar_paso(FILA)
            assert len(leer(registro.ruta)) == cuantas + 1
        assert registro.filas == 3
        celdas = dict(zip(REGISTRO, leer(registro.ruta)[-1], strict=True))

    assert (celdas["precio"], celdas["terminated"], celdas["error"]) == ("30000.1", "false", "")


def test_lo_que_lleva_comas_y_comillas_sigue_siendo_una_celda(tmp_path: Path):
    texto = 'refused, "really"\nand again'
    with RegistroProduccion(tmp_path, SELLO) as registro:
        registro.registrar_paso(FILA | {"error": texto})
        fila = leer(registro.ruta)[1]

    assert len(fila) == 42
    assert texto in fila


def test_sin_emergencia_no_hay_fichero_de_emergencias(tmp_path: Path):
    with RegistroProduccion(tmp_path, SELLO) as registro:
        assert not registro.ruta_emergencias.exists()


def test_una_emergencia_son_seis_columnas(tmp_path: Path):
    with RegistroProduccion(tmp_path, SELLO) as registro:
        registro.registrar_emergencia(Emergencia(INICIO_MS, "max_drawdown", 7_999.5, 7_999.5, 1, "x"))
        cabecera, fila = leer(registro.ruta_emergencias)

    assert registro.ruta_emergencias.name == f"emergencias_{SELLO}.csv"
    assert tuple(cabecera) == EMERGENCIAS
    assert fila == ["2024-01-01T00:00:00.000Z", "max_drawdown", "7999.5", "7999.5", "1", "x"]


def test_el_sello_es_la_hora_de_la_bolsa(tmp_path: Path):
    assert sello_libre(tmp_path, INICIO_MS) == SELLO
    assert sello_libre(tmp_path / "no existe", INICIO_MS + 999) == SELLO


def test_dos_sesiones_del_mismo_segundo_no_se_pisan(tmp_path: Path):
    nombres = []
    for _ in range(3):
        with RegistroProduccion(tmp_path, sello_libre(tmp_path, INICIO_MS)) as registro:
            registro.registrar_paso(FILA)
            nombres.append(registro.ruta.name)

    assert nombres == [f"registro_20240101_00000{i}.csv" for i in range(3)]
    assert all(len(leer(tmp_path / nombre)) == 2 for nombre in nombres)


def test_un_fichero_que_ya_existe_no_se_reescribe(tmp_path: Path):
    (tmp_path / f"registro_{SELLO}.csv").write_text("of another session")

    with pytest.raises(EmergenciaOperacional, match="cannot be created"):
        RegistroProduccion(tmp_path, SELLO)
    assert (tmp_path / f"registro_{SELLO}.csv").read_text() == "of another session"


def test_una_carpeta_donde_no_se_puede_escribir_se_nombra(tmp_path: Path):
    (tmp_path / "fichero").write_text("")

    with pytest.raises(EmergenciaOperacional, match=r"fichero.*cannot be created"):
        RegistroProduccion(tmp_path / "fichero" / "produccion", SELLO)
