"""What a run's files say is read without the daemon's own code."""

from __future__ import annotations

from caos.pruebas import leer_calentadas
from src.nucleo.tipos import Vela
from src.produccion.grabacion import grabar_calentamiento


def test_las_velas_de_todos_los_calentamientos_se_reunen(tmp_path):
    grabar_calentamiento(tmp_path, "20220101_000000", [Vela(0, *[1.0] * 5), Vela(60_000, *[1.0] * 5)])
    grabar_calentamiento(tmp_path, "20220102_000000", [Vela(60_000, *[1.0] * 5)])

    assert leer_calentadas(tmp_path) == {0, 60_000}
