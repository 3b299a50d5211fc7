"""The daemon's heart: market events in, one candle after the other through the cycle."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import structlog

from src.nucleo.errores import ErrorBolsa, ErrorTimonel
from src.nucleo.registro import StatusFila
from src.produccion.ciclo import Ciclo
from src.produccion.config.config import PoliticaSalida
from src.produccion.control_riesgo import Razon
from src.produccion.dataprovider import DataProvider
from src.produccion.puertos import (
    Avance,
    EventoConexion,
    EventoFin,
    EventoMark,
    EventoMercado,
    EventoVela,
    FuenteCuenta,
    FuenteMercado,
    Reloj,
)

_ACABAR_S = 60.0
"""Wall seconds that a step in progress gets to end when something else has failed."""

log = structlog.get_logger(__name__)


class Motivo(StrEnum):
    """Why a session ended."""

    INTERRUMPIDO = "interrupted"
    VELAS = "candle limit"
    FIN_DE_DATOS = "end of data"
    EMERGENCIA = "emergency"


@dataclass(frozen=True, slots=True, kw_only=True)
class AjustesSesion:
    """How a session runs."""

    simbolo: str
    intervalo: str
    edad_maxima_vela_s: float  # a candle that closed longer ago is not acted on
    errores_seguidos_max: int
    refresco_s: float  # wall seconds between two looks at the account
    salida: PoliticaSalida
    velas_max: int | None = None


class _Emergencia(NamedTuple):
    instante_ms: int


class _Parar(NamedTuple):
    pass


class _Refresco(NamedTuple):
    pass


_Encargo = EventoMercado | _Emergencia | _Parar | _Refresco


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
    tras_vela: Espectador
    _cola: asyncio.Queue[_Encargo] = field(default_factory=asyncio.Queue)
    _unido: asyncio.Event = field(default_factory=asyncio.Event)
    _refresco_pedido: bool = False
    _en_paso: bool = False
    _conectado: bool = False
    _decididas: int = 0
    _errores: int = 0
    _errores_refresco: int = 0
    _acabando: bool = False

    def parar(self) -> None:
        """End after the step in progress."""
        self._cola.put_nowait(_Parar())

    async def correr(self) -> Motivo:
        """Run the session.

        Raises:
            EmergenciaDrawdown: The drawdown limit was reached.
            EmergenciaOperacional: Too many errors in a row.
        """
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
        """Run every task until the consumer ends; any other one that ends is a fault."""
        consumidor = asyncio.create_task(self._consumir(), name="consumidor")
        tareas: list[asyncio.Task[Any]] = [
            consumidor,
            asyncio.create_task(self._leer(), name="lector_mercado"),
            asyncio.create_task(self._leer_cuenta(), name="lector_cuenta"),
            asyncio.create_task(self._refrescar_a_menudo(), name="refresco"),
        ]
        try:
            terminadas, _ = await asyncio.wait(tareas, return_when=asyncio.FIRST_COMPLETED)
            if consumidor not in terminadas:
                await self._acabar_el_paso(consumidor)
            for tarea in terminadas:
                await tarea
            if consumidor not in terminadas:
                nombres = ", ".join(tarea.get_name() for tarea in terminadas)
                raise RuntimeError(f"{nombres} ended by itself")
            return consumidor.result()
        finally:
            for tarea in tareas:
                tarea.cancel()
            await asyncio.gather(*tareas, return_exceptions=True)

    async def _acabar_el_paso(self, consumidor: asyncio.Task[Motivo]) -> None:
        """Let an order that is on its way come back: an account looks flat until it has."""
        self._acabando = True
        self.parar()
        await asyncio.wait({consumidor}, timeout=_ACABAR_S)

    async def _leer_cuenta(self) -> None:
        """Ask for a fresh look at the account whenever the exchange says that it changed."""
        await self._unido.wait()
        if self._en_paso:
            # Agents of a market that waits read the account by REST, so that every run is the same.
            await asyncio.Event().wait()
        async for _ in self.fuente_cuenta.eventos():
            self._pedir_refresco()

    async def _refrescar_a_menudo(self) -> None:
        await self._unido.wait()
        while True:
            await asyncio.sleep(self.ajustes.refresco_s)
            if not self._en_paso:
                self._pedir_refresco()

    def _pedir_refresco(self) -> None:
        if not self._refresco_pedido:
            self._refresco_pedido = True
            self._cola.put_nowait(_Refresco())

    async def _leer(self) -> None:
        async for evento in self.fuente.eventos(self.ajustes.simbolo, self.ajustes.intervalo):
            if isinstance(evento, EventoMark):
                if self.ciclo.tomar_mark(evento):
                    self._cola.put_nowait(_Emergencia(evento.instante_ms))
            elif not isinstance(evento, EventoVela) or evento.cerrada or self._en_paso:
                self._cola.put_nowait(evento)

    async def _consumir(self) -> Motivo:
        while True:
            evento = await self._cola.get()
            if self._acabando and not isinstance(evento, _Parar):
                continue
            try:
                motivo = await self._tratar(evento)
            except ErrorBolsa as fallo:
                motivo = None
                await self._contar_error(fallo, de_refresco=isinstance(evento, _Refresco))
            if motivo is not None:
                return motivo

    async def _tratar(self, evento: _Encargo) -> Motivo | None:
        match evento:
            case EventoConexion():
                await self._conectar()
            case EventoVela(vela=vela, cerrada=True):
                if await self.datos.actualizar(vela):
                    await self._decidir()
                if self._ha_terminado():
                    return Motivo.VELAS
                await self.avance.hecho()
            case EventoVela():
                await self.avance.hecho()
            case EventoMark():
                pass
            case EventoFin():
                return Motivo.FIN_DE_DATOS
            case _Emergencia(instante_ms=instante_ms):
                await self.ciclo.emergencia(Razon.DRAWDOWN, instante_ms, "between candles")
            case _Refresco():
                self._refresco_pedido = False
                await self.ciclo.refrescar_cuenta()
                self._errores_refresco = 0
            case _Parar():
                return Motivo.INTERRUMPIDO
        return None

    def _ha_terminado(self) -> bool:
        return self.ajustes.velas_max is not None and self._decididas >= self.ajustes.velas_max

    async def _conectar(self) -> None:
        """After every (re)connection, read what was missed; the first time, join the market."""
        if not self._conectado:
            self._en_paso = await self.avance.unirse(self.ajustes.simbolo, self.ajustes.intervalo)
            self._conectado = True
            self._unido.set()
        await self.datos.ponerse_al_dia()
        if (
            self.datos.ultima.apertura_ms > self.ciclo.ultima_decidida_ms
            and self._edad_s() <= self._edad_maxima()
        ):
            await self._decidir()
        await self.avance.hecho()

    async def _decidir(self) -> None:
        edad_s = self._edad_s()
        impedimento = ""
        if edad_s > self._edad_maxima():
            impedimento = f"stale candle: it closed {edad_s:.1f} s ago"
        await self.ciclo.procesar_vela(self.datos.esperada_ms, impedimento)
        self._decididas += 1
        self._errores = 0
        self.tras_vela()

    def _edad_s(self) -> float:
        """Seconds since the newest candle closed; its boundary is the next one's open time."""
        return (self.reloj.ahora_ms() - self.datos.esperada_ms) / 1_000

    def _edad_maxima(self) -> float:
        return self.ajustes.edad_maxima_vela_s

    async def _contar_error(self, fallo: ErrorTimonel, *, de_refresco: bool) -> None:
        """Candles and looks at the account are counted apart: one going well does not excuse the other."""
        if de_refresco:
            self._errores_refresco += 1
        else:
            self._errores += 1
        seguidos = max(self._errores, self._errores_refresco)
        log.error("error_operacional", seguidos=seguidos, motivo=str(fallo))
        if seguidos >= self.ajustes.errores_seguidos_max:
            await self.ciclo.emergencia(
                Razon.OPERACIONAL, self.reloj.ahora_ms(), f"{seguidos} errors in a row, the last: {fallo}"
            )
        if not de_refresco:
            await self.avance.hecho()

    async def _salir(self, motivo: Motivo) -> None:
        # A market without data cannot fill anything: the position is left as it is.
        if motivo is not Motivo.FIN_DE_DATOS and self.ajustes.salida is PoliticaSalida.CERRAR:
            ahora = self.reloj.ahora_ms()
            await self.ciclo.cerrar_posicion(f"exit:{ahora}", ahora, StatusFila.MANUAL)
