"""The daemon's own WebSockets: reconnected with back-off, watched for silence, read as typed events."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any, Protocol

import aiohttp
import orjson
import structlog

from src.nucleo.errores import ErrorBolsa, LecturaFallida
from src.nucleo.tipos import Vela
from src.produccion.puertos import (
    EventoConexion,
    EventoCuenta,
    EventoFin,
    EventoMark,
    EventoMercado,
    EventoVela,
    Reloj,
)

_SILENCIO_MAXIMO_S = 60.0
_ESPERA_MAXIMA_S = 30.0
_PULSO_S = 30.0
_RENOVACION_S = 30 * 60.0
_CAMBIAN_LA_CUENTA = frozenset(
    {"ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE", "ACCOUNT_CONFIG_UPDATE", "MARGIN_CALL"}
)

log = structlog.get_logger(__name__)


class FlujoMercado:
    """Mark price and klines of one symbol, in the order the exchange sent them.

    Args:
        sesion: HTTP session that opens the sockets.
        base: WebSocket address without the routed category.
        reloj: Learns the time of every event.
        silencio_maximo_s: Wall seconds without a message after which the socket is opened again;
            ``None`` waits for ever, as on a market that stands still until its agents are done.
    """

    def __init__(
        self,
        sesion: aiohttp.ClientSession,
        base: str,
        reloj: Reloj,
        silencio_maximo_s: float | None = _SILENCIO_MAXIMO_S,
    ) -> None:
        self._sesion = sesion
        self._base = base
        self._reloj = reloj
        self.silencio_maximo_s = silencio_maximo_s

    async def eventos(self, simbolo: str, intervalo: str) -> AsyncIterator[EventoMercado]:
        """Events for ever; every (re)connection is announced by an `EventoConexion`."""
        nombre = simbolo.lower()
        url = f"{self._base}/market/stream?streams={nombre}@markPrice@1s/{nombre}@kline_{intervalo}"
        espera = 0.0
        while True:
            try:
                async with self._sesion.ws_connect(url, heartbeat=_PULSO_S, max_msg_size=0) as socket:
                    yield EventoConexion(self._reloj.ahora_ms())
                    async for evento in self._leer(socket):
                        espera = 0.0
                        yield evento
            except (aiohttp.ClientError, LecturaFallida, TimeoutError, OSError) as fallo:
                log.warning("flujo_caido", flujo="market", motivo=f"{type(fallo).__name__}: {fallo}")
            espera = min(_ESPERA_MAXIMA_S, max(0.5, espera * 2))
            await asyncio.sleep(espera * random.uniform(0.5, 1.0))

    async def _leer(self, socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[EventoMercado]:
        while True:
            mensaje = await socket.receive(timeout=self.silencio_maximo_s)
            if mensaje.type is not aiohttp.WSMsgType.TEXT:
                log.warning("flujo_cerrado", flujo="market", codigo=socket.close_code)
                return
            evento = leer_evento(mensaje.data)
            if evento is not None:
                self._reloj.observar(evento.instante_ms)
                yield evento


class LlaveEscucha(Protocol):
    """Whoever gives and renews listen keys."""

    async def clave_escucha(self) -> str:
        """A listen key; asking again extends the active one."""
        ...


class FlujoCuenta:
    """The user stream, read only as news that the account changed; the account itself is read by REST.

    Args:
        sesion: HTTP session that opens the socket.
        base: WebSocket address without the routed category.
        llave: Gives listen keys.
        reloj: Learns the time of every event.
    """

    def __init__(self, sesion: aiohttp.ClientSession, base: str, llave: LlaveEscucha, reloj: Reloj) -> None:
        self._sesion = sesion
        self._base = base
        self._llave = llave
        self._reloj = reloj

    async def eventos(self) -> AsyncIterator[EventoCuenta]:
        """Events for ever; a (re)connection is one too."""
        espera = 0.0
        while True:
            try:
                clave = await self._llave.clave_escucha()
                url = f"{self._base}/private/ws?listenKey={clave}"
                async with self._sesion.ws_connect(url, heartbeat=_PULSO_S, max_msg_size=0) as socket:
                    espera = 0.0
                    yield EventoCuenta(self._reloj.ahora_ms())
                    async for evento in self._leer(socket):
                        yield evento
            except (aiohttp.ClientError, ErrorBolsa, TimeoutError, OSError) as fallo:
                log.warning("flujo_caido", flujo="private", motivo=f"{type(fallo).__name__}: {fallo}")
            espera = min(_ESPERA_MAXIMA_S, max(0.5, espera * 2))
            await asyncio.sleep(espera * random.uniform(0.5, 1.0))

    async def _leer(self, socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[EventoCuenta]:
        bucle = asyncio.get_running_loop()
        renovar_s = bucle.time() + _RENOVACION_S
        while True:
            try:
                mensaje = await socket.receive(timeout=max(0.0, renovar_s - bucle.time()))
            except TimeoutError:
                await self._llave.clave_escucha()
                renovar_s = bucle.time() + _RENOVACION_S
                continue
            if mensaje.type is not aiohttp.WSMsgType.TEXT:
                log.warning("flujo_cerrado", flujo="private", codigo=socket.close_code)
                return
            tipo, instante_ms = leer_aviso(mensaje.data)
            if tipo == "listenKeyExpired":
                return
            if tipo in _CAMBIAN_LA_CUENTA:
                self._reloj.observar(instante_ms)
                yield EventoCuenta(instante_ms)


def leer_aviso(texto: str | bytes) -> tuple[str, int]:
    """Kind and time of a message of the user stream.

    Raises:
        LecturaFallida: It cannot be read; the account must be read by REST.
    """
    try:
        dato: dict[str, Any] = orjson.loads(texto)
        return str(dato.get("e", "")), int(dato.get("E", 0))
    except (ValueError, TypeError, AttributeError) as fallo:
        raise LecturaFallida(f"unreadable message of the user stream: {fallo!r}") from fallo


def leer_evento(texto: str | bytes) -> EventoMercado | None:
    """Translate one message; kinds that nobody uses are ``None``.

    Raises:
        LecturaFallida: It cannot be read; what it said must be read by REST.
    """
    try:
        crudo: dict[str, Any] = orjson.loads(texto)
        return _evento_de(crudo.get("data", crudo))
    except (ValueError, KeyError, TypeError, AttributeError) as fallo:
        raise LecturaFallida(f"unreadable message {texto[:100]!r}: {fallo!r}") from fallo


def _evento_de(dato: dict[str, Any]) -> EventoMercado | None:
    match dato.get("e"):
        case "kline":
            k = dato["k"]
            vela = Vela(
                int(k["t"]), float(k["o"]), float(k["h"]), float(k["l"]), float(k["c"]), float(k["v"])
            )
            return EventoVela(vela, bool(k["x"]), int(dato["E"]))
        case "markPriceUpdate":
            return EventoMark(float(dato["p"]), int(dato["E"]))
        case "simEnd":
            return EventoFin(int(dato["E"]))
        case _:
            return None
