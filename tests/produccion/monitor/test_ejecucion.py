"""An execution that takes long keeps its claim."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import pairwise

import pytest
from sqlalchemy import Engine

from src.nucleo.errores import AlmacenCaido
from src.produccion.almacen.eventos_stop import FuenteStop
from src.produccion.almacen.reclamos import ARRIENDO_MS, Reclamo
from src.produccion.monitor.desenlace import paciencia_de
from src.produccion.monitor.ejecucion import AjustesEjecucion, EjecutorStops
from src.produccion.monitor.libro import Libro
from src.produccion.monitor.tipos import Final
from tests.produccion.falsos import Pierde
from tests.produccion.monitor import fabrica as f

AJUSTES = AjustesEjecucion(paciencia=paciencia_de(60_000))


class _LibroMirado(Libro):
    """Notes when a claim was renewed; ``calla`` makes the store fail to answer what has no client id."""

    calla = False

    def __init__(self, motor: Engine) -> None:
        super().__init__(motor)
        self.renovado_s: list[float] = []

    async def renovar(self, reclamo: Reclamo, id_cliente: str | None = None) -> bool:
        self.renovado_s.append(asyncio.get_running_loop().time())
        if self.calla and id_cliente is None:
            raise AlmacenCaido("the shared store does not answer")
        return await super().renovar(reclamo, id_cliente)


@pytest.mark.parametrize("como", ["lenta", "perdida"])
async def test_el_reclamo_no_vence_mientras_no_se_sabe(motor: Engine, como: str):
    """Neither while the answer is awaited nor while the order is looked for, however long both take."""
    (operacion,) = f.guardar(motor, f.una_operacion())
    bolsa, libro = f.una_bolsa(88_000.0), _LibroMirado(motor)
    if como == "lenta":
        bolsa.demora_envio_s = 60.0
    else:
        bolsa.fallos = deque([Pierde.ANTES])
    ejecutor = EjecutorStops(libro, bolsa, bolsa.reloj, "uno", FuenteStop.CRON, AJUSTES)
    bucle = asyncio.get_running_loop()

    resultado = await ejecutor.ejecutar(f.disparada(operacion))

    assert (resultado.final, bucle.time() >= 60.0) == (Final.EXECUTED, True)
    seguidas = pairwise([*libro.renovado_s, bucle.time()])
    assert max(luego - antes for antes, luego in seguidas) < ARRIENDO_MS / 1_000 / 2
    assert [o.id_cliente for o in bolsa.aceptadas] == [bolsa.enviadas[-1].id_cliente]


async def test_un_almacen_que_calla_no_corta_la_busqueda(motor: Engine, bitacora):
    """The order on its way is found first; another is not sent because the claim could not be renewed."""
    (operacion,) = f.guardar(motor, f.una_operacion())
    bolsa, libro = (
        f.una_bolsa(88_000.0, fallos=deque([Pierde.DESPUES]), consultas_ausentes=20),
        _LibroMirado(motor),
    )
    libro.calla = True

    resultado = await EjecutorStops(libro, bolsa, bolsa.reloj, "uno", FuenteStop.CRON, AJUSTES).ejecutar(
        f.disparada(operacion)
    )

    assert (resultado.final, len(bolsa.enviadas)) == (Final.EXECUTED, 1)
    assert [e for e in bitacora if e["event"] == "reclamo_sin_renovar"]
