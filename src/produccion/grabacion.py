"""The candles a session was warmed up with, kept so that the session can be replayed."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from src.nucleo.errores import DatosInvalidos, EmergenciaOperacional
from src.nucleo.tipos import Vela


def grabar_calentamiento(carpeta: Path, sello: str, velas: Sequence[Vela]) -> tuple[str, str]:
    """Write ``velas_<sello>.npz``, whole or not at all; the same candles always give the same bytes.

    Args:
        carpeta: Where the session's files go; made when missing.
        sello: Names the session.
        velas: Closed candles, oldest first.

    Returns:
        The file's name, and the SHA-256 of its contents.

    Raises:
        EmergenciaOperacional: It cannot be written.
    """
    bufer = io.BytesIO()
    np.savez_compressed(
        bufer,
        open_time=np.array([vela.apertura_ms for vela in velas], dtype=np.int64),
        ohlcv=np.array([vela[1:] for vela in velas], dtype=np.float64).reshape(len(velas), 5),
    )
    contenido = bufer.getvalue()
    ruta = carpeta / f"velas_{sello}.npz"
    provisional = ruta.with_name(f".{ruta.name}.{os.getpid()}")
    try:
        carpeta.mkdir(parents=True, exist_ok=True)
        provisional.write_bytes(contenido)
        provisional.replace(ruta)
    except OSError as fallo:
        raise EmergenciaOperacional(f"{ruta} cannot be written: {fallo}") from fallo
    return ruta.name, hashlib.sha256(contenido).hexdigest()


def leer_calentamiento(ruta: Path, sha256: str) -> list[Vela]:
    """Read back what `grabar_calentamiento` wrote.

    Raises:
        DatosInvalidos: The file is missing, is not the one that was recorded, or holds no candles.
    """
    try:
        contenido = ruta.read_bytes()
    except OSError as fallo:
        raise DatosInvalidos(
            f"cannot read the session's candles {ruta}: {fallo.strerror}; restore the file"
        ) from fallo
    if hashlib.sha256(contenido).hexdigest() != sha256:
        raise DatosInvalidos(f"{ruta} is not the file that the session wrote; restore it")
    try:
        with np.load(io.BytesIO(contenido), allow_pickle=False) as fichero:
            aperturas, filas = fichero["open_time"].tolist(), fichero["ohlcv"].tolist()
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as fallo:
        raise DatosInvalidos(f"{ruta} holds no candles: {fallo}") from fallo
    return [Vela(apertura, *fila) for apertura, fila in zip(aperturas, filas, strict=True)]
