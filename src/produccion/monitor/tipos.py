"""The values of the stop monitor."""

from __future__ import annotations

from enum import StrEnum
from math import isclose
from typing import NamedTuple

from src.nucleo.disparos import Disparo, Niveles
from src.nucleo.tipos import LadoOrden, Posicion

_MISMA_ENTRADA = 1e-4  # of the price: an average is rounded differently by whoever keeps it
_MISMA_CANTIDAD = 1e-9


class Vigilada(NamedTuple):
    """An open operation as the monitor needs it; prices in the quote asset."""

    operation_id: str
    client_id: str
    user_id: str
    account_id: str
    simbolo: str
    largo: bool
    cantidad: float  # base asset, > 0
    entrada: float
    stop: float | None
    stop_inicial: float | None
    objetivo: float | None
    token: str | None  # of the stop in force
    residente: bool  # whether the stop lives at the exchange
    a_mano: bool
    abierta_ms: int
    puesto_ms: int | None  # when the stop in force was set
    nivel: str = ""  # last trailing level applied
    ajustada_ms: int | None = None

    @property
    def niveles(self) -> Niveles:
        """The prices that end it."""
        return Niveles(self.largo, self.stop, self.objetivo)

    @property
    def lado_salida(self) -> LadoOrden:
        """Side of the order that closes it."""
        return LadoOrden.SELL if self.largo else LadoOrden.BUY

    def abierta(self, cantidad: float) -> float:
        """What of a signed position belongs to it, unsigned; 0.0 when that is flat or on the other side."""
        return max(0.0, cantidad if self.largo else -cantidad)

    def suya(self, posicion: Posicion | None) -> float | None:
        """How much of a position is this operation's, unsigned; ``None`` when it is another one's.

        The next position on the same side has another entry, and a larger one holds more than this operation.
        """
        cantidad = 0.0 if posicion is None else self.abierta(posicion.cantidad)
        if posicion is None or cantidad == 0.0:
            return 0.0
        misma = isclose(posicion.precio_entrada, self.entrada, rel_tol=_MISMA_ENTRADA)
        return cantidad if misma and cantidad <= self.cantidad * (1 + _MISMA_CANTIDAD) else None


class Precios(NamedTuple):
    """What is known of a symbol's prices at an instant."""

    bid: float
    ask: float
    mark: float
    instante_ms: int  # market time of the book
    mark_ms: int  # market time of the mark


class Disparada(NamedTuple):
    """An operation whose stop or target has been reached."""

    operacion: Vigilada
    disparo: Disparo
    precio: float  # that reached it
    instante_ms: int  # market time of that price
    visto_ms: int  # market time at which it was seen

    @property
    def esperado(self) -> float:
        """The level's own price: what an execution is measured against."""
        return self.operacion.niveles.precio_de(self.disparo)


class Final(StrEnum):
    """How looking after one trigger ended."""

    EXECUTED = "EXECUTED"
    DUPLICATE = "DUPLICATE"  # another process has it
    CLOSED = "CLOSED"  # the position had gone already; nothing was sent
    FOREIGN = "FOREIGN"  # the position is not the operation's own; nothing was sent
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"  # the exchange has not said; never sent again before it has
    DRY_RUN = "DRY_RUN"


class Resultado(NamedTuple):
    """What became of one trigger."""

    disparada: Disparada
    final: Final
    cantidad: float = 0.0  # closed by this call, base asset
    precio: float | None = None  # average of what was closed
    slippage: float | None = None  # percent, > 0 is worse than the level
    id_bolsa: int | None = None
    motivo: str = ""


class Ronda(NamedTuple):
    """One look at every open operation."""

    miradas: int
    resultados: tuple[Resultado, ...]
    esperando: int  # resident stops that the mark has just gone beyond
    sin_leer: int  # operations of which the exchange, or the store, said nothing

    @property
    def bien(self) -> bool:
        """Whether nothing is left that should have been done."""
        return not self.sin_leer and not any(
            r.final in (Final.FAILED, Final.UNKNOWN, Final.FOREIGN) for r in self.resultados
        )
