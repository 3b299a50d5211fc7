"""What an environment needs to know about a market, and what it computes of each row beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from src.datos.velas import TablaVelas
from src.nucleo.camino import camino_intravela
from src.nucleo.dinero import precio_desplazado
from src.nucleo.errores import DatosInvalidos
from src.nucleo.intervalos import siguiente_apertura
from src.nucleo.tipos import Camino, MatrizF32, Mercado


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DatosEntorno:
    """Candles, their features and their market.

    Raises:
        DatosInvalidos: Features do not fit the candles, or the usable rows lie outside them.
    """

    tabla: TablaVelas
    rasgos_escalados: MatrizF32  # (candles, features), row i belongs to candle i; finite in usable rows
    primera: int  # first usable row: its features no longer depend on where the series began
    ultima: int  # last usable row, inclusive
    intervalo: str
    mercado: Mercado
    tasas_funding: float | Mapping[int, float]  # constant, or settlement time (UTC ms) → rate

    def __post_init__(self) -> None:
        rasgos = self.rasgos_escalados.view()
        rasgos.flags.writeable = False
        object.__setattr__(self, "rasgos_escalados", rasgos)
        if rasgos.ndim != 2 or len(rasgos) != len(self.tabla) or rasgos.dtype != np.float32:
            raise DatosInvalidos(
                f"features are {rasgos.dtype} {rasgos.shape}; "
                f"{len(self.tabla)} candles need as many float32 rows"
            )
        if not 0 <= self.primera < self.ultima < len(self.tabla):
            raise DatosInvalidos(
                f"usable rows {self.primera} to {self.ultima} do not lie within {len(self.tabla)} candles"
            )
        if not np.isfinite(rasgos[self.primera : self.ultima + 1]).all():
            raise DatosInvalidos(
                "a scaled feature is NaN or infinite in a usable row; check candles and scaler"
            )

    def primera_decision(self, window_size: int) -> int:
        """The first row on which a whole window of usable rows ends.

        Raises:
            DatosInvalidos: No step fits after it.
        """
        primera = self.primera + window_size - 1
        if primera >= self.ultima:
            raise DatosInvalidos(
                f"{self.ultima - self.primera + 1} usable candles are too few for a window of {window_size} "
                "and one step; give a longer span"
            )
        return primera


class PreciosFila(NamedTuple):
    """Everything about a row that does not depend on the account, as Python numbers."""

    cierre: float
    compra: float  # fill price of a market order to buy at the close
    venta: float
    minimo: float  # of the candle's path
    maximo: float
    tasa_funding: float | None  # settled at the close; None when it is no funding time
    cierre_ms: int  # open time of the next candle


_VACIA = PreciosFila(0.0, 0.0, 0.0, 0.0, 0.0, None, 0)


def calcular_filas(
    datos: DatosEntorno, camino: Camino, slippage: float, tasa_por_defecto: float
) -> list[PreciosFila]:
    """Compute the rows up to the last usable one; those before the first usable one are empty.

    Args:
        datos: The market.
        camino: How the price travels inside a candle.
        slippage: Fraction of the price, against the account.
        tasa_por_defecto: Funding rate of settlements that were not recorded.
    """
    tick = datos.mercado.filtros.escala_tick
    filas = [_VACIA] * datos.primera
    for vela in datos.tabla[datos.primera : datos.ultima + 1]:
        precios = [punto.precio for punto in camino_intravela(vela, camino)]
        cierre_ms = siguiente_apertura(vela.apertura_ms, datos.intervalo)
        filas.append(
            PreciosFila(
                cierre=vela.close,
                compra=precio_desplazado(vela.close, slippage, tick, compra=True),
                venta=precio_desplazado(vela.close, slippage, tick, compra=False),
                minimo=min(precios),
                maximo=max(precios),
                tasa_funding=_tasa(datos, cierre_ms, tasa_por_defecto),
                cierre_ms=cierre_ms,
            )
        )
    return filas


def _tasa(datos: DatosEntorno, instante_ms: int, por_defecto: float) -> float | None:
    if instante_ms % datos.mercado.intervalo_funding_ms:
        return None
    tasas = datos.tasas_funding
    return tasas.get(instante_ms, por_defecto) if isinstance(tasas, Mapping) else tasas
