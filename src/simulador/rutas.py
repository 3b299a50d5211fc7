"""A REST route: who may call it, what it weighs, what answers it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from src.simulador.peticion import Parametros
from src.simulador.simulacion import Simulacion
from src.simulador.titular import Titular

Peso = Callable[[Parametros], int]


class Acceso(Enum):
    """What a request must carry."""

    CLAVE = "key"
    FIRMA = "key and signature"


@dataclass(frozen=True, slots=True)
class Publica:
    """A route for anybody."""

    peso: Peso
    atender: Callable[[Simulacion, Parametros], Any]


@dataclass(frozen=True, slots=True)
class Privada:
    """A route for the holder of a key."""

    peso: Peso
    atender: Callable[[Simulacion, Titular, Parametros], Any]
    acceso: Acceso = Acceso.FIRMA
    ordenes: Peso = lambda _: 0  # how many orders it counts


Ruta = Publica | Privada
Tabla = dict[tuple[str, str], Ruta]


def fijo(peso: int) -> Peso:
    """The same weight for every request."""
    return lambda _: peso


def con_simbolo(uno: int, todos: int) -> Peso:
    """A weight for one symbol and another for all."""
    return lambda parametros: uno if parametros.tiene("symbol") else todos


def escalones(nombre: str, defecto: int, pesos: tuple[tuple[int, int], ...], ultimo: int) -> Peso:
    """A weight that grows with a limit: the first step that holds it."""

    def pesar(parametros: Parametros) -> int:
        limite = parametros.entero_o(nombre, defecto)
        return next((peso for tope, peso in pesos if limite <= tope), ultimo)

    return pesar
