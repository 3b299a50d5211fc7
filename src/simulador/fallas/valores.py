"""Reading single values of a scenario; what is wrong is named with its place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from src.simulador.fallas.ficha import Parametro, Valor

Camino = tuple[str | int, ...]


class GuionInvalido(Exception):
    """A scenario that cannot be used.

    Args:
        camino: Keys and positions that lead to what is wrong.
        motivo: What is wrong, in one sentence.
    """

    def __init__(self, camino: Camino, motivo: str) -> None:
        self.camino = camino
        self.motivo = motivo
        super().__init__(f"{lugar(camino)}: {motivo}" if camino else motivo)


def lugar(camino: Camino) -> str:
    """A path as people write it: ``faults[2].kind``."""
    texto = ""
    for parte in camino:
        texto += f"[{parte}]" if isinstance(parte, int) else f".{parte}" if texto else parte
    return texto


def leer_valor(valor: object, parametro: Parametro, camino: Camino) -> Valor:
    """One parameter's value, of its type and within its bounds."""
    if parametro.opciones:
        return leer_opcion(valor, parametro.opciones, camino)
    match parametro.defecto:
        case bool():
            if not isinstance(valor, bool):
                raise GuionInvalido(camino, f"{valor!r} is neither true nor false")
            return valor
        case int():
            entero = leer_entero(valor, camino)
            _en_rango(entero, parametro, camino)
            return entero
        case float():
            if isinstance(valor, bool) or not isinstance(valor, int | float):
                raise GuionInvalido(camino, f"{valor!r} is not a number")
            _en_rango(valor, parametro, camino)
            return float(valor)
        case str():
            return str(valor)


def _en_rango(valor: float, parametro: Parametro, camino: Camino) -> None:
    if parametro.minimo is not None and not valor >= parametro.minimo:
        raise GuionInvalido(camino, f"{valor} is less than {parametro.minimo:g}")
    if parametro.maximo is not None and not valor <= parametro.maximo:
        raise GuionInvalido(camino, f"{valor} is more than {parametro.maximo:g}")


def leer_opcion(valor: object, opciones: Iterable[str], camino: Camino) -> str:
    """One of some words."""
    posibles = tuple(str(opcion) for opcion in opciones)
    if valor not in posibles:
        raise GuionInvalido(camino, f"{valor!r} is none of: {', '.join(posibles)}")
    return str(valor)


def leer_entero(valor: object, camino: Camino, *, minimo: int | None = None, ademas: str = "") -> int:
    """A whole number; ``ademas`` is a word that would do as well, for the error."""
    if isinstance(valor, bool) or not isinstance(valor, int):
        raise GuionInvalido(
            camino, f"{valor!r} is not a whole number" + (f" nor {ademas!r}" if ademas else "")
        )
    if minimo is not None and valor < minimo:
        raise GuionInvalido(camino, f"{valor} is less than {minimo}")
    return valor


def leer_mapa(crudo: object, camino: Camino) -> Mapping[str, Any]:
    """Keys and values."""
    if not isinstance(crudo, Mapping):
        raise GuionInvalido(camino, f"{crudo!r} is not a mapping of keys to values")
    return crudo


def leer_lista(crudo: object, camino: Camino) -> list[object]:
    """A list; nothing is an empty one."""
    if crudo is None:
        return []
    if not isinstance(crudo, list):
        raise GuionInvalido(camino, f"{crudo!r} is not a list")
    return crudo


def exigir_conocidas(mapa: Mapping[str, Any], conocidas: Iterable[str], camino: Camino, que: str) -> None:
    """Refuse keys that nobody reads."""
    posibles = tuple(conocidas)
    for clave in mapa:
        if clave not in posibles:
            raise GuionInvalido((*camino, str(clave)), f"unknown {que}{cercana(str(clave), posibles)}")


def cercana(texto: str, posibles: Iterable[str]) -> str:
    """The hint at the nearest of some words."""
    cercanas = difflib.get_close_matches(texto, [str(p) for p in posibles], n=1, cutoff=0.0)
    return f"; did you mean {cercanas[0]!r}?" if cercanas else ""


def a_texto(valor: object) -> str:
    """A value as requests and events write it."""
    return str(valor).lower() if isinstance(valor, bool) else str(valor)
