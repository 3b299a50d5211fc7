"""Partial fills: the trades that a MARKET order is split into."""

from __future__ import annotations

from decimal import Decimal

from src.simulador.fallas.falla import Falla
from src.simulador.numeros import decimal_de
from src.simulador.ordenes import Orden


def partes(falla: Falla, orden: Orden, paso: Decimal) -> list[Decimal]:
    """Quantities of the trades, in the symbol's steps; less than the order when not all of it fills."""
    llena = orden.restante * decimal_de(falla.numero("filled")) // paso * paso
    trozo = llena / falla.entero("pieces") // paso * paso
    trozos = [trozo] * (falla.entero("pieces") - 1)
    return [cantidad for cantidad in (*trozos, llena - sum(trozos)) if cantidad]
