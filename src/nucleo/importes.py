"""Amounts as people and programs read them: exact, rounded half up, as text; what an open position is worth.

A figure that is not known is ``None``, before and after rounding.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import NamedTuple

_CENTAVOS = 2
_UNIDADES = 8
_GRANDE = Decimal(100)
"""A price from here on is told in cents; a smaller one with as many decimals as it has."""

_EXACTO = Context(prec=80, rounding=ROUND_HALF_UP)
_PASOS = tuple(Decimal(1).scaleb(-decimales) for decimales in range(_UNIDADES + 1))


def dolares(monto: Decimal | None) -> str | None:
    """An amount of the quote or margin asset: 2 decimals."""
    return _texto(monto, _CENTAVOS)


def cantidad(unidades: Decimal | None) -> str | None:
    """A quantity of the base asset: 8 decimals."""
    return _texto(unidades, _UNIDADES)


def porcentaje(por_ciento: Decimal | None) -> str | None:
    """A percentage: 2 decimals."""
    return _texto(por_ciento, _CENTAVOS)


def precio(valor: Decimal | None) -> str | None:
    """A price: 2 decimals; below 100 as many as it has, 2 to 8, since its tick is finer."""
    if valor is None or abs(valor) >= _GRANDE:
        return _texto(valor, _CENTAVOS)
    exacto = _redondo(valor, _UNIDADES).normalize(_EXACTO)
    exponente = exacto.as_tuple().exponent
    assert isinstance(exponente, int)
    return _texto(exacto, max(_CENTAVOS, -exponente))


class Abierta(NamedTuple):
    """An open position; quantity unsigned."""

    larga: bool
    cantidad: Decimal
    entrada: Decimal

    def precio_de_salida(self, bid: Decimal | None, ask: Decimal | None) -> Decimal | None:
        """What closing would fetch: a long sells at the bid, a short buys at the ask."""
        return bid if self.larga else ask

    def pnl(self, actual: Decimal | None) -> Decimal | None:
        """Unrealised profit: long ``(current − entry)·quantity``, short reversed."""
        if actual is None:
            return None
        diferencia = _EXACTO.subtract(actual, self.entrada)
        return _EXACTO.multiply(diferencia if self.larga else -diferencia, self.cantidad)

    def pnl_porcentaje(self, actual: Decimal | None) -> Decimal | None:
        """Unrealised profit in percent of ``entry·quantity``."""
        pnl, costo = self.pnl(actual), _EXACTO.multiply(self.entrada, self.cantidad)
        return None if pnl is None or not costo else _EXACTO.divide(100 * pnl, costo)

    def valor(self, actual: Decimal | None) -> Decimal | None:
        """What it is worth at a price, unsigned."""
        return None if actual is None else _EXACTO.multiply(actual, self.cantidad)


def distancia_porcentaje(nivel: Decimal | None, actual: Decimal | None) -> Decimal | None:
    """How far a level lies from the price, in percent of the price: negative below it."""
    if nivel is None or actual is None or not actual:
        return None
    return _EXACTO.divide(100 * _EXACTO.subtract(nivel, actual), actual)


def cociente_porcentaje(parte: Decimal | None, todo: Decimal | None) -> Decimal | None:
    """A part in percent of the whole; ``None`` when there is no whole."""
    return None if parte is None or todo is None or not todo else _EXACTO.divide(100 * parte, todo)


def _redondo(valor: Decimal, decimales: int) -> Decimal:
    return valor.quantize(_PASOS[decimales], context=_EXACTO)


def _texto(valor: Decimal | None, decimales: int) -> str | None:
    if valor is None or not valor.is_finite():
        return None
    redondo = _redondo(valor, decimales)
    return format(redondo if redondo else abs(redondo), "f")
