"""A served exchange and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from src.simulador.servidor import Servidor
from tests.simulador.banco import Cliente, planas, una_simulacion


@pytest.fixture
async def servidor() -> AsyncIterator[Servidor]:
    """Two symbols at 20,000 and 1,000, in lockstep."""
    precios = planas(*[20_000.0 + 10 * i for i in range(40)])
    otros = planas(*[1_000.0 + i for i in range(40)])
    async with Servidor(una_simulacion(precios, otras=[("ETHUSDT", otros)], calentamiento=20)) as abierto:
        yield abierto


@pytest.fixture
async def cliente(servidor: Servidor) -> AsyncIterator[Cliente]:
    """The default account's client."""
    async with aiohttp.ClientSession() as sesion:
        yield Cliente(sesion, servidor.url)
