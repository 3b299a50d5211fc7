"""What all tests share: profiles of the property tests, and a last look at what was written.

A profile gives the same examples in every run; ``pytest --hypothesis-profile=explorar`` draws new ones, and
more of them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.secretos import delatores

settings.register_profile("fijo", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("explorar", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile("fijo")


@pytest.fixture(scope="session", autouse=True)
def _ningun_secreto_escrito(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whatever the processes of the tests have written, no secret of theirs and nobody's token is in it."""
    yield
    assert list(delatores(tmp_path_factory.getbasetemp())) == []


@pytest.fixture(autouse=True)
def _ninguna_bitacora_muda() -> Iterator[None]:
    """A test that leaves logging switched off blinds the tests after it."""
    yield
    assert logging.root.manager.disable == logging.NOTSET
