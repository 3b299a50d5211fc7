"""The daemon's heart: market events in, one candle after the other through the cycle."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

import structlog

from src.nucleo.errores import EmergenciaOperacional, ErrorBolsa, ErrorTimonel
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
    FuenteMercado,
    Reloj,
)

log = structlog.get_logger(__name__)


class Motivo(StrEnum):
    """Why a session ended."""

    INTERRUMPIDO = "interrupted"
    VELAS = "candle limit"
    FIN_DE_DATOS = "end of data"


@dataclass(frozen=True, slots=True, kw_only=True)
class AjustesSesion:
    """How a session runs."""

    simbolo: str
    intervalo: str
    edad_maxima_vela_s: float  # a candle that closed longer ago is not acted on
    errores_seguidos_max: int
    salida: PoliticaSalida
    velas_max: int | None = None


class _Emergencia(NamedTuple):
    instante_ms: int


class _Parar(NamedTuple):
    pass


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
    datos: DataProvider
    ciclo: Ciclo
    reloj: Reloj
    avance: Avance
    tras_vela: Espectador
    _cola: asyncio.Queue[EventoMercado | _Emergencia | _Parar] = field(default_factory=asyncio.Queue)
    _en_paso: bool = False
    _conectado: bool = False
    _decididas: int = 0
    _errores: int = 0

    def parar(self) -> None:
        """End after the step in progress."""
        self._cola.put_nowait(_Parar())

    async def correr(self) -> Motivo:
        """Run the session.

        Raises:
            EmergenciaDrawdown: The drawdown limit was reached.
            EmergenciaOperacional: Too many errors in a row.
        """
        lector = asyncio.create_task(self._leer(), name="lector_mercado")
        consumidor = asyncio.create_task(self._consumir(), name="consumidor")
        try:
            await asyncio.wait({lector, consumidor}, return_when=asyncio.FIRST_COMPLETED)
            if not consumidor.done():
                await lector
                raise EmergenciaOperacional("the market stream ended")
            motivo = await consumidor
        finally:
            for tarea in (lector, consumidor):
                tarea.cancel()
            await asyncio.gather(lector, consumidor, return_exceptions=True)
        await self._salir(motivo)
        return motivo

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
            try:
                motivo = await self._tratar(evento)
                self._errores = 0
            except ErrorBolsa as fallo:
                motivo = None
                await self._contar_error(fallo)
            if motivo is not None:
                return motivo

    async def _tratar(self, evento: EventoMercado | _Emergencia | _Parar) -> Motivo | None:
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
        self.tras_vela()

    def _edad_s(self) -> float:
        """Seconds since the newest candle closed; its boundary is the next one's open time."""
        return (self.reloj.ahora_ms() - self.datos.esperada_ms) / 1_000

    def _edad_maxima(self) -> float:
        return self.ajustes.edad_maxima_vela_s

    async def _contar_error(self, fallo: ErrorTimonel) -> None:
        self._errores += 1
        log.error("error_operacional", seguidos=self._errores, motivo=str(fallo))
        if self._errores >= self.ajustes.errores_seguidos_max:
            await self.ciclo.emergencia(
                Razon.OPERACIONAL,
                self.reloj.ahora_ms(),
                f"{self._errores} errors in a row, the last: {fallo}",
            )
        await self.avance.hecho()

    async def _salir(self, motivo: Motivo) -> None:
        # A market without data cannot fill anything: the position is left as it is.
        if motivo is not Motivo.FIN_DE_DATOS and self.ajustes.salida is PoliticaSalida.CERRAR:
            ahora = self.reloj.ahora_ms()
            await self.ciclo.cerrar_posicion(f"exit:{ahora}", ahora, StatusFila.MANUAL)
        await self.avance.salir()
