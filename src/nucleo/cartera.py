"""The account's arithmetic: fills, fees, funding, margin and liquidation.

An account is an `EstadoCuenta`, or the same in plain numbers for whoever does this a hundred thousand
times a second; the formulas are on the latter.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from src.nucleo.dinero import al_paso, ganancia, precio_en_tick, producto, promedio, redondear
from src.nucleo.tipos import Ejecucion, EstadoCuenta, Filtros, Mercado, Posicion, Tramo

_REDONDEO_MAXIMO = 1e-6  # more than rounding to 8 decimals can change

CuentaPlana = tuple[float, float, float]
"""Balance, signed quantity (0.0 when flat), entry price (0.0 when flat)."""


def pnl_no_realizado(cuenta: EstadoCuenta, precio: float) -> float:
    """Open profit at a price, margin asset."""
    posicion = cuenta.posicion
    return 0.0 if posicion is None else posicion.cantidad * (precio - posicion.precio_entrada)


def equity_de(cuenta: EstadoCuenta, precio: float) -> float:
    """Wallet plus open profit at a price."""
    posicion = cuenta.posicion
    if posicion is None:
        return cuenta.saldo
    return equity_en(cuenta.saldo, posicion.cantidad, posicion.precio_entrada, precio)


def equity_en(saldo: float, cantidad: float, entrada: float, precio: float) -> float:
    """`equity_de` on plain numbers."""
    return saldo + cantidad * (precio - entrada)


def margen_de(cuenta: EstadoCuenta, precio: float, apalancamiento: float) -> float:
    """Initial margin that the position uses at a price."""
    return abs(cuenta.cantidad) * precio / apalancamiento


def aplicar_compraventa(
    cuenta: EstadoCuenta, cantidad: float, precio: float, comision_fraccion: float, filtros: Filtros
) -> tuple[EstadoCuenta, Ejecucion]:
    """Book one fill.

    Args:
        cuenta: The account before it.
        cantidad: Signed: > 0 bought, < 0 sold; never crosses zero in one fill.
        precio: Fill price.
        comision_fraccion: Commission as a fraction of notional.
        filtros: Give the step on which quantities are kept.

    Raises:
        ValueError: The fill would turn a long into a short or the reverse.
    """
    saldo, nueva, entrada, comision, realizado = asentar(
        *aplanar(cuenta), cantidad, precio, comision_fraccion, filtros.escala_lote
    )
    return cuenta_de(saldo, nueva, entrada), Ejecucion(cantidad, precio, comision, realizado)


def asentar(
    saldo: float,
    actual: float,
    entrada: float,
    cantidad: float,
    precio: float,
    comision_fraccion: float,
    escala: tuple[int, int],
) -> tuple[float, float, float, float, float]:
    """`aplicar_compraventa` on plain numbers.

    Returns:
        Balance, signed quantity and entry price afterwards; commission and realised profit of the fill.
    """
    comision = producto(abs(cantidad), precio, comision_fraccion)
    if actual == 0.0:
        return redondear(saldo - comision), cantidad, precio, comision, 0.0
    resto = al_paso(actual + cantidad, escala)
    if (actual > 0.0) == (cantidad > 0.0):
        media = promedio(actual, entrada, cantidad, precio)
        return redondear(saldo - comision), resto, media, comision, 0.0
    if resto != 0.0 and (resto > 0.0) != (actual > 0.0):
        raise ValueError(f"a fill of {cantidad} crosses zero from {actual} at {entrada}")
    realizado = ganancia(-cantidad, entrada, precio)
    saldo = redondear(saldo + realizado - comision)
    return saldo, resto, entrada if resto != 0.0 else 0.0, comision, realizado


def aplanar(cuenta: EstadoCuenta) -> CuentaPlana:
    """The account in plain numbers."""
    saldo, posicion = cuenta
    return (saldo, 0.0, 0.0) if posicion is None else (saldo, posicion.cantidad, posicion.precio_entrada)


def cuenta_de(saldo: float, cantidad: float, entrada: float) -> EstadoCuenta:
    """The account of three plain numbers."""
    return EstadoCuenta(saldo, Posicion(cantidad, entrada) if cantidad != 0.0 else None)


def cobrar_funding(cuenta: EstadoCuenta, mark: float, tasa: float) -> tuple[EstadoCuenta, float]:
    """Settle funding; the amount is > 0 when received. Longs pay when the rate is positive."""
    if cuenta.posicion is None:
        return cuenta, 0.0
    saldo, monto = abonar_funding(cuenta.saldo, cuenta.posicion.cantidad, mark, tasa)
    return EstadoCuenta(saldo, cuenta.posicion), monto


def abonar_funding(saldo: float, cantidad: float, mark: float, tasa: float) -> tuple[float, float]:
    """`cobrar_funding` on plain numbers: the balance afterwards, and the amount."""
    monto = 0.0 - producto(cantidad, mark, tasa)
    return redondear(saldo + monto), monto


def tramo_de(nocional: float, tramos: tuple[Tramo, ...]) -> Tramo:
    """The bracket that a notional falls in; the last one beyond its cap."""
    for tramo in tramos:
        if nocional <= tramo.nocional_max:
            return tramo
    return tramos[-1]


def margen_mantenimiento(nocional: float, tramos: tuple[Tramo, ...]) -> float:
    """Maintenance margin of a notional."""
    tramo = tramo_de(nocional, tramos)
    return nocional * tramo.tasa_mantenimiento - tramo.deduccion


def debe_liquidarse(cuenta: EstadoCuenta, mark: float, tramos: tuple[Tramo, ...]) -> bool:
    """Whether the margin balance no longer exceeds the maintenance margin."""
    posicion = cuenta.posicion
    if posicion is None:
        return False
    return no_cubre_mantenimiento(equity_de(cuenta, mark), posicion.cantidad, mark, tramos)


def no_cubre_mantenimiento(equity: float, cantidad: float, mark: float, tramos: tuple[Tramo, ...]) -> bool:
    """Whether an equity is too small to keep a position at a mark price."""
    nocional = abs(cantidad) * mark
    if equity > nocional:  # more than any bracket asks for
        return False
    return equity <= margen_mantenimiento(nocional, tramos)


def precio_liquidacion(cuenta: EstadoCuenta, mark: float, tramos: tuple[Tramo, ...]) -> float | None:
    """Price at which the margin balance meets the maintenance margin, within the bracket at ``mark``.

    ``None`` when flat, or when no positive price would liquidate the position.
    """
    posicion = cuenta.posicion
    if posicion is None:
        return None
    return liquidacion_en(cuenta.saldo, posicion.cantidad, posicion.precio_entrada, mark, tramos)


def liquidacion_en(
    saldo: float, cantidad: float, entrada: float, mark: float, tramos: tuple[Tramo, ...]
) -> float | None:
    """`precio_liquidacion` on plain numbers, of an open position."""
    lado = 1.0 if cantidad > 0.0 else -1.0
    tamano = abs(cantidad)
    tramo = tramo_de(tamano * mark, tramos)
    precio = (saldo + tramo.deduccion - lado * tamano * entrada) / (
        tamano * (tramo.tasa_mantenimiento - lado)
    )
    return precio if precio > 0.0 else None


class Liquidacion(NamedTuple):
    """The account after the exchange closed its position, and the fill."""

    cuenta: EstadoCuenta
    ejecucion: Ejecucion
    cubierto: float  # loss beyond the wallet that the insurance fund took, >= 0


def liquidar(cuenta: EstadoCuenta, anterior: float, mark: float, mercado: Mercado) -> Liquidacion:
    """Close a position that the exchange takes over.

    Args:
        cuenta: An account that `debe_liquidarse` at ``mark``.
        anterior: The price from which the market travelled to ``mark``; equal to it after a jump.
        mark: The price at which the breach was seen.
        mercado: Brackets, filters and liquidation fee.
    """
    posicion = cuenta.posicion
    if posicion is None:
        raise ValueError("there is no position to liquidate")
    limite = precio_liquidacion(cuenta, mark, mercado.tramos)
    bajo, alto = min(anterior, mark), max(anterior, mark)
    precio = mark if limite is None else min(max(limite, bajo), alto)
    en_tick = precio_en_tick(
        Decimal(repr(precio)), mercado.filtros.escala_tick, hacia_arriba=posicion.cantidad < 0
    )
    despues, ejecucion = aplicar_compraventa(
        cuenta, -posicion.cantidad, en_tick, mercado.comision_liquidacion, mercado.filtros
    )
    cubierto = max(0.0, -despues.saldo)
    return Liquidacion(despues._replace(saldo=max(0.0, despues.saldo)), ejecucion, cubierto)


def margen_alcanza(
    cuenta: EstadoCuenta,
    cantidad: float,
    precio_orden: float,
    mark: float,
    mercado: Mercado,
    apalancamiento: float,
) -> bool:
    """Whether an order that increases the position leaves no negative available balance.

    Args:
        cuenta: The account before it.
        cantidad: Signed change of the position.
        precio_orden: Price at which the order would fill.
        mark: Mark price, at which margin is measured.
        mercado: Gives the taker fee.
        apalancamiento: Leverage.
    """
    return equity_alcanza(
        equity_de(cuenta, mark), cuenta.cantidad, cantidad, precio_orden, mark, mercado, apalancamiento
    )


def equity_alcanza(
    equity: float,
    actual: float,
    cantidad: float,
    precio_orden: float,
    mark: float,
    mercado: Mercado,
    apalancamiento: float,
) -> bool:
    """`margen_alcanza` on plain numbers; ``equity`` is the account's at ``mark``."""
    margen = abs(actual + cantidad) * mark / apalancamiento
    cantidad, tasa = abs(cantidad), mercado.comision_taker
    if abs(equity - margen - cantidad * precio_orden * tasa) > _REDONDEO_MAXIMO:
        return equity - margen > cantidad * precio_orden * tasa
    return equity - margen - producto(cantidad, precio_orden, tasa) >= 0.0
