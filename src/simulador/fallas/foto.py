"""An account as it is at one moment, untouched by what comes after."""

from __future__ import annotations

import copy
from dataclasses import replace

from src.simulador.algos import LibroAlgos
from src.simulador.cuenta import Cuenta
from src.simulador.libro import Libro
from src.simulador.titular import Titular


def fotografiar(titular: Titular) -> Titular:
    """Copy what later orders, fills and settings would change."""
    return replace(
        titular,
        cuenta=_cuenta(titular.cuenta),
        libro=_libro(titular.libro),
        algos=_algos(titular.algos),
        cuentas_atras=dict(titular.cuentas_atras),
    )


def _cuenta(cuenta: Cuenta) -> Cuenta:
    return replace(
        cuenta,
        posiciones={simbolo: replace(posicion) for simbolo, posicion in cuenta.posiciones.items()},
        ingresos=copy.copy(cuenta.ingresos),
        suma_ingresos=dict(cuenta.suma_ingresos),
    )


def _libro(libro: Libro) -> Libro:
    nuevo = copy.copy(libro)
    for nombre, valor in vars(libro).items():
        setattr(nuevo, nombre, copy.copy(valor))
    nuevo.abiertas = {numero: replace(orden) for numero, orden in libro.abiertas.items()}
    return nuevo


def _algos(algos: LibroAlgos) -> LibroAlgos:
    nuevo = copy.copy(algos)
    for nombre, valor in vars(algos).items():
        setattr(nuevo, nombre, copy.copy(valor))
    nuevo.abiertos = {numero: replace(algo) for numero, algo in algos.abiertos.items()}
    return nuevo
