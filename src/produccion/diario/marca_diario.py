"""The random mark beside a journal, and those it bore before each repair.

Accounts of dry runs are the same every time, and so are their records: by the mark whoever copies records
elsewhere tells one journal from the next. A repair gives a fresh one, since the numbers of what was lost
behind the last record kept are given out again; the earlier marks stay on record, each with the last number
that means the same under both.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from src.produccion.diario.apertura_diario import asentar_nombre

_FICHERO = "diario.id"


class Anterior(NamedTuple):
    """A mark that a journal bore before a repair."""

    marca: str
    hasta_seq: int  # the last record that is still there; later numbers are of other records


class Marca(NamedTuple):
    """What tells a journal from any other."""

    actual: str
    anteriores: tuple[Anterior, ...] = ()  # newest first


def marca_de(ruta: Path) -> Marca:
    """The mark of a journal, made when it has none.

    Raises:
        OSError: The directory cannot be written.
    """
    fichero = ruta.with_name(_FICHERO)
    if not fichero.exists():
        nuevo = _escrita(fichero, Marca(_al_azar()))
        try:
            # Whoever else makes one at this moment keeps it.
            with suppress(FileExistsError):
                fichero.hardlink_to(nuevo)
        finally:
            nuevo.unlink()
    return _leida(fichero)


def tiene_marca(ruta: Path) -> bool:
    """Whether anybody has ever asked for the mark of a journal; none is made."""
    return ruta.with_name(_FICHERO).exists()


def renovar_marca(ruta: Path, hasta_seq: int) -> None:
    """Give a journal that is about to be repaired a fresh mark, if it has one.

    Args:
        ruta: The journal's file.
        hasta_seq: The last record that is kept, under its own number.

    Raises:
        OSError: The directory cannot be written.
    """
    fichero = ruta.with_name(_FICHERO)
    if fichero.exists():
        antes = _leida(fichero)
        anterior = Anterior(antes.actual, hasta_seq)
        _escrita(fichero, Marca(_al_azar(), (anterior, *antes.anteriores))).replace(fichero)
        asentar_nombre(ruta.parent)


def _al_azar() -> str:
    return secrets.token_hex(8)


def _escrita(fichero: Path, marca: Marca) -> Path:
    """A file of its own, on disk."""
    nuevo = fichero.with_name(f"{_FICHERO}.{secrets.token_hex(4)}")
    lineas = [marca.actual, *(f"{anterior.marca} {anterior.hasta_seq}" for anterior in marca.anteriores)]
    with nuevo.open("w", encoding="ascii") as archivo:
        archivo.write("\n".join(lineas))
        archivo.flush()
        os.fsync(archivo.fileno())
    return nuevo


def _leida(fichero: Path) -> Marca:
    actual, *lineas = fichero.read_text(encoding="ascii").split("\n")
    pares = (linea.rpartition(" ") for linea in lineas)
    return Marca(actual, tuple(Anterior(marca, int(hasta)) for marca, _, hasta in pares))
