"""What the daemon's services need from the outside; adapters implement it, `montaje` wires it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Protocol

from src.nucleo.ordenes import Orden
from src.nucleo.stops import OrdenStop
from src.nucleo.tipos import EstadoCuenta, LadoOrden, Mercado, TipoMargen, Vela


@dataclass(frozen=True, slots=True, kw_only=True)
class Direcciones:
    """Where an exchange lives; both without a trailing slash."""

    rest: str  # …/fapi is below it
    flujos: str  # /market, /public and /private are below it


@dataclass(frozen=True, slots=True, kw_only=True)
class Credenciales:
    """An API key; never printed."""

    clave: str
    secreto: str

    def __repr__(self) -> str:
        return "Credenciales(***)"


RELOJ_DESVIADO = -1021
"""The exchange refused a request's timestamp; the adapter has taken the exchange's time meanwhile."""

ID_REPETIDO = -4116
"""The exchange has an order with that client id already."""

REDUCCION_RECHAZADA = frozenset({-2022, -4118})
"""The exchange sees nothing to reduce, or other orders reduce it already."""


class EstadoOrden(StrEnum):
    """Binance's words for the state of an order."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"

    @property
    def es_final(self) -> bool:
        """Whether nothing more can be filled."""
        return self not in (EstadoOrden.NEW, EstadoOrden.PARTIALLY_FILLED)


class RespuestaOrden(NamedTuple):
    """What the exchange says of one order."""

    id_cliente: str
    id_bolsa: int
    estado: EstadoOrden
    cantidad_ejecutada: float  # base asset, >= 0
    precio_medio: float | None  # None while nothing was filled or the answer does not say


class OrdenViva(NamedTuple):
    """One row of ``openOrders``: an order that rests on the book."""

    id_cliente: str
    id_bolsa: int
    lado: LadoOrden
    cantidad: float  # base asset, > 0
    cantidad_ejecutada: float  # base asset, >= 0
    solo_reduce: bool


class EstadoAlgo(StrEnum):
    """Binance's words for the state of a conditional order."""

    NEW = "NEW"
    TRIGGERING = "TRIGGERING"
    TRIGGERED = "TRIGGERED"
    FINISHED = "FINISHED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"

    @property
    def espera(self) -> bool:
        """Whether it still waits for its trigger."""
        return self is EstadoAlgo.NEW

    @property
    def es_final(self) -> bool:
        """Whether nothing more can come of it; a triggered one may still be filling."""
        return self in (EstadoAlgo.FINISHED, EstadoAlgo.CANCELED, EstadoAlgo.REJECTED, EstadoAlgo.EXPIRED)


class StopBolsa(NamedTuple):
    """What the exchange says of one conditional order."""

    id_cliente: str  # clientAlgoId
    id_algo: int
    estado: EstadoAlgo
    tipo: str  # STOP_MARKET for a stop, TAKE_PROFIT_MARKET for a target
    lado: LadoOrden
    gatillo: float
    cantidad: float | None  # base asset, > 0; ``None`` when it closes the whole position
    id_orden: int | None = None  # of the market order that it became


class PrecioBidAsk(NamedTuple):
    """The best prices of the book."""

    bid: float
    ask: float
    instante_ms: int  # market time of the book


class Transaccion(NamedTuple):
    """One fill: a row of ``userTrades``, or what the user stream told of it before it was listed there."""

    id: int
    id_orden: int
    cantidad: float  # signed: > 0 bought
    precio: float
    comision: float  # margin asset, >= 0
    pnl_realizado: float
    instante_ms: int
    listada: bool = True  # false: only the user stream has told it


class ClaseIngreso(StrEnum):
    """The kinds of ``income``, as far as they are told apart."""

    FUNDING_FEE = "FUNDING_FEE"
    TRANSFER = "TRANSFER"
    INSURANCE_CLEAR = "INSURANCE_CLEAR"  # of liquidations, whose fills say the same
    DE_ORDENES = "ORDERS"  # what fills say already: realised profit, commissions
    AJENO = "OTHER_SYMBOL"
    OTRO = "OTHER"  # rebates, bonuses and whatever else the exchange thinks of


class Ingreso(NamedTuple):
    """One row of ``income`` in the margin asset."""

    clase: ClaseIngreso
    monto: float  # signed
    instante_ms: int
    id: int  # unique within its kind


class CuentaBolsa(NamedTuple):
    """One atomic snapshot of the account, as far as one symbol needs it."""

    estado: EstadoCuenta
    disponible: float  # available balance, margin asset
    apalancamiento: int
    aislado: bool


class ModoCuenta(NamedTuple):
    """Account-wide settings that decide whether the daemon may trade."""

    cobertura: bool  # hedge mode
    multiactivo: bool
    comision_en_bnb: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InfoSimbolo:
    """What ``exchangeInfo``, ``fundingInfo``, ``leverageBracket`` and ``commissionRate`` say now."""

    mercado: Mercado
    estado: str  # TRADING when orders are accepted


class Bolsa(Protocol):
    """A futures exchange.

    Reads raise `LecturaFallida` when no answer arrived; sending raises `OrdenRechazada` when the
    exchange proved it refused, and `ResultadoIncierto` when it may have accepted.
    """

    async def hora_ms(self) -> int:
        """The exchange's clock, UTC milliseconds."""
        ...

    async def info_simbolo(self, simbolo: str) -> InfoSimbolo:
        """Filters, brackets, fees and status; `BolsaIncompatible` when the symbol is unknown."""
        ...

    async def modo_cuenta(self) -> ModoCuenta:
        """Hedge and multi-asset mode."""
        ...

    async def fijar_apalancamiento(self, simbolo: str, apalancamiento: int) -> None:
        """Set the symbol's leverage."""
        ...

    async def fijar_margen(self, simbolo: str, tipo: TipoMargen) -> None:
        """Set the symbol's margin type; already set is fine."""
        ...

    async def velas(
        self,
        simbolo: str,
        intervalo: str,
        *,
        desde_ms: int | None = None,
        hasta_ms: int | None = None,
        limite: int,
    ) -> Sequence[Vela]:
        """Closed candles only, oldest first; the newest ``limite`` when no start is given."""
        ...

    async def cuenta(self, simbolo: str) -> CuentaBolsa:
        """Wallet and position in one atomic read."""
        ...

    async def enviar(self, orden: Orden) -> RespuestaOrden:
        """Send a market order and return its result."""
        ...

    async def consultar(self, simbolo: str, id_cliente: str) -> RespuestaOrden | None:
        """Look an order up by its client id; ``None`` when the exchange does not know it."""
        ...

    async def id_cliente_de(self, simbolo: str, id_bolsa: int) -> str:
        """The client id of an order known by the exchange's id."""
        ...

    async def cancelar_orden(self, simbolo: str, id_cliente: str) -> None:
        """Cancel one order; `OrdenRechazada` carries −2011 when it is not open."""
        ...

    async def cancelar_todas(self, simbolo: str) -> None:
        """Cancel every resting order of a symbol."""
        ...

    async def ordenes_abiertas(self, simbolo: str) -> Sequence[OrdenViva]:
        """Orders that rest on the book; conditional ones are not among them."""
        ...

    async def colocar_stop(self, orden: OrdenStop) -> StopBolsa:
        """Place a stop or a target at the exchange, triggered by the mark price.

        `OrdenRechazada` carries −2021 when the mark is already beyond the trigger, −4130 when another stop
        that closes the position exists, −4116 when the client id is in use.
        """
        ...

    async def consultar_stop(self, simbolo: str, id_cliente: str) -> StopBolsa | None:
        """Look a conditional order up by its client id; ``None`` when the exchange does not know it."""
        ...

    async def cancelar_stop(self, simbolo: str, id_cliente: str) -> None:
        """Cancel a conditional order; `OrdenRechazada` carries −2011 when it is no longer waiting."""
        ...

    async def stops_abiertos(self, simbolo: str) -> Sequence[StopBolsa]:
        """Every conditional order that waits for its trigger or is being triggered."""
        ...

    async def precio_mark(self, simbolo: str) -> float:
        """The mark price now."""
        ...

    async def precio_bidask(self, simbolo: str) -> PrecioBidAsk:
        """The best bid and ask now."""
        ...

    async def transacciones(
        self, simbolo: str, *, id_orden: int | None = None, desde_id: int | None = None
    ) -> Sequence[Transaccion]:
        """Every fill of one order, or every one from a trade id on; the latest ones when neither is given."""
        ...

    async def ingresos(self, simbolo: str, desde_ms: int) -> Sequence[Ingreso]:
        """Every income of the symbol, and transfer of the account, from an instant on."""
        ...


class Reloj(Protocol):
    """The exchange's time is the only time."""

    def ahora_ms(self) -> int:
        """Market time, UTC milliseconds."""
        ...

    def observar(self, evento_ms: int) -> None:
        """Take the time of an event of the exchange; the clock never runs behind one."""
        ...

    def sincronizar(self, servidor_ms: int) -> None:
        """Take the exchange's own reading of its clock."""
        ...


class Avance(Protocol):
    """Lockstep with an exchange that waits for its agents; does nothing on one that does not."""

    async def unirse(self, simbolo: str, intervalo: str) -> bool:
        """Join; true when the market waits for `hecho`."""
        ...

    async def hecho(self) -> None:
        """Everything of this market step is done."""
        ...

    async def salir(self) -> None:
        """Leave; the market no longer waits."""
        ...


class EventoMark(NamedTuple):
    """A mark price update."""

    precio: float
    instante_ms: int


class EventoVela(NamedTuple):
    """A kline update; only a closed one is a candle."""

    vela: Vela
    cerrada: bool
    instante_ms: int


class EventoConexion(NamedTuple):
    """The market socket was (re)connected: whatever came in between must be read by REST."""

    instante_ms: int


class EventoCuenta(NamedTuple):
    """Something happened to the account: what is known of it is out of date."""

    instante_ms: int


class EventoOrden(NamedTuple):
    """The exchange told how one order stands; it may come late, twice, or before the order's own answer."""

    respuesta: RespuestaOrden
    instante_ms: int
    simbolo: str = ""
    fill: Transaccion | None = None  # the one that the event tells of


class EventoStop(NamedTuple):
    """The exchange told how one conditional order stands."""

    stop: StopBolsa
    instante_ms: int


class EventoMargen(NamedTuple):
    """The exchange warned that the margin is running out."""

    instante_ms: int


EventoUsuario = EventoCuenta | EventoOrden | EventoStop | EventoMargen


class EventoFin(NamedTuple):
    """The market has no more data; only a replayed one ends."""

    instante_ms: int


EventoMercado = EventoMark | EventoVela | EventoConexion | EventoFin


class FuenteCuenta(Protocol):
    """Where account events come from."""

    def eventos(self) -> AsyncIterator[EventoUsuario]:
        """Events for ever; a (re)connection is an `EventoCuenta`."""
        ...


class FuenteMercado(Protocol):
    """Where market events come from."""

    def eventos(self, simbolo: str, intervalo: str) -> AsyncIterator[EventoMercado]:
        """Events for ever; every (re)connection is announced by an `EventoConexion`."""
        ...


class Diario(Protocol):
    """The agent's append-only journal."""

    async def anotar(self, agregado: str, tipo: str, instante_ms: int, contenido: dict[str, object]) -> None:
        """Append an event; returns when it is safe on disk.

        Raises:
            EmergenciaOperacional: It could not be written.
        """
        ...

    def anotar_luego(self, agregado: str, tipo: str, instante_ms: int, contenido: dict[str, object]) -> None:
        """Append an event without waiting for the disk."""
        ...

    async def asentar(self) -> None:
        """Return when every event appended so far is safe on disk.

        Raises:
            EmergenciaOperacional: One could not be written.
        """
        ...


def texto_decimal(numero: float) -> str:
    """A float as the wire wants it: plain digits, no exponent."""
    return format(Decimal(repr(numero)).normalize(), "f")
