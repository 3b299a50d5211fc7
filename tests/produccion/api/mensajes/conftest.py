"""The API with sockets that are quick to look."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Engine

from src.produccion.api.acceso import Entorno
from src.produccion.api.encargos import Encargos
from src.produccion.api.mensajes.contrato import LimitesMensajes
from src.produccion.api.mercados import Mercados, Plaza
from src.produccion.bolsa.publico import MercadoPublico
from src.produccion.config.config import Modo
from tests.produccion.api.banco import CUENTAS, PLAZOS, Api, una_api
from tests.produccion.api.bolsa_publica import BolsaPublica


@pytest.fixture
def limites() -> LimitesMensajes:
    return LimitesMensajes(
        sondeo_s=0.03, posiciones_s=0.1, precios_s=0.1, credenciales_s=0.05, latido_s=0.1, descanso_s=0.1
    )


@pytest.fixture
def entorno(motor: Engine, limites: LimitesMensajes) -> Entorno:
    return Entorno(almacen=motor, cuentas=CUENTAS, encargos=Encargos(motor, PLAZOS), mensajes=limites)


@pytest.fixture
async def con_mercado(motor: Engine, limites: LimitesMensajes, bolsa: BolsaPublica) -> AsyncIterator[Api]:
    """The API with an exchange to look at."""
    mercados = Mercados({Modo.SIMULADO: Plaza(MercadoPublico(bolsa.url))}, Modo.SIMULADO)
    encargos = Encargos(motor, PLAZOS)
    entorno = Entorno(almacen=motor, cuentas=CUENTAS, encargos=encargos, mercados=mercados, mensajes=limites)
    async with una_api(entorno) as suya:
        yield suya
