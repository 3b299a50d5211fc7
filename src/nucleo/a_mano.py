"""What a person may order by hand: one market order that opens a position, within the symbol's filters."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from src.nucleo.dinero import pasos_enteros
from src.nucleo.errores import SolicitudInvalida
from src.nucleo.ordenes import LimitesPlan, Plan
from src.nucleo.tipos import LadoOrden, Operacion


class OrdenPedida(NamedTuple):
    """A market order that a person wants; prices in the quote asset, each ``None`` when it was not given."""

    lado: LadoOrden
    cantidad: Decimal  # base asset, > 0, as it was written
    stop: float | None = None
    objetivo: float | None = None

    @property
    def largo(self) -> bool:
        """Whether it opens a long."""
        return self.lado is LadoOrden.BUY


def planificar_a_mano(pedida: OrdenPedida, precio: float, limites: LimitesPlan) -> Plan:
    """The plan of an order by hand on a flat account, its quantity rounded down to the lot step.

    Args:
        pedida: What is wanted.
        precio: Mark price.
        limites: Filters, leverage and notional cap.

    Raises:
        SolicitudInvalida: The exchange would not take the quantity as one order.
    """
    filtros, apalancamiento, nocional_max = limites
    numerador, denominador = filtros.escala_lote
    cantidad = pasos_enteros(float(pedida.cantidad), filtros.escala_lote) * numerador / denominador
    dicha = f"quantity {pedida.cantidad} is {cantidad} on the lot step"
    if cantidad <= 0.0 or cantidad < filtros.minimo_lote:
        raise SolicitudInvalida(f"{dicha}, below the symbol's minimum {filtros.minimo_lote}; give more")
    if cantidad > filtros.maximo_lote:
        raise SolicitudInvalida(
            f"{dicha}, above {filtros.maximo_lote}, the most that one market order may have; give less"
        )
    nocional = cantidad * precio
    if nocional < filtros.minimo_nocional:
        raise SolicitudInvalida(
            f"{dicha}, worth {nocional:.2f}, below the symbol's minimum {filtros.minimo_nocional}; give more"
        )
    if nocional > nocional_max:
        raise SolicitudInvalida(
            f"{dicha}, worth {nocional:.2f}, above {nocional_max:g}, the most that the exchange allows at a"
            f" leverage of {apalancamiento:g}; give less"
        )
    operacion = Operacion.ABRIR_LONG if pedida.largo else Operacion.ABRIR_SHORT
    return Plan(operacion, (cantidad if pedida.largo else -cantidad,), False)
