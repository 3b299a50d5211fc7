"""Margin of an account at given mark prices: initial, maintenance, available, liquidation."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from src.simulador.cuenta import Cuenta, Marcas, PosicionSimbolo
from src.simulador.numeros import CERO, EXACTO
from src.simulador.ordenes import Orden


class MargenSimbolo(NamedTuple):
    """Margin of one symbol at its mark price, not rounded."""

    no_realizado: Decimal
    inicial: Decimal  # of the position
    ordenes: Decimal  # of the resting orders beyond the position's
    mantenimiento: Decimal
    compras: Decimal  # notional of resting purchases
    ventas: Decimal  # notional of resting sales

    @property
    def total(self) -> Decimal:
        """Initial margin of position and orders."""
        return self.inicial + self.ordenes


def margen_simbolo(posicion: PosicionSimbolo, mark: Decimal, abiertas: Iterable[Orden]) -> MargenSimbolo:
    """Measure one symbol; ``abiertas`` may hold orders of other symbols."""
    compras = ventas = CERO
    simbolo = posicion.contrato.simbolo
    for orden in abiertas:
        if orden.simbolo != simbolo or orden.solo_reduce:
            continue
        if orden.signo > 0:
            compras += orden.restante * orden.precio
        else:
            ventas += orden.restante * orden.precio
    if not posicion.cantidad and not compras and not ventas:
        return _VACIO
    palanca = Decimal(posicion.apalancamiento)
    nocional = EXACTO.multiply(posicion.cantidad, mark)
    inicial = EXACTO.divide(abs(nocional), palanca)
    ordenes = CERO
    if compras or ventas:
        exposicion = max(abs(nocional + compras), abs(nocional - ventas))
        ordenes = max(CERO, EXACTO.divide(exposicion, palanca) - inicial)
    return MargenSimbolo(
        posicion.no_realizado(mark), inicial, ordenes, posicion.mantenimiento(mark), compras, ventas
    )


_VACIO = MargenSimbolo(CERO, CERO, CERO, CERO, CERO, CERO)


class Resumen(NamedTuple):
    """An account measured at the mark prices, not rounded."""

    simbolos: dict[str, MargenSimbolo]
    saldo: Decimal
    saldo_cruzado: Decimal
    no_realizado: Decimal
    no_realizado_cruzado: Decimal
    inicial: Decimal
    ordenes: Decimal
    mantenimiento: Decimal
    mantenimiento_cruzado: Decimal
    disponible_con_signo: Decimal  # negative when margin is short

    @property
    def disponible(self) -> Decimal:
        """Balance that new orders may use, >= 0."""
        return max(CERO, self.disponible_con_signo)


def resumir(cuenta: Cuenta, marcas: Marcas, abiertas: Iterable[Orden]) -> Resumen:
    """Measure a whole account."""
    simbolos = {}
    no_realizado = cruzado = inicial = ordenes = mantenimiento = mant_cruzado = usado = CERO
    for simbolo, posicion in cuenta.posiciones.items():
        medida = margen_simbolo(posicion, marcas[simbolo], abiertas)
        simbolos[simbolo] = medida
        if medida is _VACIO:
            continue
        no_realizado += medida.no_realizado
        inicial += medida.inicial
        ordenes += medida.ordenes
        mantenimiento += medida.mantenimiento
        usado += medida.ordenes
        if not posicion.aislada:
            cruzado += medida.no_realizado
            usado += medida.inicial
            mant_cruzado += medida.mantenimiento
    saldo_cruzado = cuenta.saldo_cruzado()
    return Resumen(
        simbolos,
        cuenta.saldo,
        saldo_cruzado,
        no_realizado,
        cruzado,
        inicial,
        ordenes,
        mantenimiento,
        mant_cruzado,
        saldo_cruzado + cruzado - usado,
    )


def debe_liquidarse(cuenta: Cuenta, posicion: PosicionSimbolo, marcas: Marcas) -> bool:
    """Whether the margin behind an open position no longer exceeds its maintenance."""
    if posicion.aislada:
        mark = marcas[posicion.contrato.simbolo]
        return posicion.cartera_aislada + posicion.no_realizado(mark) <= posicion.mantenimiento(mark)
    balance, mantenimiento = cuenta.saldo_cruzado(), CERO
    for otra in cuenta.cruzadas():
        mark = marcas[otra.contrato.simbolo]
        balance += otra.no_realizado(mark)
        mantenimiento += otra.mantenimiento(mark)
    return balance <= mantenimiento


def precio_liquidacion(cuenta: Cuenta, posicion: PosicionSimbolo, marcas: Marcas) -> Decimal | None:
    """Price at which margin meets maintenance, within the bracket at the mark price.

    ``None`` when flat, or when no positive price would liquidate the position.
    """
    if not posicion.cantidad:
        return None
    respaldo = posicion.cartera_aislada if posicion.aislada else _respaldo_cruzado(cuenta, posicion, marcas)
    lado = 1 if posicion.cantidad > 0 else -1
    cantidad = abs(posicion.cantidad)
    tramo = posicion.contrato.tramo_de(posicion.nocional(marcas[posicion.contrato.simbolo]))
    numerador = respaldo + tramo.deduccion - lado * EXACTO.multiply(cantidad, posicion.entrada)
    precio = EXACTO.divide(numerador, EXACTO.multiply(cantidad, tramo.tasa - lado))
    return precio if precio > 0 else None


def _respaldo_cruzado(cuenta: Cuenta, posicion: PosicionSimbolo, marcas: Marcas) -> Decimal:
    """Cross wallet with the other cross positions held at their marks."""
    respaldo = cuenta.saldo_cruzado()
    for otra in cuenta.cruzadas():
        if otra is not posicion:
            mark = marcas[otra.contrato.simbolo]
            respaldo += otra.no_realizado(mark) - otra.mantenimiento(mark)
    return respaldo
