"""The message of a closed candle: late, missing, sent twice or out of order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from src.simulador.acuerdo import Acuerdo
from src.simulador.difusion import Difusor
from src.simulador.fallas.clases import MalaVela
from src.simulador.fallas.falla import Falla


@dataclass(slots=True)
class _Retenida:
    """A message that waits for its turn."""

    flujo: str
    datos: bytes
    faltan: int  # messages of its stream before it; < 0 waits for a closed candle

    def toca(self, cerrada: bool) -> bool:
        """Count a message of its stream; whether it is next."""
        if self.faltan < 0:
            return cerrada
        self.faltan -= 1
        return self.faltan == 0


class Velas:
    """Stands between the candles and their streams.

    An agent of the agreement says DONE once for each message of its candle stream. One whose message does
    not come is taken to be done; one that gets several in one step is waited for as many times. Only the
    ``kline`` stream counts: agents that read the continuous one must not be given these faults in lockstep.
    """

    def __init__(self, difusor: Difusor, acuerdo: Acuerdo) -> None:
        self._difusor = difusor
        self._acuerdo = acuerdo
        self._ahora: dict[str, Falla] = {}
        self._retenidas: list[_Retenida] = []
        self._calladas: set[str] = set()

    def preparar(self, falla: Falla, simbolos: list[str]) -> None:
        """Let a fault strike the candles that the next step closes."""
        elegido = falla.texto("symbol")
        self._ahora.update(dict.fromkeys([s for s in simbolos if elegido in ("", s)], falla))

    def publicar(self, simbolo: str, flujo: str, datos: bytes, *, cerrada: bool) -> None:
        """Send a candle's message, or do to it what a fault wants; then those whose turn has come."""
        falla = self._ahora.get(simbolo) if cerrada else None
        if falla is None:
            self._difusor.publicar(flujo, datos)
        else:
            self._estropear(falla, simbolo, flujo, datos)
            if simbolo in self._calladas:
                return
        for retenida in [r for r in self._retenidas if r.flujo == flujo and r.toca(cerrada)]:
            self._retenidas.remove(retenida)
            self._difusor.publicar(flujo, retenida.datos)
            self._deber(simbolo, flujo, 1)

    def tras_paso(self) -> None:
        """A step has been told: agents that were told nothing of their candle are done with it."""
        for simbolo in self._calladas:
            self._acuerdo.perdonar(simbolo)
        self._calladas.clear()
        self._ahora.clear()

    def _estropear(self, falla: Falla, simbolo: str, flujo: str, datos: bytes) -> None:
        match MalaVela(falla.texto("how")):
            case MalaVela.DUPLICATED:
                copias = falla.entero("copies")
                for _ in range(1 + copias):
                    self._difusor.publicar(flujo, datos)
                self._deber(simbolo, flujo, copias)
            case MalaVela.LATE:
                self._retenidas.append(_Retenida(flujo, datos, falla.entero("messages")))
                self._calladas.add(simbolo)
            case MalaVela.OUT_OF_ORDER:
                self._retenidas.append(_Retenida(flujo, datos, -1))
                self._calladas.add(simbolo)
            case MalaVela.MISSING:
                self._calladas.add(simbolo)
            case _ as otra:
                assert_never(otra)

    def _deber(self, simbolo: str, flujo: str, cuantos: int) -> None:
        if "@kline_" in flujo:
            self._acuerdo.deber(simbolo, cuantos)
