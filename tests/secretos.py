"""Secrets that nothing may write anywhere, and a look for them in everything that was written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

SECRETO = "q7ZsecretoDePrueba9Kw"
"""Of the account at the simulator that the tests' processes trade on."""

SECRETO_FIRMA = "f3JfirmaDePruebaQueNadieEscribe8Tz"
"""Signs the log-ins of the tests' API."""

FICHA_BOT = "123456:AA-secreta_de_prueba"
"""Of the bot that the tests' processes tell."""

_TROZO = 1 << 20
_SOLAPE = 128
_SIEMPRE = (rb"signature=[0-9a-f]{64}", *(re.escape(s.encode()) for s in (SECRETO, SECRETO_FIRMA, FICHA_BOT)))
_FICHA = rb"\btm[lr]_[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"  # 32 random bytes; made-up ones are shorter
_DELATOR = re.compile(b"|".join(_SIEMPRE))
_DELATOR_O_FICHA = re.compile(b"|".join((*_SIEMPRE, _FICHA)))
_DE_OTROS = 0o077


def delatores(carpeta: Path) -> Iterator[str]:
    """Files below a directory that hold a secret, a request signed with one, or somebody's token.

    A token may stand in a file of its owner alone: `timonel login` keeps it there.
    """
    for ruta in sorted(carpeta.rglob("*")):
        if ruta.is_file() and not ruta.is_symlink() and _delata(ruta):
            yield str(ruta.relative_to(carpeta))


def _delata(ruta: Path) -> bool:
    try:
        archivo = ruta.open("rb")
        modo = ruta.stat().st_mode
    except FileNotFoundError:  # gone meanwhile, with whoever wrote it
        return False
    delator = _DELATOR_O_FICHA if modo & _DE_OTROS else _DELATOR
    with archivo:
        cola = b""
        while trozo := archivo.read(_TROZO):
            if delator.search(cola + trozo):
                return True
            cola = trozo[-_SOLAPE:]
    return False
