"""A model of an exchange that does all that the real one is known to do to an order on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from src.nucleo.errores import (
    EmergenciaOperacional,
    FalloPasajero,
    LecturaFallida,
    OrdenRechazada,
    ResultadoIncierto,
)
from src.nucleo.ordenes import Orden
from src.nucleo.tipos import EstadoCuenta, LadoOrden, Posicion
from src.produccion.diario.diario import EventoDiario
from src.produccion.puertos import CuentaBolsa, EstadoOrden, EventoOrden, RespuestaOrden, Transaccion

VENTANA_S = 10.0
PRECIO = 30_000.0


class Trato(NamedTuple):
    """What happens to one request and to the order that comes of it."""

    viaje_s: float = 0.01  # until it arrives; beyond the window it is not accepted
    llega: bool = True
    rechazo: int | None = None
    parte: float = 1.0  # of the quantity that is filled; the rest expires
    tarda_s: float = 0.0  # from acceptance to the end
    respuesta_s: float | None = 0.01  # until the answer is back; ``None``: the connection ends without one
    corte_s: float = 1.0  # when it ends then
    oculta_s: float = 0.0  # how long look-ups and fills lag behind
    posicion_s: float = 0.0  # how long the position does
    olvidada: bool = False  # look-ups by client id never know it
    avisos_s: tuple[float, ...] = (0.05,)  # one event of each change for each delay


BIEN = Trato()


@dataclass
class OrdenModelo:
    """One order as the exchange has it."""

    id_bolsa: int
    orden: Orden
    trato: Trato
    desde_s: float
    estado: EstadoOrden = EstadoOrden.NEW
    ejecutada: float = 0.0
    ajena: bool = False

    @property
    def respuesta(self) -> RespuestaOrden:
        precio = PRECIO if self.ejecutada else None
        return RespuestaOrden(self.orden.id_cliente, self.id_bolsa, self.estado, self.ejecutada, precio)


@dataclass
class BolsaModelo:
    """One account on one symbol; ``tratos`` are used up, one for each request."""

    tratos: list[Trato] = field(default_factory=list)
    ordenes: list[OrdenModelo] = field(default_factory=list)
    enviadas: int = 0
    sorda_hasta_s: float = 0.0  # reads get no answer
    avisar: Callable[[EventoOrden], None] = lambda _: None
    _filas: list[Transaccion] = field(default_factory=list)
    _listada_s: dict[int, float] = field(default_factory=dict)  # from when a fill is listed
    _contada_s: dict[int, float] = field(default_factory=dict)  # from when the position contains it

    @property
    def cantidad(self) -> float:
        """The position as it is."""
        return round(sum(fila.cantidad for fila in self._filas), 9)

    def filas_de(self, id_cliente: str) -> list[Transaccion]:
        """The fills of an order as they are."""
        ids = {o.id_bolsa for o in self.ordenes if o.orden.id_cliente == id_cliente}
        return [fila for fila in self._filas if fila.id_orden in ids]

    # --- the port ---

    async def enviar(self, orden: Orden) -> RespuestaOrden:
        trato = self.tratos.pop(0) if self.tratos else BIEN
        self.enviadas += 1
        bucle = asyncio.get_running_loop()
        llegada: asyncio.Future[RespuestaOrden] = bucle.create_future()
        llegada.add_done_callback(lambda futuro: futuro.cancelled() or futuro.exception())
        if trato.llega and trato.viaje_s <= VENTANA_S:
            bucle.call_later(trato.viaje_s, self._llegar, orden, trato, llegada)
        if trato.respuesta_s is None or not trato.llega or trato.viaje_s > VENTANA_S:
            await asyncio.sleep(trato.corte_s)
            raise ResultadoIncierto("no answer from the exchange")
        respuesta = await asyncio.shield(llegada)
        await asyncio.sleep(trato.respuesta_s)
        return respuesta

    async def consultar(self, simbolo: str, id_cliente: str) -> RespuestaOrden | None:
        await self._contestar()
        for orden in reversed(self.ordenes):
            visible = self._ahora() >= orden.desde_s + orden.trato.oculta_s and not orden.trato.olvidada
            if orden.orden.id_cliente == id_cliente and visible:
                return orden.respuesta
        return None

    async def cuenta(self, simbolo: str) -> CuentaBolsa:
        await self._contestar()
        contadas = (fila.cantidad for fila in self._filas if self._contada_s[fila.id] <= self._ahora())
        cantidad = round(sum(contadas), 9)
        posicion = Posicion(cantidad, PRECIO) if cantidad else None
        return CuentaBolsa(EstadoCuenta(10_000.0, posicion), 10_000.0, 2, aislado=False)

    async def transacciones(
        self, simbolo: str, *, id_orden: int | None = None, desde_id: int | None = None
    ) -> Sequence[Transaccion]:
        await self._contestar()
        listadas = (fila for fila in self._filas if self._listada_s[fila.id] <= self._ahora())
        return [fila for fila in listadas if id_orden in (None, fila.id_orden)]

    async def id_cliente_de(self, simbolo: str, id_bolsa: int) -> str:
        await self._contestar()
        return next(o.orden.id_cliente for o in self.ordenes if o.id_bolsa == id_bolsa)

    # --- the world ---

    def heredar(self, cantidad: float) -> None:
        """A position from before, opened by somebody else."""
        lado = LadoOrden.BUY if cantidad > 0 else LadoOrden.SELL
        orden = Orden("BTCUSDT", lado, abs(cantidad), False, "web_1")
        ajena = OrdenModelo(1, orden, BIEN, 0.0, EstadoOrden.FILLED, abs(cantidad), ajena=True)
        self.ordenes.append(ajena)
        self._asentar(ajena, cantidad, 0.0)

    def _llegar(self, orden: Orden, trato: Trato, llegada: asyncio.Future[RespuestaOrden]) -> None:
        fallo = self._motivo_de_rechazo(orden, trato)
        if fallo is not None:
            llegada.set_exception(fallo)
            return
        nueva = OrdenModelo(len(self.ordenes) + 1, orden, trato, self._ahora())
        self.ordenes.append(nueva)
        if trato.tarda_s:
            self._anunciar(nueva)
            asyncio.get_running_loop().call_later(trato.tarda_s / 2, self._medio_ejecutar, nueva)
            asyncio.get_running_loop().call_later(trato.tarda_s, self._acabar, nueva)
        else:
            self._acabar(nueva)
        llegada.set_result(nueva.respuesta)

    def _motivo_de_rechazo(self, orden: Orden, trato: Trato) -> OrdenRechazada | None:
        if trato.rechazo is not None:
            pasajero = trato.rechazo in (-1008, -1021)
            return (FalloPasajero if pasajero else OrdenRechazada)("refused", codigo=trato.rechazo)
        if any(o.orden.id_cliente == orden.id_cliente and not o.estado.es_final for o in self.ordenes):
            return OrdenRechazada("duplicate client id", codigo=-4116)
        if orden.solo_reduce and self._reducible(orden) == 0.0:
            return OrdenRechazada("ReduceOnly Order is rejected.", codigo=-2022)
        return None

    def _reducible(self, orden: Orden) -> float:
        contra = -self.cantidad if orden.lado is LadoOrden.BUY else self.cantidad
        return max(0.0, contra)

    def _medio_ejecutar(self, orden: OrdenModelo) -> None:
        self._ejecutar(orden, orden.trato.parte / 2)
        if orden.ejecutada > 0.0:
            orden.estado = EstadoOrden.PARTIALLY_FILLED
            self._anunciar(orden)

    def _acabar(self, orden: OrdenModelo) -> None:
        self._ejecutar(orden, orden.trato.parte)
        completa = orden.ejecutada == orden.orden.cantidad
        orden.estado = EstadoOrden.FILLED if completa else EstadoOrden.EXPIRED
        self._anunciar(orden)

    def _ejecutar(self, orden: OrdenModelo, parte: float) -> None:
        pedida = orden.orden.cantidad
        total = pedida if parte == 1.0 else round(pedida * parte, 3)
        cuanto = round(total - orden.ejecutada, 9)
        if orden.orden.solo_reduce:
            cuanto = min(cuanto, self._reducible(orden.orden))
        if cuanto <= 0.0:
            return
        orden.ejecutada = round(orden.ejecutada + cuanto, 9)
        self._asentar(orden, cuanto if orden.orden.lado is LadoOrden.BUY else -cuanto, self._ahora())

    def _anunciar(self, orden: OrdenModelo) -> None:
        fill = next((fila for fila in reversed(self._filas) if fila.id_orden == orden.id_bolsa), None)
        evento = EventoOrden(orden.respuesta, 0, orden.orden.simbolo, fill and fill._replace(listada=False))
        for demora_s in orden.trato.avisos_s:
            asyncio.get_running_loop().call_later(demora_s, lambda: self.avisar(evento))

    def _asentar(self, orden: OrdenModelo, con_signo: float, ahora_s: float) -> None:
        fila = Transaccion(len(self._filas) + 1, orden.id_bolsa, con_signo, PRECIO, 0.0, 0.0, 0)
        self._filas.append(fila)
        self._listada_s[fila.id] = ahora_s + orden.trato.oculta_s
        self._contada_s[fila.id] = ahora_s + orden.trato.posicion_s

    async def _contestar(self) -> None:
        await asyncio.sleep(0.01)
        if self._ahora() < self.sorda_hasta_s:
            raise LecturaFallida("no answer from the exchange")

    def _ahora(self) -> float:
        return asyncio.get_running_loop().time()


class DiarioModelo:
    """A journal whose newest events are not on disk yet, and that may die with its process."""

    def __init__(self, eventos: Sequence[EventoDiario] = ()) -> None:
        self.en_disco = list(eventos)
        self._cola: list[EventoDiario] = []
        self._muerto = False

    async def anotar(self, agregado: str, tipo: str, instante_ms: int, contenido: dict[str, object]) -> None:
        self.anotar_luego(agregado, tipo, instante_ms, contenido)
        await asyncio.sleep(0.005)
        if self._muerto:
            raise EmergenciaOperacional("the process is dead")
        self._volcar()

    def anotar_luego(self, agregado: str, tipo: str, instante_ms: int, contenido: dict[str, object]) -> None:
        if self._muerto:
            return
        version = sum(e.agregado == agregado for e in [*self.en_disco, *self._cola]) + 1
        evento = EventoDiario(
            len(self.en_disco) + len(self._cola) + 1, agregado, version, tipo, instante_ms, contenido
        )
        self._cola.append(evento)
        asyncio.get_running_loop().call_later(0.02, self._volcar)

    async def asentar(self) -> None:
        await asyncio.sleep(0.005)
        if self._muerto:
            raise EmergenciaOperacional("the process is dead")
        self._volcar()

    def morir(self) -> list[EventoDiario]:
        """What is on disk; nothing is written any more."""
        self._muerto = True
        return self.en_disco

    def _volcar(self) -> None:
        if not self._muerto:
            self.en_disco += self._cola
            self._cola.clear()
