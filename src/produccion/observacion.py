"""Binds an artefact and the agent's reference capital to the core's observation."""

from __future__ import annotations

from src.nucleo.observacion import FormaPortafolio, construir_observacion
from src.nucleo.tipos import EstadoCuenta, MatrizF32, Observacion


class ObservacionBuilder:
    """Builds observations for one agent.

    Args:
        forma: The artefact's portfolio vector with the agent's persisted reference capital.
    """

    def __init__(self, forma: FormaPortafolio) -> None:
        self._forma = forma

    def escalar(self, factor: float) -> float:
        """Scale the reference capital after a transfer; returns the new one."""
        capital = self._forma.capital_referencia * factor
        self._forma = self._forma._replace(capital_referencia=capital)
        return capital

    def construir_observacion(self, ventana: MatrizF32, cuenta: EstadoCuenta, precio: float) -> Observacion:
        """What the policy sees at the close of the window's last candle."""
        return construir_observacion(ventana, cuenta, precio, self._forma)
