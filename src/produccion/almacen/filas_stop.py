"""The life of a stop or target in the journal becomes its row in ``stop_orders``."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, update

from src.nucleo.stops import TipoStop
from src.produccion.almacen.alimentador import Titular
from src.produccion.almacen.escritura import poner
from src.produccion.almacen.esquema import stop_orders
from src.produccion.almacen.lectura_diario import Apunte
from src.produccion.almacen.tipos_sql import fila_exacta

_CAMBIO = update(stop_orders).where(
    stop_orders.c.account_id == bindparam("de_cuenta"), stop_orders.c.client_order_id == bindparam("de_stop")
)
_PREFIJO = "stop:"
_ESTADOS = {
    "STOP_INTENT": "INTENT",
    "STOP_PLACED": "ACCEPTED",
    "STOP_TRIGGERED": "TRIGGERED",
    "STOP_CANCELED": "CANCELED",
    "STOP_REJECTED": "REJECTED",
    "STOP_EXPIRED": "EXPIRED",
}
TIPOS = tuple(_ESTADOS)
"""Types of the records that this is about."""

_NOMBRES = {"order_id": "exchange_order_id", "reason": "reason", "code": "code"}


def escribir_stop(conexion: Connection, titular: Titular, diario: str, apunte: Apunte) -> None:
    """Write one step; the first one makes the row, which of a stop that was found is its placement."""
    id_cliente, contenido = apunte.agregado.removeprefix(_PREFIJO), apunte.contenido
    rastro = {"journal": diario, "seq": apunte.seq, "updated_at_ms": apunte.instante_ms}
    valores: dict[str, Any] = {"status": _ESTADOS[apunte.tipo], **rastro}
    if "trigger" in contenido:
        propios = {
            **titular._asdict(),
            "client_order_id": id_cliente,
            "side": contenido["side"],
            "type": contenido.get("type", TipoStop.STOP_MARKET.value),  # early journals know stops only
            "trigger_price": contenido["trigger"],
            "quantity": contenido["quantity"],
            "created_at_ms": apunte.instante_ms,
        }
        poner(conexion, stop_orders, propios | valores)
        return
    dichos = {_NOMBRES[clave]: valor for clave, valor in contenido.items() if clave in _NOMBRES}
    cambios = fila_exacta(stop_orders, valores | dichos)
    conexion.execute(_CAMBIO, cambios | {"de_cuenta": titular.account_id, "de_stop": id_cliente})
