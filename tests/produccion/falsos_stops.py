"""The stop book and the order book of the false exchange, and the ways in which stops fail."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from src.nucleo.errores import LecturaFallida, OrdenRechazada, ResultadoIncierto
from src.nucleo.stops import OrdenStop, TipoStop
from src.nucleo.tipos import EstadoCuenta, LadoOrden, Mercado
from src.produccion.puertos import (
    EstadoAlgo,
    EstadoOrden,
    OrdenViva,
    PrecioBidAsk,
    Reloj,
    RespuestaOrden,
    StopBolsa,
)


class Pierde(Enum):
    """A request whose answer never arrives."""

    ANTES = auto()  # the exchange never saw it
    DESPUES = auto()  # the exchange executed it


class Hija(Enum):
    """What becomes of the market order of a stop that was triggered."""

    LLENA = auto()
    MEDIA = auto()  # half of it is filled, the rest expires
    EXPIRADA = auto()  # nothing is filled


FalloStop = Exception | Pierde | None


@dataclass(kw_only=True)
class StopsFalsos:
    """What `BolsaFalsa` knows of conditional orders and of orders that rest.

    ``fallos_stop`` and ``fallos_cancelar_stop`` are used up one for each request.
    """

    fallos_stop: deque[FalloStop] = field(default_factory=deque)
    fallos_cancelar_stop: deque[FalloStop] = field(default_factory=deque)
    al_listar_stops: Callable[[], object] | None = None  # runs each time they are listed
    consultas_stop_fallidas: int = 0  # how many times `consultar_stop` gets no answer
    consultas_stop_ausentes: int = 0  # how many times `consultar_stop` does not know a stop that exists
    listados_fallidos: int = 0  # how many times `stops_abiertos` gets no answer
    marks_fallidos: int = 0  # how many times `precio_mark` gets no answer
    atasca_stops: bool = False  # a stop that is reached stays TRIGGERING
    hija: Hija = Hija.LLENA
    huerfanos: bool = False  # stops that close the position outlive it
    libro_atrasado_ms: int = 0  # how old the book's prices are
    mark: float | None = None  # when it is not the last price
    libro: tuple[float, float] | None = None  # best bid and ask, when they are not the last price
    vivas: list[OrdenViva] = field(default_factory=list)  # orders that rest on the book
    stops: dict[str, StopBolsa] = field(default_factory=dict)  # every stop ever placed, by client id
    colocados: list[OrdenStop] = field(default_factory=list)  # every stop that was asked for
    cancelados: list[str] = field(default_factory=list)  # every cancellation of a stop that was asked for

    if TYPE_CHECKING:
        mercado: Mercado
        estado: EstadoCuenta
        precio_actual: float
        pedidos: list[str]
        reloj: Reloj
        _respuestas: dict[str, RespuestaOrden]

        def _siguiente_orden(self) -> int: ...

        def _registrar(
            self, id_cliente: str, cantidad: float, precio: float, comision: float, estado: EstadoOrden
        ) -> RespuestaOrden: ...

    # --- the port ---

    async def ordenes_abiertas(self, simbolo: str) -> Sequence[OrdenViva]:
        self.pedidos.append("ordenes_abiertas")
        return list(self.vivas)

    async def precio_mark(self, simbolo: str) -> float:
        self.pedidos.append("precio_mark")
        if self.marks_fallidos > 0:
            self.marks_fallidos -= 1
            raise LecturaFallida("no answer from the exchange")
        return self._mark

    async def precio_bidask(self, simbolo: str) -> PrecioBidAsk:
        self.pedidos.append("precio_bidask")
        instante_ms = self.reloj.ahora_ms() - self.libro_atrasado_ms
        bid, ask = self.libro or (self.precio_actual, self.precio_actual)
        return PrecioBidAsk(bid, ask, instante_ms)

    async def colocar_stop(self, orden: OrdenStop) -> StopBolsa:
        self.pedidos.append("colocar_stop")
        self.colocados.append(orden)
        fallo = self.fallos_stop.popleft() if self.fallos_stop else None
        if isinstance(fallo, Exception):
            raise fallo
        if fallo is Pierde.ANTES:
            raise ResultadoIncierto("no answer from the exchange")
        self._comprobar(orden)
        stop = self._guardar_stop(orden)
        if fallo is Pierde.DESPUES:
            raise ResultadoIncierto("no answer from the exchange")
        return stop

    async def consultar_stop(self, simbolo: str, id_cliente: str) -> StopBolsa | None:
        self.pedidos.append("consultar_stop")
        if self.consultas_stop_fallidas > 0:
            self.consultas_stop_fallidas -= 1
            raise LecturaFallida("no answer from the exchange")
        if id_cliente in self.stops and self.consultas_stop_ausentes > 0:
            self.consultas_stop_ausentes -= 1
            return None
        return self.stops.get(id_cliente)

    async def cancelar_stop(self, simbolo: str, id_cliente: str) -> None:
        self.pedidos.append("cancelar_stop")
        self.cancelados.append(id_cliente)
        fallo = self.fallos_cancelar_stop.popleft() if self.fallos_cancelar_stop else None
        if isinstance(fallo, Exception):
            raise fallo
        if fallo is Pierde.ANTES:
            raise ResultadoIncierto("no answer from the exchange")
        stop = self.stops.get(id_cliente)
        if stop is None or not stop.estado.espera:
            raise _rechazo("Unknown order sent.", -2011)
        self._pasar(stop, EstadoAlgo.CANCELED)
        if fallo is Pierde.DESPUES:
            raise ResultadoIncierto("no answer from the exchange")

    async def stops_abiertos(self, simbolo: str) -> Sequence[StopBolsa]:
        self.pedidos.append("stops_abiertos")
        if self.al_listar_stops is not None:
            self.al_listar_stops()
        if self.listados_fallidos > 0:
            self.listados_fallidos -= 1
            raise LecturaFallida("no answer from the exchange")
        return self.stops_vivos

    # --- the world ---

    @property
    def stops_vivos(self) -> list[StopBolsa]:
        """Stops that the exchange lists as open."""
        return [s for s in self.stops.values() if s.estado in (EstadoAlgo.NEW, EstadoAlgo.TRIGGERING)]

    def mover(self, precio: float) -> None:
        """The price goes to a point; stops that it meets are triggered there."""
        self.precio_actual, self.mark = precio, None
        for stop in self.stops_vivos:
            if stop.estado.espera and _alcanzado(stop.lado, stop.gatillo, precio, TipoStop(stop.tipo)):
                self._disparar(stop)

    def desatascar(self) -> None:
        """Stops that hang in TRIGGERING go on."""
        self.atasca_stops = False
        for stop in self.stops_vivos:
            if stop.estado is EstadoAlgo.TRIGGERING:
                self._disparar(stop)

    def soltar_stops(self) -> None:
        """The exchange loses every stop and says nothing."""
        self.stops.clear()

    def poner_stop(self, orden: OrdenStop) -> StopBolsa:
        """Somebody places a stop: the agent in a former life, or a person."""
        return self._guardar_stop(orden)

    def al_quedar_plano(self) -> None:
        """Stops that close a position expire with it."""
        for stop in [] if self.huerfanos else self.stops_vivos:
            if stop.cantidad is None and stop.estado.espera:
                self._pasar(stop, EstadoAlgo.EXPIRED)

    @property
    def _mark(self) -> float:
        return self.precio_actual if self.mark is None else self.mark

    def _comprobar(self, orden: OrdenStop) -> None:
        if orden.id_cliente in {s.id_cliente for s in self.stops_vivos}:
            raise _rechazo("ClientOrderId is duplicated.", -4116)
        if _alcanzado(orden.lado, orden.gatillo, self._mark, orden.tipo):
            raise _rechazo("Order would immediately trigger.", -2021)
        if orden.cantidad is None and any(
            s.cantidad is None and (s.lado, s.tipo) == (orden.lado, orden.tipo.value)
            for s in self.stops_vivos
        ):
            raise _rechazo("An open stop in the direction is existing.", -4130)

    def _guardar_stop(self, orden: OrdenStop) -> StopBolsa:
        stop = StopBolsa(
            orden.id_cliente,
            self._siguiente_orden(),
            EstadoAlgo.NEW,
            orden.tipo.value,
            orden.lado,
            orden.gatillo,
            orden.cantidad,
        )
        self.stops[orden.id_cliente] = stop
        return stop

    def _pasar(self, stop: StopBolsa, estado: EstadoAlgo, id_orden: int | None = None) -> None:
        self.stops[stop.id_cliente] = stop._replace(estado=estado, id_orden=id_orden)

    def _disparar(self, stop: StopBolsa) -> None:
        if self.atasca_stops:
            self._pasar(stop, EstadoAlgo.TRIGGERING)
            return
        cantidad = self._cantidad_de(stop)
        if cantidad == 0.0:
            self._pasar(stop, EstadoAlgo.EXPIRED)
            return
        ejecutada = {Hija.LLENA: cantidad, Hija.MEDIA: cantidad / 2, Hija.EXPIRADA: 0.0}[self.hija]
        estado = EstadoOrden.FILLED if self.hija is Hija.LLENA else EstadoOrden.EXPIRED
        id_cliente = f"hija-{stop.id_algo}"
        # The stop is no longer open when its order trades, so nothing expires it.
        self._pasar(stop, EstadoAlgo.FINISHED)
        if ejecutada:
            con_signo = ejecutada if stop.lado is LadoOrden.BUY else -ejecutada
            hija = self._registrar(
                id_cliente, con_signo, self.precio_actual, self.mercado.comision_taker, estado
            )
        else:
            hija = RespuestaOrden(id_cliente, self._siguiente_orden(), estado, 0.0, None)
            self._respuestas[id_cliente] = hija
        self._pasar(stop, EstadoAlgo.FINISHED, hija.id_bolsa)

    def _cantidad_de(self, stop: StopBolsa) -> float:
        """How much the stop's order trades; it only ever reduces."""
        cierra = LadoOrden.SELL if self.estado.cantidad > 0 else LadoOrden.BUY
        if self.estado.posicion is None or stop.lado is not cierra:
            return 0.0
        abierta = abs(self.estado.cantidad)
        return abierta if stop.cantidad is None else min(stop.cantidad, abierta)


def _alcanzado(lado: LadoOrden, gatillo: float, precio: float, tipo: TipoStop) -> bool:
    hacia_abajo = (lado is LadoOrden.SELL) is (tipo is TipoStop.STOP_MARKET)
    return precio <= gatillo if hacia_abajo else precio >= gatillo


def _rechazo(texto: str, codigo: int) -> OrdenRechazada:
    return OrdenRechazada(f"{texto} (code {codigo}, HTTP 400)", codigo=codigo)
