"""Conditional (algo) orders as the exchange keeps them, and an account's book of them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from src.nucleo.tipos import LadoOrden
from src.simulador.numeros import CERO
from src.simulador.ordenes import RECUERDA, Orden, Origen, TipoOrden, Vigencia


class TipoAlgo(StrEnum):
    """Types that the algo endpoint takes."""

    STOP = "STOP"
    STOP_MARKET = "STOP_MARKET"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_MARKET = "TAKE_PROFIT_MARKET"
    TRAILING_STOP_MARKET = "TRAILING_STOP_MARKET"

    @property
    def hija(self) -> TipoOrden:
        """Type of the order it becomes."""
        return TipoOrden.LIMIT if self in (TipoAlgo.STOP, TipoAlgo.TAKE_PROFIT) else TipoOrden.MARKET

    @property
    def toma_ganancia(self) -> bool:
        """Whether the price must move in its favour."""
        return self in (TipoAlgo.TAKE_PROFIT, TipoAlgo.TAKE_PROFIT_MARKET)


class TipoPrecio(StrEnum):
    """Binance's ``workingType``; both are the same price here."""

    CONTRACT_PRICE = "CONTRACT_PRICE"
    MARK_PRICE = "MARK_PRICE"


class EstadoAlgo(StrEnum):
    """Binance's algo status."""

    NEW = "NEW"
    TRIGGERING = "TRIGGERING"
    TRIGGERED = "TRIGGERED"
    FINISHED = "FINISHED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"

    @property
    def abierto(self) -> bool:
        """Whether something may still come of it."""
        return self in (EstadoAlgo.NEW, EstadoAlgo.TRIGGERING, EstadoAlgo.TRIGGERED)


@dataclass(slots=True, kw_only=True)
class Algo:
    """One conditional order."""

    id: int
    id_cliente: str
    simbolo: str
    lado: LadoOrden
    tipo: TipoAlgo
    vigencia: Vigencia  # of the child
    cantidad: Decimal  # 0 when it closes the whole position
    precio: Decimal  # of a limit child; 0 otherwise
    gatillo: Decimal  # 0 for a trailing stop
    tipo_precio: TipoPrecio
    cierra_posicion: bool
    solo_reduce: bool
    protege_precio: bool
    creado_ms: int
    actualizado_ms: int
    vence_ms: int = 0  # GTD only
    activacion: Decimal = CERO  # trailing stops: 0 is active from the start
    retroceso: Decimal = CERO  # trailing stops: distance from the best price, a percentage
    extremo: Decimal | None = None  # trailing stops: best price since activation
    estado: EstadoAlgo = EstadoAlgo.NEW
    disparado_ms: int = 0
    hija: Orden | None = None
    motivo: str = ""  # why it was rejected or expired

    @property
    def signo(self) -> int:
        """+1 for a purchase, −1 for a sale."""
        return 1 if self.lado is LadoOrden.BUY else -1

    @property
    def origen(self) -> Origen:
        """What its child tells of it."""
        return Origen(self.id, self.tipo.value, self.gatillo, self.tipo_precio.value, self.cierra_posicion)


class LibroAlgos:
    """Conditional orders of one account; ended ones are forgotten oldest first.

    Args:
        recuerda: Ended ones that are remembered; ``None`` for all.
    """

    def __init__(self, recuerda: int | None = RECUERDA) -> None:
        self._max_terminados = recuerda
        self.abiertos: dict[int, Algo] = {}
        self._ids_abiertos: dict[str, int] = {}
        self._terminados: dict[int, Algo] = {}
        self._ids_terminados: dict[str, int] = {}

    def esta_abierto(self, id_cliente: str) -> bool:
        """Whether an open conditional order has this client id."""
        return id_cliente in self._ids_abiertos

    def en_espera(self, simbolo: str) -> list[Algo]:
        """Those of a symbol that wait for their trigger, oldest first."""
        return [a for a in self.abiertos.values() if a.simbolo == simbolo and a.estado is EstadoAlgo.NEW]

    def agregar(self, algo: Algo) -> None:
        """Keep a new one."""
        self.abiertos[algo.id] = algo
        self._ids_abiertos[algo.id_cliente] = algo.id

    def cerrar(self, algo: Algo) -> None:
        """Move one that has ended to the past."""
        self.olvidar(algo)
        self._terminados[algo.id] = algo
        self._ids_terminados[algo.id_cliente] = algo.id
        if self._max_terminados is not None and len(self._terminados) > self._max_terminados:
            viejo = self._terminados.pop(next(iter(self._terminados)))
            if self._ids_terminados.get(viejo.id_cliente) == viejo.id:
                del self._ids_terminados[viejo.id_cliente]

    def olvidar(self, algo: Algo) -> None:
        """Drop an open one as if it had never been."""
        del self.abiertos[algo.id]
        del self._ids_abiertos[algo.id_cliente]

    def abierto(self, algo_id: int | None, id_cliente: str) -> Algo | None:
        """An open one by id, or else by client id."""
        if algo_id is None:
            algo_id = self._ids_abiertos.get(id_cliente)
        return self.abiertos.get(algo_id) if algo_id is not None else None

    def buscar(self, algo_id: int | None, id_cliente: str) -> Algo | None:
        """Any remembered one by id, or else the latest with a client id."""
        abierto = self.abierto(algo_id, id_cliente)
        if abierto is not None:
            return abierto
        if algo_id is None:
            algo_id = self._ids_terminados.get(id_cliente)
        return self._terminados.get(algo_id) if algo_id is not None else None

    def todos(self) -> list[Algo]:
        """Every remembered one by ascending id."""
        return sorted((*self._terminados.values(), *self.abiertos.values()), key=lambda algo: algo.id)
