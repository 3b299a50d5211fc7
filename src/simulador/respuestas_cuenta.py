"""REST payloads of an account: balances, positions, settings."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from src.simulador.contrato import Contrato
from src.simulador.cuenta import Cuenta, Marcas, PosicionSimbolo
from src.simulador.libro import Libro
from src.simulador.margen import MargenSimbolo, Resumen, precio_liquidacion, resumir
from src.simulador.numeros import CERO, EXACTO, redondear, texto, texto_corto

Cuerpo = dict[str, Any]


def _t(monto: Decimal) -> str:
    return format(redondear(monto), "f")


def _activo(cuenta: Cuenta, r: Resumen, ahora_ms: int) -> Cuerpo:
    no_realizado, inicial, ordenes = _t(r.no_realizado), _t(r.inicial), _t(r.ordenes)
    disponible = _t(r.disponible)
    return {
        "asset": cuenta.activo,
        "walletBalance": _t(r.saldo),
        "unrealizedProfit": no_realizado,
        "marginBalance": _t(r.saldo + r.no_realizado),
        "maintMargin": _t(r.mantenimiento),
        "initialMargin": _t(r.inicial + r.ordenes),
        "positionInitialMargin": inicial,
        "openOrderInitialMargin": ordenes,
        "crossWalletBalance": _t(r.saldo_cruzado),
        "crossUnPnl": _t(r.no_realizado_cruzado),
        "availableBalance": disponible,
        "maxWithdrawAmount": disponible,
        "marginAvailable": True,
        "updateTime": ahora_ms,
    }


def _totales(activo: Cuerpo) -> Cuerpo:
    """An account's totals; with one margin asset they are that asset's."""
    return {
        "totalInitialMargin": activo["initialMargin"],
        "totalMaintMargin": activo["maintMargin"],
        "totalWalletBalance": activo["walletBalance"],
        "totalUnrealizedProfit": activo["unrealizedProfit"],
        "totalMarginBalance": activo["marginBalance"],
        "totalPositionInitialMargin": activo["positionInitialMargin"],
        "totalOpenOrderInitialMargin": activo["openOrderInitialMargin"],
        "totalCrossWalletBalance": activo["crossWalletBalance"],
        "totalCrossUnPnl": activo["crossUnPnl"],
        "availableBalance": activo["availableBalance"],
        "maxWithdrawAmount": activo["maxWithdrawAmount"],
    }


def cuenta_v2(cuenta: Cuenta, libro: Libro, marcas: Marcas, ahora_ms: int) -> Cuerpo:
    """``v2/account``: every simulated symbol is listed."""
    resumen = resumir(cuenta, marcas, libro.abiertas.values())
    activo = _activo(cuenta, resumen, ahora_ms)
    return {
        "feeTier": 0,
        "feeBurn": False,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "updateTime": 0,
        "multiAssetsMargin": cuenta.multiactivo,
        "tradeGroupId": -1,
        **_totales(activo),
        "assets": [activo],
        "positions": [
            _posicion_v2(posicion, resumen.simbolos[simbolo])
            for simbolo, posicion in cuenta.posiciones.items()
        ],
    }


def _posicion_v2(posicion: PosicionSimbolo, medida: MargenSimbolo) -> Cuerpo:
    return {
        "symbol": posicion.contrato.simbolo,
        "initialMargin": _t(medida.total),
        "maintMargin": _t(medida.mantenimiento),
        "unrealizedProfit": _t(medida.no_realizado),
        "positionInitialMargin": _t(medida.inicial),
        "openOrderInitialMargin": _t(medida.ordenes),
        "leverage": str(posicion.apalancamiento),
        "isolated": posicion.aislada,
        "entryPrice": texto(posicion.entrada),
        "breakEvenPrice": texto(posicion.entrada),
        "maxNotional": texto_corto(posicion.contrato.nocional_max(posicion.apalancamiento)),
        "bidNotional": texto_corto(medida.compras),
        "askNotional": texto_corto(medida.ventas),
        "positionSide": "BOTH",
        "positionAmt": texto(posicion.cantidad),
        "isolatedWallet": texto(posicion.cartera_aislada),
        "updateTime": posicion.actualizada_ms,
    }


def _tiene_algo(posicion: PosicionSimbolo, medida: MargenSimbolo, libro: Libro) -> bool:
    """Whether version 3 lists the symbol: a position or open orders."""
    if posicion.cantidad or medida.compras or medida.ventas:
        return True
    return any(orden.simbolo == posicion.contrato.simbolo for orden in libro.abiertas.values())


def cuenta_v3(cuenta: Cuenta, libro: Libro, marcas: Marcas, ahora_ms: int) -> Cuerpo:
    """``v3/account``: only symbols with a position or orders are listed."""
    resumen = resumir(cuenta, marcas, libro.abiertas.values())
    activo = _activo(cuenta, resumen, ahora_ms)
    posiciones = []
    for simbolo, posicion in cuenta.posiciones.items():
        medida = resumen.simbolos[simbolo]
        if _tiene_algo(posicion, medida, libro):
            posiciones.append(_posicion_v3(posicion, medida, marcas[simbolo]))
    del activo["marginAvailable"]
    return {**_totales(activo), "assets": [activo], "positions": posiciones}


def _posicion_v3(posicion: PosicionSimbolo, medida: MargenSimbolo, mark: Decimal) -> Cuerpo:
    aislado = posicion.cartera_aislada + medida.no_realizado if posicion.aislada else CERO
    return {
        "symbol": posicion.contrato.simbolo,
        "positionSide": "BOTH",
        "positionAmt": texto(posicion.cantidad),
        "unrealizedProfit": _t(medida.no_realizado),
        "isolatedMargin": _t(aislado),
        "notional": _t(EXACTO.multiply(posicion.cantidad, mark)),
        "isolatedWallet": texto(posicion.cartera_aislada),
        "initialMargin": _t(medida.total),
        "maintMargin": _t(medida.mantenimiento),
        "updateTime": posicion.actualizada_ms,
    }


def saldos(cuenta: Cuenta, libro: Libro, marcas: Marcas, ahora_ms: int) -> list[Cuerpo]:
    """``v2/balance`` and ``v3/balance``."""
    r = resumir(cuenta, marcas, libro.abiertas.values())
    return [
        {
            "accountAlias": cuenta.clave,
            "asset": cuenta.activo,
            "balance": _t(r.saldo),
            "crossWalletBalance": _t(r.saldo_cruzado),
            "crossUnPnl": _t(r.no_realizado_cruzado),
            "availableBalance": _t(r.disponible),
            "maxWithdrawAmount": _t(r.disponible),
            "marginAvailable": True,
            "updateTime": ahora_ms,
        }
    ]


def _riesgo_comun(cuenta: Cuenta, posicion: PosicionSimbolo, medida: MargenSimbolo, marcas: Marcas) -> Cuerpo:
    mark = marcas[posicion.contrato.simbolo]
    liquidacion = precio_liquidacion(cuenta, posicion, marcas)
    aislado = posicion.cartera_aislada + medida.no_realizado if posicion.aislada else CERO
    return {
        "symbol": posicion.contrato.simbolo,
        "positionAmt": texto(posicion.cantidad),
        "entryPrice": texto(posicion.entrada),
        "breakEvenPrice": texto(posicion.entrada),
        "markPrice": texto(mark),
        "unRealizedProfit": _t(medida.no_realizado),
        "liquidationPrice": "0" if liquidacion is None else _t(liquidacion),
        "isolatedMargin": _t(aislado),
        "notional": _t(EXACTO.multiply(posicion.cantidad, mark)),
        "isolatedWallet": texto(posicion.cartera_aislada),
        "positionSide": "BOTH",
        "updateTime": posicion.actualizada_ms,
    }


def riesgo_v2(cuenta: Cuenta, libro: Libro, marcas: Marcas, simbolo: str | None) -> list[Cuerpo]:
    """``v2/positionRisk``: every simulated symbol, with leverage and margin type."""
    resumen = resumir(cuenta, marcas, libro.abiertas.values())
    return [
        {
            **_riesgo_comun(cuenta, posicion, resumen.simbolos[nombre], marcas),
            "leverage": str(posicion.apalancamiento),
            "maxNotionalValue": texto_corto(posicion.contrato.nocional_max(posicion.apalancamiento)),
            "marginType": "isolated" if posicion.aislada else "cross",
            "isAutoAddMargin": "false",
        }
        for nombre, posicion in cuenta.posiciones.items()
        if simbolo in (None, nombre)
    ]


def riesgo_v3(cuenta: Cuenta, libro: Libro, marcas: Marcas, simbolo: str | None) -> list[Cuerpo]:
    """``v3/positionRisk``: only symbols with a position or orders."""
    resumen = resumir(cuenta, marcas, libro.abiertas.values())
    filas = []
    for nombre, posicion in cuenta.posiciones.items():
        medida = resumen.simbolos[nombre]
        if simbolo in (None, nombre) and _tiene_algo(posicion, medida, libro):
            filas.append(
                {
                    **_riesgo_comun(cuenta, posicion, medida, marcas),
                    "marginAsset": cuenta.activo,
                    "initialMargin": _t(medida.total),
                    "maintMargin": _t(medida.mantenimiento),
                    "positionInitialMargin": _t(medida.inicial),
                    "openOrderInitialMargin": _t(medida.ordenes),
                    "adl": 1,
                    "bidNotional": texto_corto(medida.compras),
                    "askNotional": texto_corto(medida.ventas),
                }
            )
    return filas


def configuracion_simbolo(posicion: PosicionSimbolo) -> Cuerpo:
    """A row of ``symbolConfig``."""
    return {
        "symbol": posicion.contrato.simbolo,
        "marginType": posicion.tipo_margen.value,
        "isAutoAddMargin": False,
        "leverage": posicion.apalancamiento,
        "maxNotionalValue": texto_corto(posicion.contrato.nocional_max(posicion.apalancamiento)),
    }


def tramos(contrato: Contrato) -> Cuerpo:
    """A row of ``leverageBracket``: numbers, not texts."""
    return {
        "symbol": contrato.simbolo,
        "notionalCoef": 1.0,
        "brackets": [
            {
                "bracket": i,
                "initialLeverage": tramo.apalancamiento,
                "notionalCap": int(tramo.techo),
                "notionalFloor": int(tramo.piso),
                "maintMarginRatio": float(tramo.tasa),
                "cum": float(tramo.deduccion),
            }
            for i, tramo in enumerate(contrato.tramos, start=1)
        ],
    }
