"""One socket from its opening to its end."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import Any

import orjson
import structlog
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as SinConexion
from starlette.websockets import WebSocket, WebSocketDisconnect

from src.produccion.api.acceso import Entorno
from src.produccion.api.mensajes.buzon import escribir_carta
from src.produccion.api.mensajes.central import Central
from src.produccion.api.mensajes.cliente import Cliente, Deseo
from src.produccion.api.mensajes.contrato import MOTIVOS, Cierre, Pedido
from src.produccion.api.mensajes.entrada import Entrada, es_csrf, explicar, reconocer
from src.produccion.api.mensajes.posicion import leer_id
from src.produccion.api.problemas import Problema, RespuestaProblema, documento

_MINUTO_S = 60.0
_DESPEDIDA_S = 3.0
"""Wall seconds that a client which does not read has for the rest, before it is cut off."""

_DE_UNA_VEZ = 32
"""Messages that one client is sent before the others have their turn."""

log = structlog.get_logger(__name__)


async def atender(socket: WebSocket, entorno: Entorno, central: Central) -> None:
    """Serve one socket."""
    try:
        entrada = await reconocer(socket, entorno)
        with central.cliente(entrada.portador) as cliente:
            await socket.accept(subprotocol=entrada.protocolo)
            log.info("mensajes_abiertos", usuario=entrada.portador.nombre, sockets=len(central))
            cierre = await _Conversacion(socket, entorno, central, cliente, entrada).seguir()
    except Problema as problema:
        await _rechazar(socket, problema)
        return
    except WebSocketDisconnect:  # it went while it was looked at
        return
    except (DBAPIError, SinConexion) as fallo:
        log.error("almacen_no_responde", ruta=socket.url.path, motivo=type(fallo).__name__)
        await _rechazar(socket, Problema(503, "the shared store cannot be reached"))
        return
    if cierre is not None:
        log.info("mensajes_cerrados", usuario=entrada.portador.nombre, codigo=cierre.value)
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(_DESPEDIDA_S):
                await socket.close(cierre.value, MOTIVOS[cierre])


async def _rechazar(socket: WebSocket, problema: Problema) -> None:
    cuerpo = documento(problema.estado, problema.detalle, problema.campos)
    with suppress(WebSocketDisconnect):
        await socket.send_denial_response(
            RespuestaProblema(cuerpo, problema.estado, headers=problema.cabeceras)
        )


class _Conversacion:
    """What is said on an open socket, both ways."""

    def __init__(
        self, socket: WebSocket, entorno: Entorno, central: Central, cliente: Cliente, entrada: Entrada
    ) -> None:
        self._socket = socket
        self._entorno = entorno
        self._central = central
        self._cliente = cliente
        self._entrada = entrada
        self._sin_csrf = entrada.csrf
        self._dichos: deque[float] = deque()

    async def seguir(self) -> Cierre | None:
        """Until it ends; ``None`` when the client ended it, or the process does."""
        if self._entrada.pedido is not None and not self._sin_csrf:
            self._pedir(self._entrada.pedido)
        tareas = [asyncio.ensure_future(self._escuchar()), asyncio.ensure_future(self._hablar())]
        try:
            esperadas: set[asyncio.Future[Any]] = {*tareas, self._cliente.fin}
            await asyncio.wait(esperadas, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for tarea in tareas:
                tarea.cancel()
            hechas = await asyncio.gather(*tareas, return_exceptions=True)
        for hecha in hechas:
            if isinstance(hecha, Exception) and not isinstance(hecha, WebSocketDisconnect):
                log.error("conversacion_interrumpida", exc_info=hecha)
                return Cierre.DEFECTO
        return self._cliente.fin.result() if self._cliente.fin.done() else None

    async def _hablar(self) -> None:
        while True:
            await self._cliente.buzon.esperar()
            seguidos = 0
            while (texto := self._central.sellar(self._cliente)) is not None:
                await self._socket.send_text(texto)
                seguidos += 1
                if seguidos % _DE_UNA_VEZ == 0:
                    await asyncio.sleep(0)

    async def _escuchar(self) -> None:
        while not self._cliente.fin.done():
            mensaje = await self._socket.receive()
            if mensaje["type"] == "websocket.disconnect":
                return
            if self._demasiados():
                self._cliente.acabar(Cierre.PARLANCHIN)
                return
            self._oir(mensaje.get("text"))

    def _oir(self, texto: str | None) -> None:
        try:
            pedido = Pedido.model_validate(orjson.loads(texto or ""))
        except orjson.JSONDecodeError:
            self._no_entender("the message is not JSON text")
        except ValidationError as fallo:
            self._no_entender(explicar(fallo))
        else:
            self._tomar(pedido)

    def _tomar(self, pedido: Pedido) -> None:
        if self._sin_csrf:
            if not es_csrf(self._entorno, self._entrada.portador, pedido.csrf_token):
                self._cliente.acabar(Cierre.CSRF)
                return
            self._sin_csrf = False
            if pedido.subscribe is None and self._entrada.pedido is not None:
                pedido = self._entrada.pedido
        self._pedir(pedido)

    def _pedir(self, pedido: Pedido) -> None:
        if pedido.subscribe is None:
            return
        if pedido.environment is not None and self._entorno.mercados.una(pedido.environment) is None:
            self._no_entender(f"environment: there is no market data of {pedido.environment.value!r}")
            return
        simbolos = None if pedido.symbols is None else frozenset(pedido.symbols)
        deseo = Deseo(frozenset(pedido.subscribe), simbolos, pedido.environment)
        desde = None if pedido.last_event_id is None else leer_id(pedido.last_event_id)
        perdido = pedido.last_event_id is not None and desde is None
        self._central.pedir(self._cliente, deseo, desde, perdido=perdido)

    def _no_entender(self, detalle: str) -> None:
        if self._sin_csrf:
            self._cliente.acabar(Cierre.CSRF)
            return
        self._cliente.contar(escribir_carta("error", None, {"detail": detalle}, time.time()))

    def _demasiados(self) -> bool:
        ahora_s = time.monotonic()
        self._dichos.append(ahora_s)
        while ahora_s - self._dichos[0] > _MINUTO_S:
            self._dichos.popleft()
        return len(self._dichos) > self._entorno.mensajes.mensajes_por_minuto
