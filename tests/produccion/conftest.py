"""Tests wait in virtual time, except those that say ``RED = True`` and talk to a real socket or thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

import pytest
import structlog

from tests.produccion.bucle import BucleVirtual


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if getattr(item.module, "RED", False):
        return {"real": asyncio.new_event_loop}
    return {"virtual": BucleVirtual}


@pytest.fixture
def bitacora() -> Iterator[list[dict[str, object]]]:
    """Every log event of the test, as long as nothing configures logging."""
    configuracion = structlog.get_config()
    with structlog.testing.capture_logs() as eventos:
        yield eventos
    structlog.configure(**configuracion)


@pytest.fixture(autouse=True)
def _sin_ruido(bitacora: list[dict[str, object]]) -> None:
    """Log events go to the list instead of the terminal."""
