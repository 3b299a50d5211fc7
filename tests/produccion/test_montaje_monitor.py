"""A command beside the daemon: what it opens it closes, and a store that hangs holds it for a while only."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion import montaje_monitor
from src.produccion.config.config import Opciones
from src.produccion.montaje_monitor import Eleccion, abrir_cuenta
from tests.produccion.monitor.bolsa_contada import una_bolsa_contada

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


async def test_una_orden_se_busca_lo_que_vale_su_peticion(tmp_path: Path):
    """By the recvWindow of the settings, whatever the command."""
    (tmp_path / "timonel.yaml").write_text("exchange: {recv_window_ms: 60000}\n")
    async with una_bolsa_contada(["BTCUSDT"]) as bolsa:
        opciones = Opciones(train_id="", estado=tmp_path, config=tmp_path / "timonel.yaml", url=bolsa.url)
        async with abrir_cuenta(Eleccion(opciones=opciones), bitacora="monitor_stops.log") as cuenta:
            assert cuenta.ejecucion.paciencia.validez_s == 62.0
