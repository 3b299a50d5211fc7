"""A symbol's market as an exchange publishes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from src.datos.mercados import COMISION_MAKER, COMISION_TAKER, mercado_por_defecto
from src.nucleo.errores import BolsaIncompatible, LecturaFallida
from src.nucleo.intervalos import HORA_MS
from src.nucleo.tipos import Filtros, Mercado, Tramo

_FUNDING_HORAS = 8


def mercado_de_bolsa(
    simbolo: str,
    info: Mapping[str, Any],
    funding: Iterable[Mapping[str, Any]],
    tramos: Any = None,
    comision: Mapping[str, Any] | None = None,
) -> Mercado:
    """Build a `Mercado` from the exchange's answers.

    Args:
        simbolo: For example ``BTCUSDT``.
        info: ``exchangeInfo``.
        funding: ``fundingInfo``; symbols it does not list settle every 8 hours.
        tramos: ``leverageBracket``; without it (it needs keys) the default table.
        comision: ``commissionRate``; without it the usual rates.
    Raises:
        BolsaIncompatible: The exchange does not list the symbol, or not as a market that can be traded here.
        LecturaFallida: An answer lacks what the documentation promises.
    """
    fila = _buscar(info["symbols"], simbolo)
    if fila is None:
        raise BolsaIncompatible(
            f"symbol '{simbolo}' is not listed by this exchange; write it as Binance does, like BTCUSDT"
        )
    ajuste = _buscar(funding, simbolo)
    tasas = comision or {"takerCommissionRate": COMISION_TAKER, "makerCommissionRate": COMISION_MAKER}
    try:
        return Mercado(
            simbolo=simbolo,
            activo_margen=str(fila["marginAsset"]),
            filtros=leer_filtros(fila["filters"]),
            tramos=mercado_por_defecto(simbolo).tramos if tramos is None else leer_tramos(tramos, simbolo),
            comision_taker=float(tasas["takerCommissionRate"]),
            comision_maker=float(tasas["makerCommissionRate"]),
            comision_liquidacion=float(fila["liquidationFee"]),
            intervalo_funding_ms=int(ajuste["fundingIntervalHours"] if ajuste else _FUNDING_HORAS) * HORA_MS,
        )
    except (KeyError, TypeError, ValueError, InvalidOperation) as fallo:
        raise LecturaFallida(f"what the exchange says of {simbolo} cannot be read: {fallo!r}") from fallo


def leer_filtros(filas: Iterable[Mapping[str, Any]]) -> Filtros:
    """The ``filters`` of one symbol of ``exchangeInfo``."""
    por_tipo = {fila["filterType"]: fila for fila in filas}
    precio = por_tipo["PRICE_FILTER"]
    lote, mercado, banda = por_tipo["LOT_SIZE"], por_tipo["MARKET_LOT_SIZE"], por_tipo["PERCENT_PRICE"]
    return Filtros(
        tick=Decimal(precio["tickSize"]),
        paso=Decimal(lote["stepSize"]),
        cantidad_min=Decimal(lote["minQty"]),
        cantidad_max=Decimal(lote["maxQty"]),
        paso_mercado=Decimal(mercado["stepSize"]),
        cantidad_min_mercado=Decimal(mercado["minQty"]),
        cantidad_max_mercado=Decimal(mercado["maxQty"]),
        nocional_min=Decimal(por_tipo["MIN_NOTIONAL"]["notional"]),
        multiplicador_arriba=Decimal(banda["multiplierUp"]),
        multiplicador_abajo=Decimal(banda["multiplierDown"]),
        ordenes_max=int(por_tipo["MAX_NUM_ORDERS"]["limit"]),
        precio_min=Decimal(precio["minPrice"]),
        precio_max=Decimal(precio["maxPrice"]),
    )


def leer_tramos(crudo: Any, simbolo: str) -> tuple[Tramo, ...]:
    """``leverageBracket``, ascending by notional; the exchange answers a list or a single object.

    Raises:
        LecturaFallida: It has no brackets of the symbol.
    """
    fila = _buscar(crudo if isinstance(crudo, list) else [crudo], simbolo)
    if fila is None:
        raise LecturaFallida(f"leverageBracket has no row for {simbolo}")
    return tuple(
        Tramo(
            nocional_max=float(tramo["notionalCap"]),
            apalancamiento_max=int(tramo["initialLeverage"]),
            tasa_mantenimiento=float(tramo["maintMarginRatio"]),
            deduccion=float(tramo["cum"]),
        )
        for tramo in sorted(fila["brackets"], key=lambda tramo: float(tramo["notionalCap"]))
    )


def _buscar(filas: Iterable[Mapping[str, Any]], simbolo: str) -> Mapping[str, Any] | None:
    return next((fila for fila in filas if fila.get("symbol") == simbolo), None)
