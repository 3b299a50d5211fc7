"""The API with sockets that are quick to look."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Engine

from src.produccion.api.acceso import Entorno
from src.produccion.api.encargos import Encargos, reloj_de_pared
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


class RelojAdelantado:
    """Time of day, and some more."""

    adelanto_ms = 0

    def __call__(self) -> int:
        return reloj_de_pared() + self.adelanto_ms


@pytest.fixture
def reloj() -> RelojAdelantado:
    return RelojAdelantado()


@pytest.fixture
def entorno(motor: Engine, limites: LimitesMensajes, reloj: RelojAdelantado) -> Entorno:
    encargos = Encargos(motor, PLAZOS)
    return Entorno(almacen=motor, cuentas=CUENTAS, encargos=encargos, mensajes=limites, ahora_ms=reloj)


@pytest.fixture
async def con_mercado(motor: Engine, limites: LimitesMensajes, bolsa: BolsaPublica) -> AsyncIterator[Api]:
    """The API with an exchange to look at."""
    mercados = Mercados({Modo.SIMULADO: Plaza(MercadoPublico(bolsa.url))}, Modo.SIMULADO)
    encargos = Encargos(motor, PLAZOS)
    entorno = Entorno(almacen=motor, cuentas=CUENTAS, encargos=encargos, mercados=mercados, mensajes=limites)
    async with una_api(entorno) as suya:
        yield suya
