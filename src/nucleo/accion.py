"""From the policy's number to an operation: one continuous value is a target exposure."""

from __future__ import annotations

from typing import NamedTuple

from src.nucleo.errores import DatosInvalidos
from src.nucleo.tipos import Operacion, TipoAccion


class Interpretacion(NamedTuple):
    """What an action means for the position held now."""

    tipo_accion: TipoAccion
    operacion: Operacion
    intensidad: float  # |action|, 0 … 1
    objetivo: float  # wanted share of equity × leverage after the operation, 0 … 1

    @property
    def debe_ejecutar(self) -> bool:
        """Whether an order follows."""
        return self.operacion is not Operacion.MANTENER


class ReglaAccion(NamedTuple):
    """How actions are read; part of what an artefact was trained with."""

    umbral_mantener: float = 0.05  # |action| up to here keeps the position
    banda_muerta: float = 0.05  # changes of exposure up to here are not worth an order
    reserva_margen: float = 0.02  # share of equity × leverage that stays free


def interpretar_accion(accion: float, exposicion: float, regla: ReglaAccion) -> Interpretacion:
    """Read an action as a target exposure.

    A same-direction action opens, increases, reduces or keeps; an opposite one closes.

    Args:
        accion: The policy's output in [−1, 1].
        exposicion: Signed share of equity × leverage in use; its sign is the side held, 0.0 is flat.
        regla: Threshold, dead band and margin reserve.
    Raises:
        DatosInvalidos: The action is NaN or outside [−1, 1].
    """
    if not -1.0 <= accion <= 1.0:
        raise DatosInvalidos(f"action is {accion}; a policy must answer a number in [-1, 1]")
    intensidad = abs(accion)
    if intensidad <= regla.umbral_mantener:
        return Interpretacion(TipoAccion.MANTENER, Operacion.MANTENER, intensidad, abs(exposicion))
    largo = accion > 0
    tipo = TipoAccion.LONG if largo else TipoAccion.SHORT
    objetivo = min(intensidad, 1.0 - regla.reserva_margen)
    if exposicion == 0.0:
        return Interpretacion(
            tipo, Operacion.ABRIR_LONG if largo else Operacion.ABRIR_SHORT, intensidad, objetivo
        )
    if largo != (exposicion > 0):
        return Interpretacion(
            tipo, Operacion.CERRAR_SHORT if largo else Operacion.CERRAR_LONG, intensidad, 0.0
        )
    cambio = objetivo - abs(exposicion)
    if cambio > regla.banda_muerta:
        operacion = Operacion.AUMENTAR_LONG if largo else Operacion.AUMENTAR_SHORT
    elif cambio < -regla.banda_muerta:
        operacion = Operacion.REDUCIR_LONG if largo else Operacion.REDUCIR_SHORT
    else:
        return Interpretacion(tipo, Operacion.MANTENER, intensidad, abs(exposicion))
    return Interpretacion(tipo, operacion, intensidad, objetivo)
