"""The trained agent: verified policy in, operation out."""

from __future__ import annotations

from src.nucleo.accion import Interpretacion, ReglaAccion, interpretar_accion
from src.nucleo.observacion import exposicion_de
from src.nucleo.politica import Politica
from src.nucleo.tipos import EstadoCuenta, Observacion


class AgenteProduccion:
    """Deterministic decisions of a trained policy.

    Args:
        politica: Loaded from a verified artefact.
        regla: How its numbers are read.
        apalancamiento: Leverage of the artefact.
    """

    def __init__(self, politica: Politica, regla: ReglaAccion, apalancamiento: float) -> None:
        self._politica = politica
        self._regla = regla
        self._apalancamiento = apalancamiento

    def predecir(self, observacion: Observacion) -> float:
        """The action, in [−1, 1]."""
        return self._politica.predecir(observacion)

    def interpretar_accion(
        self, accion: float, cuenta: EstadoCuenta, equity: float, precio: float
    ) -> Interpretacion:
        """What the action means for the position held now."""
        exposicion = exposicion_de(cuenta.cantidad, precio, equity, self._apalancamiento)
        return interpretar_accion(accion, exposicion, self._regla)
