"""The pauses between two tries."""

from __future__ import annotations

import asyncio

from src.produccion.bolsa.enchufe import Retroceso

MAXIMA_S = 8.0


async def pausa_s(retroceso: Retroceso) -> float:
    bucle = asyncio.get_running_loop()
    antes_s = bucle.time()
    await retroceso.esperar()
    return bucle.time() - antes_s


async def test_cada_pausa_dobla_la_anterior_hasta_un_limite():
    retroceso = Retroceso(MAXIMA_S)

    pausas = [await pausa_s(retroceso) for _ in range(7)]

    for dicha, entera in zip(pausas, (0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0), strict=True):
        assert entera / 2 <= dicha <= entera


async def test_lo_que_vivio_poco_no_acorta_la_pausa():
    retroceso = Retroceso(MAXIMA_S)
    for _ in range(5):
        await retroceso.esperar()

    await asyncio.sleep(59.0)

    assert await pausa_s(retroceso) >= MAXIMA_S / 2


async def test_lo_que_vivio_un_minuto_fue_bien():
    retroceso = Retroceso(MAXIMA_S)
    for _ in range(5):
        await retroceso.esperar()

    await asyncio.sleep(60.001)  # sums of floats may fall short of 60

    assert await pausa_s(retroceso) <= 0.5
