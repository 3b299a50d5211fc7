"""The values that flow between the rooms."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum
from math import inf, isfinite
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Matriz = npt.NDArray[np.float64]
MatrizF32 = npt.NDArray[np.float32]


class TipoAccion(StrEnum):
    """The side an action asks for."""

    LONG = "long"
    SHORT = "short"
    MANTENER = "mantener"


class Operacion(StrEnum):
    """What an action does to the position."""

    ABRIR_LONG = "abrir_long"
    ABRIR_SHORT = "abrir_short"
    AUMENTAR_LONG = "aumentar_long"
    AUMENTAR_SHORT = "aumentar_short"
    REDUCIR_LONG = "reducir_long"
    REDUCIR_SHORT = "reducir_short"
    CERRAR_LONG = "cerrar_long"
    CERRAR_SHORT = "cerrar_short"
    MANTENER = "mantener"

    @property
    def aumenta_exposicion(self) -> bool:
        """Whether it needs margin and may be blocked; exits never are."""
        return self in _AUMENTAN


_AUMENTAN = frozenset(
    {Operacion.ABRIR_LONG, Operacion.ABRIR_SHORT, Operacion.AUMENTAR_LONG, Operacion.AUMENTAR_SHORT}
)


class LadoOrden(StrEnum):
    """Binance's words for the side of an order."""

    BUY = "BUY"
    SELL = "SELL"


class Camino(StrEnum):
    """How the price travels inside a candle."""

    CLOSE = "close"  # one point: the close
    OHLC = "ohlc"  # O-L-H-C when close >= open, else O-H-L-C, as `camino_intravela` says


class TipoMargen(StrEnum):
    """Binance's words for the margin type of a symbol."""

    CROSSED = "CROSSED"
    ISOLATED = "ISOLATED"


class Vela(NamedTuple):
    """A closed candle; its key is its open time."""

    apertura_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float  # base asset


@dataclass(frozen=True, slots=True)
class Posicion:
    """An open position; having none is ``None``, never a zero quantity."""

    cantidad: float  # base asset, signed: > 0 long, < 0 short
    precio_entrada: float  # quote asset per unit

    def __post_init__(self) -> None:
        if self.cantidad == 0 or not isfinite(self.cantidad) or not 0 < self.precio_entrada < inf:
            raise ValueError(f"not a position: {self!r}")


class EstadoCuenta(NamedTuple):
    """What an agent owns: wallet (realised money only) and at most one position."""

    saldo: float  # margin asset, 8 decimals
    posicion: Posicion | None = None

    @property
    def cantidad(self) -> float:
        """Signed quantity; 0.0 when flat."""
        return self.posicion.cantidad if self.posicion is not None else 0.0


class Ejecucion(NamedTuple):
    """One fill, as the exchange books it."""

    cantidad: float  # base asset, signed: > 0 bought, < 0 sold
    precio: float
    comision: float  # margin asset, >= 0
    pnl_realizado: float  # margin asset, before commission


class Observacion(NamedTuple):
    """What the policy sees."""

    market: MatrizF32  # (window, features)
    portfolio: MatrizF32  # (3,)


def _escala(paso: Decimal) -> tuple[int, int]:
    """A positive decimal as a fraction of two integers, the second a power of ten."""
    normal = paso.normalize()
    signo, digitos, exponente = normal.as_tuple()
    if signo or not isinstance(exponente, int) or not any(digitos):
        raise ValueError(f"a step must be a positive number, not {paso}")
    entero = int("".join(map(str, digitos)))
    return (entero * 10**exponente, 1) if exponente > 0 else (entero, 10**-exponente)


class EscalaPrecio(NamedTuple):
    """The prices that an order may name: multiples of a tick within PRICE_FILTER's limits."""

    numerador: int  # the tick as a fraction
    denominador: int
    minimo: float = 0.0  # multiples of the tick too
    maximo: float = inf  # where there is no limit

    @property
    def alcance(self) -> str:
        """What such a price is, in words."""
        if self.minimo == 0.0 and self.maximo == inf:
            return "a positive price"
        desde = f"from {self.minimo}" if self.minimo else "above 0"
        return f"a price {desde}" if self.maximo == inf else f"a price {desde} to {self.maximo}"


def _escala_precio(tick: Decimal, minimo: Decimal, maximo: Decimal) -> EscalaPrecio:
    numerador, denominador = _escala(tick)
    desde = int((minimo / tick).to_integral_value(ROUND_CEILING)) * numerador / denominador
    hasta = int((maximo / tick).to_integral_value(ROUND_FLOOR)) * numerador / denominador
    return EscalaPrecio(numerador, denominador, desde, hasta if maximo else inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtros:
    """A symbol's order filters, as ``exchangeInfo`` publishes them."""

    tick: Decimal  # PRICE_FILTER.tickSize
    paso: Decimal  # LOT_SIZE.stepSize
    cantidad_min: Decimal
    cantidad_max: Decimal
    paso_mercado: Decimal  # MARKET_LOT_SIZE.stepSize
    cantidad_min_mercado: Decimal
    cantidad_max_mercado: Decimal
    nocional_min: Decimal  # MIN_NOTIONAL.notional
    multiplicador_arriba: Decimal = Decimal("1.05")  # PERCENT_PRICE
    multiplicador_abajo: Decimal = Decimal("0.95")
    ordenes_max: int = 200  # MAX_NUM_ORDERS
    precio_min: Decimal = Decimal(0)  # PRICE_FILTER.minPrice; 0 is no limit
    precio_max: Decimal = Decimal(0)  # PRICE_FILTER.maxPrice; 0 is no limit
    escala_lote: tuple[int, int] = field(init=False, repr=False, compare=False)
    escala_tick: tuple[int, int] = field(init=False, repr=False, compare=False)
    escala_precio: EscalaPrecio = field(init=False, repr=False, compare=False)
    minimo_lote: float = field(init=False, repr=False, compare=False)
    maximo_lote: float = field(init=False, repr=False, compare=False)
    minimo_nocional: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        fijar = object.__setattr__
        fijar(self, "escala_lote", _escala(max(self.paso, self.paso_mercado)))
        fijar(self, "escala_tick", _escala(self.tick))
        fijar(self, "escala_precio", _escala_precio(self.tick, self.precio_min, self.precio_max))
        fijar(self, "minimo_lote", float(max(self.cantidad_min, self.cantidad_min_mercado)))
        fijar(self, "maximo_lote", float(min(self.cantidad_max, self.cantidad_max_mercado)))
        fijar(self, "minimo_nocional", float(self.nocional_min))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tramo:
    """One leverage bracket: maintenance margin = notional · tasa_mantenimiento − deduccion."""

    nocional_max: float  # cap of the bracket, quote asset
    apalancamiento_max: int
    tasa_mantenimiento: float
    deduccion: float  # Binance's ``cum``


@dataclass(frozen=True, slots=True, kw_only=True)
class Mercado:
    """All that trading a symbol depends on besides its prices; ``mercado.json`` of an artefact."""

    simbolo: str
    activo_margen: str
    filtros: Filtros
    tramos: tuple[Tramo, ...]  # ascending by notional
    comision_taker: float  # fraction of notional
    comision_maker: float
    comision_liquidacion: float  # Binance's ``liquidationFee``, fraction of notional
    intervalo_funding_ms: int
    tipo_margen: TipoMargen = TipoMargen.CROSSED
    multiactivo: bool = False
