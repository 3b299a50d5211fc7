"""Daemons that fell silent: one that was killed cannot say so itself."""

from __future__ import annotations

import orjson
from sqlalchemy import Engine, select
from sqlalchemy.dialects import postgresql, sqlite

from src.nucleo.alertas import Clase, Nivel
from src.produccion.almacen.conexion import escribir, leer
from src.produccion.almacen.demonios import DemonioVivo, callados
from src.produccion.almacen.esquema import ahora_bd, alerts


def avisar_silencios(motor: Engine, silencio_s: float) -> int:
    """Write an alert for each daemon that gave no sign of life for so long; how many are new.

    Each silence is told once, whoever looks and however often: its last sign of life is its number.
    """
    with leer(motor) as conexion:
        ahora_ms = conexion.execute(select(ahora_bd())).scalar_one()
    hechos = [
        demonio
        for demonio in callados(motor, ahora_ms - round(silencio_s * 1_000))
        if _es_nuevo(motor, demonio)
    ]
    insertar = postgresql.insert if motor.dialect.name == "postgresql" else sqlite.insert
    escritos = 0
    for demonio in hechos:
        orden = insertar(alerts).values(_fila(demonio, ahora_ms)).on_conflict_do_nothing()
        with escribir(motor) as conexion:
            escritos += conexion.execute(orden.returning(alerts.c.id)).first() is not None
    return escritos


def _es_nuevo(motor: Engine, demonio: DemonioVivo) -> bool:
    """Looked at first: a silence may last for weeks, and no writer is kept waiting for that."""
    suya = (alerts.c.journal == _diario(demonio)) & (alerts.c.seq == demonio.heartbeat_ms)
    with leer(motor) as conexion:
        return conexion.execute(select(alerts.c.id).where(suya)).first() is None


def _fila(demonio: DemonioVivo, ahora_ms: int) -> dict[str, object]:
    hace_s = (ahora_ms - demonio.heartbeat_ms) / 1_000
    texto = (
        f"the daemon on {demonio.host} (process {demonio.pid}) has given no sign of life for {hace_s:.0f} s;"
        " stops at the exchange stay, nothing else is looked after"
    )
    return {
        "client_id": demonio.client_id,
        "account_id": demonio.account_id,
        "symbol": demonio.symbol,
        "level": Nivel.CRITICAL.value,
        "kind": Clase.DAEMON_SILENT.value,
        "message": texto,
        "payload_json": orjson.dumps(demonio._asdict()).decode(),
        "created_at_ms": ahora_ms,
        "journal": _diario(demonio),
        "seq": demonio.heartbeat_ms,
    }


def _diario(demonio: DemonioVivo) -> str:
    return f"daemons:{demonio.account_id}/{demonio.symbol}"
