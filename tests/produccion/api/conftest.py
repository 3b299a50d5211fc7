"""A store, accounts and users to serve the API over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from sqlalchemy import Engine

from src.produccion.api.acceso import Entorno
from src.produccion.api.encargos import Encargos
from tests.produccion.almacenes import base_postgresql, motor, url  # noqa: F401 -- fixtures
from tests.produccion.api.banco import CUENTAS, PLAZOS, Api, DemonioFalso, una_api


@pytest.fixture
def entorno(motor: Engine) -> Entorno:  # noqa: F811
    return Entorno(almacen=motor, cuentas=CUENTAS, encargos=Encargos(motor, PLAZOS))


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
