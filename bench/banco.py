"""The daemon's own pieces around a stopwatch: kline bytes in, order bytes on the socket out."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import numpy as np
import orjson

from bench.servidor import PRECIO
from bench.taller import INTERVALO, SIMBOLO, Taller
from src.nucleo.indicadores import VELAS_CALENTAMIENTO, Indicadores
from src.nucleo.intervalos import siguiente_apertura
from src.nucleo.ordenes import Orden
from src.nucleo.politica import ActorNumpy, Politica
from src.nucleo.tipos import EstadoCuenta, LadoOrden, Observacion, Posicion, Vela
from src.produccion.agente_produccion import AgenteProduccion
from src.produccion.binance import BinanceConnector, crear_cliente
from src.produccion.ciclo import Ciclo, Piezas, Reglas
from src.produccion.config.config import PoliticaSalida
from src.produccion.control_riesgo import ControlRiesgo
from src.produccion.cuenta import Cuenta
from src.produccion.dataprovider import DataProvider, RangoRasgos
from src.produccion.ejecutor import Ejecutor
from src.produccion.flujos import leer_evento
from src.produccion.observacion import ObservacionBuilder
from src.produccion.orquestador import AjustesSesion, Orquestador
from src.produccion.puertos import (
    Credenciales,
    CuentaBolsa,
    Diario,
    Direcciones,
    EventoConexion,
    EventoCuenta,
    EventoFin,
    EventoMercado,
    Ingreso,
    RespuestaOrden,
    Transaccion,
)
from src.produccion.Registro import RegistroProduccion
from src.produccion.reloj import RelojMercado

_ACCION = 0.5


class Instante(NamedTuple):
    """Two clocks, both in nanoseconds."""

    pared: int
    cpu: int  # of this thread


def ahora() -> Instante:
    """Look at both clocks."""
    return Instante(time.perf_counter_ns(), time.thread_time_ns())


class Cronometro:
    """The instants of every decision."""

    def __init__(self) -> None:
        self.llegada: list[Instante] = []  # the kline's bytes are there
        self.peticion: list[Instante] = []  # the order is handed to the exchange's client
        self.escritura: list[Instante] = []  # the request goes to the socket
        self.envio: list[Instante] = []  # the socket has taken it
        self._armado = False

    def pedir(self) -> None:
        """An order is about to be sent."""
        self._armado = True
        self.peticion.append(ahora())

    def escribir(self, antes: Instante) -> None:
        """Bytes were written; only those of an order count."""
        if self._armado:
            self._armado = False
            self.escritura.append(antes)
            self.envio.append(ahora())


class SocketCronometrado(socket.socket):
    """A socket that tells when it has taken bytes."""

    cronometro: Cronometro

    def send(self, *args: Any) -> int:
        """Write between two looks at the clocks."""
        antes = ahora()
        escritos = super().send(*args)
        self.cronometro.escribir(antes)
        return escritos


def conector(cronometro: Cronometro) -> aiohttp.TCPConnector:
    """aiohttp's connector with sockets that are looked at."""

    def fabricar(direccion: Any) -> socket.socket:
        enchufe = SocketCronometrado(*direccion[:3])
        enchufe.cronometro = cronometro
        return enchufe

    return aiohttp.TCPConnector(socket_factory=fabricar)


class BolsaEnMemoria(BinanceConnector):
    """Sends orders for real and knows the account without asking, so that no read is timed."""

    def __init__(self, velas: Sequence[Vela], cronometro: Cronometro, *args: Any) -> None:
        super().__init__(*args)
        self._velas = velas
        self._cronometro = cronometro
        self._estado = EstadoCuenta(1_000_000.0)
        self._fills: list[Transaccion] = []

    async def velas(self, *_: Any, desde_ms: int | None = None, **__: Any) -> Sequence[Vela]:
        """The warm-up; nothing is ever missed afterwards."""
        return self._velas if desde_ms is None else []

    async def cuenta(self, simbolo: str) -> CuentaBolsa:
        """The account as the orders left it."""
        return CuentaBolsa(self._estado, self._estado.saldo, 2, False)

    async def ingresos(self, simbolo: str, desde_ms: int) -> Sequence[Ingreso]:
        """None."""
        return []

    async def transacciones(self, *_: Any, id_orden: int | None = None, **__: Any) -> Sequence[Transaccion]:
        """The fills of the last order."""
        return self._fills if id_orden is not None else []

    async def enviar(self, orden: Orden) -> RespuestaOrden:
        """Send for real."""
        self._cronometro.pedir()
        respuesta = await super().enviar(orden)
        cantidad = orden.cantidad if orden.lado is LadoOrden.BUY else -orden.cantidad
        precio = float(PRECIO)
        self._fills = [Transaccion(1, respuesta.id_bolsa, cantidad, precio, 0.0, 0.0, 0)]
        self._estado = EstadoCuenta(
            self._estado.saldo, None if orden.solo_reduce else Posicion(cantidad, precio)
        )
        return respuesta


class SinDiario:
    """A journal that costs nothing: the real one is measured by itself."""

    async def anotar(self, agregado: str, tipo: str, instante_ms: int, contenido: dict[str, object]) -> None:
        """Forget the event."""

    def anotar_luego(self, agregado: str, tipo: str, instante_ms: int, contenido: dict[str, object]) -> None:
        """Forget the event."""


class PoliticaAlterna:
    """Lets the real actor think and answers so that every candle sends an order: open, close, open…"""

    def __init__(self, actor: Politica) -> None:
        self._actor = actor
        self._accion = -_ACCION

    def predecir(self, observacion: Observacion) -> float:
        """The next side."""
        self._actor.predecir(observacion)
        self._accion = -self._accion
        return self._accion


@dataclass(slots=True)
class FuenteDeBytes:
    """A market socket in memory: the next kline comes when the last one is done with."""

    mensajes: Sequence[bytes]
    cronometro: Cronometro
    reloj: RelojMercado
    turno: asyncio.Event = field(default_factory=asyncio.Event)

    async def eventos(self, simbolo: str, intervalo: str) -> AsyncIterator[EventoMercado]:
        """What `FlujoMercado` does with a message, and the time at which it was there."""
        yield EventoConexion(self.reloj.ahora_ms())
        for mensaje in self.mensajes:
            await self.turno.wait()
            self.turno.clear()
            await asyncio.sleep(0)
            self.cronometro.llegada.append(ahora())
            evento = leer_evento(mensaje)
            assert evento is not None
            self.reloj.observar(evento.instante_ms)
            yield evento
        await self.turno.wait()
        yield EventoFin(self.reloj.ahora_ms())

    async def unirse(self, simbolo: str, intervalo: str) -> bool:
        """In lockstep."""
        self.reloj.congelar()
        return True

    async def hecho(self) -> None:
        """Let the next message come."""
        self.turno.set()

    async def salir(self) -> None:
        """Nothing to leave."""


class SinNoticias:
    """A user stream that says nothing."""

    async def eventos(self) -> AsyncIterator[EventoCuenta]:
        """None, for ever."""
        await asyncio.Event().wait()
        yield EventoCuenta(0)


def mensaje_kline(vela: Vela) -> bytes:
    """A closed kline as the combined market stream sends it."""
    cierre = siguiente_apertura(vela.apertura_ms, INTERVALO)
    kline = {
        "t": vela.apertura_ms, "T": cierre - 1, "s": SIMBOLO, "i": INTERVALO, "f": 100, "L": 200,
        "o": str(vela.open), "c": str(vela.close), "h": str(vela.high), "l": str(vela.low),
        "v": str(vela.volume), "n": 100, "x": True, "q": "0", "V": "0", "Q": "0", "B": "0",
    }  # fmt: skip
    datos = {"e": "kline", "E": cierre, "s": SIMBOLO, "k": kline}
    return orjson.dumps({"stream": f"{SIMBOLO.lower()}@kline_{INTERVALO}", "data": datos})


def velas_de_calentamiento(taller: Taller) -> int:
    """How many candles the window needs before the first decision."""
    return VELAS_CALENTAMIENTO + taller.configuracion.entorno.window_size


@asynccontextmanager
async def conexion(taller: Taller, puerto: int, cronometro: Cronometro) -> AsyncIterator[BolsaEnMemoria]:
    """The exchange behind the real client, timed on its sockets."""
    reloj = RelojMercado()
    cliente = crear_cliente(
        Direcciones(rest=f"http://127.0.0.1:{puerto}", flujos=""),
        Credenciales(clave="k" * 64, secreto="s" * 64),
        {"connector": conector(cronometro)},
    )
    pasadas = [taller.tabla.vela(i) for i in range(velas_de_calentamiento(taller))]
    bolsa = BolsaEnMemoria(pasadas, cronometro, cliente, reloj, "USDT")
    try:
        yield bolsa
    finally:
        await bolsa.cerrar()


async def decidir(
    taller: Taller, bolsa: BolsaEnMemoria, diario: Diario, cronometro: Cronometro, carpeta: Path, velas: int
) -> None:
    """Run the orchestrator over so many candles after the warm-up, an order on each."""
    reloj = RelojMercado()
    datos = _ventana(taller, bolsa)
    await datos.calentar()
    primera = velas_de_calentamiento(taller)
    mensajes = [mensaje_kline(taller.tabla.vela(i)) for i in range(primera, primera + velas)]
    fuente = FuenteDeBytes(mensajes, cronometro, reloj)
    reloj.sincronizar(datos.esperada_ms)
    with RegistroProduccion(carpeta, reloj.ahora_ms()) as registro:
        ciclo = _ciclo(taller, bolsa, diario, reloj, datos, registro)
        ciclo.ultima_decidida_ms = datos.ultima.apertura_ms
        ajustes = AjustesSesion(
            simbolo=SIMBOLO,
            intervalo=INTERVALO,
            edad_maxima_vela_s=30.0,
            errores_seguidos_max=1,
            refresco_s=30.0,
            salida=PoliticaSalida.MANTENER,
        )
        await Orquestador(
            ajustes=ajustes,
            fuente=fuente,
            fuente_cuenta=SinNoticias(),
            datos=datos,
            ciclo=ciclo,
            reloj=reloj,
            avance=fuente,
            tras_vela=lambda: None,
        ).correr()


def _ventana(taller: Taller, bolsa: BolsaEnMemoria) -> DataProvider:
    configuracion = taller.configuracion
    indicadores = Indicadores(configuracion.parametros_indicadores(), configuracion.preprocesamiento.rasgos)
    rango = RangoRasgos(np.min(taller.rasgos, axis=0), np.max(taller.rasgos, axis=0))
    ventana = configuracion.entorno.window_size
    return DataProvider(bolsa, SIMBOLO, INTERVALO, indicadores, taller.escalador, ventana, rango)


def _ciclo(
    taller: Taller,
    bolsa: BolsaEnMemoria,
    diario: Diario,
    reloj: RelojMercado,
    datos: DataProvider,
    registro: RegistroProduccion,
) -> Ciclo:
    configuracion, mercado = taller.configuracion, taller.mercado
    limites = configuracion.limites_plan(mercado)
    ejecutor = Ejecutor(bolsa, diario, reloj, SIMBOLO)
    capital = configuracion.portafolio.capital_inicial
    piezas = Piezas(
        datos=datos,
        cuenta=Cuenta(bolsa, mercado),
        observador=ObservacionBuilder(configuracion.forma_portafolio(capital)),
        agente=AgenteProduccion(
            PoliticaAlterna(ActorNumpy.desde_arreglos(taller.actor)),
            configuracion.regla_accion(),
            limites.apalancamiento,
        ),
        control=ControlRiesgo(bolsa, ejecutor, diario, reloj, mercado, limites, 1.0, capital, 1.0),
        ejecutor=ejecutor,
        registro=registro,
        diario=diario,
        reloj=reloj,
    )
    return Ciclo(
        piezas,
        Reglas(
            "bench", mercado, limites, configuracion.regla_recompensa(), configuracion.portafolio.slippage
        ),
    )
