"""What a tenant lets its daemons do: its row of ``tenant_config``, read and changed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from src.produccion.almacen.escritura import poner
from src.produccion.almacen.esquema import ahora_bd, tenant_config


class ConfigInquilino(NamedTuple):
    """One row of ``tenant_config``, or the defaults of a tenant that has none."""

    trading_enabled: bool = True
    trading_paused_reason: str | None = None
    max_slippage_pct: Decimal = Decimal(5)
    slippage_pause_threshold_pct: Decimal = Decimal(10)
    max_executions_per_minute: int = 10
    max_executions_per_hour: int = 100
    updated_at_ms: int | None = None


def leer_config(conexion: Connection, client_id: str) -> ConfigInquilino:
    """A tenant's limits and switches."""
    columnas = (tenant_config.c[nombre] for nombre in ConfigInquilino._fields)
    fila = conexion.execute(select(*columnas).where(tenant_config.c.client_id == client_id)).first()
    return ConfigInquilino() if fila is None else ConfigInquilino(*fila)


def cambiar_config(conexion: Connection, client_id: str, cambios: Mapping[str, Any]) -> ConfigInquilino:
    """Change some of them; daemons look once a second.

    Args:
        conexion: In a transaction that writes.
        client_id: The tenant.
        cambios: By fields of `ConfigInquilino`.
    """
    ahora_ms = conexion.execute(select(ahora_bd())).scalar_one()
    poner(conexion, tenant_config, {"client_id": client_id, **cambios, "updated_at_ms": ahora_ms})
    return leer_config(conexion, client_id)
