"""What an agent remembers across restarts: a fold of the journal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from src.produccion.cuenta import Libro
from src.produccion.diario import EventoDiario


class MemoriaAgente(NamedTuple):
    """Reference capital, ledger and the last candle decided."""

    capital_referencia: float | None = None
    libro: Libro | None = None
    ultima_decidida_ms: int = -1  # open time

    def libro_para(self, capital: float | None) -> Libro | None:
        """The ledger to go on with; a new one when capital is assigned for the first time."""
        if capital is None:
            return None
        return self.libro or Libro(capital)


def recordar_agente(eventos: Iterable[EventoDiario], agente: str, *, con_libro: bool) -> MemoriaAgente:
    """Fold the events of one agent; an order's intent counts as its candle's decision.

    Args:
        eventos: All events of the account and symbol.
        agente: Its identity.
        con_libro: Whether it trades on a ledger of its own; reference capital is kept for each kind.
    """
    memoria = MemoriaAgente()
    for evento in eventos:
        contenido = evento.contenido
        if evento.tipo == "ORDER_INTENT" and str(contenido["token"]).startswith(f"{agente}:"):
            partes = str(contenido["token"]).removeprefix(f"{agente}:").split(":")
            memoria = _decidida(memoria, int(partes[0]))
        if evento.agregado != f"agent:{agente}":
            continue
        match evento.tipo:
            case "REFERENCE" if bool(contenido["ledger"]) == con_libro:
                memoria = memoria._replace(capital_referencia=float(str(contenido["equity"])))
            case "CANDLE_DECIDED":
                memoria = _decidida(memoria, int(str(contenido["candle"])))
            case "LEDGER":
                memoria = memoria._replace(
                    libro=Libro(
                        float(str(contenido["balance"])),
                        int(str(contenido["last_trade"])),
                        int(str(contenido["until_ms"])),
                        int(str(contenido["since_ms"])),
                    )
                )
    return memoria


def _decidida(memoria: MemoriaAgente, apertura_ms: int) -> MemoriaAgente:
    return memoria._replace(ultima_decidida_ms=max(memoria.ultima_decidida_ms, apertura_ms))
