"""The session's CSV files."""

from __future__ import annotations

import csv
import errno
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.nucleo.columnas import EMERGENCIAS, REGISTRO
from src.nucleo.errores import EmergenciaOperacional
from src.nucleo.registro import Fila
from src.produccion.Registro import Asentado, Emergencia, RegistroProduccion, completar, sello_libre
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


async def test_cada_fila_esta_en_disco_al_asentarla(tmp_path: Path):
    with RegistroProduccion(tmp_path, SELLO) as registro:
        for cuantas in (1, 2, 3):
            registro.registrar_paso(FILA)
            await registro.asentar()
            assert len(leer(registro.ruta)) == cuantas + 1
        assert registro.filas == 3
        celdas = dict(zip(REGISTRO, leer(registro.ruta)[-1], strict=True))

    assert (celdas["precio"], celdas["terminated"], celdas["error"]) == ("30000.1", "false", "")


def test_lo_que_lleva_comas_y_comillas_sigue_siendo_una_celda(tmp_path: Path):
    texto = 'refused, "really"\nand again'
    with RegistroProduccion(tmp_path, SELLO) as registro:
        registro.registrar_paso(FILA | {"error": texto})
        assert registro.esperar(60.0)
        fila = leer(registro.ruta)[1]

    assert len(fila) == 42
    assert texto in fila


def test_sin_emergencia_no_hay_fichero_de_emergencias(tmp_path: Path):
    with RegistroProduccion(tmp_path, SELLO) as registro:
        assert not registro.ruta_emergencias.exists()


def test_una_emergencia_son_seis_columnas(tmp_path: Path):
    with RegistroProduccion(tmp_path, SELLO) as registro:
        registro.registrar_emergencia(Emergencia(INICIO_MS, "max_drawdown", 7_999.5, 7_999.5, 1, "x"))
        assert registro.esperar(60.0)
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


# --- a session that is gone on with ---


def fila(paso: int) -> Fila:
    return FILA | {"paso": paso, "error": f'row {paso}, "quoted"\nin two lines'}


def asentado(total: int, emergencia: Emergencia | None = None) -> Asentado:
    """A journal that has so many rows."""
    return Asentado(total, lambda primera: [fila(paso) for paso in range(primera + 1, total + 1)], emergencia)


def escrito(carpeta: Path, total: int) -> bytes:
    """A session's file with so many rows, as a daemon leaves it that was never interrupted."""
    with RegistroProduccion(carpeta, SELLO) as registro:
        for paso in range(1, total + 1):
            registro.registrar_paso(fila(paso))
    return registro.ruta.read_bytes()


@settings(max_examples=60, deadline=None)
@given(
    presentes=st.integers(0, 5),
    total=st.integers(0, 5),
    rota=st.binary(max_size=40),
    corte=st.integers(0, 400),
)
def test_el_fichero_se_iguala_al_diario(presentes: int, total: int, rota: bytes, corte: int):
    """Rows that the journal does not have go, missing ones come, a line that is not whole is repaired."""
    with tempfile.TemporaryDirectory() as una, tempfile.TemporaryDirectory() as otra:
        crudo = escrito(Path(una), presentes)
        ruta = Path(una) / f"registro_{SELLO}.csv"
        ruta.write_bytes(crudo[: max(0, len(crudo) - corte)] + rota.translate(None, b'\n"'))
        with RegistroProduccion(Path(una), SELLO, asentado(total)) as registro:
            assert registro.filas == total
            registro.registrar_paso(fila(total + 1))

        assert ruta.read_bytes() == escrito(Path(otra), total + 1)


@pytest.mark.parametrize("contenido", [None, b"", b"timesta"])
def test_un_fichero_perdido_o_vacio_se_escribe_entero(tmp_path: Path, contenido: bytes | None):
    if contenido is not None:
        (tmp_path / f"registro_{SELLO}.csv").write_bytes(contenido)
    with RegistroProduccion(tmp_path, SELLO, asentado(3)) as registro:
        assert registro.ruta.read_bytes() == escrito(tmp_path / "otro", 3)


def test_lo_que_esta_no_se_lee_del_diario(tmp_path: Path):
    escrito(tmp_path, 3)
    pedidas: list[int] = []

    def desde(primera: int) -> list[Fila]:
        pedidas.append(primera)
        return [fila(4)]

    with RegistroProduccion(tmp_path, SELLO, Asentado(4, desde)):
        assert pedidas == [3]
    with RegistroProduccion(tmp_path, SELLO, Asentado(4, desde)):
        assert pedidas == [3]


EMERGENCIA = Emergencia(INICIO_MS, "max_drawdown", 7_999.5, 7_999.5, 1, "x")


@pytest.mark.parametrize("presente", [None, b"", b"timestamp,raz", b"entera"])
def test_la_emergencia_del_diario_esta_una_vez_en_su_fichero(tmp_path: Path, presente: bytes | None):
    escrito(tmp_path, 1)
    with RegistroProduccion(tmp_path / "otro", SELLO) as registro:
        registro.registrar_emergencia(EMERGENCIA)
        assert registro.esperar(60.0)
        entera = registro.ruta_emergencias.read_bytes()
    if presente is not None:
        ruta = tmp_path / f"emergencias_{SELLO}.csv"
        ruta.write_bytes(entera if presente == b"entera" else presente)

    with RegistroProduccion(tmp_path, SELLO, asentado(1, EMERGENCIA)) as registro:
        assert registro.ruta_emergencias.read_bytes() == entera


def test_lo_que_no_cupo_y_nadie_supo_se_dice_al_cerrar(tmp_path: Path, bitacora: list[dict[str, object]]):
    with RegistroProduccion(tmp_path, SELLO) as registro:
        archivo: Any = registro._registro
        archivo._archivo.close()
        archivo._archivo = DiscoLleno()
        registro.registrar_paso(fila(1))

    assert [e["event"] for e in bitacora] == ["registro_roto"]


def test_sin_emergencia_en_el_diario_no_se_hace_su_fichero(tmp_path: Path):
    escrito(tmp_path, 1)
    with RegistroProduccion(tmp_path, SELLO, asentado(1)) as registro:
        assert not registro.ruta_emergencias.exists()


async def test_tras_una_linea_que_no_cupo_no_se_escribe_otra(tmp_path: Path):
    """It would stand where the journal has the one before."""
    with RegistroProduccion(tmp_path, SELLO) as registro:
        lleno: Any = DiscoLleno()
        archivo: Any = registro._registro
        sano, archivo._archivo = archivo._archivo, lleno
        registro.registrar_paso(fila(1))
        with pytest.raises(EmergenciaOperacional, match="No space left"):
            await registro.asentar()
        archivo._archivo = sano
        with pytest.raises(EmergenciaOperacional, match="No space left"):
            registro.registrar_paso(fila(2))
        assert registro.filas == 2

    with RegistroProduccion(tmp_path, SELLO, asentado(2)) as registro:
        assert registro.ruta.read_bytes() == escrito(tmp_path / "otro", 2)


# --- a session that has ended ---


@pytest.mark.parametrize("rota", [b"", b"2024-01-"])
@pytest.mark.parametrize(("presentes", "total"), [(0, 0), (0, 2), (2, 4), (4, 4), (5, 3)])
def test_a_lo_acabado_se_le_anade_lo_que_falta_y_ninguna_fila_se_le_quita(
    presentes: int, total: int, rota: bytes, tmp_path: Path
):
    """A repaired journal has fewer rows than the file."""
    crudo = escrito(tmp_path, presentes) + rota
    ruta = tmp_path / f"registro_{SELLO}.csv"
    ruta.write_bytes(crudo)

    completar(tmp_path, SELLO, asentado(total))

    assert ruta.read_bytes() == (crudo if presentes >= total else escrito(tmp_path / "otro", total))


def test_la_emergencia_de_lo_acabado_se_escribe_si_falta(tmp_path: Path):
    escrito(tmp_path, 1)
    for _ in range(2):
        completar(tmp_path, SELLO, asentado(1, EMERGENCIA))

    assert len(leer(tmp_path / f"emergencias_{SELLO}.csv")) == 2


def test_lo_que_alguien_se_llevo_no_se_hace_otra_vez(tmp_path: Path):
    completar(tmp_path, SELLO, asentado(3, EMERGENCIA))

    assert list(tmp_path.iterdir()) == []


class DiscoLleno:
    """A file on a disk without room."""

    def write(self, crudo: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None:
        pass
