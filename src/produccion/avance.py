"""Lockstep with a simulated market, or none at all on a real one."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp

from src.nucleo.errores import LecturaFallida


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
    """Tells the simulator that this agent is done with a market step.

    Args:
        sesion: HTTP session.
        base: The simulator's address.
        clave: API key that names the account.
        al_ir_en_paso: Called once when the market turns out to wait for its agents.
    """

    def __init__(
        self, sesion: aiohttp.ClientSession, base: str, clave: str, al_ir_en_paso: Callable[[], None]
    ) -> None:
        self._al_ir_en_paso = al_ir_en_paso
        self._sesion = sesion
        self._base = f"{base}/sim/v1"
        self._cabeceras = {"X-MBX-APIKEY": clave}
        self._agente: str | None = None
        self._en_paso = False

    async def unirse(self, simbolo: str, intervalo: str) -> bool:
        """Join the market; true when it waits for this agent."""
        respuesta = await self._pedir("join", {"symbol": simbolo, "interval": intervalo})
        self._agente = str(respuesta["agent"])
        self._en_paso = bool(respuesta["lockstep"])
        if self._en_paso:
            self._al_ir_en_paso()
        return self._en_paso

    async def hecho(self) -> None:
        """Let the market take its next step."""
        if self._en_paso:
            await self._pedir("done", {"agent": self._agente})

    async def salir(self) -> None:
        """Leave, so that the market does not wait for a daemon that ended on purpose."""
        if self._agente is not None:
            await self._pedir("leave", {"agent": self._agente})
            self._agente = None

    async def _pedir(self, ruta: str, cuerpo: dict[str, object]) -> dict[str, object]:
        try:
            async with self._sesion.post(
                f"{self._base}/{ruta}", json=cuerpo, headers=self._cabeceras
            ) as respuesta:
                if respuesta.status != 200:
                    raise LecturaFallida(
                        f"the simulator answered {respuesta.status}: {await respuesta.text()}"
                    )
                resultado: dict[str, object] = await respuesta.json()
                return resultado
        except (aiohttp.ClientError, TimeoutError) as fallo:
            raise LecturaFallida(f"the simulator did not answer: {fallo}") from fallo
