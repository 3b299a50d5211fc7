"""The whole daemon between a market in memory and a trivial exchange on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import aiohttp
from binance import AsyncClient

from bench.cronometro import Cronometro, conector
from bench.mercado_falso import SesionFalsa
from bench.servidor import PRECIO
from bench.taller import Taller, escribir_artefacto
from src.artefactos.artefacto import Artefacto, leer_artefacto
from src.nucleo.indicadores import VELAS_CALENTAMIENTO
from src.nucleo.intervalos import siguiente_apertura
from src.nucleo.ordenes import Orden
from src.nucleo.politica import Politica
from src.nucleo.stops import OrdenStop
from src.nucleo.tipos import EstadoCuenta, LadoOrden, Mercado, Observacion, Posicion, Vela
from src.produccion.bolsa.binance import BinanceConnector
from src.produccion.bolsa.cliente_binance import crear_cliente
from src.produccion.bolsa.reloj import RelojMercado
from src.produccion.config.config import Ajustes, Destino, Modo, Opciones, PoliticaSalida
from src.produccion.diario.diario import DiarioSqlite, EventoDiario
from src.produccion.diario.recuerdo import recordar_todo
from src.produccion.montaje import Conexiones, Lugar, Montaje
from src.produccion.puertos import (
    Credenciales,
    CuentaBolsa,
    Direcciones,
    EstadoAlgo,
    InfoSimbolo,
    Ingreso,
    ModoCuenta,
    OrdenViva,
    PrecioBidAsk,
    RespuestaOrden,
    StopBolsa,
    Transaccion,
)

_ACCION = 0.5
_RECIENTES = 10  # orders that are still asked for
_SIGLO_S = 100 * 365 * 86_400.0  # the candles are of any year
_CREDENCIALES = Credenciales(clave="k" * 64, secreto="s" * 64)


class BolsaEnMemoria(BinanceConnector):
    """Sends orders for real and knows everything else without asking, so that no read is timed.

    Args:
        taller: Market and agent.
        cronometro: Told of every order.
        cliente: Of the library.
        leer_de_verdad: Whether the account is read over the wire all the same.
    """

    def __init__(
        self, taller: Taller, cronometro: Cronometro, cliente: AsyncClient, *, leer_de_verdad: bool = False
    ) -> None:
        self._leer_de_verdad = leer_de_verdad
        self.reloj = RelojMercado()
        super().__init__(cliente, self.reloj, taller.mercado.activo_margen)
        self._mercado: Mercado = taller.mercado
        self._apalancamiento = taller.configuracion.portafolio.apalancamiento
        self._velas = [taller.tabla.vela(i) for i in range(velas_de_calentamiento(taller))]
        self._cronometro = cronometro
        self._operada = False
        self._enviadas: dict[int, str] = {}
        self.turno = asyncio.Event()  # the decision is over, the next candle may come
        self._estado = EstadoCuenta(taller.configuracion.portafolio.capital_inicial)
        self._fills: list[Transaccion] = []
        self._stops: dict[str, StopBolsa] = {}

    @property
    def cliente(self) -> AsyncClient:
        """The library's client."""
        return self._cliente

    async def clave_escucha(self) -> str:
        """Of a user stream that says nothing."""
        return "bench"

    async def hora_ms(self) -> int:
        """The close of the warm-up."""
        return siguiente_apertura(self._velas[-1].apertura_ms, "1h")

    async def modo_cuenta(self) -> ModoCuenta:
        """One-way, single asset."""
        return ModoCuenta(cobertura=False, multiactivo=False)

    async def info_simbolo(self, simbolo: str) -> InfoSimbolo:
        """The market that the agent was made for."""
        return InfoSimbolo(mercado=self._mercado, estado="TRADING")

    async def fijar_apalancamiento(self, *_: Any) -> None:
        """It is."""

    async def fijar_margen(self, *_: Any) -> None:
        """It is."""

    async def velas(self, *_: Any, desde_ms: int | None = None, **__: Any) -> Sequence[Vela]:
        """The warm-up; nothing is ever missed afterwards."""
        return self._velas if desde_ms is None else []

    async def cuenta(self, simbolo: str) -> CuentaBolsa:
        """The account as the orders left it; reading it after an order ends the decision."""
        if self._leer_de_verdad:
            await super().cuenta(simbolo)
        if self._operada:
            self._operada = False
            asyncio.get_running_loop().call_soon(self.turno.set)
        return CuentaBolsa(self._estado, self._estado.saldo, self._apalancamiento, False)

    async def ordenes_abiertas(self, *_: Any) -> Sequence[OrdenViva]:
        """None rests."""
        return []

    async def colocar_stop(self, orden: OrdenStop) -> StopBolsa:
        """It waits from now on."""
        stop = StopBolsa(
            orden.id_cliente, 1, EstadoAlgo.NEW, "STOP_MARKET", orden.lado, orden.gatillo, orden.cantidad
        )
        self._stops[orden.id_cliente] = stop
        return stop

    async def consultar_stop(self, _: str, id_cliente: str) -> StopBolsa | None:
        """As it was placed."""
        return self._stops.get(id_cliente)

    async def cancelar_stop(self, _: str, id_cliente: str) -> None:
        """It waits no more."""
        del self._stops[id_cliente]

    async def stops_abiertos(self, *_: Any) -> Sequence[StopBolsa]:
        """Those that wait."""
        return list(self._stops.values())

    async def precio_mark(self, *_: Any) -> float:
        """Where every order is filled."""
        return float(PRECIO)

    async def ingresos(self, *_: Any, **__: Any) -> Sequence[Ingreso]:
        """None."""
        return []

    async def transacciones(
        self, *_: Any, id_orden: int | None = None, desde_id: int | None = None
    ) -> Sequence[Transaccion]:
        """The fills of an order, or those from a number on; numbered from 1."""
        if id_orden is not None:
            return [fill for fill in self._fills[-_RECIENTES:] if fill.id_orden == id_orden]
        return [] if desde_id is None else self._fills[max(desde_id - 1, 0) :]

    async def id_cliente_de(self, _: str, id_bolsa: int) -> str:
        """As it was sent."""
        return self._enviadas[id_bolsa]

    async def precio_bidask(self, *_: Any, **__: Any) -> PrecioBidAsk:
        """Where every order is filled, on both sides."""
        return PrecioBidAsk(float(PRECIO), float(PRECIO), self.reloj.ahora_ms())

    async def enviar(self, orden: Orden) -> RespuestaOrden:
        """Send for real."""
        self._cronometro.pedir(entrada=not orden.solo_reduce)
        respuesta = await super().enviar(orden)
        cantidad = orden.cantidad if orden.lado is LadoOrden.BUY else -orden.cantidad
        precio = float(PRECIO)
        self._enviadas[respuesta.id_bolsa] = orden.id_cliente
        numero = len(self._fills) + 1
        self._fills.append(
            Transaccion(numero, respuesta.id_bolsa, cantidad, precio, 0.0, 0.0, self.reloj.ahora_ms())
        )
        queda = round(self._estado.cantidad + cantidad, 3)
        self._estado = EstadoCuenta(self._estado.saldo, Posicion(queda, precio) if queda else None)
        self._operada = True
        return respuesta


class SinDiario:
    """A journal that costs nothing: the real one is measured by itself."""

    async def anotar(self, agregado: str, tipo: str, instante_ms: int, contenido: dict[str, object]) -> None:
        """Forget the event."""

    def anotar_luego(self, agregado: str, tipo: str, instante_ms: int, contenido: dict[str, object]) -> None:
        """Forget the event."""

    async def asentar(self) -> None:
        """There is nothing to wait for."""

    def leer(self, agregado: str | None = None, *, despues_de: int = 0) -> Iterator[EventoDiario]:
        """Nothing."""
        return iter(())

    def ultimo(self, agregado: str, *tipos: str) -> EventoDiario | None:
        """Nothing."""
        return None

    @property
    def roto(self) -> bool:
        """Never."""
        return False


class PoliticaAlterna:
    """Lets the real actor think and answers so that every candle sends an order: open, close, open…"""

    def __init__(self, actor: Politica) -> None:
        self._actor = actor

    def predecir(self, observacion: Observacion) -> float:
        """The side that is not held."""
        self._actor.predecir(observacion)
        return -_ACCION if observacion.portfolio[2] > 0.0 else _ACCION


def velas_de_calentamiento(taller: Taller) -> int:
    """How many candles the window needs before the first decision."""
    return VELAS_CALENTAMIENTO + taller.configuracion.entorno.window_size


@asynccontextmanager
async def conexion(
    taller: Taller, puerto: int, cronometro: Cronometro, *, leer_de_verdad: bool = False
) -> AsyncIterator[BolsaEnMemoria]:
    """The exchange behind the real client, timed on its sockets."""
    cliente = crear_cliente(_direcciones(puerto), _CREDENCIALES, {"connector": conector(cronometro)})
    bolsa = BolsaEnMemoria(taller, cronometro, cliente, leer_de_verdad=leer_de_verdad)
    try:
        yield bolsa
    finally:
        await bolsa.cerrar()


def _direcciones(puerto: int) -> Direcciones:
    return Direcciones(rest=f"http://127.0.0.1:{puerto}", flujos=f"ws://127.0.0.1:{puerto}")


def lugar_de(artefacto: Artefacto, puerto: int, politica: Politica) -> Lugar:
    """What a session on the trivial exchange is started with."""
    return Lugar(
        artefacto,
        Ajustes.model_validate({"risk": {"max_clock_skew_s": _SIGLO_S}}),
        Opciones(train_id=artefacto.train_id, salida=PoliticaSalida.MANTENER),
        Destino(modo=Modo.TESTNET, direcciones=_direcciones(puerto), credenciales=_CREDENCIALES),
        politica,
        lambda comienzo: None,
        lambda sesion: None,
    )


async def decidir(
    taller: Taller,
    puerto: int,
    cronometro: Cronometro,
    diario: DiarioSqlite | None,
    carpeta: Path,
    velas: int,
    pausa_s: float = 0.0,
) -> None:
    """Run a session over so many candles after the warm-up, an order on each.

    Args:
        taller: Market and agent.
        puerto: Of the trivial exchange.
        cronometro: Told of every decision.
        diario: The journal; ``None`` leaves it out.
        carpeta: Where the artefact goes; empty.
        velas: Candles to decide on.
        pausa_s: Between the end of one decision and the next candle.
    """
    artefacto = leer_artefacto(carpeta, escribir_artefacto(taller, carpeta))
    lugar = lugar_de(artefacto, puerto, PoliticaAlterna(artefacto.actor))
    primera = velas_de_calentamiento(taller)
    async with conexion(taller, puerto, cronometro) as bolsa:
        candelas = [taller.tabla.vela(i) for i in range(primera, primera + velas)]
        sesion = SesionFalsa(candelas, bolsa.turno, cronometro, pausa_s)
        con_diario = diario or cast(DiarioSqlite, SinDiario())
        conexiones = Conexiones(
            diario=con_diario,
            bolsa=bolsa,
            reloj=bolsa.reloj,
            sesion=cast(aiohttp.ClientSession, sesion),
            carpeta=carpeta,
        )
        await Montaje(lugar, "bench", conexiones, recordar_todo(con_diario, carpeta, "bench")).correr()
