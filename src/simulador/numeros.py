"""Exact decimal arithmetic of the exchange, and its text on the wire."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

EXACTO = Context(prec=60, rounding=ROUND_HALF_EVEN)
CUANTO = Decimal("1e-8")
CERO = Decimal(0)
UNO = Decimal(1)


def decimal_de(valor: float) -> Decimal:
    """The decimal number that a float prints as."""
    return Decimal(repr(float(valor)))


def redondear(monto: Decimal) -> Decimal:
    """An amount as the exchange posts it: 8 decimals, half to even."""
    return monto.quantize(CUANTO, ROUND_HALF_EVEN, EXACTO)


def producto(cantidad: Decimal, precio: Decimal, fraccion: Decimal = UNO) -> Decimal:
    """``cantidad · precio · fraccion``, posted."""
    return redondear(EXACTO.multiply(EXACTO.multiply(cantidad, precio), fraccion))


def ganancia(cantidad: Decimal, entrada: Decimal, salida: Decimal) -> Decimal:
    """Profit of a signed quantity from entry to exit, posted."""
    return redondear(EXACTO.multiply(cantidad, EXACTO.subtract(salida, entrada)))


def promedio(cantidad_0: Decimal, precio_0: Decimal, cantidad_1: Decimal, precio_1: Decimal) -> Decimal:
    """Quantity-weighted mean of two prices with 8 decimals; the quantities share a sign."""
    costo = EXACTO.add(EXACTO.multiply(cantidad_0, precio_0), EXACTO.multiply(cantidad_1, precio_1))
    return redondear(EXACTO.divide(costo, EXACTO.add(cantidad_0, cantidad_1)))


def al_tick(precio: Decimal, tick: Decimal, *, hacia_arriba: bool) -> Decimal:
    """A price rounded to its tick, up or down."""
    modo = ROUND_CEILING if hacia_arriba else ROUND_FLOOR
    return EXACTO.divide(precio, tick).to_integral_value(modo) * tick


def decimales(numero: Decimal) -> int:
    """How many decimals a finite number is written with."""
    exponente = numero.as_tuple().exponent
    if not isinstance(exponente, int):
        raise ValueError(f"{numero} is not a finite number")
    return max(0, -exponente)


def texto(numero: Decimal) -> str:
    """A number on the wire: plain digits, never an exponent."""
    return format(numero, "f")


def texto_corto(numero: Decimal) -> str:
    """A number on the wire without the zeros that say nothing."""
    escrito = format(numero, "f")
    if "." in escrito:
        escrito = escrito.rstrip("0").rstrip(".")
    return "0" if escrito in {"-0", ""} else escrito


def texto_de_float(valor: float, decimales_minimos: int = 0) -> str:
    """Digits that read back as exactly the same float."""
    escrito = f"{valor:.{decimales_minimos}f}"
    if float(escrito) == valor:
        return escrito
    return format(Decimal(repr(valor)), "f")
