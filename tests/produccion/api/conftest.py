"""A store, accounts and users to serve the API over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from sqlalchemy import Engine

from src.produccion.api.acceso import Entorno
from src.produccion.api.encargos import Encargos
from src.produccion.api.mercados import Mercados, Plaza
from src.produccion.bolsa.publico import MercadoPublico
from src.produccion.config.config import Modo
from tests.produccion.almacenes import base_postgresql, motor, url  # noqa: F401 -- fixtures
from tests.produccion.api.banco import CUENTAS, PLAZOS, Api, DemonioFalso, una_api
from tests.produccion.api.bolsa_publica import BolsaPublica, una_bolsa_publica


@pytest.fixture
def entorno(motor: Engine) -> Entorno:  # noqa: F811
    return Entorno(almacen=motor, cuentas=CUENTAS, encargos=Encargos(motor, PLAZOS))


@pytest.fixture
async def bolsa() -> AsyncIterator[BolsaPublica]:
    """Prices for accounts of the simulator, and for whoever names no environment."""
    async with una_bolsa_publica() as una:
        yield una


@pytest.fixture
async def con_mercado(motor: Engine, bolsa: BolsaPublica) -> AsyncIterator[Api]:  # noqa: F811
    """The API with an exchange to look at."""
    mercados = Mercados({Modo.SIMULADO: Plaza(MercadoPublico(bolsa.url))}, Modo.SIMULADO)
    entorno = Entorno(almacen=motor, cuentas=CUENTAS, encargos=Encargos(motor, PLAZOS), mercados=mercados)
    async with una_api(entorno) as suya:
        yield suya


@pytest.fixture
async def api(entorno: Entorno) -> AsyncIterator[Api]:
    async with una_api(entorno) as suya:
        yield suya


@pytest.fixture
def demonio(motor: Engine) -> Iterator[Callable[..., DemonioFalso]]:  # noqa: F811
    """Starts daemons of accounts, and ends them."""
    vivos: list[DemonioFalso] = []

    def empezar(user_id: str, **otros: object) -> DemonioFalso:
        uno = DemonioFalso(motor, user_id, **otros)
        uno.start()
        vivos.append(uno)
        return uno

    yield empezar
    for uno in vivos:
        uno.parar()
