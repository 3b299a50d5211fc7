"""A symbol's recorded candles as columns, and their rows on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from src.nucleo.intervalos import cierre_de
from src.simulador.numeros import texto_de_float

Enteros = npt.NDArray[np.int64]
Reales = npt.NDArray[np.float64]
OPERACIONES_POR_VELA = 100  # the recordings do not say how many trades made a candle


class Tabla(Protocol):
    """Columns of candles, oldest first."""

    @property
    def apertura_ms(self) -> Enteros: ...
    @property
    def open(self) -> Reales: ...
    @property
    def high(self) -> Reales: ...
    @property
    def low(self) -> Reales: ...
    @property
    def close(self) -> Reales: ...
    @property
    def volume(self) -> Reales: ...


class VelaAbierta(Protocol):
    """The candle in progress."""

    apertura_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True, slots=True)
class Serie:
    """Recorded candles of one symbol and interval."""

    simbolo: str
    intervalo: str
    apertura_ms: Enteros
    open: Reales
    high: Reales
    low: Reales
    close: Reales
    volume: Reales
    decimales: int  # of its prices on the wire

    @classmethod
    def de_tabla(cls, simbolo: str, intervalo: str, tabla: Tabla, decimales: int) -> Self:
        """Take the columns of a table of candles."""
        return cls(
            simbolo,
            intervalo,
            np.ascontiguousarray(tabla.apertura_ms, dtype=np.int64),
            *(
                np.ascontiguousarray(columna, dtype=np.float64)
                for columna in (tabla.open, tabla.high, tabla.low, tabla.close, tabla.volume)
            ),
            decimales,
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
