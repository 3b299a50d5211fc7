"""Rows as daemons and monitors write them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event, insert
from sqlalchemy.exc import OperationalError

from src.produccion.almacen.escritura import anadir
from src.produccion.almacen.esquema import alerts, circuit_breaker_events, order_events
from src.produccion.almacen.eventos_stop import EventoStopNuevo, FuenteStop, TipoEventoStop, anotar_evento

INICIO_MS = 1_700_000_000_000
_CUENTA = itertools.count(1)


@contextmanager
def almacen_caido(motor: Engine) -> Iterator[None]:
    """Within the block, nobody gets a connection."""

    def negarse(*_: object) -> None:
        raise OperationalError("connect", {}, ConnectionRefusedError())

    event.listen(motor, "checkout", negarse)
    try:
        yield
    finally:
        event.remove(motor, "checkout", negarse)


def alertar(motor: Engine, texto: str, client_id: str = "default", symbol: str | None = "BTCUSDT") -> None:
    fila = {
        "client_id": client_id,
        "account_id": f"sim-{client_id}",
        "symbol": symbol,
        "level": "WARNING",
        "kind": "RISK_LIMIT",
        "message": texto,
        "payload_json": "{}",
        "created_at_ms": INICIO_MS,
    }
    with motor.begin() as conexion:
        conexion.execute(insert(alerts).values(fila))


def mover_disyuntor(motor: Engine, motivo: str, client_id: str = "default", symbol: str = "BTCUSDT") -> None:
    fila = {"client_id": client_id, "symbol": symbol, "state": "OPEN", "kind": "latency", "failures": 3}
    with motor.begin() as conexion:
        conexion.execute(
            insert(circuit_breaker_events).values(**fila, reason=motivo, occurred_at_ms=INICIO_MS)
        )


def mover_orden(motor: Engine, nombre: str, client_id: str = "default", symbol: str = "BTCUSDT") -> None:
    fila: dict[str, Any] = {
        "client_id": client_id,
        "user_id": "User_1",
        "account_id": f"sim-{client_id}",
        "client_order_id": nombre,
        "symbol": symbol,
        "side": "BUY",
        "token": nombre,
        "status": "FILLED",
        "quantity": "0.00033",
        "reduce_only": False,
        "executed_quantity": "0.00033",
        "created_at_ms": INICIO_MS,
        "updated_at_ms": INICIO_MS,
    }
    with motor.begin() as conexion:
        anadir(conexion, order_events, fila)


def disparar_stop(motor: Engine, client_id: str = "default", symbol: str = "BTCUSDT") -> str:
    """The token of a stop that has just been triggered."""
    token = f"{client_id}:{next(_CUENTA)}"
    evento = EventoStopNuevo(token, TipoEventoStop.STOP_TRIGGERED, INICIO_MS, symbol, FuenteStop.WS)
    with motor.begin() as conexion:
        anotar_evento(conexion, evento._replace(client_id=client_id, stop_price="87061.16"))
    return token
