from __future__ import annotations

import asyncio
import os
import signal

import pytest

from src.produccion.supervision.prisa import con_prisa


@pytest.mark.parametrize("senal", [signal.SIGINT, signal.SIGTERM])
async def test_quien_vuelve_a_pedir_el_final_lo_tiene_y_el_codigo_de_salida_no_cambia(senal: signal.Signals):
    """Neither within the block nor after it does a signal end anything by itself."""
    with con_prisa() as prisa:
        os.kill(os.getpid(), senal)
        await asyncio.wait_for(prisa.wait(), 5.0)
    os.kill(os.getpid(), senal)
    await asyncio.sleep(0.05)


async def test_sin_senal_no_hay_prisa():
    with con_prisa() as prisa:
        await asyncio.sleep(0.01)

        assert not prisa.is_set()
