"""Lockstep with a simulated market, or none at all on a real one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
import orjson
import structlog

from src.nucleo.errores import BolsaIncompatible, ErrorBolsa, LecturaFallida
from src.produccion.bolsa.enchufe import Retroceso
from src.produccion.puertos import Direcciones

_PACIENCIA_S = 60.0
_ESPERA_MAXIMA_S = 5.0

log = structlog.get_logger(__name__)


class AvanceReal:
    """The market does not wait for anybody."""

    async def unirse(self, simbolo: str, intervalo: str) -> bool:
        """Never in lockstep."""
        return False

    async def hecho(self) -> None:
        """Nothing to say."""

    async def salir(self) -> None:
        """Nothing to leave."""


class AvanceSimulado:
    """Tells the simulator that this agent is done with a market step; joins again after it was restarted.

    Args:
        sesion: HTTP session.
        direcciones: Where the simulator is.
        clave: API key that names the account.
        al_ir_en_paso: Called when the market turns out to wait for its agents.
        paciencia_s: Wall seconds that the simulator may be away.
    """

    def __init__(
        self,
        sesion: aiohttp.ClientSession,
        direcciones: Direcciones,
        clave: str,
        al_ir_en_paso: Callable[[], None],
        paciencia_s: float = _PACIENCIA_S,
    ) -> None:
        self._al_ir_en_paso = al_ir_en_paso
        self._sesion = sesion
        self._direcciones = direcciones
        self._cabeceras = {"X-MBX-APIKEY": clave}
        self._paciencia_s = paciencia_s
        self._union = ("", "")
        self._agente: str | None = None
        self._en_paso = False
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._oyente: asyncio.Task[None] | None = None

    async def unirse(self, simbolo: str, intervalo: str) -> bool:
        """Join the market; true when it waits for this agent."""
        self._union = (simbolo, intervalo)
        respuesta = await self._pedir("join", {"symbol": simbolo, "interval": intervalo})
        self._agente = str(respuesta["agent"])
        self._en_paso = bool(respuesta["lockstep"])
        if self._en_paso:
            self._al_ir_en_paso()
        return self._en_paso

    async def hecho(self) -> None:
        """Let the market take its next step.

        Raises:
            LecturaFallida: The simulator stayed away for too long.
        """
        if not self._en_paso:
            return
        bucle = asyncio.get_running_loop()
        hasta_s = bucle.time() + self._paciencia_s
        retroceso = Retroceso(_ESPERA_MAXIMA_S)
        while True:
            try:
                socket = await self._abierto()
                await socket.send_str(f'{{"method":"DONE","params":["{self._agente}",null],"id":1}}')
                return
            except (aiohttp.ClientError, OSError, LecturaFallida) as fallo:
                if bucle.time() >= hasta_s:
                    raise LecturaFallida(f"the simulator did not answer: {fallo}") from fallo
                log.warning("simulador_ausente", motivo=str(fallo))
            await retroceso.esperar()

    async def salir(self) -> None:
        """Leave, so that the market does not wait for a daemon that ended on purpose."""
        if self._oyente is not None:
            self._oyente.cancel()
        if self._socket is not None:
            await self._socket.close()
        if self._agente is not None:
            await self._pedir("leave", {"agent": self._agente})
            self._agente = None

    async def _abierto(self) -> aiohttp.ClientWebSocketResponse:
        """The socket that carries `hecho`; much cheaper than a request at every step.

        When it broke, the simulator may have been restarted and know nobody; one that was not takes the agent
        that joins again for the one it knows.
        """
        if self._socket is None or self._socket.closed:
            if self._socket is not None:
                log.warning("simulador_de_vuelta", agente=self._agente)
                await self.unirse(*self._union)
            self._socket = await self._sesion.ws_connect(f"{self._direcciones.flujos}/market/ws")
            self._oyente = asyncio.create_task(_escuchar(self._socket), name="avance")
        return self._socket

    async def _pedir(self, ruta: str, cuerpo: dict[str, object]) -> dict[str, object]:
        try:
            async with self._sesion.post(
                f"{self._direcciones.rest}/sim/v1/{ruta}", json=cuerpo, headers=self._cabeceras
            ) as respuesta:
                if respuesta.status != 200:
                    raise _negativa(respuesta.status, await respuesta.text())
                resultado: dict[str, object] = await respuesta.json()
                return resultado
        except (aiohttp.ClientError, TimeoutError) as fallo:
            raise LecturaFallida(f"the simulator did not answer: {fallo}") from fallo


async def espera_a_sus_agentes(sesion: aiohttp.ClientSession, direcciones: Direcciones) -> bool:
    """Whether a simulated market stands still until its agents are done.

    Raises:
        LecturaFallida: It did not answer.
    """
    try:
        async with sesion.get(f"{direcciones.rest}/sim/v1/status") as respuesta:
            estado = await respuesta.json() if respuesta.status == 200 else {}
    except (aiohttp.ClientError, TimeoutError, ValueError) as fallo:
        raise LecturaFallida(f"the simulator did not answer: {fallo}") from fallo
    return bool(estado.get("lockstep"))


def _negativa(estado: int, texto: str) -> ErrorBolsa:
    """What is wrong with a request stays wrong; anything else may pass."""
    clase = BolsaIncompatible if estado == 400 else LecturaFallida
    return clase(f"the simulator answered {estado}: {texto}")


async def _escuchar(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Answer pings, and tell complaints; market events are not for this socket."""
    async for mensaje in socket:
        if "code" in orjson.loads(mensaje.data):
            log.error("avance_rechazado", respuesta=str(mensaje.data))
