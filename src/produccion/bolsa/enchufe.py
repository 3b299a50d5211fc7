"""One socket at a time: opened within a limit, watched stream by stream, retried ever more slowly."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

import aiohttp
import structlog

from src.nucleo.errores import LecturaFallida

FALLOS_DE_SOCKET = (aiohttp.ClientError, TimeoutError, OSError)
"""Everything aiohttp lets through when a socket cannot be opened or breaks."""

_APERTURA_S = 10.0
_DESPEDIDA_S = 2.0
_PULSO_S = 30.0
_ESPERA_MINIMA_S = 0.5
_VIDA_SANA_S = 60.0
_MUDAS_QUE_SE_DICEN = 3

log = structlog.get_logger(__name__)


class Retroceso:
    """Pauses between two tries: doubled up to a limit, with jitter, without end.

    What lived for a minute went well. A peer that opens, says a word and closes has not.

    Args:
        maxima_s: The longest one, in wall seconds.
    """

    def __init__(self, maxima_s: float) -> None:
        self._maxima_s = maxima_s
        self._espera_s = 0.0
        self._desde_s: float | None = None

    async def esperar(self) -> None:
        """Pause before the next try; this one began when the last pause ended."""
        bucle = asyncio.get_running_loop()
        if self._desde_s is not None and bucle.time() - self._desde_s >= _VIDA_SANA_S:
            self._espera_s = 0.0
        self._espera_s = min(self._maxima_s, max(_ESPERA_MINIMA_S, self._espera_s * 2))
        await asyncio.sleep(self._espera_s * random.uniform(0.5, 1.0))
        self._desde_s = bucle.time()


class Vigia:
    """When each stream of a socket was last heard, and which ones never speak.

    Args:
        limites_s: Wall seconds that each stream may be silent; ``None`` is for ever.
    """

    def __init__(self, limites_s: Mapping[str, float | None]) -> None:
        self._limites_s = {flujo: limite for flujo, limite in limites_s.items() if limite is not None}
        self._plazos_s: dict[str, float] = {}
        self._oidos: set[str] = set()
        self._mudas = dict.fromkeys(self._limites_s, 0)

    def abrir(self) -> None:
        """A socket was opened: every stream has its whole limit to speak."""
        ahora = asyncio.get_running_loop().time()
        self._plazos_s = {flujo: ahora + limite for flujo, limite in self._limites_s.items()}
        self._oidos.clear()

    def oir(self, flujo: str) -> None:
        """A stream spoke."""
        limite_s = self._limites_s.get(flujo)
        if limite_s is not None:
            self._plazos_s[flujo] = asyncio.get_running_loop().time() + limite_s
            self._oidos.add(flujo)

    def paciencia_s(self) -> float | None:
        """Wall seconds to wait for the next message; ``None`` is for ever.

        Raises:
            LecturaFallida: A stream has been silent for longer than it may.
        """
        if not self._plazos_s:
            return None
        ahora = asyncio.get_running_loop().time()
        callados = [flujo for flujo, plazo_s in self._plazos_s.items() if plazo_s <= ahora]
        if callados:
            self._contar(callados)
            raise LecturaFallida(f"{', '.join(callados)} fell silent")
        return min(self._plazos_s.values()) - ahora

    def _contar(self, callados: list[str]) -> None:
        """Tell the streams that say nothing although the socket opens: one on the wrong route does that."""
        for flujo in callados:
            self._mudas[flujo] = 0 if flujo in self._oidos else self._mudas[flujo] + 1
            if self._mudas[flujo] >= _MUDAS_QUE_SE_DICEN:
                log.error("flujo_mudo", flujo=flujo, aperturas=self._mudas[flujo])


async def abrir(sesion: aiohttp.ClientSession, url: str) -> aiohttp.ClientWebSocketResponse:
    """Open a socket; pings are answered, and sent too, so that a dead peer is noticed."""
    async with asyncio.timeout(_APERTURA_S):
        return await sesion.ws_connect(url, heartbeat=_PULSO_S, max_msg_size=0)


async def cerrar(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Close a socket, politely if the peer lets us."""
    try:
        async with asyncio.timeout(_DESPEDIDA_S):
            await socket.close()
    except TimeoutError:
        log.debug("cierre_sin_despedida")


async def recibir(socket: aiohttp.ClientWebSocketResponse, espera_s: float | None) -> str | bytes | None:
    """The next text; ``None`` when none came in time: pings and pongs, which `receive` swallows, are no text.

    Raises:
        LecturaFallida: The socket has closed.
    """
    try:
        async with asyncio.timeout(espera_s):
            mensaje = await socket.receive()
    except TimeoutError:
        return None
    if mensaje.type is not aiohttp.WSMsgType.TEXT:
        raise LecturaFallida(f"the socket closed (code {socket.close_code})")
    texto: str | bytes = mensaje.data
    return texto
