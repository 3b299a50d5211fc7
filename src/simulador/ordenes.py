"""Orders and fills as the exchange keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from src.nucleo.tipos import LadoOrden
from src.simulador.numeros import CERO

RECUERDA = 5_000
"""Ended orders of an account that are remembered unless told otherwise."""


class TipoOrden(StrEnum):
    """Types that the order endpoint takes, and the exchange's own."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    LIQUIDATION = "LIQUIDATION"


TIPOS_CONDICIONALES = frozenset(
    {"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"}
)


class Vigencia(StrEnum):
    """Binance's ``timeInForce``."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTX = "GTX"
    GTD = "GTD"


class EstadoOrden(StrEnum):
    """Binance's order status; only a disturbed fill is partial."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"

    @property
    def abierta(self) -> bool:
        """Whether more may come of it."""
        return self in (EstadoOrden.NEW, EstadoOrden.PARTIALLY_FILLED)


class Origen(NamedTuple):
    """The conditional order that an order was born of."""

    algo_id: int
    tipo: str
    gatillo: Decimal
    tipo_precio: str  # Binance's workingType
    cierra_posicion: bool


@dataclass(slots=True, kw_only=True)
class Orden:
    """One order; ``cantidad`` shrinks when a reduce-only order asks for more than the position."""

    id: int
    id_cliente: str
    simbolo: str
    lado: LadoOrden
    tipo: TipoOrden
    vigencia: Vigencia
    cantidad: Decimal
    precio: Decimal  # 0 for market orders
    solo_reduce: bool
    creada_ms: int
    actualizada_ms: int
    vence_ms: int = 0  # GTD only
    estado: EstadoOrden = EstadoOrden.NEW
    ejecutada: Decimal = CERO
    cotizada: Decimal = CERO  # quote amount of what filled
    precio_medio: Decimal = CERO
    origen: Origen | None = None

    @property
    def signo(self) -> int:
        """+1 for a purchase, −1 for a sale."""
        return 1 if self.lado is LadoOrden.BUY else -1

    @property
    def restante(self) -> Decimal:
        """What has not been filled."""
        return self.cantidad - self.ejecutada


class Pedido(NamedTuple):
    """An order as a client asked for it, already checked against the static filters."""

    simbolo: str
    lado: LadoOrden
    tipo: TipoOrden
    vigencia: Vigencia
    cantidad: Decimal
    precio: Decimal
    solo_reduce: bool
    id_cliente: str
    vence_ms: int
    responde_resultado: bool  # RESULT instead of ACK
    origen: Origen | None = None


class Operada(NamedTuple):
    """A fill (``userTrades`` row)."""

    id: int
    orden_id: int
    simbolo: str
    lado: LadoOrden
    precio: Decimal
    cantidad: Decimal
    cotizada: Decimal
    realizado: Decimal
    comision: Decimal
    maker: bool
    tiempo_ms: int


class Ingreso(NamedTuple):
    """A posting on the wallet (``income`` row)."""

    id: int
    tipo: str  # Binance's incomeType
    simbolo: str
    monto: Decimal
    tiempo_ms: int
    operada_id: int  # 0 when no trade caused it
