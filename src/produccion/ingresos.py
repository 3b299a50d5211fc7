"""Income rows, each taken once."""

from __future__ import annotations

from src.produccion.puertos import Bolsa, ClaseIngreso, Ingreso


class LectorIngresos:
    """Reads what was posted after an instant; rows of the same millisecond are told apart by their id.

    Args:
        bolsa: The exchange.
        simbolo: Symbol whose income counts, besides transfers.
        desde_ms: What was posted before this instant is history.
    """

    def __init__(self, bolsa: Bolsa, simbolo: str, desde_ms: int = 0) -> None:
        self._bolsa = bolsa
        self._simbolo = simbolo
        self._tomados: frozenset[tuple[ClaseIngreso, int]] = frozenset()
        self.hasta_ms = desde_ms

    async def nuevos(self) -> list[Ingreso]:
        """The rows that were not taken yet."""
        filas = await self._bolsa.ingresos(self._simbolo, self.hasta_ms)
        nuevas = [fila for fila in filas if (fila.clase, fila.id) not in self._tomados]
        self.hasta_ms = max((fila.instante_ms for fila in filas), default=self.hasta_ms)
        self._tomados = frozenset(
            (fila.clase, fila.id) for fila in filas if fila.instante_ms == self.hasta_ms
        )
        return nuevas


def sumar(ingresos: list[Ingreso], clase: ClaseIngreso) -> float:
    """The total of one kind, signed."""
    return sum(ingreso.monto for ingreso in ingresos if ingreso.clase is clase)
