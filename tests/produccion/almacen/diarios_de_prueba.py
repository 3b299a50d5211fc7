"""A short session as a journal tells it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from src.nucleo.columnas import REGISTRO
from src.produccion.almacen.alimentador import Titular
from src.produccion.diario.diario import DiarioSqlite

TITULAR = Titular("sim-1", "BTCUSDT", "sim-1:BTCUSDT:train_x")
AGENTE = f"agent:{TITULAR.agent_id}"
ABIERTA_MS = 1_700_000_000_500


def una_fila(**celdas: Any) -> dict[str, Any]:
    fila: dict[str, Any] = dict.fromkeys(REGISTRO)
    return fila | {
        "timestamp": "2023-11-14T22:13:20.000Z",
        "precio": 100.0,
        "status": "ok",
        "balance": 1_000.0,
        "equity": 1_001.5,
        "max_drawdown": 0.01,
        "pnl_no_realizado": 1.5,
        "operacion": "mantener",
        "comision": 0.0,
        "slippage": 0.0,
        "pnl_realizado": 0.0,
        "pnl_parcial": 0.0,
        **celdas,
    }


APERTURA = una_fila(
    operacion="abrir_long", cantidad=0.5, precio_entrada=100.2, slippage=0.1, comision=0.02, trade_id="t1"
)
PROTEGIDA = una_fila(
    timestamp="2023-11-14T22:20:00.000Z",
    status="proteccion",
    operacion="cerrar_long",
    cantidad=0.5,
    precio_entrada=100.2,
    precio_salida=94.9,
    pnl_realizado=-2.65,
    pnl_no_realizado=0.0,
    trade_id="t1",
)


def filas(
    *filas_: dict[str, Any], cuenta: list[float], ordenes: list[str] | None = None
) -> dict[str, object]:
    contenido = {"session": "s", "rows": list(filas_), "state": {"account": cuenta}}
    return contenido if ordenes is None else contenido | {"orders": ordenes}


def escribir_sesion(ruta: Path) -> Path:
    """Opened, its stop tightened once, triggered, flat."""
    diario = DiarioSqlite(ruta)
    orden = "order:tm-1"
    intencion = {
        "token": "d:1",
        "symbol": "BTCUSDT",
        "side": "BUY",
        "quantity": 0.5,
        "reduce_only": False,
        "position": 0.0,
    }
    vista = {"order_id": 7, "executed": 0.5, "average_price": 100.2, "status": ""}
    nivel = {"operation": ABIERTA_MS, "quantity": 0.5, "entry": 100.2}
    for agregado, tipo, instante_ms, contenido in (
        (AGENTE, "SESSION_STARTED", 1, {"session": "s"}),
        (orden, "ORDER_INTENT", ABIERTA_MS - 200, intencion),
        (orden, "ORDER_SENT", ABIERTA_MS - 199, {"attempt": 1}),
        (orden, "ORDER_FILLED", ABIERTA_MS - 100, vista),
        (AGENTE, "ROWS", ABIERTA_MS - 50, filas(APERTURA, cuenta=[1_000.0, 0.5, 100.2])),
        ("protection", "LEVEL_SET", ABIERTA_MS, nivel | {"level": 90.0}),
        ("protection", "LEVEL_SET", ABIERTA_MS + 10, nivel | {"level": 95.0}),
        ("stop:tm-2", "STOP_TRIGGERED", ABIERTA_MS + 20, {"order_id": 9}),
        (AGENTE, "ROWS", ABIERTA_MS + 30, filas(PROTEGIDA, cuenta=[997.35])),
        ("protection", "LEVEL_CLEARED", ABIERTA_MS + 40, {}),
        ("risk", "LATCHED", ABIERTA_MS + 50, {"reason": "drawdown", "by": "daemon", "at": 1, "detail": ""}),
    ):
        diario.anotar_luego(agregado, tipo, instante_ms, contenido)
    diario.cerrar()
    return ruta


def anadir(ruta: Path, *apuntes: tuple[str, str, dict[str, object]]) -> None:
    diario = DiarioSqlite(ruta)
    for agregado, tipo, contenido in apuntes:
        diario.anotar_luego(agregado, tipo, ABIERTA_MS + 100, contenido)
    diario.cerrar()
