"""Alerts that no journal tells: of the daemon's own files, which cannot tell that they cannot be written."""

from __future__ import annotations

import orjson
from sqlalchemy import Engine, select
from sqlalchemy.dialects import postgresql, sqlite

from src.nucleo.alertas import Clase, Nivel
from src.produccion.almacen.alimentador import Titular
from src.produccion.almacen.conexion import escribir, leer
from src.produccion.almacen.esquema import ahora_bd, alerts

UNA_CADA_MS = 3_600_000
"""The same of an account and symbol is told once in such a span, however often its daemon starts again."""


def avisar_rotura(motor: Engine, titular: Titular, clase: Clase, motivo: str) -> bool:
    """Write an alert; false when the same was told within the hour.

    Args:
        motor: The store.
        titular: Whose file it is.
        clase: Which file.
        motivo: Why it cannot be written.
    """
    with leer(motor) as conexion:
        ahora_ms = conexion.execute(select(ahora_bd())).scalar_one()
    fila = {
        "client_id": titular.client_id,
        "account_id": titular.account_id,
        "symbol": titular.symbol,
        "level": Nivel.CRITICAL.value,
        "kind": clase.value,
        "message": f"{motivo}; nothing is opened, exits and stops go on: look at the disk, then restart",
        "payload_json": orjson.dumps({"reason": motivo, "agent_id": titular.agent_id}).decode(),
        "created_at_ms": ahora_ms,
        "journal": f"{clase.value}:{titular.account_id}/{titular.symbol}",
        "seq": ahora_ms // UNA_CADA_MS,
    }
    insertar = postgresql.insert if motor.dialect.name == "postgresql" else sqlite.insert
    orden = insertar(alerts).values(fila).on_conflict_do_nothing().returning(alerts.c.id)
    with escribir(motor) as conexion:
        return conexion.execute(orden).first() is not None
