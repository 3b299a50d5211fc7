"""Files that readers see whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp


@contextmanager
def escritura_atomica(ruta: Path) -> Iterator[Path]:
    """A path to write to that takes the place of ``ruta`` at the end, and leaves no trace of a failure."""
    ruta.parent.mkdir(parents=True, exist_ok=True)
    descriptor, nombre = mkstemp(dir=ruta.parent, prefix=f".{ruta.name}.")
    os.close(descriptor)
    provisional = Path(nombre)
    try:
        yield provisional
        provisional.chmod(0o644)
        provisional.replace(ruta)
    finally:
        provisional.unlink(missing_ok=True)
