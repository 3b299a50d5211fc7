"""Guardrails in the store: a tenant's limits, each symbol's breaker, and alerts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import orjson
from sqlalchemy import Connection, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.schema import Table

from src.nucleo.alertas import Nivel
from src.nucleo.disparos import REGLA_EJECUCIONES, ReglasInquilino
from src.nucleo.disyuntores import Disyuntor
from src.produccion.almacen.disyuntores import anotar_el_de_ejecuciones, el_de_ejecuciones
from src.produccion.almacen.esquema import (
    alerts,
    circuit_breaker_state,
    tenant_config,
)

__all__ = [
    "Alerta",
    "Nivel",
    "alertar",
    "leer_disyuntor",
    "leer_reglas",
    "pausar",
    "reanudar",
    "tras_un_resultado",
]


class Alerta(NamedTuple):
    """Something that a person should know."""

    nivel: Nivel
    clase: str  # what kind of thing, e.g. ``stop_failed``
    mensaje: str
    client_id: str
    account_id: str | None = None
    simbolo: str | None = None
    datos: Mapping[str, object] = {}


def leer_reglas(conexion: Connection, client_id: str) -> ReglasInquilino:
    """A tenant's limits; the defaults where none were set."""
    fila = (
        conexion.execute(select(tenant_config).where(tenant_config.c.client_id == client_id))
        .mappings()
        .first()
    )
    if fila is None:
        return ReglasInquilino()
    return ReglasInquilino(
        bool(fila["trading_enabled"]),
        str(fila["trading_paused_reason"] or ""),
        float(fila["max_slippage_pct"]),
        float(fila["slippage_pause_threshold_pct"]),
        int(fila["max_executions_per_minute"]),
        int(fila["max_executions_per_hour"]),
    )


def pausar(conexion: Connection, client_id: str, motivo: str, ahora_ms: int) -> None:
    """Block a tenant's entries until a person lets them again."""
    valores: dict[str, object] = {
        "trading_enabled": False,
        "trading_paused_reason": motivo,
        "updated_at_ms": ahora_ms,
    }
    _poner(conexion, tenant_config, {"client_id": client_id}, valores)


def reanudar(conexion: Connection, client_id: str, ahora_ms: int) -> None:
    """Let a tenant's entries again."""
    valores: dict[str, object] = {
        "trading_enabled": True,
        "trading_paused_reason": None,
        "updated_at_ms": ahora_ms,
    }
    _poner(conexion, tenant_config, {"client_id": client_id}, valores)


def leer_disyuntor(conexion: Connection, client_id: str, simbolo: str) -> Disyuntor:
    """The breaker of a symbol."""
    return el_de_ejecuciones(conexion, client_id, simbolo)


def tras_un_resultado(
    conexion: Connection, client_id: str, simbolo: str, ahora_ms: int, *, bien: bool
) -> tuple[Disyuntor, bool]:
    """The breaker after an execution, and whether its state changed; a change is an event."""
    antes = leer_disyuntor(conexion, client_id, simbolo)
    despues = antes.tomar(violacion=not bien, ahora_ms=ahora_ms, regla=REGLA_EJECUCIONES)
    if despues == antes:
        return antes, False
    valores: dict[str, object] = {
        "state": despues.estado.value,
        "failures": despues.fallos,
        "opened_at_ms": despues.abierto_ms,
        "updated_at_ms": ahora_ms,
    }
    _poner(conexion, circuit_breaker_state, {"client_id": client_id, "symbol": simbolo}, valores)
    cambio = (despues.estado, despues.abierto_ms) != (antes.estado, antes.abierto_ms)
    if cambio:
        estados = (antes, antes.en(ahora_ms, REGLA_EJECUCIONES), despues)
        anotar_el_de_ejecuciones(conexion, client_id, simbolo, estados, ahora_ms)
    return despues, cambio


def alertar(conexion: Connection, alerta: Alerta, ahora_ms: int) -> None:
    """Keep an alert."""
    conexion.execute(
        insert(alerts).values(
            client_id=alerta.client_id,
            account_id=alerta.account_id,
            symbol=alerta.simbolo,
            level=alerta.nivel.value,
            kind=alerta.clase,
            message=alerta.mensaje,
            payload_json=orjson.dumps(dict(alerta.datos)).decode(),
            created_at_ms=ahora_ms,
        )
    )


def _poner(conexion: Connection, tabla: Table, clave: dict[str, object], valores: dict[str, object]) -> None:
    insertar = postgresql.insert if conexion.dialect.name == "postgresql" else sqlite.insert
    orden = insertar(tabla).values(clave | valores)
    conexion.execute(orden.on_conflict_do_update(index_elements=list(clave), set_=valores))
