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
    debe: int = 1  # how often it has yet to say done of the present step

    @property
    def pendiente(self) -> bool:
        """Whether the market waits for it."""
        return self.debe > 0


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
        if agente is not None and agente.debe:
            agente.debe -= 1

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
                agente.debe = 1

    def deber(self, simbolo: str, veces: int) -> None:
        """A symbol's agents got that many messages more of this step, and will say done of each."""
        for agente in self._de(simbolo):
            agente.debe += veces

    def exigir(self, simbolo: str) -> None:
        """Wait for one done of each of a symbol's agents: they have been told where the market is."""
        for agente in self._de(simbolo):
            agente.debe = 1

    def aliviar(self, simbolo: str) -> None:
        """Wait for one done at most of each of a symbol's agents: what older sockets got is lost."""
        for agente in self._de(simbolo):
            agente.debe = min(agente.debe, 1)

    def perdonar(self, simbolo: str) -> None:
        """Take a symbol's agents to be done: nobody has told them of this step."""
        for agente in self._de(simbolo):
            agente.debe = 0

    def _de(self, simbolo: str) -> list[Agente]:
        return [agente for agente in self._agentes.values() if agente.simbolo == simbolo]
