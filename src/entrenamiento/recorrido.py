"""What the market does to an account while a candle forms: stop, liquidation, drawdown, funding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from src.nucleo.camino import Punto
from src.nucleo.cartera import (
    CuentaPlana,
    abonar_funding,
    aplanar,
    aplicar_compraventa,
    cuenta_de,
    debe_liquidarse,
    equity_de,
    equity_en,
    liquidar,
)
from src.nucleo.contabilidad import Movimiento
from src.nucleo.dinero import precio_desplazado
from src.nucleo.ordenes import trocear
from src.nucleo.registro import StatusFila
from src.nucleo.riesgo import EstadoRiesgo, vigilar_drawdown, vigilar_extremos
from src.nucleo.stops import cruzado
from src.nucleo.tipos import Ejecucion, EstadoCuenta, Mercado


class Incidencia(NamedTuple):
    """A fill that the agent did not decide, between two closed candles."""

    status: StatusFila
    instante_ms: int
    precio: float  # fill price of a stop or a liquidation, mark of an emergency
    movimiento: Movimiento
    riesgo: EstadoRiesgo


class Recorrido(NamedTuple):
    """The account and the drawdown monitor after one candle."""

    cuenta: EstadoCuenta
    riesgo: EstadoRiesgo
    incidencias: tuple[Incidencia, ...]
    funding: float  # margin asset, > 0 received
    emergencia: bool  # the drawdown limit was exceeded for long enough; the position was closed


class Travesia(NamedTuple):
    """A candle as the account lives through it."""

    puntos: Sequence[Punto]
    apertura_ms: int
    duracion_ms: int
    tasa_funding: float | None  # settled at its close; None when it is no funding time


def atravesar(
    cuenta: EstadoCuenta,
    riesgo: EstadoRiesgo,
    travesia: Travesia,
    mercado: Mercado,
    limite_drawdown: float,
    slippage: float,
    nivel: float | None = None,
) -> Recorrido:
    """Walk a candle point by point.

    At each point the exchange looks at the resident stop and at liquidation, and settles funding at the
    close; then the drawdown monitor looks at the equity, and a confirmed breach closes the position at that
    very point. Where the stop would be filled, the maintenance must still be covered: otherwise liquidation
    came first.

    Args:
        cuenta: The account after the decision at the previous close.
        riesgo: The drawdown monitor.
        travesia: The candle.
        mercado: Brackets, filters and fees.
        limite_drawdown: Fraction of the peak.
        slippage: Fraction of the price, against the account, of a market order that nobody decided.
        nivel: Trigger of the resident stop; ``None`` without one.
    """
    incidencias: list[Incidencia] = []
    funding, anterior = 0.0, travesia.puntos[0].precio
    for precio, fraccion, salto in travesia.puntos:
        instante_ms = travesia.apertura_ms + int(fraccion * travesia.duracion_ms)
        disparo = None if nivel is None else _disparo(nivel, cuenta, precio, mercado, salto=salto)
        if disparo is not None:
            cuenta, incidencia = cerrar_por_proteccion(
                cuenta,
                (-cuenta.cantidad,),  # the exchange closes with one order, whatever its size
                disparo,
                instante_ms,
                riesgo,
                mercado,
                slippage,
            )
            incidencias.append(incidencia)
        elif debe_liquidarse(cuenta, precio, mercado.tramos):
            cuenta, incidencia = _liquidacion(
                cuenta, precio if salto else anterior, precio, instante_ms, riesgo, mercado
            )
            incidencias.append(incidencia)
        vigilancia = vigilar_drawdown(riesgo, equity_de(cuenta, precio), instante_ms, limite_drawdown)
        riesgo, confirmado = vigilancia.estado, vigilancia.confirmado
        if fraccion == 1.0 and travesia.tasa_funding is not None:
            vencimiento = Vencimiento(precio, travesia.tasa_funding, instante_ms)
            numeros, riesgo, funding = liquidar_funding(aplanar(cuenta), riesgo, vencimiento, limite_drawdown)
            cuenta = cuenta_de(*numeros)
        if confirmado:
            cuenta, cierre = _emergencia(cuenta, precio, instante_ms, riesgo, mercado, slippage)
            return Recorrido(cuenta, riesgo, (*incidencias, *cierre), funding, True)
        anterior = precio
    return Recorrido(cuenta, riesgo, tuple(incidencias), funding, False)


class Vencimiento(NamedTuple):
    """A funding time."""

    mark: float
    tasa: float
    instante_ms: int


def liquidar_funding(
    cuenta: CuentaPlana, riesgo: EstadoRiesgo, vencimiento: Vencimiento, limite_drawdown: float
) -> tuple[CuentaPlana, EstadoRiesgo, float]:
    """Settle funding and show the drawdown monitor what is left; also returns the amount.

    The monitor already looked at this instant, so a breach that begins here waits for the next one.
    """
    mark, tasa, instante_ms = vencimiento
    saldo, cantidad, entrada = cuenta
    if cantidad == 0.0:
        return cuenta, riesgo, 0.0
    saldo, monto = abonar_funding(saldo, cantidad, mark, tasa)
    equity = equity_en(saldo, cantidad, entrada, mark)
    despues = vigilar_extremos(riesgo, equity, equity, limite_drawdown)
    if despues is None:
        despues = vigilar_drawdown(riesgo, equity, instante_ms, limite_drawdown).estado
    return (saldo, cantidad, entrada), despues, monto


def _liquidacion(
    cuenta: EstadoCuenta,
    anterior: float,
    mark: float,
    instante_ms: int,
    riesgo: EstadoRiesgo,
    mercado: Mercado,
) -> tuple[EstadoCuenta, Incidencia]:
    despues, ejecucion, cubierto = liquidar(cuenta, anterior, mark, mercado)
    movimiento = Movimiento(cuenta, despues, (ejecucion,), cubierto)
    return despues, Incidencia(StatusFila.LIQUIDACION, instante_ms, ejecucion.precio, movimiento, riesgo)


def _disparo(
    nivel: float, cuenta: EstadoCuenta, precio: float, mercado: Mercado, *, salto: bool
) -> float | None:
    """Price at which the stop is triggered: on the way its own, after a jump that of the point."""
    if cuenta.posicion is None or not cruzado(nivel, cuenta.cantidad, precio):
        return None
    disparo = precio if salto else nivel
    return None if debe_liquidarse(cuenta, disparo, mercado.tramos) else disparo


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


def _emergencia(
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
