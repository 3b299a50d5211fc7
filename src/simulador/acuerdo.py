"""The lockstep agreement: the market moves only when every joined agent has said done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(slots=True)
class Agente:
    """A client that the market waits for."""

    id: str
    clave: str
    simbolo: str
    intervalo: str
    pendiente: bool = True  # has not said done since its symbol last moved


class Acuerdo:
    """Who has joined and who is still busy with the current step."""

    def __init__(self) -> None:
        self._agentes: dict[str, Agente] = {}
        self._creados = 0

    @property
    def agentes(self) -> tuple[Agente, ...]:
        """All joined agents."""
        return tuple(self._agentes.values())

    def unir(self, clave: str, simbolo: str, intervalo: str) -> Agente:
        """Join; the same key and symbol take the old agent's place."""
        for viejo in self.agentes:
            if (viejo.clave, viejo.simbolo) == (clave, simbolo):
                del self._agentes[viejo.id]
        self._creados += 1
        agente = Agente(f"agent-{self._creados}", clave, simbolo, intervalo)
        self._agentes[agente.id] = agente
        return agente

    def conoce(self, agente_id: str) -> bool:
        """Whether an agent with that id has joined and not left or been replaced."""
        return agente_id in self._agentes

    def terminar(self, agente_id: str) -> None:
        """An agent is done with the current step; one that is not joined is ignored."""
        agente = self._agentes.get(agente_id)
        if agente is not None:
            agente.pendiente = False

    def dejar(self, agente_id: str) -> None:
        """Leave; the market no longer waits for that agent."""
        self._agentes.pop(agente_id, None)

    def puede_avanzar(self) -> bool:
        """Whether somebody has joined and nobody is busy."""
        return bool(self._agentes) and not any(a.pendiente for a in self._agentes.values())

    def paso_dado(self, simbolos: Iterable[str]) -> None:
        """A step moved these symbols: their agents have work."""
        movidos = set(simbolos)
        for agente in self._agentes.values():
            if agente.simbolo in movidos:
                agente.pendiente = True
