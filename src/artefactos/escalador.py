"""The scaler's pickle, read without sklearn and without running anything a pickle may ask for."""

from __future__ import annotations

import _codecs
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy._core import multiarray, numeric

from src.nucleo.errores import ArtefactoInvalido
from src.nucleo.observacion import Escalador


class _EscaladorEstandar:
    """Stands in for sklearn's StandardScaler; holds its attributes and does nothing."""

    def __setstate__(self, estado: dict[str, Any]) -> None:
        self.__dict__.update(estado)


_PERMITIDAS: dict[tuple[str, str], Callable[..., Any]] = {
    ("sklearn.preprocessing._data", "StandardScaler"): _EscaladorEstandar,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _codecs.encode,
}
for _paquete in ("numpy._core", "numpy.core"):
    _PERMITIDAS[(f"{_paquete}.multiarray", "_reconstruct")] = multiarray._reconstruct
    _PERMITIDAS[(f"{_paquete}.multiarray", "scalar")] = multiarray.scalar
    _PERMITIDAS[(f"{_paquete}.numeric", "_frombuffer")] = vars(numeric)["_frombuffer"]


class _LectorRestringido(pickle.Unpickler):
    def find_class(self, modulo: str, nombre: str) -> Callable[..., Any]:
        permitida = _PERMITIDAS.get((modulo, nombre))
        if permitida is None:
            raise ArtefactoInvalido(
                f"the scaler's pickle asks for the foreign class {modulo}.{nombre}; it was not loaded"
            )
        return permitida


def leer_escalador(ruta: Path) -> Escalador:
    """Read ``scaler_train.pkl``; verify its hash first.

    Raises:
        ArtefactoInvalido: The file is missing or corrupt, names a foreign class, or is no fitted scaler.
    """
    try:
        contenido = ruta.read_bytes()
    except OSError as fallo:
        raise ArtefactoInvalido(
            f"cannot read the scaler {ruta}: {fallo}; train again or restore the file"
        ) from fallo
    return interpretar_escalador(contenido, str(ruta))


def interpretar_escalador(contenido: bytes, origen: str) -> Escalador:
    """Rebuild the scaler from the bytes of its pickle; ``origen`` names it in errors."""
    try:
        objeto = _LectorRestringido(io.BytesIO(contenido)).load()
    except ArtefactoInvalido:
        raise
    except Exception as fallo:  # a corrupt pickle raises whatever its bytes happen to call
        raise ArtefactoInvalido(f"the scaler {origen} is corrupt: {type(fallo).__name__}: {fallo}") from fallo
    if not isinstance(objeto, _EscaladorEstandar):
        raise ArtefactoInvalido(f"{origen} holds a {type(objeto).__name__}, not a StandardScaler")
    media = _vector(objeto, "mean_", origen)
    escala = _vector(objeto, "scale_", origen)
    if media.shape != escala.shape or not (escala > 0.0).all():
        raise ArtefactoInvalido(
            f"the scaler {origen} has means {media.shape} and scales {escala.shape} that do not fit"
        )
    return Escalador(media, escala)


def _vector(objeto: _EscaladorEstandar, nombre: str, origen: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    valor = objeto.__dict__.get(nombre)
    if not isinstance(valor, np.ndarray) or valor.ndim != 1 or valor.dtype.kind != "f":
        raise ArtefactoInvalido(f"the scaler {origen} is not fitted: it holds no vector {nombre}")
    vector = valor.astype(np.float64)
    if not np.isfinite(vector).all():
        raise ArtefactoInvalido(f"the scaler {origen} holds a {nombre} that is not finite")
    return vector
