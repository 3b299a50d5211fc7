"""Running a simulator until it is stopped."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Sequence

from src.simulador.fuentes import Fuente
from src.simulador.opciones import Opciones
from src.simulador.servidor import servir
from src.simulador.simulacion import Simulacion


def correr(series: Sequence[Fuente], opciones: Opciones) -> None:
    """Serve until SIGINT or SIGTERM."""
    simulacion = Simulacion(series, opciones)
    # What has been loaded lives as long as the process: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    with asyncio.Runner(loop_factory=_fabrica()) as corredor:
        corredor.run(servir(simulacion))


def _fabrica() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The faster event loop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
