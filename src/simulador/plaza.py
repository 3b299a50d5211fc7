"""One symbol's market: its price now, best bid and ask, and the candle in progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np

from src.simulador.contrato import Contrato
from src.simulador.numeros import UNO, al_tick, decimal_de
from src.simulador.serie import Serie


@dataclass(slots=True)
class VelaEnCurso:
    """The open candle as far as the market has come."""

    apertura_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Plaza:
    """The market of one symbol.

    Args:
        contrato: Its rules.
        serie: Its recorded candles.
        cerradas: How many of them have passed when the market opens.
        slippage: Distance from the price to bid and ask, a fraction.
        tasa_funding: Constant funding rate.
        tasas_grabadas: Recorded rates by settlement time; these win.
    """

    def __init__(
        self,
        contrato: Contrato,
        serie: Serie,
        *,
        cerradas: int,
        slippage: Decimal,
        tasa_funding: Decimal,
        tasas_grabadas: Mapping[int, Decimal] | None = None,
    ) -> None:
        self.contrato = contrato
        self.serie = serie
        self.cerradas = cerradas
        self.tasa_funding = tasa_funding
        self._tasas = dict(tasas_grabadas or {})
        self._slippage = slippage
        self._arriba = UNO + slippage
        self._abajo = UNO - slippage
        self.primera = cerradas  # index of the first candle that is replayed
        inicial = float(serie.close[cerradas - 1] if cerradas else serie.open[0])
        self.ultimo_float = inicial
        self.operacion = 0  # number of the last public trade
        self._fijar(inicial)
        self.anterior = self.precio
        self.curso = VelaEnCurso(int(serie.apertura_ms[cerradas]), inicial, inicial, inicial, inicial, 0.0)

    @property
    def simbolo(self) -> str:
        """Its symbol."""
        return self.contrato.simbolo

    def mover(self, precio: float, fraccion: float) -> None:
        """Take the price to the next point of the candle in progress.

        Args:
            precio: The point.
            fraccion: Share of the candle's time, and volume, that has passed.
        """
        self.anterior = self.precio
        self._fijar(precio)
        self.operacion += 1
        curso, i = self.curso, self.cerradas
        if fraccion == 0.0:
            curso.open = curso.high = curso.low = precio
        elif fraccion == 1.0:
            curso.open = float(self.serie.open[i])
            curso.high = float(self.serie.high[i])
            curso.low = float(self.serie.low[i])
        else:
            curso.high = max(curso.high, precio)
            curso.low = min(curso.low, precio)
        curso.close = precio
        curso.volume = float(self.serie.volume[i]) * fraccion

    def situar(self, precio: Decimal) -> None:
        """Stop the price somewhere on its way to the present point; bid and ask follow it."""
        tick = self.contrato.filtros.tick
        self.precio = precio
        self.compra = al_tick(precio * self._arriba, tick, hacia_arriba=True)
        self.venta = al_tick(precio * self._abajo, tick, hacia_arriba=False)

    def separar(self, fraccion: Decimal) -> None:
        """Put bid and ask a share of the price apart, but never nearer than the book's own slippage."""
        lado = max(self._slippage, fraccion / 2)
        self._arriba, self._abajo = UNO + lado, UNO - lado
        self.situar(self.precio)

    def escalar_futuro(self, factor: float) -> None:
        """Multiply the prices of every candle after the one in progress, on the tick."""
        tick = float(self.contrato.filtros.tick)
        desde = self.cerradas + 1
        serie = self.serie
        columnas = {}
        for nombre in ("open", "high", "low", "close"):
            columna = getattr(serie, nombre).copy()
            ticks = np.maximum(1.0, np.rint(columna[desde:] * factor / tick))
            columna[desde:] = np.round(ticks * tick, serie.decimales)
            columnas[nombre] = columna
        self.serie = replace(serie, **columnas)

    def abrir_siguiente(self, apertura_ms: int) -> None:
        """After a close: the next candle begins at the last price."""
        self.cerradas += 1
        ultimo = self.ultimo_float
        self.curso = VelaEnCurso(apertura_ms, ultimo, ultimo, ultimo, ultimo, 0.0)

    def reabrir(self, apertura_ms: int) -> None:
        """Move the candle in progress over a gap in the recording."""
        self.curso.apertura_ms = apertura_ms

    def tasa_en(self, instante_ms: int) -> Decimal:
        """Funding rate of a settlement."""
        return self._tasas.get(instante_ms, self.tasa_funding)

    def fila_en_curso(self) -> list[Any]:
        """The open candle as ``klines`` answers it."""
        c = self.curso
        return self.serie.fila_de(c.apertura_ms, c.open, c.high, c.low, c.close, c.volume)

    def _fijar(self, precio: float) -> None:
        self.ultimo_float = precio
        self.situar(decimal_de(precio))
