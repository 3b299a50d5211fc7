"""Routes that place, query and cancel orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import orjson

from src.simulador import respuestas
from src.simulador.fallos_api import ErrorApi
from src.simulador.ordenes import Orden, TipoOrden, Vigencia
from src.simulador.peticion import Parametros
from src.simulador.reglas import leer_pedido
from src.simulador.rutas import Privada, Tabla, con_simbolo, fijo
from src.simulador.simulacion import Simulacion
from src.simulador.titular import Titular

T = TypeVar("T")
LOTE_COLOCAR = 5
LOTE_CANCELAR = 10


def _colocar(s: Simulacion, t: Titular, p: Parametros) -> Any:
    plaza = s.plaza(p.texto("symbol"))
    pedido = leer_pedido(p, plaza.contrato, t.cuenta.modo_cobertura)
    orden = s.motor.colocar(t, pedido, s.reloj.ahora_ms())
    al_instante = orden.tipo is TipoOrden.MARKET or orden.vigencia is not Vigencia.GTC
    return respuestas.acuse(orden, resultado=pedido.responde_resultado and al_instante)


def _colocar_varias(s: Simulacion, t: Titular, p: Parametros) -> Any:
    pedidos = _lista(p, "batchOrders")
    if not 1 <= len(pedidos) <= LOTE_COLOCAR:
        raise ErrorApi(-4082, limite=LOTE_COLOCAR)
    contestadas = []
    for crudo in pedidos:
        if not isinstance(crudo, dict):
            raise ErrorApi(-1130, nombre="batchOrders")
        valores = {str(nombre): _a_texto(valor) for nombre, valor in crudo.items()}
        try:
            contestadas.append(_colocar(s, t, Parametros(valores)))
        except ErrorApi as fallo:
            contestadas.append(fallo.cuerpo())
    return contestadas


def _cuantas(p: Parametros) -> int:
    return len(_lista(p, "batchOrders"))


def _consultar(s: Simulacion, t: Titular, p: Parametros) -> Any:
    orden = t.libro.buscar(*_referencia(s, p))
    if orden is None or orden.simbolo != p.texto("symbol"):
        raise ErrorApi(-2013)
    return respuestas.consultada(orden)


def _consultar_abierta(s: Simulacion, t: Titular, p: Parametros) -> Any:
    orden = t.libro.abierta(*_referencia(s, p))
    if orden is None or orden.simbolo != p.texto("symbol"):
        raise ErrorApi(-2013)
    return respuestas.consultada(orden)


def _cancelar(s: Simulacion, t: Titular, p: Parametros) -> Any:
    orden_id, id_cliente = _referencia(s, p)
    return respuestas.cancelada(_cancelar_una(s, t, p.texto("symbol"), orden_id, id_cliente))


def _cancelar_una(
    s: Simulacion, t: Titular, simbolo: str, orden_id: int | None, id_cliente: str | None
) -> Orden:
    orden = t.libro.abierta(orden_id, id_cliente)
    if orden is None or orden.simbolo != simbolo:
        raise ErrorApi(-2011)
    s.motor.cancelar(t, orden, s.reloj.ahora_ms())
    return orden


def _cancelar_varias(s: Simulacion, t: Titular, p: Parametros) -> Any:
    simbolo = s.plaza(p.texto("symbol")).simbolo
    referencias: list[tuple[int | None, str | None]] = []
    if p.tiene("orderIdList"):
        referencias = [(_entero(valor), None) for valor in _lista(p, "orderIdList")]
    elif p.tiene("origClientOrderIdList"):
        referencias = [(None, str(valor)) for valor in _lista(p, "origClientOrderIdList")]
    else:
        raise ErrorApi(-1102, nombre="orderIdList")
    if not 1 <= len(referencias) <= LOTE_CANCELAR:
        raise ErrorApi(-4083, limite=LOTE_CANCELAR)
    contestadas = []
    for orden_id, id_cliente in referencias:
        try:
            contestadas.append(respuestas.cancelada(_cancelar_una(s, t, simbolo, orden_id, id_cliente)))
        except ErrorApi as fallo:
            contestadas.append(fallo.cuerpo())
    return contestadas


def _cancelar_todas(s: Simulacion, t: Titular, p: Parametros) -> Any:
    s.motor.cancelar_todas(t, s.plaza(p.texto("symbol")).simbolo, s.reloj.ahora_ms())
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def _abiertas(s: Simulacion, t: Titular, p: Parametros) -> Any:
    simbolo = s.plaza(p.texto("symbol")).simbolo if p.tiene("symbol") else None
    return [
        respuestas.consultada(orden)
        for orden in t.libro.abiertas.values()
        if simbolo in (None, orden.simbolo)
    ]


def _todas(s: Simulacion, t: Titular, p: Parametros) -> Any:
    simbolo = s.plaza(p.texto("symbol")).simbolo
    desde_id = p.entero_o("orderId", 0)
    desde, hasta = p.entero_o("startTime", 0), p.entero_o("endTime", 2**62)
    elegidas = [
        orden
        for orden in t.libro.todas()
        if orden.simbolo == simbolo and orden.id >= desde_id and desde <= orden.creada_ms <= hasta
    ]
    recortadas = _recortar(elegidas, p, 500, adelante=p.tiene("orderId") or p.tiene("startTime"))
    return [respuestas.consultada(orden) for orden in recortadas]


def _operadas(s: Simulacion, t: Titular, p: Parametros) -> Any:
    simbolo = s.plaza(p.texto("symbol")).simbolo
    desde_id, orden_id = p.entero_o("fromId", 0), p.entero_o_nada("orderId")
    desde, hasta = p.entero_o("startTime", 0), p.entero_o("endTime", 2**62)
    elegidas = [
        fila
        for fila in t.libro.operadas(orden_id, desde_id)
        if fila.simbolo == simbolo and desde <= fila.tiempo_ms <= hasta
    ]
    recortadas = _recortar(elegidas, p, 500, adelante=p.tiene("fromId") or p.tiene("startTime"))
    return [respuestas.operada(fila, t.cuenta.activo) for fila in recortadas]


def _cuenta_atras(s: Simulacion, t: Titular, p: Parametros) -> Any:
    simbolo = s.plaza(p.texto("symbol")).simbolo
    plazo_ms = p.entero("countdownTime")
    if plazo_ms > 0:
        t.cuentas_atras[simbolo] = s.reloj.ahora_ms() + plazo_ms
    else:
        t.cuentas_atras.pop(simbolo, None)
    return {"symbol": simbolo, "countdownTime": str(plazo_ms)}


def _referencia(s: Simulacion, p: Parametros) -> tuple[int | None, str | None]:
    """Order id or client id; one of them is mandatory."""
    s.plaza(p.texto("symbol"))
    orden_id = p.entero_o_nada("orderId")
    if orden_id is None and not p.tiene("origClientOrderId"):
        raise ErrorApi(-1102, nombre="orderId")
    return orden_id, p.texto_o("origClientOrderId", "")


def _recortar(filas: Sequence[T], p: Parametros, defecto: int, *, adelante: bool) -> Sequence[T]:
    """At most ``limit`` rows: the first ones when a start was given, else the newest."""
    limite = min(max(p.entero_o("limit", defecto), 1), 1000)
    return filas[:limite] if adelante else filas[-limite:]


def _lista(p: Parametros, nombre: str) -> list[Any]:
    try:
        valor = orjson.loads(p.texto(nombre))
    except orjson.JSONDecodeError:
        raise ErrorApi(-1130, nombre=nombre) from None
    if not isinstance(valor, list):
        raise ErrorApi(-1130, nombre=nombre)
    return valor


def _entero(valor: Any) -> int:
    if not isinstance(valor, int):
        raise ErrorApi(-1130, nombre="orderIdList")
    return valor


def _a_texto(valor: Any) -> str:
    return str(valor).lower() if isinstance(valor, bool) else str(valor)


RUTAS: Tabla = {
    ("POST", "/fapi/v1/order"): Privada(fijo(0), _colocar, ordenes=fijo(1)),
    ("GET", "/fapi/v1/order"): Privada(fijo(1), _consultar),
    ("DELETE", "/fapi/v1/order"): Privada(fijo(1), _cancelar),
    ("POST", "/fapi/v1/batchOrders"): Privada(fijo(5), _colocar_varias, ordenes=_cuantas),
    ("DELETE", "/fapi/v1/batchOrders"): Privada(fijo(1), _cancelar_varias),
    ("GET", "/fapi/v1/openOrder"): Privada(fijo(1), _consultar_abierta),
    ("GET", "/fapi/v1/openOrders"): Privada(con_simbolo(1, 40), _abiertas),
    ("GET", "/fapi/v1/allOrders"): Privada(fijo(5), _todas),
    ("DELETE", "/fapi/v1/allOpenOrders"): Privada(fijo(1), _cancelar_todas),
    ("GET", "/fapi/v1/userTrades"): Privada(fijo(5), _operadas),
    ("POST", "/fapi/v1/countdownCancelAll"): Privada(fijo(10), _cuenta_atras),
}
