"""A secret that nothing may write anywhere, and a look for it in everything that was written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

SECRETO = "q7ZsecretoDePrueba9Kw"
"""Of the account at the simulator that the tests' processes trade on."""

_TROZO = 1 << 20
_SOLAPE = 128
_DELATOR = re.compile(rb"signature=[0-9a-f]{64}|" + SECRETO.encode())


def delatores(carpeta: Path) -> Iterator[str]:
    """Files below a directory that hold the secret, or a request signed with it."""
    for ruta in sorted(carpeta.rglob("*")):
        if ruta.is_file() and not ruta.is_symlink() and _delata(ruta):
            yield str(ruta.relative_to(carpeta))


def _delata(ruta: Path) -> bool:
    try:
        archivo = ruta.open("rb")
    except FileNotFoundError:  # gone meanwhile, with whoever wrote it
        return False
    with archivo:
        cola = b""
        while trozo := archivo.read(_TROZO):
            if _DELATOR.search(cola + trozo):
                return True
            cola = trozo[-_SOLAPE:]
    return False
