"""The run that nothing happens to."""

from __future__ import annotations

import pytest

from tests.extremo.fallas.banco import Ensayo, Fila


@pytest.fixture(scope="session")
def limpias(tmp_path_factory: pytest.TempPathFactory) -> list[Fila]:
    """Its rows; it ends with an open position."""
    ensayo = Ensayo(tmp_path_factory.mktemp("limpio")).correr()
    assert ensayo.violaciones() == []
    assert ensayo.posicion != 0.0
    return ensayo.filas
