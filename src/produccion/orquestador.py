"""The daemon's heart: market events in, one candle after the other through the cycle."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import NamedTuple, NoReturn, Protocol, TypeVar

import structlog

from src.nucleo.errores import EntradaInvalida, ErrorBolsa, ErrorTimonel, LecturaFallida
from src.nucleo.ordenes import MOTIVO_SALIDA
from src.nucleo.registro import StatusFila
from src.nucleo.tipos import Vela
from src.produccion.ciclo import Ciclo
from src.produccion.config.config import PoliticaSalida
from src.produccion.dataprovider import DataProvider
from src.produccion.puertos import (
    Avance,
    EventoConexion,
    EventoFin,
    EventoMargen,
    EventoMark,
    EventoMercado,
    EventoOrden,
    EventoStop,
    EventoUsuario,
    EventoVela,
    FuenteCuenta,
    FuenteMercado,
    Reloj,
)
from src.produccion.riesgo.enclavamiento import Razon
from src.produccion.riesgo.paciencia import Paciencia
from src.produccion.supervision.cortesia import Cortesia
from src.produccion.supervision.supervisor import Principal, Servicio, supervisar
from src.produccion.supervision.vigia import Progreso

_ATRASO_MAX = 1_000
"""Market events that may wait; beyond it what was missed is read by REST instead."""

_ENTRE_MIRADAS_S = 1.0

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Motivo(StrEnum):
    """Why a session ended."""

    INTERRUMPIDO = "interrupted"
    DETENIDO = "stopped by a person"
    VELAS = "candle limit"
    FIN_DE_DATOS = "end of data"
    EMERGENCIA = "emergency"


@dataclass(frozen=True, slots=True, kw_only=True)
class AjustesSesion:
    """How a session runs."""

    simbolo: str
    intervalo: str
    edad_maxima_vela_s: float  # a candle that closed longer ago is not acted on
    refresco_s: float  # wall seconds between two looks at the account
    ceguera_max_s: float  # wall seconds without market data that an unprotected position is kept
    salida: PoliticaSalida
    velas_max: int | None = None


class _Emergencia(NamedTuple):
    instante_ms: int


class _Parar(NamedTuple):
    motivo: Motivo


class _Refresco(NamedTuple):
    pass


class _Freno(NamedTuple):
    instante_ms: int


class _Pedido(NamedTuple):
    tarea: Callable[[], Awaitable[None]]
    rechazar: Callable[[], None]


class _Ceguera(NamedTuple):
    pass


_Encargo = EventoMercado | _Emergencia | _Parar | _Refresco | _Ceguera | _Freno | _Pedido
_Cola = asyncio.PriorityQueue[tuple[int, int, _Encargo]]


class Espectador(Protocol):
    """Told after each decided candle."""

    def __call__(self) -> None:
        """Look at whatever changed."""
        ...


@dataclass(slots=True)
class Orquestador:
    """Reads the market and drives the cycle until the session ends.

    The reader watches every mark price as it arrives; candles queue up and are processed one at a time.
    """

    ajustes: AjustesSesion
    fuente: FuenteMercado
    fuente_cuenta: FuenteCuenta
    datos: DataProvider
    ciclo: Ciclo
    reloj: Reloj
    avance: Avance
    paciencia: Paciencia
    progreso: Progreso
    tras_vela: Espectador
    servicios: Sequence[Servicio] = ()
    hora: Callable[[], Awaitable[int]] | None = None  # the exchange's clock, read at every (re)connection
    mark: Callable[[], Awaitable[float]] | None = None  # the mark price, read then as well
    cortesia: Cortesia = field(default_factory=Cortesia)
    espera_agentes: bool = False  # the market stands still until its agents are done
    oidos_s: dict[str, float] = field(default_factory=dict)  # when each stream was last heard, by the loop
    conexiones: int = 0  # of the market's socket
    _cola: _Cola = field(default_factory=asyncio.PriorityQueue)
    _turnos: Iterator[int] = field(default_factory=count)
    _novedad: asyncio.Event = field(default_factory=asyncio.Event)
    _refresco_pedido: bool = False
    _freno_pedido: bool = False
    _en_paso: bool = False
    _conectado: bool = False
    _conexion_pendiente: bool = False
    _velas_perdidas: bool = False
    _ultimo_dato_s: float = 0.0
    _paso_inicial: int = 0
    _acabando: bool = False
    _terminada: bool = False

    @property
    def decididas(self) -> int:
        """Candles decided since it began."""
        return self.ciclo.paso - self._paso_inicial

    @property
    def en_cola(self) -> int:
        """What waits to be done."""
        return self._cola.qsize()

    @property
    def edad_mark_s(self) -> float:
        """Wall seconds since a mark price was heard; 0 where the market waits for its agents."""
        oido_s = self.oidos_s.get("mark_price")
        if self.espera_agentes or oido_s is None:
            return 0.0
        return asyncio.get_running_loop().time() - oido_s

    def parar(self, motivo: Motivo = Motivo.INTERRUMPIDO) -> None:
        """End after the step in progress."""
        self._poner(_Parar(motivo))

    async def pedir(self, tarea: Callable[[], Awaitable[T]]) -> T:
        """Have something done between two steps; what it raises comes back to who asked.

        Raises:
            ErrorTimonel: It was refused, or the session ends.
        """
        respuesta: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        async def hacer() -> None:
            if respuesta.cancelled():
                return  # whoever asked is gone, and may have been told that nothing was done
            try:
                resultado = await tarea()
            except (EntradaInvalida, ErrorBolsa) as fallo:
                if not respuesta.done():
                    respuesta.set_exception(fallo)
                self._pedir_refresco()
            except Exception as fallo:  # whoever asked is answered, and the session ends by it
                if not respuesta.done():
                    respuesta.set_exception(LecturaFallida(str(fallo) or repr(fallo)))
                raise
            else:
                if not respuesta.done():
                    respuesta.set_result(resultado)

        def rechazar() -> None:
            if not respuesta.done():
                respuesta.set_exception(LecturaFallida("the session ends; look at the position"))

        if self._terminada:
            rechazar()
        else:
            self._poner(_Pedido(hacer, rechazar))
        return await respuesta

    async def correr(self) -> Motivo:
        """Run the session.

        Raises:
            EmergenciaDrawdown: The drawdown limit was reached.
            EmergenciaOperacional: Too many errors in a row, or no answer for too long.
        """
        self._paso_inicial = self.ciclo.paso
        try:
            motivo = await self._vigilar()
            await self._salir(motivo)
        except ErrorTimonel as fallo:
            if self.ciclo.protocolo_cumplido:
                raise
            await self.ciclo.emergencia(Razon.OPERACIONAL, self.reloj.ahora_ms(), str(fallo))
        except Exception as fallo:  # a defect must not leave a position without its daemon
            log.exception("fallo_inesperado")
            await self.ciclo.emergencia(Razon.OPERACIONAL, self.reloj.ahora_ms(), repr(fallo))
        finally:
            await self._despedirse()
        return motivo

    async def _despedirse(self) -> None:
        """Leave the market, so that it does not wait for a daemon that has ended."""
        try:
            await self.avance.salir()
        except ErrorBolsa as fallo:
            log.warning("despedida_fallida", motivo=str(fallo))

    async def _vigilar(self) -> Motivo:
        """Run every service until the consumer ends; any other one that ends is a fault."""
        self._ultimo_dato_s = asyncio.get_running_loop().time()
        self.oidos_s = dict.fromkeys(("mark_price", "kline", "account"), self._ultimo_dato_s)
        return await supervisar(
            Principal("consumidor", self._consumir, self._acabar_el_paso),
            [
                Servicio("lector_mercado", self._leer),
                Servicio("lector_cuenta", self._leer_cuenta),
                Servicio("refresco", self._refrescar_a_menudo),
                Servicio("ceguera", self._vigilar_ceguera),
                *self.servicios,
            ],
        )

    def _acabar_el_paso(self) -> None:
        """Let an order that is on its way come back: an account looks flat until it has."""
        self._acabando = True
        self.parar()

    async def _leer_cuenta(self) -> None:
        """Take what the user stream says, and ask for a fresh look at the account."""
        await self._si_el_mercado_no_espera()
        async for evento in self.fuente_cuenta.eventos():
            self.oidos_s["account"] = asyncio.get_running_loop().time()
            self._tomar_de_usuario(evento)

    async def _si_el_mercado_no_espera(self) -> None:
        """Agents of a market that waits read the account by REST, so that every run is the same."""
        if self.espera_agentes:
            await asyncio.Event().wait()

    def _tomar_de_usuario(self, evento: EventoUsuario) -> None:
        match evento:
            case EventoOrden():
                self.ciclo.tomar_orden(evento)
            case EventoStop():
                self.ciclo.tomar_stop(evento)
            case EventoMargen():
                self.ciclo.tomar_aviso_de_margen(evento)
            case _:
                pass
        self._pedir_refresco()

    async def _refrescar_a_menudo(self) -> None:
        await self._si_el_mercado_no_espera()
        while True:
            await asyncio.sleep(self.ajustes.refresco_s)
            self._pedir_refresco()

    async def _vigilar_ceguera(self) -> None:
        """Without market data nobody watches a position that no stop protects."""
        await self._si_el_mercado_no_espera()
        bucle = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_ENTRE_MIRADAS_S)
            sin_datos_s = bucle.time() - self._ultimo_dato_s
            if sin_datos_s > self.ajustes.ceguera_max_s and not self.ciclo.protegida:
                self._ultimo_dato_s = bucle.time()
                self._poner(_Ceguera())

    def _pedir_refresco(self) -> None:
        if not self._refresco_pedido:
            self._refresco_pedido = True
            self._poner(_Refresco())

    async def _leer(self) -> None:
        bucle = asyncio.get_running_loop()
        async for evento in self.fuente.eventos(self.ajustes.simbolo, self.ajustes.intervalo):
            self._oir(evento, bucle.time())
            if isinstance(evento, EventoMark):
                self._tomar_mark(evento)
            elif not isinstance(evento, EventoVela) or evento.cerrada or self._en_paso:
                self._encolar(evento)

    def _oir(self, evento: EventoMercado, ahora_s: float) -> None:
        self._ultimo_dato_s = ahora_s
        if isinstance(evento, EventoMark):
            self.oidos_s["mark_price"] = ahora_s
        elif isinstance(evento, EventoVela):
            self.oidos_s["kline"] = ahora_s
        elif isinstance(evento, EventoConexion):
            self.conexiones += 1

    def _tomar_mark(self, evento: EventoMark) -> None:
        if self.ciclo.tomar_mark(evento):
            self._poner(_Emergencia(evento.instante_ms))
        elif self.ciclo.stop_tocado and not self._en_paso:
            self._pedir_refresco()
        elif self.ciclo.freno_movido and not self._freno_pedido:
            self._freno_pedido = True
            self._poner(_Freno(evento.instante_ms))

    def _encolar(self, evento: EventoMercado) -> None:
        """Queue an event; a candle that finds no room is read by REST when there is."""
        if isinstance(evento, EventoVela) and self._cola.qsize() >= _ATRASO_MAX:
            self._velas_perdidas = True
            self._pedir_refresco()
            return
        self._poner(evento)

    async def _consumir(self) -> Motivo:
        try:
            while True:
                evento = await self._siguiente()
                if isinstance(evento, EventoConexion):
                    self._conexion_pendiente = False
                if self._acabando and not isinstance(evento, _Parar):
                    _rechazar(evento)
                    continue
                motivo = await self._insistir(evento)
                if motivo is not None:
                    return motivo
        finally:
            self._terminada = True
            self.cortesia.soltar()
            while not self._cola.empty():
                _rechazar(self._cola.get_nowait()[2])

    async def _siguiente(self) -> _Encargo:
        """What is to be done next; others have the machine to themselves until there is something."""
        if self._cola.empty():
            self.cortesia.soltar()
        _, _, encargo = await self._cola.get()
        self.cortesia.ocupar()
        return encargo

    async def _insistir(self, evento: _Encargo) -> Motivo | None:
        """Treat an event, again while the exchange does not let it through and nothing else waits."""
        while True:
            try:
                with self.progreso.trabajando("consumidor"):
                    motivo = await self._tratar(evento)
                if not isinstance(evento, _Pedido):  # its failure went to whoever asked
                    self.paciencia.alivio(de_refresco=isinstance(evento, _Refresco))
                return motivo
            except ErrorBolsa as fallo:
                espera_s = self.paciencia.contar(
                    fallo, de_refresco=isinstance(evento, _Refresco), protegida=self.ciclo.protegida
                )
            if espera_s is None:
                detalle = self.paciencia.detalle
                await self.ciclo.emergencia(Razon.OPERACIONAL, self.reloj.ahora_ms(), detalle)
            else:
                await self._esperar(espera_s)
            if not self._cola.empty():
                self._aplazar(evento)
                return None

    def _aplazar(self, evento: _Encargo) -> None:
        """Something else goes first; the next look at the account makes up for a candle."""
        if self._en_paso or isinstance(evento, EventoConexion):
            self._poner(evento)
        elif isinstance(evento, EventoVela):
            self._velas_perdidas = True
            self._pedir_refresco()

    async def _esperar(self, espera_s: float) -> None:
        """Pause, unless something else arrives."""
        self._novedad.clear()
        if self._cola.empty():
            with suppress(TimeoutError):
                async with asyncio.timeout(espera_s):
                    await self._novedad.wait()

    def _poner(self, encargo: _Encargo) -> None:
        """Queue something to do: what cannot wait goes first; of several reconnections one is enough."""
        if isinstance(encargo, EventoConexion):
            if self._conexion_pendiente:
                return
            self._conexion_pendiente = True
        urgente = isinstance(encargo, _Emergencia | _Ceguera | _Parar | _Freno)
        self._cola.put_nowait((0 if urgente else 1, next(self._turnos), encargo))
        self.cortesia.ocupar()
        self._novedad.set()

    async def _tratar(self, evento: _Encargo) -> Motivo | None:
        match evento:
            case EventoConexion():
                await self._conectar()
            case EventoVela(vela=vela, cerrada=True):
                await self._tomar_vela(vela)
                await self._decidir_si_toca()
                if self._ha_terminado():
                    return Motivo.VELAS
                await self._hecho()
            case EventoVela(instante_ms=instante_ms):
                if self.ciclo.stop_tocado:
                    await self._mirar(instante_ms)
                await self._hecho()
            case EventoMark():
                pass
            case EventoFin():
                return Motivo.FIN_DE_DATOS
            case _Emergencia(instante_ms=instante_ms):
                await self._emergencia_entre_velas(instante_ms)
            case _Refresco():
                await self._refrescar()
            case _Freno(instante_ms=instante_ms):
                self._freno_pedido = False
                await self.ciclo.mover_freno(instante_ms)
            case _Ceguera():
                await self._cerrar_a_ciegas()
            case _Pedido(tarea=tarea):
                await tarea()
            case _Parar(motivo=motivo):
                return motivo
        return None

    async def _tomar_vela(self, vela: Vela) -> None:
        try:
            await self.datos.actualizar(vela)
        finally:
            self.ciclo.anotar_velas(self.datos.tomadas)

    async def _ponerse_al_dia(self) -> None:
        try:
            await self.datos.ponerse_al_dia()
        finally:
            self.ciclo.anotar_velas(self.datos.tomadas)

    async def _refrescar(self) -> None:
        self._refresco_pedido = False
        if self._velas_perdidas:
            await self._leer_las_perdidas()
        await self._mirar(self.reloj.ahora_ms())
        if self._es_fresca():
            await self._decidir_si_toca()

    async def _leer_las_perdidas(self) -> None:
        self._velas_perdidas = False
        try:
            await self._ponerse_al_dia()
        except ErrorBolsa:
            self._velas_perdidas = True
            raise

    async def _mirar(self, instante_ms: int) -> None:
        if await self.ciclo.mirar(instante_ms):
            await self._emergencia_entre_velas(instante_ms)

    async def _emergencia_entre_velas(self, instante_ms: int) -> NoReturn:
        detalle = f"drawdown {self.ciclo.max_drawdown:.6f} between candles"
        await self.ciclo.emergencia(Razon.DRAWDOWN, instante_ms, detalle)

    async def _cerrar_a_ciegas(self) -> None:
        ahora = self.reloj.ahora_ms()
        log.critical("sin_datos_de_mercado", limite_s=self.ajustes.ceguera_max_s)
        self.ciclo.anotar_abandono(
            f"no market data for {self.ajustes.ceguera_max_s:g} s and no confirmed stop"
        )
        await self.ciclo.cerrar_y_seguir("blind", ahora)

    def _ha_terminado(self) -> bool:
        return self.ajustes.velas_max is not None and self.decididas >= self.ajustes.velas_max

    async def _hecho(self) -> None:
        """Let a market that waits go on, once nothing that it did can be forgotten."""
        if self._en_paso:
            await self.ciclo.asentar()
            await self.avance.hecho()

    async def _conectar(self) -> None:
        """After every (re)connection, read what was missed; the first time, join the market."""
        if not self._conectado:
            self._en_paso = await self.avance.unirse(self.ajustes.simbolo, self.ajustes.intervalo)
            self._conectado = True
        if self.hora is not None:
            # The market may have gone on unheard, and a clock that passes with events with it.
            self.reloj.observar(await self.hora())
        if self.mark is not None:
            # The one that the market stands at may have been told while nobody listened.
            self._tomar_mark(EventoMark(await self.mark(), self.reloj.ahora_ms()))
        await self._ponerse_al_dia()
        if self._es_fresca():
            await self._decidir_si_toca()
        else:
            await self._mirar(self.reloj.ahora_ms())
        if self.ciclo.stop_tocado:
            await self._mirar(self.reloj.ahora_ms())
        await self.ciclo.mover_freno(self.reloj.ahora_ms())
        await self._hecho()

    async def _decidir_si_toca(self) -> None:
        if not self.ciclo.debe_decidir():
            return
        edad_s, maxima = self._edad_s(), self.ajustes.edad_maxima_vela_s
        impedimento = f"stale candle: it closed {edad_s:.1f} s ago" if edad_s > maxima else ""
        await self.ciclo.procesar_vela(self.datos.esperada_ms, impedimento)
        self.tras_vela()

    def _es_fresca(self) -> bool:
        return self._edad_s() <= self.ajustes.edad_maxima_vela_s

    def _edad_s(self) -> float:
        """Seconds since the newest candle closed; its boundary is the next one's open time."""
        return (self.reloj.ahora_ms() - self.datos.esperada_ms) / 1_000

    async def _salir(self, motivo: Motivo) -> None:
        """Apply the exit policy; a market without data cannot fill anything."""
        if motivo is Motivo.FIN_DE_DATOS:
            return
        match self.ajustes.salida:
            case PoliticaSalida.MANTENER:
                return
            case PoliticaSalida.PROTEGIDA if self.ciclo.protegida:
                return
            case _:
                ahora = self.reloj.ahora_ms()
                await self.ciclo.cerrar_posicion(MOTIVO_SALIDA, ahora, StatusFila.MANUAL)


def _rechazar(encargo: _Encargo) -> None:
    """Nobody waits for what is not done any more."""
    if isinstance(encargo, _Pedido):
        encargo.rechazar()
