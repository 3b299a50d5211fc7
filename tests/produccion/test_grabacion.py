"""Warm-up candles come back as they were written, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.errores import DatosInvalidos, EmergenciaOperacional
from src.nucleo.tipos import Vela
from src.produccion.grabacion import grabar_calentamiento, leer_calentamiento
from tests.constructores import unas_velas

_NUMEROS = st.floats(allow_nan=False, allow_infinity=False)


@given(velas=st.lists(st.builds(Vela, st.integers(0, 2**62), *[_NUMEROS] * 5), max_size=20))
def test_vuelven_bit_a_bit(tmp_path_factory: pytest.TempPathFactory, velas: list[Vela]):
    carpeta = tmp_path_factory.mktemp("velas")

    nombre, huella = grabar_calentamiento(carpeta, "20260101_000000", velas)

    assert leer_calentamiento(carpeta / nombre, huella) == velas


def test_las_mismas_velas_dan_los_mismos_bytes(tmp_path: Path):
    """The journal holds the hash: two equal runs must have equal journals."""
    velas = unas_velas(50)

    una = grabar_calentamiento(tmp_path / "una", "s", velas)
    otra = grabar_calentamiento(tmp_path / "otra", "s", velas)

    assert una == otra
    assert (tmp_path / "una" / una[0]).read_bytes() == (tmp_path / "otra" / otra[0]).read_bytes()


def test_grabar_de_nuevo_reemplaza_y_no_deja_nada_a_medias(tmp_path: Path):
    """A daemon killed before its journal knew the file writes it again when it starts."""
    grabar_calentamiento(tmp_path, "s", unas_velas(5))
    nombre, huella = grabar_calentamiento(tmp_path, "s", unas_velas(7))

    assert len(leer_calentamiento(tmp_path / nombre, huella)) == 7
    assert [ruta.name for ruta in tmp_path.iterdir()] == ["velas_s.npz"]


def test_un_archivo_cambiado_se_rechaza(tmp_path: Path):
    nombre, huella = grabar_calentamiento(tmp_path, "s", unas_velas(5))
    ruta = tmp_path / nombre
    ruta.write_bytes(ruta.read_bytes()[:-1] + b"x")

    with pytest.raises(DatosInvalidos, match="is not the file"):
        leer_calentamiento(ruta, huella)


def test_un_archivo_que_falta_se_dice(tmp_path: Path):
    with pytest.raises(DatosInvalidos, match="cannot read"):
        leer_calentamiento(tmp_path / "velas_s.npz", "0" * 64)


def test_sin_sitio_donde_escribir_es_una_emergencia(tmp_path: Path):
    (tmp_path / "archivo").write_text("")

    with pytest.raises(EmergenciaOperacional, match="cannot be written"):
        grabar_calentamiento(tmp_path / "archivo", "s", unas_velas(2))
