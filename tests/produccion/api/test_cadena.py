"""From the request to the daemon's own listener and back, as it runs in production."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from src.nucleo.errores import SolicitudInvalida
from src.produccion.almacen.demonios import DemonioNuevo, despedirse, vivos
from src.produccion.almacen.mandos import MandoGuardado
from src.produccion.api.acceso import Entorno
from src.produccion.api.encargos import Encargos, Resultado
from src.produccion.mandos import Desenlace, OidorMandos, Ritmo, solicitud_de
from tests.produccion.api.banco import AJUSTE, CUENTAS, HECHO, PLAZOS, Api, una_api

RED = True

YO = DemonioNuevo("sim-1", "BTCUSDT", 10, "aqui", user_id="User_1")


async def atender(mando: MandoGuardado) -> Desenlace:
    """Only tightens from 44,000 on."""
    stop = solicitud_de(mando).stop
    assert stop is not None
    if stop < 44_000.0:
        raise SolicitudInvalida(f"Looser stop not allowed (current 44000, new {stop:g})")
    return HECHO._replace(stop=stop)


@asynccontextmanager
async def un_demonio(motor: Engine) -> AsyncIterator[None]:
    tarea = asyncio.create_task(OidorMandos(motor, YO, atender, Ritmo(mirar_s=0.02)).correr())
    try:
        async with asyncio.timeout(60):
            while not vivos(motor):  # noqa: ASYNC110 -- the listener's thread brings it about
                await asyncio.sleep(0.02)
        yield
    finally:
        tarea.cancel()
        await asyncio.gather(tarea, return_exceptions=True)
        despedirse(motor, YO.account_id, YO.symbol)


async def test_una_solicitud_llega_al_demonio_y_vuelve(api: Api, motor: Engine):
    ficha = api.ficha()
    async with un_demonio(motor):
        hecha = await api.guardian(AJUSTE, ficha)
        rechazada = await api.guardian(AJUSTE | {"stop": 43_000}, ficha)
    sin_nadie = await api.guardian(AJUSTE, ficha)

    assert (hecha.estado, hecha.cuerpo["success"], hecha.cuerpo["stop"]) == (200, True, 45_000.0)
    assert (rechazada.estado, rechazada.cuerpo["detail"]) == (
        409,
        "Looser stop not allowed (current 44000, new 43000)",
    )
    assert sin_nadie.estado == 503


class Tartamudo(Encargos):
    """The store does not answer the first looks."""

    def __init__(self, motor: Engine) -> None:
        super().__init__(motor, PLAZOS)
        self.callados = 3

    def _leer(self, mando: MandoGuardado) -> MandoGuardado:
        if self.callados:
            self.callados -= 1
            raise OperationalError("SELECT 1", None, ConnectionError("down"))
        return super()._leer(mando)


async def test_un_almacen_que_calla_un_momento_no_pierde_la_respuesta(
    motor: Engine, bitacora: list[dict[str, Any]]
):
    entorno = Entorno(almacen=motor, cuentas=CUENTAS, encargos=Tartamudo(motor))
    async with un_demonio(motor), una_api(entorno) as api:
        respuesta = await api.guardian(AJUSTE, api.ficha())

    assert respuesta.estado == 200
    assert [e["event"] for e in bitacora].count("mando_no_leido") == 3


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_un_mando_que_no_se_pudo_pedir_se_dice(motor: Engine):
    class Mudo(Encargos):
        def _pedir(self, pares: object) -> list[MandoGuardado | Resultado]:
            raise OperationalError("INSERT", None, ConnectionError("down"))

    async with una_api(Entorno(almacen=motor, cuentas=CUENTAS, encargos=Mudo(motor))) as api:
        respuesta = await api.guardian(AJUSTE, api.ficha())

    assert (respuesta.estado, respuesta.cuerpo["success"]) == (503, False)
    assert "whether the command was given is unknown" in respuesta.cuerpo["detail"]
