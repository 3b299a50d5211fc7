"""One request to the exchange: its turn, its signature's time, its retries, and what its failure means."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

import structlog
from binance.exceptions import BinanceAPIException

from src.nucleo.errores import ErrorBolsa, FalloPasajero, LecturaFallida, LimiteExcedido, ResultadoIncierto
from src.produccion.bolsa.cliente_binance import ClienteBinance
from src.produccion.bolsa.fallos_bolsa import FALLOS_DE_TRANSPORTE, es_caida, traducir
from src.produccion.bolsa.presupuesto import Peticion, Presupuesto, Prioridad
from src.produccion.bolsa.reloj import RelojMercado
from src.produccion.puertos import RELOJ_DESVIADO

T = TypeVar("T")

_NO_DOCUMENTADO = (KeyError, IndexError, TypeError, ValueError, AttributeError)
_HORA = Peticion(Prioridad.PROTECCION, 1)

log = structlog.get_logger(__name__)


class Reintentos(NamedTuple):
    """How often a read is asked for, and how patiently; the pause doubles."""

    intentos: int = 4
    espera_s: float = 0.25


class Mensajero:
    """Sends requests. Reads are retried; a write is sent once.

    Args:
        cliente: From `crear_cliente`.
        reloj: Signs requests in the exchange's time.
        presupuesto: Gives each request its turn.
        reintentos: Of reads.
    """

    def __init__(
        self,
        cliente: ClienteBinance,
        reloj: RelojMercado,
        presupuesto: Presupuesto,
        reintentos: Reintentos | None = None,
    ) -> None:
        self._cliente = cliente
        self._reloj = reloj
        self._presupuesto = presupuesto
        self._reintentos = reintentos or Reintentos()
        cliente.al_responder = presupuesto.anotar
        self.al_acabar: list[Callable[[float, bool], None]] = []
        """Told of each request how many wall seconds it took, and whether no usable answer came."""

    async def leer(
        self, peticion: Peticion, hacer: Callable[[], Awaitable[Any]], interpretar: Callable[[Any], T]
    ) -> T:
        """Read, with retries, and translate; an answer that is not as documented is no answer."""
        try:
            return interpretar(await self._leer_con_reintentos(peticion, hacer))
        except _NO_DOCUMENTADO as fallo:
            raise LecturaFallida(f"the exchange's answer cannot be read: {fallo!r}") from fallo

    async def escribir(
        self, peticion: Peticion, hacer: Callable[[], Awaitable[Any]], interpretar: Callable[[Any], T]
    ) -> T:
        """Send once and translate; an answer that is not as documented leaves the outcome unknown."""
        try:
            crudo = await self._pedir(peticion._replace(escritura=True), hacer)
        except FalloPasajero as fallo:
            if fallo.codigo == RELOJ_DESVIADO:
                await self._intentar_resincronizar()
            raise
        try:
            return interpretar(crudo)
        except _NO_DOCUMENTADO as fallo:
            raise ResultadoIncierto(f"the exchange's answer cannot be read: {fallo!r}") from fallo

    async def _leer_con_reintentos(self, peticion: Peticion, hacer: Callable[[], Awaitable[Any]]) -> Any:
        espera_s = self._reintentos.espera_s
        for intento in range(1, self._reintentos.intentos + 1):
            try:
                return await self._pedir(peticion, hacer)
            except (LecturaFallida, FalloPasajero) as fallo:
                if intento == self._reintentos.intentos:
                    raise LecturaFallida(str(fallo), codigo=fallo.codigo) from fallo
                if fallo.codigo == RELOJ_DESVIADO:
                    await self._intentar_resincronizar()
                else:
                    await asyncio.sleep(espera_s)
                    espera_s *= 2
        raise AssertionError("the loop above returns or raises")

    async def _pedir(self, peticion: Peticion, hacer: Callable[[], Awaitable[T]]) -> T:
        await self._presupuesto.entrar(peticion)
        self._cliente.timestamp_offset = self._reloj.firma_ms() - time.time_ns() // 1_000_000
        antes_s = time.monotonic()
        try:
            respuesta = await hacer()
        except FALLOS_DE_TRANSPORTE as fallo:
            error = traducir(fallo, escritura=peticion.escritura)
            self._contar(antes_s, fallida=es_caida(error))
            if isinstance(fallo, BinanceAPIException):
                self._tomar_nota(error, int(fallo.status_code))
            raise error from fallo
        finally:
            self._presupuesto.salir(peticion)
        self._contar(antes_s, fallida=False)
        self._presupuesto.aceptada()
        return respuesta

    def _contar(self, antes_s: float, *, fallida: bool) -> None:
        for contar in self.al_acabar:
            contar(time.monotonic() - antes_s, fallida)

    def _tomar_nota(self, error: ErrorBolsa, estado: int) -> None:
        if isinstance(error, LimiteExcedido):
            self._presupuesto.rechazada(estado, error.espera_s)
        else:
            self._presupuesto.aceptada()

    async def _intentar_resincronizar(self) -> None:
        """Take the exchange's time; failing at it changes nothing about the request that was refused."""
        try:
            servidor_ms, ida_vuelta_ms = await self._pedir(_HORA, self._preguntar_hora)
        except (ErrorBolsa, *_NO_DOCUMENTADO) as fallo:
            log.warning("hora_sin_leer", motivo=repr(fallo))
            return
        self._reloj.sincronizar(servidor_ms, ida_vuelta_ms)

    async def _preguntar_hora(self) -> tuple[int, int]:
        antes_s = time.monotonic()
        servidor_ms = int((await self._cliente.futures_time())["serverTime"])
        return servidor_ms, round((time.monotonic() - antes_s) * 1_000)
