"""Money arithmetic in float64 that lands on the same eight decimals as exact decimal arithmetic.

A float product is wrong in its last bits, which matters only when the exact value lies next to a
rounding boundary. Away from one the float answer is certain; next to one the value is computed
again exactly, in Decimal, from the numbers the floats print as.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from math import ceil, floor, isfinite

from src.nucleo.tipos import EscalaPrecio

_UNIDADES = 1e8
_UNIDADES_ENTERAS = 10**8
_UNIDADES_2 = _UNIDADES_ENTERAS**2
_MEDIA = _UNIDADES_2 // 2
_ENTERO_MAXIMO = 2.0**51
_CUANTO = Decimal("1e-8")
_EXACTO = Context(prec=60, rounding=ROUND_HALF_EVEN)
_ERROR_RELATIVO = 2.0**-49  # of a product of a few floats, with room to spare
_DUDA_TICK = 1e-6
"""A price this close to a tick, in ticks, is on it: more than a few float operations can be wrong."""

_AL_ENTERO = 1.5 * 2.0**52
"""Added and taken away again, it leaves the nearest integer (half to even) of a float below 2**51."""


def redondear(monto: float) -> float:
    """Round an amount to 8 decimals, half to even, as the exchange posts it."""
    escalado = monto * _UNIDADES
    if -_ENTERO_MAXIMO < escalado < _ENTERO_MAXIMO:
        return (escalado + _AL_ENTERO - _AL_ENTERO) / _UNIDADES
    return round(escalado) / _UNIDADES


def producto(cantidad: float, precio: float, fraccion: float = 1.0) -> float:
    """``cantidad · precio · fraccion`` rounded to 8 decimals exactly as decimal arithmetic does."""
    escalado = cantidad * precio * fraccion * _UNIDADES
    entero = escalado + _AL_ENTERO - _AL_ENTERO
    if abs(escalado - entero) < 0.5 - abs(escalado) * _ERROR_RELATIVO:
        return entero / _UNIDADES
    return _producto_exacto(cantidad, precio, fraccion)


def _producto_exacto(cantidad: float, precio: float, fraccion: float) -> float:
    """`producto` next to a tie: in whole hundred-millionths when the factors are such, else in Decimal."""
    a = cantidad * _UNIDADES + _AL_ENTERO - _AL_ENTERO
    b = precio * _UNIDADES + _AL_ENTERO - _AL_ENTERO
    c = fraccion * _UNIDADES + _AL_ENTERO - _AL_ENTERO
    if (
        (-_ENTERO_MAXIMO < a < _ENTERO_MAXIMO and a / _UNIDADES == cantidad)
        and (-_ENTERO_MAXIMO < b < _ENTERO_MAXIMO and b / _UNIDADES == precio)
        and (-_ENTERO_MAXIMO < c < _ENTERO_MAXIMO and c / _UNIDADES == fraccion)
    ):
        cociente, resto = divmod(int(a) * int(b) * int(c), _UNIDADES_2)
        if resto > _MEDIA or (resto == _MEDIA and cociente % 2):
            cociente += 1
        return cociente / _UNIDADES_ENTERAS
    return _a_float(_EXACTO.multiply(_EXACTO.multiply(_d(cantidad), _d(precio)), _d(fraccion)))


def ganancia(cantidad: float, precio_entrada: float, precio_salida: float) -> float:
    """Profit of ``cantidad`` (signed, > 0 long) from entry to exit, rounded to 8 decimals exactly."""
    escalado = cantidad * (precio_salida - precio_entrada) * _UNIDADES
    duda = abs(cantidad) * (precio_salida + precio_entrada) * _UNIDADES * _ERROR_RELATIVO
    entero = escalado + _AL_ENTERO - _AL_ENTERO
    if abs(escalado - entero) < 0.5 - duda:
        return entero / _UNIDADES
    return _a_float(_EXACTO.multiply(_d(cantidad), _EXACTO.subtract(_d(precio_salida), _d(precio_entrada))))


def promedio(cantidad_0: float, precio_0: float, cantidad_1: float, precio_1: float) -> float:
    """Quantity-weighted mean of two prices, rounded to 8 decimals exactly; quantities share a sign."""
    escalado = (cantidad_0 * precio_0 + cantidad_1 * precio_1) / (cantidad_0 + cantidad_1) * _UNIDADES
    entero = escalado + _AL_ENTERO - _AL_ENTERO
    if abs(escalado - entero) < 0.5 - escalado * _ERROR_RELATIVO:
        return entero / _UNIDADES
    q0, q1 = _d(cantidad_0), _d(cantidad_1)
    costo = _EXACTO.add(_EXACTO.multiply(q0, _d(precio_0)), _EXACTO.multiply(q1, _d(precio_1)))
    return _a_float(_EXACTO.divide(costo, _EXACTO.add(q0, q1)))


def suma(*cantidades: float) -> float:
    """The sum of quantities as decimal arithmetic has it: no dust of their binary forms, no rounding."""
    total = Decimal(0)
    for cantidad in cantidades:
        total = _EXACTO.add(total, _d(cantidad))
    return float(total)


def al_paso(cantidad: float, escala: tuple[int, int]) -> float:
    """The multiple of a step nearest to ``cantidad``: cleans the sum of two multiples."""
    numerador, denominador = escala
    pasos = cantidad * denominador / numerador
    if -_ENTERO_MAXIMO < pasos < _ENTERO_MAXIMO:
        return (pasos + _AL_ENTERO - _AL_ENTERO) * numerador / denominador
    return round(pasos) * numerador / denominador


def pasos_enteros(cantidad: float, escala: tuple[int, int]) -> int:
    """How many whole steps fit into a non-negative ``cantidad``, exactly."""
    numerador, denominador = escala
    pasos = cantidad * denominador / numerador
    enteros = int(pasos)
    duda = pasos * _ERROR_RELATIVO
    if duda < pasos - enteros < 1.0 - duda:
        return enteros
    cercano = round(pasos)
    exactos = _EXACTO.divide(_EXACTO.multiply(_d(cantidad), Decimal(denominador)), Decimal(numerador))
    return cercano if exactos >= cercano else cercano - 1


def precio_desplazado(precio: float, fraccion: float, escala: tuple[int, int], *, compra: bool) -> float:
    """``precio`` worsened by ``fraccion`` and rounded to the tick against whoever trades at it."""
    exacto = _EXACTO.multiply(_d(precio), Decimal(1) + (_d(fraccion) if compra else -_d(fraccion)))
    return precio_en_tick(exacto, escala, hacia_arriba=compra)


def precio_en_tick(precio: Decimal, escala: tuple[int, int], *, hacia_arriba: bool) -> float:
    """Round a price to the tick, up or down."""
    numerador, denominador = escala
    pasos = _EXACTO.divide(_EXACTO.multiply(precio, Decimal(denominador)), Decimal(numerador))
    entero = int(pasos)
    if hacia_arriba and entero < pasos:
        entero += 1
    return entero * numerador / denominador


def al_tick(precio: float, escala: EscalaPrecio, *, hacia_arriba: bool) -> float | None:
    """Round a computed price to the tick, up or down, and bring it within the price filter.

    Returns:
        ``None`` when no positive price is left.
    """
    if precio <= 0.0:
        return None
    numerador, denominador, minimo, maximo = escala
    pasos = precio * denominador / numerador
    enteros = ceil(pasos - _DUDA_TICK) if hacia_arriba else floor(pasos + _DUDA_TICK)
    return min(max(enteros * numerador / denominador, minimo), maximo) if enteros > 0 else None


def al_tick_si_cabe(precio: float, escala: EscalaPrecio, *, hacia_arriba: bool) -> float | None:
    """`al_tick` of a price that somebody gave; one outside the price filter is ``None`` and not moved."""
    if not (isfinite(precio) and escala.minimo <= precio <= escala.maximo):
        return None
    return al_tick(precio, escala, hacia_arriba=hacia_arriba)


def _d(valor: float) -> Decimal:
    return Decimal(repr(float(valor)))


def _a_float(monto: Decimal) -> float:
    return float(monto.quantize(_CUANTO, context=_EXACTO))
