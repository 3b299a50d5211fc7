"""What to say of a key in a YAML file that nobody reads."""

from __future__ import annotations

import difflib
from typing import Any, get_args, get_origin

from pydantic import BaseModel

Ubicacion = tuple[int | str, ...]


def clave_desconocida(modelo: type[BaseModel], ubicacion: Ubicacion) -> str:
    """Name an unknown key and the known one nearest to it; all of them when none is near.

    Args:
        modelo: What the whole file is read into.
        ubicacion: Where the key stands in it, as pydantic's errors say.
    """
    return f"unknown key `{'.'.join(map(str, ubicacion))}`{_sugerencia(modelo, ubicacion)}"


def _sugerencia(modelo: type[BaseModel], ubicacion: Ubicacion) -> str:
    donde: Any = modelo
    for parte in ubicacion[:-1]:
        donde = _interior(donde, str(parte))
    if not _es_seccion(donde):
        return ""
    conocidas = donde.model_fields
    cercanas = difflib.get_close_matches(str(ubicacion[-1]), conocidas, n=1)
    remedio = f"did you mean `{cercanas[0]}`?" if cercanas else f"known: {', '.join(conocidas)}"
    return f"; {remedio}"


def _interior(donde: Any, parte: str) -> Any:
    """What a section holds under a key, or a mapping under any; ``None`` where neither is."""
    if get_origin(donde) is dict:
        return get_args(donde)[1]
    campo = donde.model_fields.get(parte) if _es_seccion(donde) else None
    return None if campo is None else campo.annotation


def _es_seccion(donde: Any) -> bool:
    return isinstance(donde, type) and issubclass(donde, BaseModel)
