"""Holds: the exchange frozen at one exact point until somebody outside lets it go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from src.simulador.fallas.clases import Momento


@dataclass(slots=True)
class Detencion:
    """One hold that has been reached."""

    id: int
    lugar: str
    momento: Momento
    clave: str  # account whose requests wait; empty for all
    asunto: dict[str, object]  # the request or the market event
    soltada: asyncio.Event = field(default_factory=asyncio.Event)

    def como_json(self) -> dict[str, object]:
        """What GET /sim/v1/holds tells of it."""
        return {
            "id": self.id,
            "at": self.lugar,
            "stage": self.momento.value,
            "account": self.clave,
            **self.asunto,
        }


class Detenciones:
    """The holds in force.

    Args:
        al_frenar: Called when the market must stand still.
        al_soltar: Called when it may move again.
    """

    def __init__(self, al_frenar: Callable[[], None], al_soltar: Callable[[], None]) -> None:
        self._al_frenar = al_frenar
        self._al_soltar = al_soltar
        self._vivas: dict[int, Detencion] = {}
        self._creadas = 0
        self._alcanzada = asyncio.Event()

    @property
    def vivas(self) -> list[Detencion]:
        """Holds that wait for their release."""
        return list(self._vivas.values())

    @property
    def frenado(self) -> bool:
        """Whether the market stands still."""
        return bool(self._vivas)

    def detener(self, lugar: str, momento: Momento, clave: str, asunto: dict[str, object]) -> Detencion:
        """Freeze the market, and the requests of an account or of all."""
        self._creadas += 1
        detencion = Detencion(self._creadas, lugar, momento, clave, asunto)
        if not self._vivas:
            self._al_frenar()
        self._vivas[detencion.id] = detencion
        self._alcanzada.set()
        return detencion

    def soltar(self, numero: int | None = None) -> list[int]:
        """Release one hold, or all of them; their numbers."""
        sueltas = [d for d in self.vivas if numero in (None, d.id)]
        for detencion in sueltas:
            del self._vivas[detencion.id]
            detencion.soltada.set()
        if sueltas and not self._vivas:
            self._alcanzada.clear()
            self._al_soltar()
        return [detencion.id for detencion in sueltas]

    async def alcanzar(self, espera_s: float) -> list[Detencion]:
        """Wait until a hold is reached; empty when none was."""
        if not self._vivas and espera_s > 0:
            try:
                await asyncio.wait_for(self._alcanzada.wait(), espera_s)
            except TimeoutError:
                return []
        return self.vivas

    async def paso_libre(self, clave: str) -> bool:
        """Wait until no hold is about an account; whether it had to."""
        esperado = False
        while ajena := next((d for d in self.vivas if d.clave in ("", clave)), None):
            esperado = True
            await ajena.soltada.wait()
        return esperado

    async def mercado_libre(self) -> None:
        """Wait until the market may move."""
        while self._vivas:
            await self.vivas[0].soltada.wait()
