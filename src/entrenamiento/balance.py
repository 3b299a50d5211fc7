"""What the rows of one run amount to: its curve, its closed operations and its costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from src.entrenamiento.trayecto import Trayecto
from src.nucleo.metricas import Costos, Curva
from src.nucleo.registro import Celda, Fila, StatusFila
from src.nucleo.tipos import Matriz, TipoAccion

if TYPE_CHECKING:
    from src.graficos.datos import DatosGrafico, TramoPosicion

_DE_VELA = frozenset({StatusFila.OK.value, StatusFila.RECHAZADA.value, StatusFila.FIN.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One run; points are its closed candles, amounts in margin asset."""

    tiempo_ms: npt.NDArray[np.int64]  # (n,) close of the candle, UTC
    curva: Curva  # (n,)
    accion: Matriz  # (n,) −1 … 1; NaN where nothing was decided
    netos: Matriz  # (operations,) result of each closed one after commission and funding
    nocional: Matriz  # (fills,) at the row's price, quote asset
    costos: Costos
    filas: Sequence[Fila]

    def para_grafico(self, moneda: str) -> DatosGrafico:
        """The run as the plots want it."""
        from src.graficos.datos import DatosGrafico

        return DatosGrafico(
            tiempo_ms=self.tiempo_ms,
            precio=self.curva.precio,
            equity=self.curva.equity,
            exposicion=self.curva.exposicion,
            accion=self.accion,
            posiciones=tuple(_posiciones(self.filas)),
            moneda=moneda,
        )
