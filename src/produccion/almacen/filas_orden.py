"""The life of an order in the journal becomes its row in ``orders``."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, update
from sqlalchemy.dialects import postgresql, sqlite

from src.produccion.almacen.alimentador import Titular
from src.produccion.almacen.esquema import orders
from src.produccion.almacen.lectura_diario import Apunte
from src.produccion.almacen.tipos_sql import fila_exacta

_PREFIJO_AGREGADO, _PREFIJO_TIPO = "order:", "ORDER_"


def escribir_orden(conexion: Connection, titular: Titular, diario: str, apunte: Apunte) -> None:
    """Write one step of an order; its first one makes the row."""
    id_cliente = apunte.agregado.removeprefix(_PREFIJO_AGREGADO)
    rastro = {"journal": diario, "seq": apunte.seq, "updated_at_ms": apunte.instante_ms}
    estado = apunte.tipo.removeprefix(_PREFIJO_TIPO)
    if estado == "INTENT":
        _empezar(conexion, titular, id_cliente, apunte, rastro)
        return
    cambios = fila_exacta(orders, {"status": estado} | _cambios(apunte.contenido) | rastro)
    suya = (orders.c.account_id == titular.account_id) & (orders.c.client_order_id == id_cliente)
    conexion.execute(update(orders).where(suya).values(cambios))


def _empezar(
    conexion: Connection, titular: Titular, id_cliente: str, apunte: Apunte, rastro: dict[str, Any]
) -> None:
    contenido = apunte.contenido
    valores = fila_exacta(
        orders,
        {
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
        },
    )
    insertar = postgresql.insert if conexion.dialect.name == "postgresql" else sqlite.insert
    # The same decision has the same client id: one that was dropped before it was sent begins again.
    clave = ["account_id", "client_order_id"]
    conexion.execute(
        insertar(orders).values(valores).on_conflict_do_update(index_elements=clave, set_=valores)
    )


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
