"""A command beside the daemon: what it opens it closes, and a store that hangs holds it for a while only."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion import montaje_monitor
from src.produccion.config.config import Opciones
from src.produccion.montaje_monitor import Eleccion, abrir_cuenta

RED = True


async def test_un_almacen_que_no_se_abre_se_deja(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seguir = threading.Event()
    monkeypatch.setattr(montaje_monitor, "abrir_almacen", lambda *_: seguir.wait(60.0))
    monkeypatch.setattr(montaje_monitor, "_ABRIR_S", 0.01)
    eleccion = Eleccion(opciones=Opciones(train_id="", estado=tmp_path, url="http://127.0.0.1:1"))

    with pytest.raises(ConfiguracionInvalida, match=r"has not answered for 0\.01 s"):
        async with abrir_cuenta(eleccion, bitacora="monitor_stops.log"):
            pass

    seguir.set()
