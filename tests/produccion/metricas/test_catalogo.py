"""Names follow Prometheus' habits, and each is given once."""

from __future__ import annotations

import re

import pytest

from src.produccion.metricas.catalogo import TODAS, Metrica, Tipo


def test_cada_nombre_es_de_una_sola():
    nombres = [metrica.nombre for metrica in TODAS]

    assert sorted(set(nombres)) == sorted(nombres)


@pytest.mark.parametrize("metrica", TODAS, ids=lambda metrica: metrica.nombre)
def test_un_nombre_dice_de_que_es_y_en_que_unidad(metrica: Metrica):
    assert re.fullmatch(r"timonel_[a-z][a-z_]*[a-z]", metrica.nombre)
    assert metrica.nombre.endswith("_total") == (metrica.tipo is Tipo.COUNTER)
    if metrica.tipo is Tipo.HISTOGRAM:
        assert metrica.nombre.endswith("_seconds")
    assert metrica.ayuda.endswith(".")
