"""The account's socket: kept alive by its key, reconnected without end, renewed in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Protocol

import aiohttp
import structlog

from src.nucleo.errores import ErrorBolsa, LecturaFallida
from src.produccion.bolsa.enchufe import FALLOS_DE_SOCKET, Retroceso, abrir, cerrar, recibir
from src.produccion.bolsa.flujos import AjustesFlujos, Oyente
from src.produccion.bolsa.lectura_flujo import ClaveVencida, leer_evento_usuario
from src.produccion.puertos import EventoCuenta, EventoUsuario, Reloj

_DRENAJE_S = 1.0

log = structlog.get_logger(__name__)


class LlaveEscucha(Protocol):
    """Whoever gives and renews listen keys."""

    async def clave_escucha(self) -> str:
        """A listen key; asking again extends the active one."""
        ...


class FlujoCuenta:
    """The user stream; it may be silent for hours, so that it is kept alive by its key and its pings alone.

    Args:
        sesion: HTTP session that opens the socket.
        base: WebSocket address without the routed category.
        llave: Gives listen keys.
        reloj: Learns the time of every event.
        ajustes: How the socket is looked after.
        oyente: Told when the stream is down and when it is back.
    """

    def __init__(
        self,
        sesion: aiohttp.ClientSession,
        base: str,
        llave: LlaveEscucha,
        reloj: Reloj,
        ajustes: AjustesFlujos | None = None,
        oyente: Oyente | None = None,
    ) -> None:
        self._oyente = oyente
        self._sesion = sesion
        self._base = base
        self._llave = llave
        self._reloj = reloj
        self._ajustes = ajustes or AjustesFlujos()

    async def eventos(self) -> AsyncIterator[EventoUsuario]:
        """Events for ever; a (re)connection is an `EventoCuenta`: what came before must be read by REST."""
        retroceso = Retroceso(self._ajustes.espera_max_s)
        while True:
            try:
                async with aclosing(self._vivir()) as eventos:
                    async for evento in eventos:
                        if self._oyente is not None and isinstance(evento, EventoCuenta):
                            self._oyente.vuelve()
                        yield evento
            except (ErrorBolsa, *FALLOS_DE_SOCKET) as fallo:
                motivo = f"{type(fallo).__name__}: {fallo}"
                log.warning("flujo_caido", flujo="private", motivo=motivo)
                if self._oyente is not None:
                    self._oyente.cae(motivo)
            await retroceso.esperar()

    async def _vivir(self) -> AsyncGenerator[EventoUsuario]:
        """One connection, renewals included; ends by an error."""
        clave = await self._llave.clave_escucha()
        socket = await self._abrir(clave)
        bucle = asyncio.get_running_loop()
        renovar_s = bucle.time() + self._ajustes.renovar_s
        try:
            while True:
                yield EventoCuenta(self._reloj.ahora_ms())
                async for evento in self._leer(socket, clave, renovar_s):
                    yield evento
                viejo, socket = socket, await self._abrir(clave)
                async for evento in self._drenar(viejo):
                    yield evento
                renovar_s = bucle.time() + self._ajustes.renovar_s
                log.info("flujo_renovado", flujo="private")
        finally:
            await cerrar(socket)

    async def _leer(
        self, socket: aiohttp.ClientWebSocketResponse, clave: str, hasta_s: float
    ) -> AsyncIterator[EventoUsuario]:
        """What a socket says until it is time to renew it; meanwhile its key is kept alive."""
        bucle = asyncio.get_running_loop()
        prolongar_s = bucle.time() + self._ajustes.prolongar_s
        while (ahora := bucle.time()) < hasta_s:
            if ahora >= prolongar_s:
                if await self._llave.clave_escucha() != clave:
                    raise LecturaFallida("the listen key had expired")
                prolongar_s = bucle.time() + self._ajustes.prolongar_s
            texto = await recibir(socket, max(0.001, min(prolongar_s, hasta_s) - bucle.time()))
            evento = None if texto is None else self._entender(texto)
            if evento is not None:
                yield evento

    async def _drenar(self, viejo: aiohttp.ClientWebSocketResponse) -> AsyncIterator[EventoUsuario]:
        """The last that the replaced socket has to say; what both say is said twice."""
        bucle = asyncio.get_running_loop()
        hasta_s = bucle.time() + _DRENAJE_S
        try:
            while (resta_s := hasta_s - bucle.time()) > 0:
                try:
                    texto = await recibir(viejo, resta_s)
                except LecturaFallida:
                    return
                evento = None if texto is None else self._entender(texto)
                if evento is not None:
                    yield evento
        finally:
            await cerrar(viejo)

    def _entender(self, texto: str | bytes) -> EventoUsuario | None:
        evento = leer_evento_usuario(texto)
        if isinstance(evento, ClaveVencida):
            raise LecturaFallida("the listen key has expired")
        if evento is not None:
            self._reloj.observar(evento.instante_ms)
        return evento

    async def _abrir(self, clave: str) -> aiohttp.ClientWebSocketResponse:
        return await abrir(self._sesion, f"{self._base}/private/ws?listenKey={clave}")
