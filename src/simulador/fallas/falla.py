"""A fault as it is asked for: what, when, how often and with which parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from src.simulador.fallas.catalogo import CATALOGO
from src.simulador.fallas.clases import Clase, Momento, Ocasion
from src.simulador.fallas.ficha import Ficha, Valor


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuando:
    """A trigger.

    Args:
        ocasion: What is counted.
        patron: Of a call, ``METHOD /path`` with ``*``; of an event, its type.
        desde: First number that fires: the market's own of steps and candles, else among those that match;
            0 is each.
        cada: Distance to the next number that fires.
        donde: Parameters of the request, or fields of the event, that must be equal.
        cuenta: API key; empty for all.
        momento: Side of the occasion.
        desde_inicio: Whether numbers count from the start of the exchange instead of from the arming.
    """

    ocasion: Ocasion
    patron: str = ""
    desde: int = 1
    cada: int = 1
    donde: Mapping[str, str] = field(default_factory=dict)
    cuenta: str = ""
    momento: Momento = Momento.BEFORE
    desde_inicio: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Azar:
    """Chance instead of a number; the n-th occasion of a place has the same luck in every run.

    Args:
        semilla: Tells this fault's luck from others'.
        probabilidad: Of each occasion.
        desde_paso: First market step with faults.
        hasta_paso: Last one; ``None`` has no end.
    """

    semilla: str
    probabilidad: float
    desde_paso: int = 0
    hasta_paso: int | None = None

    def toca(self, lugar: str, numero: int, paso: int) -> bool:
        """Whether the ``numero``-th occasion of a place brings the fault."""
        if paso < self.desde_paso or (self.hasta_paso is not None and paso > self.hasta_paso):
            return False
        return Random(f"{self.semilla}|{lugar}|{numero}").random() < self.probabilidad


@dataclass(frozen=True, slots=True, kw_only=True)
class Falla:
    """One fault, not yet armed."""

    clase: Clase
    cuando: Cuando
    veces: int | None = 1  # None has no end
    parametros: Mapping[str, Valor] = field(default_factory=dict)
    azar: Azar | None = None

    @property
    def ficha(self) -> Ficha:
        """Its kind in the catalogue."""
        return CATALOGO[self.clase]

    def texto(self, nombre: str) -> str:
        """A parameter that is a text."""
        return str(self.parametros[nombre])

    def entero(self, nombre: str) -> int:
        """A parameter that is a whole number."""
        return int(self.parametros[nombre])

    def numero(self, nombre: str) -> float:
        """A parameter that is a number."""
        return float(self.parametros[nombre])

    def logico(self, nombre: str) -> bool:
        """A parameter that is true or false."""
        return bool(self.parametros[nombre])


@dataclass(slots=True)
class Armada:
    """A fault that waits for its occasion."""

    id: int
    falla: Falla
    vistas: int = 0  # matching occasions so far
    disparadas: int = 0

    @property
    def agotada(self) -> bool:
        """Whether it has happened as often as asked."""
        return self.falla.veces is not None and self.disparadas >= self.falla.veces

    def contar(self, lugar: str, numero: int, paso: int) -> bool:
        """Count one matching occasion; whether the fault is due at it.

        Args:
            lugar: Where it is, for the luck of random faults.
            numero: Which of its place, from the start.
            paso: Market step.
        """
        self.vistas += 1
        if self.falla.azar is not None:
            return self.falla.azar.toca(lugar, numero, paso)
        cuando = self.falla.cuando
        n = numero if cuando.ocasion in (Ocasion.STEP, Ocasion.CANDLE) else self.vistas
        return n >= cuando.desde and (n - cuando.desde) % cuando.cada == 0

    def como_json(self) -> dict[str, object]:
        """What GET /sim/v1/faults tells of it."""
        falla, cuando = self.falla, self.falla.cuando
        at: dict[str, object] = {cuando.ocasion.value: cuando.patron or cuando.desde or "each"}
        if cuando.patron:
            at["nth"] = cuando.desde
        at |= {"every": cuando.cada, "stage": cuando.momento.value}
        if cuando.donde:
            at["where"] = dict(cuando.donde)
        if cuando.cuenta:
            at["account"] = cuando.cuenta
        cuerpo: dict[str, object] = {
            "id": self.id,
            "kind": falla.clase.value,
            "at": at,
            "times": "always" if falla.veces is None else falla.veces,
            "parameters": dict(falla.parametros),
            "seen": self.vistas,
            "fired": self.disparadas,
        }
        if falla.azar is not None:
            cuerpo["probability"] = falla.azar.probabilidad
        return cuerpo
