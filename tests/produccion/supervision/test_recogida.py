from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import suppress

from src.produccion.supervision.cortesia import Cortesia
from src.produccion.supervision.recogida import Recogida, RitmoRecogida

_SIEMPRE = RitmoRecogida(joven_s=0.001, todo_s=0.001, espera_s=60.0)
_UN_RATO_S = 0.2
_MUCHO_S = 10.0


class _Ciclo:
    """Lives until somebody collects."""

    def __init__(self) -> None:
        self.yo = self


def _basura() -> weakref.ref[_Ciclo]:
    return weakref.ref(_Ciclo())


async def _correr(recogida: Recogida, basura: weakref.ref[_Ciclo], plazo_s: float) -> bool:
    """Whether it is gone within so many seconds."""
    recogida_fin = asyncio.Event()
    weakref.finalize(basura(), recogida_fin.set)
    tarea = asyncio.create_task(recogida.correr())
    with suppress(TimeoutError):
        async with asyncio.timeout(plazo_s):
            await recogida_fin.wait()
    tarea.cancel()
    await asyncio.gather(tarea, return_exceptions=True)
    return basura() is None


def test_se_recoge_cuando_no_hay_nada_que_hacer():
    recogida = Recogida(Cortesia(), _SIEMPRE)
    with recogida.a_ratos():
        assert asyncio.run(_correr(recogida, _basura(), _MUCHO_S))


def test_mientras_el_daemon_trabaja_no_se_recoge():
    cortesia = Cortesia()
    recogida = Recogida(cortesia, _SIEMPRE)
    with recogida.a_ratos():
        cortesia.ocupar()
        basura = _basura()
        assert not asyncio.run(_correr(recogida, basura, _UN_RATO_S))
        cortesia.soltar()
        assert asyncio.run(_correr(recogida, basura, _MUCHO_S))


def test_quien_no_para_de_trabajar_tambien_se_recoge():
    cortesia = Cortesia()
    recogida = Recogida(cortesia, _SIEMPRE._replace(espera_s=0.0))
    with recogida.a_ratos():
        cortesia.ocupar()
        assert asyncio.run(_correr(recogida, _basura(), _MUCHO_S))


def test_el_interprete_no_recoge_por_su_cuenta_hasta_que_acaba_y_entonces_mira_todo():
    with Recogida(Cortesia()).a_ratos():
        assert not gc.isenabled()
        assert gc.get_freeze_count() > 0

    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
