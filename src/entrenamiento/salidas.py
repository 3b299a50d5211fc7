"""Exits that the agent did not decide: a stop or a target is filled, a position is liquidated or given up."""

from __future__ import annotations

from typing import NamedTuple

from src.nucleo.cartera import aplicar_compraventa, debe_liquidarse, liquidar
from src.nucleo.contabilidad import Movimiento
from src.nucleo.dinero import precio_desplazado
from src.nucleo.ordenes import trocear
from src.nucleo.proteccion import EstadoProteccion, alcanzado, gatillo, objetivo
from src.nucleo.registro import StatusFila
from src.nucleo.riesgo import EstadoRiesgo
from src.nucleo.stops import cruzado
from src.nucleo.tipos import Ejecucion, EstadoCuenta, Mercado


class Incidencia(NamedTuple):
    """A fill that the agent did not decide, between two closed candles."""

    status: StatusFila
    instante_ms: int
    precio: float  # fill price of a stop, a target or a liquidation, mark of an emergency
    movimiento: Movimiento
    riesgo: EstadoRiesgo


class Disparo(NamedTuple):
    """A stop or a target that the market has reached."""

    precio: float  # mark at which its market order leaves
    cantidades: tuple[float, ...]  # signed


def buscar_disparo(
    proteccion: EstadoProteccion, cuenta: EstadoCuenta, precio: float, mercado: Mercado, *, salto: bool
) -> Disparo | None:
    """What is triggered on the way to a price: at its own price on the way, at the new one after a jump.

    Between two points the price moves one way, so that only a stop or only a target can be met; where it
    jumps the stop is looked at first. Where the maintenance is no longer covered liquidation came first.
    """
    cantidad = cuenta.cantidad
    if cantidad == 0.0:
        return None
    stop, meta = gatillo(proteccion, cantidad), objetivo(proteccion)
    if stop is not None and cruzado(stop, cantidad, precio):
        tocado = stop
    elif meta is not None and alcanzado(meta, cantidad, precio):
        tocado = meta
    else:
        return None
    disparo = precio if salto else tocado
    if debe_liquidarse(cuenta, disparo, mercado.tramos):
        return None
    # What closes the whole position is one order, whatever its size; what names a quantity obeys the lot.
    entera = tocado == proteccion.nivel
    return Disparo(disparo, (-cantidad,) if entera else trocear(-cantidad, mercado.filtros))


def cerrar_por_proteccion(
    cuenta: EstadoCuenta,
    cantidades: tuple[float, ...],
    precio: float,
    instante_ms: int,
    riesgo: EstadoRiesgo,
    mercado: Mercado,
    slippage: float,
) -> tuple[EstadoCuenta, Incidencia]:
    """Close an open position with these signed quantities, at a price worsened by slippage."""
    salida = precio_desplazado(precio, slippage, mercado.filtros.escala_tick, compra=cuenta.cantidad < 0.0)
    despues, ejecuciones = ejecutar(cuenta, cantidades, salida, mercado)
    movimiento = Movimiento(cuenta, despues, ejecuciones)
    return despues, Incidencia(StatusFila.PROTECCION, instante_ms, salida, movimiento, riesgo)


def cerrar_por_liquidacion(
    cuenta: EstadoCuenta,
    anterior: float,
    mark: float,
    instante_ms: int,
    riesgo: EstadoRiesgo,
    mercado: Mercado,
) -> tuple[EstadoCuenta, Incidencia]:
    """The exchange takes a position over, somewhere between two prices."""
    despues, ejecucion, cubierto = liquidar(cuenta, anterior, mark, mercado)
    movimiento = Movimiento(cuenta, despues, (ejecucion,), cubierto)
    return despues, Incidencia(StatusFila.LIQUIDACION, instante_ms, ejecucion.precio, movimiento, riesgo)


def cerrar_por_emergencia(
    cuenta: EstadoCuenta,
    mark: float,
    instante_ms: int,
    riesgo: EstadoRiesgo,
    mercado: Mercado,
    slippage: float,
) -> tuple[EstadoCuenta, tuple[Incidencia, ...]]:
    """Close the whole position at market; an account without one has nothing to close."""
    if cuenta.posicion is None:
        return cuenta, ()
    compra = cuenta.cantidad < 0
    precio = precio_desplazado(mark, slippage, mercado.filtros.escala_tick, compra=compra)
    despues, ejecuciones = ejecutar(cuenta, trocear(-cuenta.cantidad, mercado.filtros), precio, mercado)
    movimiento = Movimiento(cuenta, despues, ejecuciones)
    return despues, (Incidencia(StatusFila.EMERGENCIA, instante_ms, mark, movimiento, riesgo),)


def ejecutar(
    cuenta: EstadoCuenta, cantidades: tuple[float, ...], precio: float, mercado: Mercado
) -> tuple[EstadoCuenta, tuple[Ejecucion, ...]]:
    """Fill market orders one after another at one price, taker fee on each."""
    ejecuciones: tuple[Ejecucion, ...] = ()
    for cantidad in cantidades:
        cuenta, ejecucion = aplicar_compraventa(
            cuenta, cantidad, precio, mercado.comision_taker, mercado.filtros
        )
        ejecuciones = (*ejecuciones, ejecucion)
    return cuenta, ejecuciones
