"""A tenant with something in every table that the API reads."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Engine, insert

from src.produccion.almacen.demonios import DemonioNuevo, presentarse
from src.produccion.almacen.escritura import anadir, poner
from src.produccion.almacen.esquema import (
    alerts,
    audit_log,
    balance_snapshots,
    breakers,
    circuit_breaker_events,
    circuit_breaker_state,
    exchange_health,
    orders,
    positions,
    risk_modes,
    stop_orders,
    system_metrics,
    trades,
)
from src.produccion.almacen.eventos_stop import EventoStopNuevo, FuenteStop, TipoEventoStop, anotar_evento
from src.produccion.almacen.inquilinos import cambiar_config
from src.produccion.almacen.mandos import MandoGuardado, MandoNuevo, pedir_mando
from src.produccion.almacen.operaciones import (
    LadoOperacion,
    OperacionGuardada,
    StopPuesto,
    guardar_operacion,
    poner_stop,
)

DIA_MS = 86_400_000
INICIO_MS = 1_700_000_000_000


def poblar(
    motor: Engine, client_id: str, user_id: str, cuenta: str, simbolo: str = "BTCUSDT"
) -> MandoGuardado:
    """A long of 0.00033 from 88837.92 with stop and target, its history, and a command that waits."""
    quien = {"client_id": client_id, "user_id": user_id, "account_id": cuenta}
    agente = f"{cuenta}:{simbolo}:train_{client_id}"
    operacion = OperacionGuardada(
        f"{cuenta}:{simbolo}:{INICIO_MS}",
        cuenta,
        simbolo,
        LadoOperacion.BUY,
        "0.00033",
        "88837.92",
        INICIO_MS,
        client_id,
        user_id,
        agente,
        target_price="92391.44",
    )
    with motor.begin() as conexion:
        guardar_operacion(conexion, operacion)
        token = poner_stop(
            conexion, operacion.operation_id, StopPuesto("87061.16", INICIO_MS, "initial", resident=True)
        )
        assert token is not None
        evento = EventoStopNuevo(token, TipoEventoStop.STOP_TRIGGERED, INICIO_MS, simbolo, FuenteStop.WS)
        anotar_evento(
            conexion, evento._replace(client_id=client_id, stop_price="87061.16", quantity="0.00033")
        )
        posicion: dict[str, Any] = {
            "quantity": "0.00033",
            "entry_price": "88837.92",
            "price": 89_000,
            "updated_at_ms": INICIO_MS,
        }
        poner(conexion, positions, {**quien, "agent_id": agente, "symbol": simbolo, **posicion})
        for i in range(3):
            _orden(conexion, quien, simbolo, f"tm-{client_id}-{i}", INICIO_MS + i)
        _stop(conexion, quien, simbolo, f"tm-{client_id}-stop")
        _fills(conexion, quien, agente, simbolo, operacion.operation_id)
        for saldo in ("1000.005", "1010.5"):
            fila = {
                "symbol": simbolo,
                "balance": saldo,
                "equity": "1011",
                "max_drawdown": "0.0125",
                "source": "daemon",
            }
            anadir(conexion, balance_snapshots, {**quien, **fila, "taken_at_ms": INICIO_MS})
        metrica = {"symbol": simbolo, "name": "mark_price_quote", "value": 89_000.5, "taken_at_ms": INICIO_MS}
        conexion.execute(insert(system_metrics).values(client_id=client_id, account_id=cuenta, **metrica))
        salud = {"account_id": cuenta, "status": "degraded", "latency_ms": 812.5, "detail": f"of {client_id}"}
        conexion.execute(
            insert(exchange_health).values(salud | {"exchange": "binance", "checked_at_ms": INICIO_MS})
        )
        _de_riesgo(conexion, client_id, user_id, cuenta, simbolo)
        cambiar_config(
            conexion, client_id, {"trading_enabled": False, "trading_paused_reason": f"by {client_id}"}
        )
        conexion.execute(
            insert(audit_log).values(
                client_id=client_id,
                username=f"de-{client_id}",
                role="admin",
                address="127.0.0.1",
                occurred_at_ms=INICIO_MS,
                action="tenant.config",
                request_json="{}",
            )
        )
    presentarse(motor, DemonioNuevo(cuenta, simbolo, 1, "aqui", agente, client_id, user_id))
    return pedir_mando(
        motor,
        MandoNuevo(user_id, simbolo, "guardian.close", {}, f"de-{client_id}", 60_000, cuenta, client_id),
    )


def _orden(conexion: Any, quien: dict[str, str], simbolo: str, nombre: str, instante_ms: int) -> None:
    fila = {
        "symbol": simbolo,
        "side": "BUY",
        "token": nombre,
        "status": "FILLED",
        "quantity": "0.00033",
        "reduce_only": False,
    }
    numeros = {"executed_quantity": "0.00033", "average_price": "88837.92", "attempts": 1}
    poner(
        conexion,
        orders,
        {
            **quien,
            **fila,
            **numeros,
            "client_order_id": nombre,
            "created_at_ms": instante_ms,
            "updated_at_ms": instante_ms,
        },
    )


def _stop(conexion: Any, quien: dict[str, str], simbolo: str, nombre: str) -> None:
    fila = {"symbol": simbolo, "side": "SELL", "type": "STOP_MARKET", "status": "ACCEPTED"}
    instantes = {"created_at_ms": INICIO_MS - 1, "updated_at_ms": INICIO_MS - 1}
    poner(
        conexion,
        stop_orders,
        {**quien, **fila, **instantes, "client_order_id": nombre, "trigger_price": "87061.16"},
    )


def _fills(conexion: Any, quien: dict[str, str], agente: str, simbolo: str, abierta: str) -> None:
    """Two operations of yesterday, one that won 9.5 and one that lost 4.5, and today's, which is open."""
    comunes = {
        **quien,
        "agent_id": agente,
        "symbol": simbolo,
        "status": "ok",
        "quantity": "0.1",
        "price": 100,
    }
    for i, (operacion, que, pnl) in enumerate(
        (
            ("o1", "abrir_long", 0),
            ("o1", "cerrar_long", 10),
            ("o2", "abrir_short", 0),
            ("o2", "cerrar_short", -4),
            (abierta, "abrir_long", 0),
        )
    ):
        dia_ms = DIA_MS if operacion == abierta else 0
        fila = {
            "operation_id": operacion,
            "operation": que,
            "side": "BUY",
            "realized_pnl": pnl,
            "commission": "0.25",
        }
        anadir(conexion, trades, {**comunes, **fila, "executed_at_ms": INICIO_MS + dia_ms + i})


def _de_riesgo(conexion: Any, client_id: str, user_id: str, cuenta: str, simbolo: str) -> None:
    disyuntor = {"client_id": client_id, "symbol": simbolo, "state": "OPEN"}
    # It cools down by the market's time while a daemon lives, by the database's afterwards: open by both.
    abierto_ms = time.time_ns() // 1_000_000
    conexion.execute(insert(circuit_breaker_state).values(**disyuntor, failures=3, opened_at_ms=abierto_ms))
    conexion.execute(
        insert(circuit_breaker_events).values(
            **disyuntor, kind="stop_execution", failures=3, occurred_at_ms=INICIO_MS
        )
    )
    quien = {"client_id": client_id, "account_id": cuenta, "symbol": simbolo}
    medido = {"value": 31.5, "limit_value": 20.0, "unit": "bps", "failures": 3, "cool_down_ms": 60_000}
    instantes = dict.fromkeys(("opened_at_ms", "changed_at_ms", "updated_at_ms"), INICIO_MS)
    conexion.execute(
        insert(breakers).values(
            **(quien | medido | instantes),
            exchange="binance",
            kind="spread",
            state="OPEN",
            reason=f"the book of {client_id} is thin",
            requested_by="daemon",
        )
    )
    conexion.execute(
        insert(risk_modes).values(
            **quien,
            user_id=user_id,
            mode="REDUCING",
            reason="thin market",
            requested_by=f"de-{client_id}",
            changed_at_ms=INICIO_MS,
        )
    )
    conexion.execute(
        insert(alerts).values(
            client_id=client_id,
            account_id=cuenta,
            symbol=simbolo,
            level="CRITICAL",
            kind="LATCHED",
            message=f"drawdown of {client_id}",
            payload_json="{}",
            created_at_ms=time.time_ns() // 1_000_000,
        )
    )
