"""The operation that a person opened: written down before its order, held until the account is flat."""

from __future__ import annotations

from typing import Any, NamedTuple

import structlog

from src.nucleo.errores import EmergenciaOperacional
from src.produccion.diario.diario import EventoDiario
from src.produccion.puertos import Diario, Reloj
from src.produccion.riesgo.control_riesgo import Bloqueo, ControlRiesgo

AGREGADO_A_MANO = "hand_made"
"""Of the account and symbol, whichever agent trades them."""

_PEDIDA, _PUESTA, _ACABADA = "HAND_MADE_ASKED", "HAND_MADE_PROTECTED", "HAND_MADE_ENDED"

log = structlog.get_logger(__name__)


class OperacionAMano(NamedTuple):
    """What was asked for; prices in the quote asset."""

    mando: str  # the command
    quien: str
    id_cliente: str  # of its order
    stop: float | None
    objetivo: float | None
    puesta: bool = False  # whether its stop and target are wanted at the exchange


class FinAMano(NamedTuple):
    """How one ended."""

    abrio: bool  # whether its order was filled
    motivo: str  # why not; empty when it was


class MemoriaAMano(NamedTuple):
    """The newest one, as the journal tells it."""

    operacion: OperacionAMano | None = None
    fin: FinAMano | None = None  # ``None`` while it has not ended


def recordar_a_mano(evento: EventoDiario | None) -> MemoriaAMano:
    """From the newest event of the aggregate; each of them tells all."""
    if evento is None:
        return MemoriaAMano()
    contenido: dict[str, Any] = evento.contenido
    operacion = OperacionAMano(
        str(contenido["command"]),
        str(contenido["by"]),
        str(contenido["order"]),
        None if contenido["stop"] is None else float(contenido["stop"]),
        None if contenido["target"] is None else float(contenido["target"]),
        evento.tipo == _PUESTA,
    )
    if evento.tipo != _ACABADA:
        return MemoriaAMano(operacion)
    return MemoriaAMano(operacion, FinAMano(bool(contenido["opened"]), str(contenido["reason"])))


class LibroAMano:
    """Holds the agent back while an operation that a person opened is open.

    Args:
        diario: Gets each step before it takes effect.
        reloj: Market time.
        control: The agent's gate.
        memoria: What an earlier life left behind.
    """

    def __init__(self, diario: Diario, reloj: Reloj, control: ControlRiesgo, memoria: MemoriaAMano) -> None:
        self._diario = diario
        self._reloj = reloj
        self._control = control
        self._memoria = memoria
        self._control.fijar(Bloqueo.A_MANO, self.abierta is not None)

    @property
    def abierta(self) -> OperacionAMano | None:
        """The one that is open, or whose order may still open it."""
        return None if self._memoria.fin is not None else self._memoria.operacion

    @property
    def impedimento(self) -> str:
        """Why the agent's decisions are not carried out; empty when they are."""
        abierta = self.abierta
        return "" if abierta is None else f"{Bloqueo.A_MANO.value}: {abierta.quien} opened it"

    def de(self, mando: str) -> MemoriaAMano | None:
        """What is known of a command's operation; ``None`` when it is not the newest one."""
        operacion = self._memoria.operacion
        return self._memoria if operacion is not None and operacion.mando == mando else None

    def empezar(self, operacion: OperacionAMano) -> None:
        """An order is about to be sent: from here on the agent is held back.

        Raises:
            EmergenciaOperacional: It cannot be written down; nothing has changed.
        """
        self._anotar(_PEDIDA, operacion)
        self._memoria = MemoriaAMano(operacion)
        self._control.fijar(Bloqueo.A_MANO, True)

    def proteger(self) -> None:
        """Its stop and target are wanted at the exchange, or its order gave it none to place."""
        abierta = self.abierta
        if abierta is not None and not abierta.puesta:
            self._memoria = MemoriaAMano(abierta._replace(puesta=True))
            self._aunque_falle(_PUESTA, abierta)

    def acabar(self, fin: FinAMano) -> None:
        """The account is flat, and nothing is on its way any more."""
        abierta = self.abierta
        if abierta is not None:
            self._memoria = MemoriaAMano(abierta, fin)
            self._aunque_falle(_ACABADA, abierta, opened=fin.abrio, reason=fin.motivo)
            self._control.fijar(Bloqueo.A_MANO, False)

    def _aunque_falle(self, tipo: str, operacion: OperacionAMano, **mas: object) -> None:
        """What happened holds even when it cannot be written; the next start finds it out again."""
        try:
            self._anotar(tipo, operacion, **mas)
        except EmergenciaOperacional as fallo:
            log.critical("diario_roto", motivo=str(fallo))

    def _anotar(self, tipo: str, operacion: OperacionAMano, **mas: object) -> None:
        contenido: dict[str, object] = {
            "command": operacion.mando,
            "by": operacion.quien,
            "order": operacion.id_cliente,
            "stop": operacion.stop,
            "target": operacion.objetivo,
            **mas,
        }
        self._diario.anotar_luego(AGREGADO_A_MANO, tipo, self._reloj.ahora_ms(), contenido)
