"""One exchange under control."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.simulador.fallas.banco import Bolsa, una_bolsa


@pytest.fixture
async def bolsa() -> AsyncIterator[Bolsa]:
    """In lockstep, at 20,000 and rising by 10 with each step."""
    async with una_bolsa() as abierta:
        yield abierta
