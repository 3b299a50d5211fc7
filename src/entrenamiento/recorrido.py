"""What the market does to an account while a candle forms: stop, target, liquidation, drawdown, funding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from src.entrenamiento.datos_entorno import PreciosFila
from src.entrenamiento.salidas import (
    Incidencia,
    buscar_disparo,
    cerrar_por_emergencia,
    cerrar_por_liquidacion,
    cerrar_por_proteccion,
)
from src.nucleo.camino import Punto, camino_intravela
from src.nucleo.cartera import (
    CuentaPlana,
    abonar_funding,
    aplanar,
    cuenta_de,
    debe_liquidarse,
    equity_de,
    equity_en,
)
from src.nucleo.proteccion import SIN_PROTECCION, EstadoProteccion, ReglaProteccion, al_mark
from src.nucleo.riesgo import EstadoRiesgo, vigilar_drawdown, vigilar_extremos
from src.nucleo.tipos import Camino, EstadoCuenta, Mercado, Vela


class Recorrido(NamedTuple):
    """The account, the drawdown monitor and what protects the position after one candle."""

    cuenta: EstadoCuenta
    riesgo: EstadoRiesgo
    proteccion: EstadoProteccion
    incidencias: tuple[Incidencia, ...]
    funding: float  # margin asset, > 0 received
    emergencia: bool  # the drawdown limit was exceeded for long enough; the position was closed


class Travesia(NamedTuple):
    """A candle as the account lives through it."""

    puntos: Sequence[Punto]
    apertura_ms: int
    duracion_ms: int
    tasa_funding: float | None  # settled at its close; None when it is no funding time


def travesia_de(vela: Vela, camino: Camino, fila: PreciosFila) -> Travesia:
    """How the account lives through a row's candle."""
    duracion_ms = fila.cierre_ms - vela.apertura_ms
    return Travesia(camino_intravela(vela, camino), vela.apertura_ms, duracion_ms, fila.tasa_funding)


OyenteFreno = Callable[[EstadoProteccion, EstadoProteccion, float, int], None]
"""Told of each move of a brake: what protected before and after it, the mark, and its market time."""


class Terreno(NamedTuple):
    """What an account lives through every candle with."""

    mercado: Mercado  # brackets, filters and fees
    slippage: float  # fraction of the price, against the account, of a market order that nobody decided
    regla: ReglaProteccion
    oyente: OyenteFreno | None = None

    def seguir(self, proteccion: EstadoProteccion, mark: float, instante_ms: int) -> EstadoProteccion:
        """Move the brake by a mark that triggered nothing, and tell who listens."""
        movida = al_mark(proteccion, mark, instante_ms, self.regla, self.mercado)
        if self.oyente is not None and movida is not proteccion:
            self.oyente(proteccion, movida, mark, instante_ms)
        return movida


def atravesar(
    cuenta: EstadoCuenta,
    riesgo: EstadoRiesgo,
    travesia: Travesia,
    terreno: Terreno,
    proteccion: EstadoProteccion = SIN_PROTECCION,
) -> Recorrido:
    """Walk a candle point by point.

    At each point the exchange looks at stop and target and at liquidation, and settles funding at the close;
    then the drawdown monitor looks at the equity, and a confirmed breach closes the position at that very
    point. Last of all the brake moves, which counts from the next point on; at the close it waits for the
    decision.

    Args:
        cuenta: The account after the decision at the previous close.
        riesgo: The drawdown monitor.
        travesia: The candle.
        terreno: Market, slippage and rules.
        proteccion: What protects the position.
    """
    mercado, slippage, regla, _ = terreno
    incidencias: list[Incidencia] = []
    funding, anterior = 0.0, travesia.puntos[0].precio
    for punto in travesia.puntos:
        precio, fraccion, _ = punto
        instante_ms = travesia.apertura_ms + int(fraccion * travesia.duracion_ms)
        cuenta, salida = _salir(cuenta, riesgo, punto, anterior, instante_ms, terreno, proteccion)
        incidencias += salida
        vigilancia = vigilar_drawdown(riesgo, equity_de(cuenta, precio), instante_ms, regla.limite)
        riesgo, confirmado = vigilancia.estado, vigilancia.confirmado
        if fraccion == 1.0 and travesia.tasa_funding is not None:
            vencimiento = Vencimiento(precio, travesia.tasa_funding, instante_ms)
            numeros, riesgo, funding = liquidar_funding(aplanar(cuenta), riesgo, vencimiento, regla.limite)
            cuenta = cuenta_de(*numeros)
        if confirmado:
            cuenta, cierre = cerrar_por_emergencia(cuenta, precio, instante_ms, riesgo, mercado, slippage)
            return Recorrido(cuenta, riesgo, SIN_PROTECCION, (*incidencias, *cierre), funding, True)
        if cuenta.posicion is None:
            proteccion = SIN_PROTECCION
        elif fraccion < 1.0:
            proteccion = terreno.seguir(proteccion, precio, instante_ms)
        anterior = precio
    return Recorrido(cuenta, riesgo, proteccion, tuple(incidencias), funding, False)


def _salir(
    cuenta: EstadoCuenta,
    riesgo: EstadoRiesgo,
    punto: Punto,
    anterior: float,
    instante_ms: int,
    terreno: Terreno,
    proteccion: EstadoProteccion,
) -> tuple[EstadoCuenta, tuple[Incidencia, ...]]:
    """What the exchange closes on the way from the price before to a point."""
    precio, _, salto = punto
    mercado, slippage, _, _ = terreno
    disparo = buscar_disparo(proteccion, cuenta, precio, mercado, salto=salto)
    if disparo is not None:
        cuenta, incidencia = cerrar_por_proteccion(
            cuenta, disparo.cantidades, disparo.precio, instante_ms, riesgo, mercado, slippage
        )
        return cuenta, (incidencia,)
    if debe_liquidarse(cuenta, precio, mercado.tramos):
        cuenta, incidencia = cerrar_por_liquidacion(
            cuenta, precio if salto else anterior, precio, instante_ms, riesgo, mercado
        )
        return cuenta, (incidencia,)
    return cuenta, ()


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
