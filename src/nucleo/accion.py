"""From the policy's number to an operation: one continuous value is a target exposure."""

from __future__ import annotations

from typing import NamedTuple

from src.nucleo.errores import DatosInvalidos
from src.nucleo.tipos import Operacion, TipoAccion

_MANTENER = Operacion.MANTENER  # looking a member up in its enum costs more than the rest of a branch
_ABRIR = {True: Operacion.ABRIR_LONG, False: Operacion.ABRIR_SHORT}
_AUMENTAR = {True: Operacion.AUMENTAR_LONG, False: Operacion.AUMENTAR_SHORT}
_REDUCIR = {True: Operacion.REDUCIR_LONG, False: Operacion.REDUCIR_SHORT}
_CERRAR_AL = {True: Operacion.CERRAR_SHORT, False: Operacion.CERRAR_LONG}
_TIPO = {True: TipoAccion.LONG, False: TipoAccion.SHORT}
_TIPO_MANTENER = TipoAccion.MANTENER
_crear = tuple.__new__  # what a NamedTuple's constructor ends in, at half its price


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
    umbral, banda, reserva = regla
    intensidad = abs(accion)
    if intensidad <= umbral:
        return _crear(Interpretacion, (_TIPO_MANTENER, _MANTENER, intensidad, abs(exposicion)))
    largo = accion > 0.0
    tipo = _TIPO[largo]
    objetivo = 1.0 - reserva
    if intensidad < objetivo:
        objetivo = intensidad
    if exposicion == 0.0:
        return _crear(Interpretacion, (tipo, _ABRIR[largo], intensidad, objetivo))
    if largo != (exposicion > 0.0):
        return _crear(Interpretacion, (tipo, _CERRAR_AL[largo], intensidad, 0.0))
    cambio = objetivo - abs(exposicion)
    if cambio > banda:
        return _crear(Interpretacion, (tipo, _AUMENTAR[largo], intensidad, objetivo))
    if cambio < -banda:
        return _crear(Interpretacion, (tipo, _REDUCIR[largo], intensidad, objetivo))
    return _crear(Interpretacion, (tipo, _MANTENER, intensidad, abs(exposicion)))
