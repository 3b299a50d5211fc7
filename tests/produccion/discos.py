"""Disks that hang, made of pipes that nobody reads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def colgado(ruta: Path) -> Iterator[None]:
    """Whoever opens the file to write hangs until the end of the block."""
    ruta.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(ruta)
    try:
        yield
    finally:
        os.close(os.open(ruta, os.O_RDONLY | os.O_NONBLOCK))
