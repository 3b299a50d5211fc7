"""What people are told of: levels, kinds, how often one kind may be told, how long to wait for a channel."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

PERDIDA_GRANDE = 0.02
"""Share of the equity from which a loss is an alert of its own, unless somebody says otherwise."""

_PRIMERA_ESPERA_S = 2.0
_ESPERA_MAXIMA_S = 300.0
_EJEMPLOS = 5


class Nivel(StrEnum):
    """How much an alert matters."""

    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"

    def alcanza(self, minimo: Nivel) -> bool:
        """Whether it matters at least as much."""
        return _PESOS[self] >= _PESOS[minimo]


_PESOS = {nivel: i for i, nivel in enumerate(Nivel)}


class Clase(StrEnum):
    """Kinds of alerts that follow from a journal, its failing, a daemon's silence, or a person's command."""

    STARTUP = "startup"
    SHUTDOWN = "shutdown"
    POSITION_OPENED = "position_opened"
    POSITION_CLOSED = "position_closed"
    LARGE_LOSS = "large_loss"
    RISK_LIMIT = "risk_limit"
    TRADING_PAUSED = "trading_paused"
    TRADING_RESUMED = "trading_resumed"
    DAEMON_SILENT = "daemon_silent"
    JOURNAL_BROKEN = "journal_broken"
    CSV_BROKEN = "csv_broken"
    EXCHANGE_DISCONNECTED = "exchange_disconnected"
    EXCHANGE_CONNECTED = "exchange_connected"
    TEST = "test"


class Aviso(NamedTuple):
    """An alert as it is told."""

    id: int
    nivel: Nivel
    clase: str
    mensaje: str
    instante_ms: int  # UTC; market time
    client_id: str = ""
    cuenta: str | None = None
    simbolo: str | None = None


class Mensaje(NamedTuple):
    """What is sent, as plain text."""

    titulo: str  # one line
    cuerpo: str
    nivel: Nivel


class Regla(NamedTuple):
    """How often one kind may be told in one place."""

    por_clase: int = 5  # within the window; the rest waits for its digest
    ventana_ms: int = 300_000
    caduca_ms: int = 86_400_000  # after that it is not told any more; what is critical always is


def se_retiene(nivel: Nivel, contados: int, regla: Regla) -> bool:
    """Whether an alert waits for a digest; a critical one never does.

    Args:
        nivel: Of the alert.
        contados: Alerts of its kind told within the window, and those on their way.
        regla: How many there may be.
    """
    return nivel is not Nivel.CRITICAL and contados >= regla.por_clase


def caduco(nivel: Nivel, edad_ms: int, regla: Regla) -> bool:
    """Whether an alert is too old to be told; a critical one never is."""
    return nivel is not Nivel.CRITICAL and edad_ms > regla.caduca_ms


def espera_s(intento: int) -> float:
    """Wall seconds until the next try.

    Args:
        intento: How many have failed, from 1.
    """
    return float(min(_ESPERA_MAXIMA_S, _PRIMERA_ESPERA_S * 2.0 ** min(intento - 1, 16)))


def texto_digest(clase: str, mensajes: Sequence[str]) -> str:
    """What is told of the alerts of one kind that were held back, oldest first."""
    cuantos = f"{len(mensajes)} more of {clase} held back"
    ultimos = [f"- {mensaje}" for mensaje in mensajes[-_EJEMPLOS:]]
    if len(mensajes) > _EJEMPLOS:
        cuantos += f", the last {_EJEMPLOS}"
    return "\n".join((cuantos + ":", *ultimos))


def mas_grave(niveles: Sequence[Nivel]) -> Nivel:
    """The level that matters most; at least one is given."""
    return max(niveles, key=_PESOS.__getitem__)


def perdida_fraccion(neto: float, equity_despues: float) -> float:
    """The share of the equity that a result lost; 0 when it lost nothing.

    Args:
        neto: Result after commission, margin asset; below 0 is a loss.
        equity_despues: Equity with that result in it.

    Returns:
        A fraction of the equity before; 1 when nothing was left of it to compare with.
    """
    if neto >= 0.0:
        return 0.0
    antes = equity_despues - neto
    return 1.0 if antes <= 0.0 else -neto / antes


def mensaje_de(aviso: Aviso) -> Mensaje:
    """An alert in words; its number tells one that came twice from two that are alike."""
    titulo = " ".join((aviso.nivel.value, aviso.clase, *filter(None, (aviso.simbolo,))))
    cuando = datetime.fromtimestamp(aviso.instante_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    pie = " · ".join((*filter(None, (aviso.cuenta,)), cuando, f"#{aviso.id}"))
    return Mensaje(titulo, f"{aviso.mensaje}\n{pie}", aviso.nivel)
