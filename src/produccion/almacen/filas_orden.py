"""The life of an order in the journal becomes its row in ``orders``."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from src.produccion.almacen.alimentador import Titular
from src.produccion.almacen.escritura import poner
from src.produccion.almacen.esquema import order_events, orders
from src.produccion.almacen.lectura_diario import Apunte
from src.produccion.almacen.tipos_sql import fila_exacta

_CAMBIO = update(orders).where(
    orders.c.account_id == bindparam("de_cuenta"), orders.c.client_order_id == bindparam("de_orden")
)
_SUCESO = insert(order_events).from_select(
    [columna.name for columna in orders.c],
    select(orders).where(
        orders.c.account_id == bindparam("de_cuenta"), orders.c.client_order_id == bindparam("de_orden")
    ),
)
_PREFIJO_AGREGADO, _PREFIJO_TIPO = "order:", "ORDER_"


def escribir_orden(conexion: Connection, titular: Titular, diario: str, apunte: Apunte) -> None:
    """Write one step of an order, and number it; its first one makes the row."""
    id_cliente = apunte.agregado.removeprefix(_PREFIJO_AGREGADO)
    rastro = {"journal": diario, "seq": apunte.seq, "updated_at_ms": apunte.instante_ms}
    estado = apunte.tipo.removeprefix(_PREFIJO_TIPO)
    cual = {"de_cuenta": titular.account_id, "de_orden": id_cliente}
    if estado == "INTENT":
        _empezar(conexion, titular, id_cliente, apunte, rastro)
    else:
        cambios = fila_exacta(orders, {"status": estado} | _cambios(apunte.contenido) | rastro)
        conexion.execute(_CAMBIO, cambios | cual)
    conexion.execute(_SUCESO, cual)


def _empezar(
    conexion: Connection, titular: Titular, id_cliente: str, apunte: Apunte, rastro: dict[str, Any]
) -> None:
    contenido = apunte.contenido
    # The same decision has the same client id: one that was dropped before it was sent begins again.
    valores = {
        **titular._asdict(),
        "client_order_id": id_cliente,
        "symbol": contenido["symbol"],
        "side": contenido["side"],
        "token": contenido["token"],
        "status": "INTENT",
        "quantity": contenido["quantity"],
        "reduce_only": contenido["reduce_only"],
        "executed_quantity": 0,
        "created_at_ms": apunte.instante_ms,
        **rastro,
    }
    poner(conexion, orders, valores)


def _cambios(contenido: dict[str, Any]) -> dict[str, Any]:
    nombres = {
        "attempt": "attempts",
        "order_id": "exchange_order_id",
        "executed": "executed_quantity",
        "average_price": "average_price",
        "reason": "reason",
        "code": "code",
    }
    return {nombres[clave]: valor for clave, valor in contenido.items() if clave in nombres}
