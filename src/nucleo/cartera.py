"""The account's arithmetic: fills, fees, funding, margin and liquidation."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from src.nucleo.dinero import al_paso, ganancia, precio_en_tick, producto, promedio, redondear
from src.nucleo.tipos import Ejecucion, EstadoCuenta, Filtros, Mercado, Posicion, Tramo


def pnl_no_realizado(cuenta: EstadoCuenta, precio: float) -> float:
    """Open profit at a price, margin asset."""
    posicion = cuenta.posicion
    return 0.0 if posicion is None else posicion.cantidad * (precio - posicion.precio_entrada)


def equity_de(cuenta: EstadoCuenta, precio: float) -> float:
    """Wallet plus open profit at a price."""
    posicion = cuenta.posicion
    if posicion is None:
        return cuenta.saldo
    return cuenta.saldo + posicion.cantidad * (precio - posicion.precio_entrada)


def equities_de(cuenta: EstadoCuenta, precios: Iterable[float]) -> list[float]:
    """`equity_de` at several prices."""
    saldo, posicion = cuenta
    if posicion is None:
        return [saldo]
    cantidad, entrada = posicion.cantidad, posicion.precio_entrada
    return [saldo + cantidad * (precio - entrada) for precio in precios]


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
    comision = producto(abs(cantidad), precio, comision_fraccion)
    posicion = cuenta.posicion
    if posicion is None:
        nueva: Posicion | None = Posicion(cantidad, precio)
        realizado = 0.0
    elif (posicion.cantidad > 0) == (cantidad > 0):
        entrada = promedio(posicion.cantidad, posicion.precio_entrada, cantidad, precio)
        nueva = Posicion(al_paso(posicion.cantidad + cantidad, filtros.escala_lote), entrada)
        realizado = 0.0
    else:
        realizado = ganancia(-cantidad, posicion.precio_entrada, precio)
        resto = al_paso(posicion.cantidad + cantidad, filtros.escala_lote)
        if resto != 0.0 and (resto > 0) != (posicion.cantidad > 0):
            raise ValueError(f"a fill of {cantidad} crosses zero from {posicion!r}")
        nueva = Posicion(resto, posicion.precio_entrada) if resto != 0.0 else None
    saldo = redondear(cuenta.saldo + realizado - comision)
    return EstadoCuenta(saldo, nueva), Ejecucion(cantidad, precio, comision, realizado)


def cobrar_funding(cuenta: EstadoCuenta, mark: float, tasa: float) -> tuple[EstadoCuenta, float]:
    """Settle funding; the amount is > 0 when received. Longs pay when the rate is positive."""
    if cuenta.posicion is None:
        return cuenta, 0.0
    monto = -producto(cuenta.posicion.cantidad, mark, tasa)
    return cuenta._replace(saldo=redondear(cuenta.saldo + monto)), monto


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
    if cuenta.posicion is None:
        return False
    nocional = abs(cuenta.posicion.cantidad) * mark
    return equity_de(cuenta, mark) <= margen_mantenimiento(nocional, tramos)


def precio_liquidacion(cuenta: EstadoCuenta, mark: float, tramos: tuple[Tramo, ...]) -> float | None:
    """Price at which the margin balance meets the maintenance margin, within the bracket at ``mark``.

    ``None`` when flat, or when no positive price would liquidate the position.
    """
    posicion = cuenta.posicion
    if posicion is None:
        return None
    lado = 1.0 if posicion.cantidad > 0 else -1.0
    cantidad = abs(posicion.cantidad)
    tramo = tramo_de(cantidad * mark, tramos)
    precio = (cuenta.saldo + tramo.deduccion - lado * cantidad * posicion.precio_entrada) / (
        cantidad * (tramo.tasa_mantenimiento - lado)
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
    cuenta: EstadoCuenta, cantidad: float, precio_orden: float, mark: float, mercado: Mercado, apalancamiento: float
) -> bool:
    """Whether an order that increases the position leaves no negative available balance.

    Args:
        cantidad: Signed change of the position.
        precio_orden: Price at which the order would fill.
        mark: Mark price, at which margin is measured.
    """
    comision = producto(abs(cantidad), precio_orden, mercado.comision_taker)
    margen = abs(cuenta.cantidad + cantidad) * mark / apalancamiento
    return equity_de(cuenta, mark) - margen - comision >= 0.0
