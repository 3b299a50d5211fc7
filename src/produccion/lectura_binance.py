"""Binance's JSON to the project's types: dicts die here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from src.nucleo.errores import BolsaIncompatible, LecturaFallida
from src.nucleo.intervalos import HORA_MS
from src.nucleo.tipos import EstadoCuenta, Filtros, Mercado, Posicion, TipoMargen, Tramo, Vela
from src.produccion.puertos import (
    ClaseIngreso,
    CuentaBolsa,
    EstadoOrden,
    InfoSimbolo,
    Ingreso,
    RespuestaOrden,
    Transaccion,
)

_FUNDING_POR_DEFECTO_H = 8


def leer_vela(fila: Sequence[Any]) -> Vela:
    """One row of ``klines``."""
    return Vela(int(fila[0]), float(fila[1]), float(fila[2]), float(fila[3]), float(fila[4]), float(fila[5]))


def leer_cuenta(crudo: Mapping[str, Any], simbolo: str, activo: str) -> CuentaBolsa:
    """``v2/account``: one atomic snapshot with wallet, entry price, leverage and margin type."""
    fondos = _buscar(crudo["assets"], "asset", activo)
    fila = _buscar(crudo["positions"], "symbol", simbolo)
    if fondos is None or fila is None:
        raise LecturaFallida(f"the account answer has no row for {activo if fondos is None else simbolo}")
    cantidad = float(fila["positionAmt"])
    posicion = Posicion(cantidad, float(fila["entryPrice"])) if cantidad != 0 else None
    return CuentaBolsa(
        EstadoCuenta(float(fondos["walletBalance"]), posicion),
        float(fondos["availableBalance"]),
        int(fila["leverage"]),
        bool(fila["isolated"]),
    )


def leer_orden(crudo: Mapping[str, Any]) -> RespuestaOrden:
    """An order as POST, GET or DELETE answers it; ``avgPrice`` is optional."""
    precio = float(crudo.get("avgPrice") or 0.0)
    return RespuestaOrden(
        str(crudo["clientOrderId"]),
        int(crudo["orderId"]),
        EstadoOrden(crudo["status"]),
        float(crudo["executedQty"]),
        precio if precio > 0 else None,
    )


def leer_transaccion(crudo: Mapping[str, Any]) -> Transaccion:
    """One row of ``userTrades``."""
    signo = 1.0 if crudo["side"] == "BUY" else -1.0
    return Transaccion(
        int(crudo["id"]),
        int(crudo["orderId"]),
        signo * float(crudo["qty"]),
        float(crudo["price"]),
        float(crudo["commission"]),
        float(crudo["realizedPnl"]),
        int(crudo["time"]),
    )


def leer_ingreso(crudo: Mapping[str, Any]) -> Ingreso:
    """One row of ``income``."""
    nombre = str(crudo["incomeType"])
    clase = ClaseIngreso(nombre) if nombre in set(ClaseIngreso) else ClaseIngreso.OTRO
    return Ingreso(clase, float(crudo["income"]), int(crudo["time"]))


def leer_tramos(crudo: Any, simbolo: str) -> tuple[Tramo, ...]:
    """``leverageBracket``: a list when asked for all symbols, one object or a list of one otherwise."""
    filas = crudo if isinstance(crudo, list) else [crudo]
    fila = _buscar(filas, "symbol", simbolo)
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


def leer_simbolo(
    info: Mapping[str, Any],
    simbolo: str,
    tramos: Any,
    comision: Mapping[str, Any],
    funding: Iterable[Mapping[str, Any]],
) -> InfoSimbolo:
    """Everything published about a symbol, as a `Mercado`."""
    fila = _buscar(info["symbols"], "symbol", simbolo)
    if fila is None:
        raise BolsaIncompatible(f"symbol {simbolo!r} is not listed by this exchange")
    ajuste = _buscar(funding, "symbol", simbolo)
    horas = int(ajuste["fundingIntervalHours"]) if ajuste is not None else _FUNDING_POR_DEFECTO_H
    mercado = Mercado(
        simbolo=simbolo,
        activo_margen=str(fila["marginAsset"]),
        filtros=_leer_filtros(fila["filters"]),
        tramos=leer_tramos(tramos, simbolo),
        comision_taker=float(comision["takerCommissionRate"]),
        comision_maker=float(comision["makerCommissionRate"]),
        comision_liquidacion=float(fila["liquidationFee"]),
        intervalo_funding_ms=horas * HORA_MS,
        tipo_margen=TipoMargen.CROSSED,
    )
    return InfoSimbolo(mercado=mercado, estado=str(fila["status"]))


def _leer_filtros(filas: Iterable[Mapping[str, Any]]) -> Filtros:
    por_tipo = {fila["filterType"]: fila for fila in filas}
    lote, mercado = por_tipo["LOT_SIZE"], por_tipo["MARKET_LOT_SIZE"]
    return Filtros(
        tick=Decimal(por_tipo["PRICE_FILTER"]["tickSize"]),
        paso=Decimal(lote["stepSize"]),
        cantidad_min=Decimal(lote["minQty"]),
        cantidad_max=Decimal(lote["maxQty"]),
        paso_mercado=Decimal(mercado["stepSize"]),
        cantidad_min_mercado=Decimal(mercado["minQty"]),
        cantidad_max_mercado=Decimal(mercado["maxQty"]),
        nocional_min=Decimal(por_tipo["MIN_NOTIONAL"]["notional"]),
        multiplicador_arriba=Decimal(por_tipo["PERCENT_PRICE"]["multiplierUp"]),
        multiplicador_abajo=Decimal(por_tipo["PERCENT_PRICE"]["multiplierDown"]),
        ordenes_max=int(por_tipo["MAX_NUM_ORDERS"]["limit"]),
    )


def _buscar(filas: Iterable[Mapping[str, Any]], clave: str, valor: str) -> Mapping[str, Any] | None:
    return next((fila for fila in filas if fila.get(clave) == valor), None)
