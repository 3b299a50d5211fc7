"""REST payloads of orders, fills and postings."""

from __future__ import annotations

from typing import Any

from src.simulador.numeros import texto, texto_corto
from src.simulador.ordenes import EstadoOrden, Ingreso, Operada, Orden

Cuerpo = dict[str, Any]
CODIGO_BIEN: Cuerpo = {"code": 200, "msg": "success"}


def _base(orden: Orden) -> Cuerpo:
    origen = orden.origen
    return {
        "orderId": orden.id,
        "symbol": orden.simbolo,
        "status": orden.estado.value,
        "clientOrderId": orden.id_cliente,
        "price": texto(orden.precio),
        "origQty": texto(orden.cantidad),
        "executedQty": texto(orden.ejecutada),
        "timeInForce": orden.vigencia.value,
        "type": orden.tipo.value,
        "reduceOnly": orden.solo_reduce,
        "closePosition": origen.cierra_posicion if origen else False,
        "side": orden.lado.value,
        "positionSide": "BOTH",
        "stopPrice": texto(origen.gatillo) if origen else "0.00",
        "workingType": origen.tipo_precio if origen else "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": origen.tipo if origen else orden.tipo.value,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": orden.vence_ms,
        "updateTime": orden.actualizada_ms,
    }


def acuse(orden: Orden, *, resultado: bool) -> Cuerpo:
    """Answer to a placed order; an ACK always looks like an untouched order."""
    cuerpo = _base(orden)
    if resultado:
        cuerpo["cumQty"] = cuerpo["executedQty"]
        cuerpo["avgPrice"] = texto(orden.precio_medio)
        cuerpo["cumQuote"] = texto(orden.cotizada)
        return cuerpo
    cuerpo["status"] = EstadoOrden.NEW.value
    cuerpo["executedQty"] = cuerpo["cumQty"] = "0"
    return cuerpo


def cancelada(orden: Orden) -> Cuerpo:
    """Answer to a cancellation."""
    cuerpo = _base(orden)
    cuerpo["cumQty"] = cuerpo["executedQty"]
    return cuerpo


def consultada(orden: Orden) -> Cuerpo:
    """A queried order."""
    cuerpo = _base(orden)
    cuerpo["avgPrice"] = texto(orden.precio_medio)
    cuerpo["cumQuote"] = texto(orden.cotizada)
    cuerpo["time"] = orden.creada_ms
    return cuerpo


def operada(fila: Operada, activo: str) -> Cuerpo:
    """A row of ``userTrades``."""
    return {
        "buyer": fila.lado.value == "BUY",
        "commission": texto(fila.comision),
        "commissionAsset": activo,
        "id": fila.id,
        "maker": fila.maker,
        "orderId": fila.orden_id,
        "price": texto(fila.precio),
        "qty": texto(fila.cantidad),
        "quoteQty": texto(fila.cotizada),
        "realizedPnl": texto(fila.realizado),
        "side": fila.lado.value,
        "positionSide": "BOTH",
        "symbol": fila.simbolo,
        "time": fila.tiempo_ms,
    }


def ingreso(fila: Ingreso, activo: str) -> Cuerpo:
    """A row of ``income``."""
    return {
        "symbol": fila.simbolo,
        "incomeType": fila.tipo,
        "income": texto_corto(fila.monto),
        "asset": activo,
        "info": fila.tipo,
        "time": fila.tiempo_ms,
        "tranId": fila.id,
        "tradeId": str(fila.operada_id) if fila.operada_id else "",
    }
