"""From an operation to the quantities that go to the exchange."""

from __future__ import annotations

from typing import NamedTuple

from src.nucleo.accion import Interpretacion
from src.nucleo.dinero import al_paso, pasos_enteros
from src.nucleo.tipos import EstadoCuenta, Filtros, LadoOrden, Operacion, Tramo

MOTIVO_SALIDA = "exit"
"""The first word of what an order of the exit policy is sent for."""

_MANTENER = Operacion.MANTENER
_crear = tuple.__new__  # what a NamedTuple's constructor ends in, at half its price
_CERRAR_LONG, _CERRAR_SHORT = Operacion.CERRAR_LONG, Operacion.CERRAR_SHORT
_REDUCIR_LONG, _REDUCIR_SHORT = Operacion.REDUCIR_LONG, Operacion.REDUCIR_SHORT
_ABRIR_LONG, _AUMENTAR_LONG = Operacion.ABRIR_LONG, Operacion.AUMENTAR_LONG
_REDUCEN_A_CIERRE = {
    Operacion.REDUCIR_LONG: Operacion.CERRAR_LONG,
    Operacion.REDUCIR_SHORT: Operacion.CERRAR_SHORT,
}


class Plan(NamedTuple):
    """The market orders of one operation, in the order they are sent."""

    operacion: Operacion
    cantidades: tuple[float, ...]  # base asset, signed: > 0 buys, < 0 sells; empty when nothing is sent
    solo_reduce: bool  # whether the orders go out reduce-only
    motivo: str = ""  # why nothing is sent although the action asked for it


SIN_ORDENES = Plan(_MANTENER, (), False)


class Orden(NamedTuple):
    """A market order ready for the exchange."""

    simbolo: str
    lado: LadoOrden
    cantidad: float  # base asset, > 0, on the symbol's step
    solo_reduce: bool
    id_cliente: str


class LimitesPlan(NamedTuple):
    """What bounds the size of a position besides the action."""

    filtros: Filtros
    apalancamiento: float
    nocional_max: float  # the bracket's cap at this leverage, quote asset


def nocional_maximo(tramos: tuple[Tramo, ...], apalancamiento: float) -> float:
    """The largest notional that the brackets allow at a leverage; 0.0 when none does."""
    return max((t.nocional_max for t in tramos if t.apalancamiento_max >= apalancamiento), default=0.0)


def planificar(
    interpretacion: Interpretacion, cuenta: EstadoCuenta, equity: float, precio: float, limites: LimitesPlan
) -> Plan:
    """Size an operation on the symbol's real filters.

    Args:
        interpretacion: The operation and the exposure wanted after it.
        cuenta: The account before it.
        equity: Its equity at ``precio``.
        precio: Close of the observed candle, quote asset per unit.
        limites: Filters, leverage and notional cap.

    Returns:
        The orders; none, with the reason, when the change is smaller than the filters allow. Closing
        takes the whole live quantity and obeys no minimum.
    """
    return planificar_cantidad(interpretacion, cuenta.cantidad, equity, precio, limites)


def planificar_cantidad(
    interpretacion: Interpretacion, actual: float, equity: float, precio: float, limites: LimitesPlan
) -> Plan:
    """`planificar` for a position given as its signed quantity, 0.0 when flat."""
    _, operacion, _, fraccion = interpretacion
    if operacion is _MANTENER:
        return SIN_ORDENES
    filtros, apalancamiento, nocional_max = limites
    if operacion is _CERRAR_LONG or operacion is _CERRAR_SHORT:
        return _crear(Plan, (operacion, trocear(-actual, filtros), True, ""))
    nocional = fraccion * equity * apalancamiento
    if nocional > nocional_max:
        nocional = nocional_max
    escala = filtros.escala_lote
    objetivo = pasos_enteros(nocional / precio, escala) * escala[0] / escala[1] if nocional > 0.0 else 0.0
    cambio = al_paso(objetivo - abs(actual), escala)
    if operacion is not _REDUCIR_LONG and operacion is not _REDUCIR_SHORT:
        motivo = _motivo_para_no_aumentar(cambio, precio, filtros)
        if motivo:
            return Plan(operacion, (), False, motivo)
        largo = operacion is _ABRIR_LONG or operacion is _AUMENTAR_LONG
        cantidades = trocear(cambio if largo else -cambio, filtros)
        return _crear(Plan, (operacion, cantidades, False, ""))
    if -cambio < filtros.minimo_lote:
        return SIN_ORDENES
    if objetivo == 0.0:
        return Plan(_REDUCEN_A_CIERRE[operacion], trocear(-actual, filtros), True)
    return _crear(Plan, (operacion, trocear(cambio if actual > 0.0 else -cambio, filtros), True, ""))


def _motivo_para_no_aumentar(cambio: float, precio: float, filtros: Filtros) -> str:
    if cambio < filtros.minimo_lote or cambio <= 0.0:
        return f"quantity {max(cambio, 0.0)} is below the symbol's minimum {filtros.minimo_lote}"
    if cambio * precio < filtros.minimo_nocional:
        return f"notional {cambio * precio:.2f} is below the symbol's minimum {filtros.minimo_nocional}"
    return ""


def trocear(cantidad: float, filtros: Filtros) -> tuple[float, ...]:
    """Split a signed quantity into as few orders as the market lot's maximum allows, of nearly equal size.

    Equal sizes, so that no last piece falls below the minimums.
    """
    if abs(cantidad) <= filtros.maximo_lote:
        return (cantidad,)
    numerador, denominador = filtros.escala_lote
    total = round(abs(cantidad) * denominador / numerador)
    trozos = -(-total // pasos_enteros(filtros.maximo_lote, filtros.escala_lote))
    pasos, mayores = divmod(total, trozos)
    signo = 1 if cantidad > 0 else -1
    return tuple(signo * (pasos + (indice < mayores)) * numerador / denominador for indice in range(trozos))
