"""Income rows, each taken once."""

from __future__ import annotations

from typing import NamedTuple

from src.produccion.puertos import Bolsa, ClaseIngreso, Ingreso


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
