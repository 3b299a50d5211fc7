"""A symbol's recorded candles as columns, and their rows on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from src.datos.tabla import Enteros, TablaVelas
from src.nucleo.intervalos import cierre_de
from src.nucleo.tipos import Matriz
from src.simulador.numeros import texto_de_float

OPERACIONES_POR_VELA = 100  # the recordings do not say how many trades made a candle


@dataclass(frozen=True, slots=True)
class Serie:
    """Recorded candles of one symbol and interval."""

    simbolo: str
    intervalo: str
    apertura_ms: Enteros
    open: Matriz
    high: Matriz
    low: Matriz
    close: Matriz
    volume: Matriz
    decimales: int  # of its prices on the wire

    @classmethod
    def de_tabla(cls, simbolo: str, intervalo: str, tabla: TablaVelas, decimales: int) -> Self:
        """Take the columns of a table of candles."""
        return cls(
            simbolo=simbolo,
            intervalo=intervalo,
            apertura_ms=np.ascontiguousarray(tabla.apertura_ms, dtype=np.int64),
            open=np.ascontiguousarray(tabla.open, dtype=np.float64),
            high=np.ascontiguousarray(tabla.high, dtype=np.float64),
            low=np.ascontiguousarray(tabla.low, dtype=np.float64),
            close=np.ascontiguousarray(tabla.close, dtype=np.float64),
            volume=np.ascontiguousarray(tabla.volume, dtype=np.float64),
            decimales=decimales,
        )

    def __len__(self) -> int:
        return len(self.apertura_ms)

    def buscar(self, instante_ms: int) -> int:
        """Index of the first candle that opens at or after an instant."""
        return int(np.searchsorted(self.apertura_ms, instante_ms))

    def fila(self, i: int) -> list[Any]:
        """A closed candle as ``klines`` answers it."""
        return self.fila_de(
            int(self.apertura_ms[i]),
            float(self.open[i]),
            float(self.high[i]),
            float(self.low[i]),
            float(self.close[i]),
            float(self.volume[i]),
        )

    def fila_de(
        self, apertura: int, abre: float, alto: float, bajo: float, cierra: float, volumen: float
    ) -> list[Any]:
        """A candle's numbers as ``klines`` answers them."""
        d = self.decimales
        return [
            apertura,
            texto_de_float(abre, d),
            texto_de_float(alto, d),
            texto_de_float(bajo, d),
            texto_de_float(cierra, d),
            texto_de_float(volumen, 3),
            cierre_de(apertura, self.intervalo),
            f"{volumen * cierra:.8f}",
            OPERACIONES_POR_VELA if volumen else 0,
            texto_de_float(volumen / 2, 3),
            f"{volumen * cierra / 2:.8f}",
            "0",
        ]
