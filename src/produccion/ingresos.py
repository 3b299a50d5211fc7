"""Income rows, each taken once."""

from __future__ import annotations

import asyncio
from math import isclose
from typing import NamedTuple

from src.nucleo.dinero import redondear
from src.produccion.puertos import Bolsa, ClaseIngreso, Ingreso

_LECTURAS = 10
_ESPERA_S = 0.5
_TOLERANCIA = 1e-6
_DE_EJECUCIONES = (ClaseIngreso.DE_ORDENES, ClaseIngreso.INSURANCE_CLEAR)


class CursorIngresos(NamedTuple):
    """Up to where income was taken; rows of the same millisecond are told apart by kind and id."""

    hasta_ms: int
    tomados: frozenset[tuple[str, int]] = frozenset()

    def quitar_tomados(self, filas: list[Ingreso]) -> list[Ingreso]:
        """The rows that were not taken yet."""
        return [fila for fila in filas if (fila.clase.value, fila.id) not in self.tomados]

    def tras(self, filas: list[Ingreso]) -> CursorIngresos:
        """The cursor after taking all of them."""
        if not filas:
            return self
        hasta_ms = max(fila.instante_ms for fila in filas)
        ultimos = frozenset((fila.clase.value, fila.id) for fila in filas if fila.instante_ms == hasta_ms)
        return CursorIngresos(hasta_ms, ultimos | self.tomados if hasta_ms == self.hasta_ms else ultimos)


async def leer_ingresos(bolsa: Bolsa, simbolo: str, cursor: CursorIngresos) -> list[Ingreso]:
    """What was posted since the cursor; it is taken only by moving the cursor.

    Raises:
        LecturaFallida: Nothing is lost; the same rows come again.
    """
    return cursor.quitar_tomados(list(await bolsa.ingresos(simbolo, cursor.hasta_ms)))


def sumar(ingresos: list[Ingreso], clase: ClaseIngreso) -> float:
    """The total of one kind, signed."""
    return sum(ingreso.monto for ingreso in ingresos if ingreso.clase is clase)


class Reparto(NamedTuple):
    """How income rows explain a change of the wallet."""

    cursor: CursorIngresos
    transferido: float
    sin_explicar: float  # by any row, this change or an earlier one
    explicado: bool  # of this change, nothing but dust is left


async def repartir(
    bolsa: Bolsa, simbolo: str, cursor: CursorIngresos, diferencia: float, arrastre: float
) -> Reparto:
    """Read income until it explains a change of the wallet, or for a moment.

    Args:
        bolsa: The exchange.
        simbolo: Symbol that is traded.
        cursor: Up to where income was taken.
        diferencia: The change.
        arrastre: What was left unexplained of earlier ones; its rows may be listed now.

    Raises:
        LecturaFallida: Nothing is lost; the same rows come again.
    """
    pendiente, transferido, explicado = redondear(diferencia + arrastre), 0.0, False
    for intento in range(_LECTURAS):
        if intento:
            # Income is listed a moment after the wallet has moved.
            await asyncio.sleep(_ESPERA_S)
        nuevos = await leer_ingresos(bolsa, simbolo, cursor)
        cursor = cursor.tras(nuevos)
        transferido = redondear(transferido + sumar(nuevos, ClaseIngreso.TRANSFER))
        pendiente = redondear(pendiente - sum(n.monto for n in nuevos if n.clase not in _DE_EJECUCIONES))
        explicado = _iguales(pendiente, 0.0) or _iguales(pendiente, arrastre)
        if explicado:
            break
    return Reparto(cursor, transferido, pendiente, explicado)


def _iguales(uno: float, otro: float) -> bool:
    return isclose(uno, otro, rel_tol=0.0, abs_tol=_TOLERANCIA)
