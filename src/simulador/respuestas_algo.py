"""REST payloads of conditional orders."""

from __future__ import annotations

from typing import Any

from src.simulador.algos import Algo, TipoAlgo
from src.simulador.numeros import texto, texto_corto

Cuerpo = dict[str, Any]


def colocado(algo: Algo) -> Cuerpo:
    """Answer to a placed order, and what every other answer contains."""
    arrastra = algo.tipo is TipoAlgo.TRAILING_STOP_MARKET
    return {
        "algoId": algo.id,
        "clientAlgoId": algo.id_cliente,
        "algoType": "CONDITIONAL",
        "orderType": algo.tipo.value,
        "symbol": algo.simbolo,
        "side": algo.lado.value,
        "positionSide": "BOTH",
        "timeInForce": algo.vigencia.value,
        "quantity": texto(algo.cantidad),
        "algoStatus": algo.estado.value,
        "triggerPrice": texto(algo.gatillo),
        "price": texto(algo.precio),
        "icebergQuantity": None,
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": algo.tipo_precio.value,
        "priceMatch": "NONE",
        "closePosition": algo.cierra_posicion,
        "priceProtect": algo.protege_precio,
        "reduceOnly": algo.solo_reduce,
        "activatePrice": texto(algo.activacion) if arrastra else "",
        "callbackRate": texto_corto(algo.retroceso) if arrastra else "",
        "createTime": algo.creado_ms,
        "updateTime": algo.actualizado_ms,
        "triggerTime": algo.disparado_ms,
        "goodTillDate": algo.vence_ms,
    }


def consultado(algo: Algo) -> Cuerpo:
    """A queried order: what became of it as well."""
    hija = algo.hija
    return {
        **colocado(algo),
        "actualOrderId": str(hija.id) if hija else "",
        "actualPrice": texto(hija.precio_medio) if hija else "0",
        "actualType": hija.tipo.value if hija else "",
        "actualQty": texto(hija.ejecutada) if hija else "0",
        "tpTriggerPrice": "0",
        "tpPrice": "0",
        "slTriggerPrice": "0",
        "slPrice": "0",
        "tpOrderType": "",
    }


def cancelado(algo: Algo) -> Cuerpo:
    """Answer to a cancellation; its code is a text."""
    return {"algoId": algo.id, "clientAlgoId": algo.id_cliente, "code": "200", "msg": "success"}
