"""Recorded funding: what longs paid to shorts, and when."""

from __future__ import annotations

from dataclasses import dataclass

from src.datos.tabla import Enteros
from src.nucleo.tipos import Matriz


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TablaFunding:
    """Settlements, oldest first; all columns have the same length."""

    instante_ms: Enteros  # UTC milliseconds, on the minute; the exchange's own stamps are some ms off
    tasa: Matriz  # > 0: longs pay
    precio_mark: Matriz  # NaN where the exchange did not record it

    def __len__(self) -> int:
        return len(self.instante_ms)

    def tasas(self) -> dict[int, float]:
        """The rate of each settlement, by its instant."""
        return dict(zip(self.instante_ms.tolist(), self.tasa.tolist(), strict=True))
