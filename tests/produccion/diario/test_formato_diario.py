"""What makes a record good."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from src.produccion.diario.formato_diario import identidad_de, registro_nuevo

ESPACIO = uuid.UUID("6f1a3b52-7c0e-5d1c-9a44-2f6b1c7d8e90")


@given(agregado=st.text(), version=st.integers(1, 10**9))
def test_la_identidad_es_uuid5_de_agregado_y_version(agregado: str, version: int):
    assert identidad_de(agregado, version) == str(uuid.uuid5(ESPACIO, f"{agregado}:{version}"))


def test_un_registro_nuevo_no_tiene_defecto():
    assert registro_nuevo(1, "a", 1, "X", 0, b'{"a":1}').defecto() == ""


def test_cada_columna_cuenta():
    bueno = registro_nuevo(1, "a", 1, "X", 0, b'{"a":1}')
    cambios = {
        "seq": 2,
        "identidad": "x",
        "agregado": "b",
        "version": 2,
        "tipo": "Y",
        "version_contenido": 2,
        "instante_ms": 1,
        "contenido": b'{"a":2}',
        "suma": 0,
    }
    assert set(cambios) == set(bueno._fields)
    assert all(bueno._replace(**{campo: valor}).defecto() for campo, valor in cambios.items())
