"""Events that wait on disk."""

from __future__ import annotations

import fcntl
from pathlib import Path

from sqlalchemy import Engine, event

from src.produccion.almacen.eventos_stop import EventoStopNuevo, FuenteStop, TipoEventoStop
from src.produccion.monitor.cuaderno import NOMBRE, Cuaderno
from tests.constructores import INICIO_MS
from tests.produccion.monitor import fabrica as f

RED = True
EVENTO = EventoStopNuevo("op", TipoEventoStop.STOP_TRIGGERED, INICIO_MS, "BTCUSDT", FuenteStop.CRON)


async def test_mientras_el_almacen_trabaja_se_puede_guardar(motor: Engine, tmp_path: Path):
    """What is added meanwhile is not forgotten, and nothing is written down twice."""
    cuaderno = Cuaderno(tmp_path)
    cuaderno.guardar(EVENTO)

    def entretanto(*_: object) -> None:
        if not hecho:
            hecho.append(True)
            Cuaderno(tmp_path).guardar(EVENTO._replace(attempt=2))

    hecho: list[bool] = []
    event.listen(motor, "commit", entretanto)
    try:
        assert cuaderno.asentar(motor) == 1
    finally:
        event.remove(motor, "commit", entretanto)

    assert not cuaderno.vacio
    assert (cuaderno.asentar(motor), cuaderno.vacio) == (1, True)
    assert [e["attempt"] for e in f.eventos(motor)] == [1, 2]


def test_un_fichero_retenido_no_detiene_a_nadie(motor: Engine, tmp_path: Path):
    """Whoever holds it for longer than it takes to append is not waited for, and nothing is lost."""
    cuaderno = Cuaderno(tmp_path)
    with (tmp_path / NOMBRE).open("ab") as archivo:
        fcntl.flock(archivo, fcntl.LOCK_EX)
        cuaderno.guardar(EVENTO)
        assert cuaderno.asentar(motor) == 0

    assert cuaderno.asentar(motor) == 1


def test_una_linea_cortada_no_se_lleva_la_siguiente(motor: Engine, tmp_path: Path):
    """A full disk cut a write short; what is kept once there is room again begins a line of its own."""
    cuaderno = Cuaderno(tmp_path)
    cuaderno.guardar(EVENTO)
    with (tmp_path / NOMBRE).open("ab") as archivo:
        archivo.write(b'{"execution_token": "op')

    cuaderno.guardar(EVENTO._replace(attempt=2))
    cuaderno.guardar(EVENTO._replace(attempt=3))

    assert (cuaderno.asentar(motor), cuaderno.vacio) == (3, True)
    assert [e["attempt"] for e in f.eventos(motor)] == [1, 2, 3]
