"""What the description of the API shows as examples: one account with one open long, told by every route.

The figures follow from a few numbers by the functions that answers are rounded with.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from src.nucleo.importes import (
    Abierta,
    cantidad,
    cociente_porcentaje,
    distancia_porcentaje,
    dolares,
    porcentaje,
    precio,
)

_CUENTA, _USUARIO, _SIMBOLO = "sim-0123456789ab", "User_1", "BTCUSDT"
_AGENTE = f"{_CUENTA}:{_SIMBOLO}:train_20241004"
_OPERACION = f"{_CUENTA}:{_SIMBOLO}:1727996400000"
_LARGO = Abierta(larga=True, cantidad=Decimal("0.00033"), entrada=Decimal("88837.92"))
_BID, _ASK, _ULTIMO = Decimal("89245.00"), Decimal("89245.10"), Decimal("89245.03")
_STOP, _STOP_ANTES, _OBJETIVO = Decimal("87061.16"), Decimal("86172.78"), Decimal("92391.44")
_SALDO = Decimal("1010.50")
_GANADO, _PERDIDO, _COMISION = Decimal("9.50"), Decimal("4.50"), Decimal("0.50")
_ABIERTA_S, _AHORA_S = 1_727_996_400.0, 1_728_000_000.456

_DE_QUIEN = {"account_id": _CUENTA, "user_id": _USUARIO, "symbol": _SIMBOLO}
_DONDE = {"account_id": _CUENTA, "symbol": _SIMBOLO}
_MANDO = {"command_id": "77eb0c5e-3f0a-4a53-9d2e-0f6a1f1c2b7d", "user_id": _USUARIO, "symbol": _SIMBOLO}
_ID_ORDEN, _ID_STOP = "tm-7q2m5x4kzj3w6n8p9r0s1t2v3a", "tm-3b4c5d6e7f8g9h0j1k2m3n4p5q"
_MOTIVO = "thin market"

_VALOR, _PNL = _LARGO.valor(_BID), _LARGO.pnl(_BID)
assert _VALOR is not None
assert _PNL is not None
_PATRIMONIO = _SALDO + _PNL

_POSICION_SEMILLA = {
    "operation_id": _OPERACION,
    "symbol": _SIMBOLO,
    "side": "BUY",
    "quantity": cantidad(_LARGO.cantidad),
    "entry_price": precio(_LARGO.entrada),
    "current_price": precio(_BID),
    "unrealized_pnl": dolares(_PNL),
    "unrealized_pnl_percent": porcentaje(_LARGO.pnl_porcentaje(_BID)),
    "stop_loss": precio(_STOP),
    "take_profit": precio(_OBJETIVO),
    "distance_to_stop_percent": porcentaje(distancia_porcentaje(_STOP, _BID)),
    "distance_to_target_percent": porcentaje(distancia_porcentaje(_OBJETIVO, _BID)),
    "status": "OPEN",
    "daemon_alive": True,
    "agent_time": _AHORA_S,
}
_POSICION = {
    **_POSICION_SEMILLA,
    **_DE_QUIEN,
    "agent_id": _AGENTE,
    "value": dolares(_VALOR),
    "initial_stop": precio(_STOP_ANTES),
    "level": "towards_be_20",
    "strategy": "niveles",
    "resident_stop": True,
    "hand_made": False,
    "opened_at": _ABIERTA_S,
    "agent_price": precio(_ULTIMO),
}
_FONDOS = {
    "account_id": _CUENTA,
    "environment": "sim",
    "balance": dolares(_SALDO),
    "patrimony": dolares(_PATRIMONIO),
    "equity": dolares(_PATRIMONIO),
    "unrealized_pnl": dolares(_PNL),
    "positions_value": dolares(_VALOR),
    "available": dolares(_SALDO - _VALOR),
    "exposure_percent": porcentaje(cociente_porcentaje(_VALOR, _PATRIMONIO)),
    "timestamp": _AHORA_S,
}
_SALDO_DICHO = {
    "id": 4_711,
    **_DE_QUIEN,
    "balance": dolares(_SALDO),
    "equity": dolares(_PATRIMONIO),
    "max_drawdown_percent": porcentaje(Decimal("1.25")),
    "source": "daemon",
    "taken_at": _AHORA_S,
}
_SUMAS = {
    "realized_pnl": dolares(_GANADO - _PERDIDO),
    "commission": dolares(_COMISION),
    "net_pnl": dolares(_GANADO - _PERDIDO - _COMISION),
}
_MEDIA_COMISION = _COMISION / 2
_NETO_GANADO, _NETO_PERDIDO = _GANADO - _MEDIA_COMISION, _PERDIDO + _MEDIA_COMISION
_DE_OPERACIONES = {"fills": 4, "closed_operations": 2, "winning_operations": 1, "win_rate_percent": "50.00"}
_PRECIO = {
    "symbol": _SIMBOLO,
    "bid": precio(_BID),
    "ask": precio(_ASK),
    "last": precio(_ULTIMO),
    "timestamp": int(_AHORA_S),
}
_VELAS = {
    "symbol": _SIMBOLO,
    "interval": "1h",
    "candles": [
        {
            "timestamp": _ABIERTA_S,
            "open": precio(_LARGO.entrada),
            "high": precio(_ASK),
            "low": precio(_LARGO.entrada),
            "close": precio(_ULTIMO),
            "volume": cantidad(Decimal("12.5")),
        }
    ],
}
_ORDEN = {
    "id": _ID_STOP,
    **_DE_QUIEN,
    "side": "SELL",
    "type": "STOP_MARKET",
    "status": "ACCEPTED",
    "quantity": None,
    "trigger_price": precio(_STOP),
    "executed_quantity": None,
    "average_price": None,
    "reduce_only": True,
    "exchange_order_id": 8_389_765,
    "reason": None,
    "code": None,
    "created_at": _ABIERTA_S,
    "updated_at": _ABIERTA_S,
}
_FILL = {
    "id": 42,
    **_DE_QUIEN,
    "operation_id": _OPERACION,
    "operation": "abrir_long",
    "side": "BUY",
    "status": "ejecutada",
    "quantity": cantidad(_LARGO.cantidad),
    "price": precio(_LARGO.entrada),
    "entry_price": precio(_LARGO.entrada),
    "commission": dolares(Decimal("0.01")),
    "realized_pnl": dolares(Decimal(0)),
    "slippage": dolares(Decimal("0.01")),
    "executed_at": _ABIERTA_S,
}
_ALERTA = {
    "id": 7,
    **_DONDE,
    "level": "WARNING",
    "kind": "BREAKER_OPENED",
    "message": "the spread breaker of BTCUSDT is open: 31.5 bps",
    "data": {"kind": "spread"},
    "created_at": _AHORA_S,
}
_MEDIDO = {
    **_DONDE,
    "exchange": "binance",
    "kind": "spread",
    "state": "OPEN",
    "value": 31.5,
    "limit": 20.0,
    "unit": "bps",
    "failures": 3,
    "reason": "31.5 bps: 3 samples in a row reached 20 bps",
    "by": "daemon",
}
_CANDADO = {
    **_DONDE,
    "kind": "risk_mode",
    "name": "REDUCING",
    "state": None,
    "reason": f"set by ana: {_MOTIVO}",
    "since": _AHORA_S,
    "until": None,
    "current": True,
    "text": f"risk mode {_CUENTA} {_SIMBOLO} REDUCING: set by ana: {_MOTIVO}",
    "how_to_remove": f"timonel risk mode ACTIVE --symbol {_SIMBOLO} --account {_CUENTA} --reason WHY",
}
_CONFIG = {
    "trading_enabled": True,
    "trading_paused_reason": None,
    "max_slippage_pct": 5.0,
    "slippage_pause_threshold_pct": 10.0,
    "max_executions_per_minute": 10,
    "max_executions_per_hour": 100,
    "updated_at": _AHORA_S,
}
_AJUSTE = {"symbol": _SIMBOLO, "action": "adjust", "stop": float(_STOP), "user_id": _USUARIO}
_HECHO_GUARDIAN = {
    "success": True,
    "direction": "BUY",
    "stop": float(_STOP),
    "level_applied": "break_even",
    "previous_stop": float(_STOP_ANTES),
    "adjustment_confirmed": True,
    "redis_updated": False,
    "timestamp": _AHORA_S,
}
_RESUMEN = {
    "action": "close",
    "symbol": _SIMBOLO,
    "total_users": 1,
    "successful_users": 1,
    "failed_users": 0,
    "success_rate": 100.0,
    "total_execution_time_sec": 0.234,
    "results": [
        {
            **_HECHO_GUARDIAN,
            "user_id": _USUARIO,
            "command_id": _MANDO["command_id"],
            "stop": None,
            "level_applied": None,
            "message": "Position closed",
            "error": None,
        }
    ],
    "timestamp": _AHORA_S,
}
_FICHA = {
    "access_token": "eyJhbGciOiJIUzI1NiJ9…",
    "refresh_token": "tmr_5f0c…",
    "csrf_token": None,
    "token_type": "bearer",
    "expires_at": _AHORA_S + 900,
    "refresh_expires_at": _AHORA_S + 604_800,
    "role": "operator",
    "client_id": "default",
}
_SALUD = {"status": "ok", "store": "ok"}


def _resultados(mensaje: str, **otros: Any) -> dict[str, Any]:
    """What a request to daemons is answered when it was done."""
    uno = {**_MANDO, "status": 200, "success": True, "message": mensaje, "error": None, **otros}
    return {"success": True, "results": [uno]}


_DE_MODO = _resultados("risk mode REDUCING", account_id=_CUENTA, mode="REDUCING", previous_mode="ACTIVE")
_DE_CIERRE = _resultados(
    "the spread breaker is closed", account_id=_CUENTA, kind="spread", state="CLOSED", previous_state="OPEN"
)
_ORDEN_PUESTA = (
    f"BUY {_LARGO.cantidad} {_SIMBOLO} filled at {_LARGO.entrada} as order {_ID_ORDEN}; stop {_STOP},"
    f" target {_OBJETIVO}"
)

PEDIDOS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "POST /api/v1/token/login": {
            "program or command line": {"username": "ana", "password": "a long one, of 12 or more"},
            "browser": {"username": "ana", "password": "a long one, of 12 or more", "cookie": True},
        },
        "POST /api/v1/token/refresh": {"from the answer before": {"refresh_token": "tmr_5f0c…"}},
        "POST /guardian": {
            "adjust": {
                **_AJUSTE,
                "market_context": {"trigger_price": float(_BID), "timestamp": _AHORA_S},
                "level_metadata": {
                    "level_name": "break_even",
                    "level_threshold_pct": 35,
                    "previous_level": "towards_be_20",
                },
            },
            "close all": {"symbol": _SIMBOLO, "action": "close"},
            "half close": {"symbol": _SIMBOLO, "action": "half_close", "user_id": "User_2"},
        },
        "POST /api/v1/positions/{symbol}/close": {
            "one account": {"user_id": _USUARIO},
            "a dry run": {"user_id": _USUARIO, "account_id": _CUENTA},
        },
        "POST /api/v1/forceexit": {"everything": {}, "one symbol": {"symbol": _SIMBOLO}},
        "POST /api/v1/stopentry": {"with a reason": {"reason": _MOTIVO}},
        "PUT /api/v1/tenant-config": {
            "tighter limits": {"max_slippage_pct": 1.5, "max_executions_per_minute": 5},
            "pause": {"trading_enabled": False, "trading_paused_reason": _MOTIVO},
        },
        "POST /api/v1/orders/create": {
            "long with stop and target": {
                "symbol": _SIMBOLO,
                "side": "BUY",
                "quantity": str(_LARGO.cantidad),
                "stop": str(_STOP),
                "target": str(_OBJETIVO),
            },
            "short of one account": {
                "symbol": _SIMBOLO,
                "side": "SELL",
                "quantity": str(_LARGO.cantidad),
                "user_id": _USUARIO,
            },
        },
        "POST /api/v1/stop": {"one symbol": {"symbol": _SIMBOLO, "reason": _MOTIVO}, "all": {}},
        "POST /api/v1/breakers/{breaker_id}/reset": {"with its reason": {"reason": "the book is back"}},
        "PUT /api/v1/risk/mode": {
            "all daemons": {"mode": "REDUCING", "reason": _MOTIVO},
            "one agent": {"mode": "ACTIVE", "reason": "the book is back", **_DONDE},
        },
    }
)
"""Bodies that each operation takes, by name."""

RESPUESTAS: Mapping[str, Any] = MappingProxyType(
    {
        "GET /health": _SALUD,
        "GET /ready": {"status": "ready", "store": "ok"},
        "GET /api/v1/ping": {"status": "pong"},
        "GET /api/v1/version": {"version": "1.0.0"},
        "GET /api/v1/sysinfo": {
            "platform": "Linux-6.1.0-x86_64-with-glibc2.36",
            "python": "3.11.9",
            "cpu_count": 4,
            "load_average": [0.25, 0.5, 0.5],
            "memory_peak_bytes": 134_217_728,
            "disk_free_bytes": 53_687_091_200,
            "uptime_s": 3_600.0,
        },
        "GET /api/v1/show_config": {
            "api": {"host": "127.0.0.1", "port": 8000, "jwt_secret": "***"},
            "exchanges": {"sim": "http://127.0.0.1:8899"},
            "default_environment": "sim",
            "accounts": {_USUARIO: {"environment": "sim", "use_guardian": True, "use_guardian_half": False}},
        },
        "GET /api/v1/system/status": {
            "status": "ok",
            "problems": [],
            "store": "ok",
            "uptime_s": 3_600.0,
            "trading_enabled": True,
            "trading_paused_reason": None,
            "open_positions": 1,
            "open_breakers": 0,
            "latches": 0,
            "locks": [_CANDADO],
            "daemons": [
                {
                    **_DE_QUIEN,
                    "environment": "sim",
                    "agent_id": _AGENTE,
                    "alive": True,
                    "heartbeat_age_s": 0.8,
                    "started_at": _ABIERTA_S,
                }
            ],
            "exchanges": [
                {
                    "account_id": _CUENTA,
                    "exchange": "binance",
                    "status": "ok",
                    "latency_ms": 38.5,
                    "error_rate": 0.0,
                    "detail": None,
                    "checked_at": _AHORA_S,
                }
            ],
            "markets": [
                {
                    "environment": "sim",
                    "url": "http://127.0.0.1:8899",
                    "price_requests": 400,
                    "price_cache_hits": 390,
                    "price_cache_hit_percent": porcentaje(cociente_porcentaje(Decimal(390), Decimal(400))),
                    "exchange_requests": 10,
                }
            ],
        },
        "GET /api/market/price/{symbol}": _PRECIO,
        "GET /api/v1/market-data": {
            "environment": "sim",
            "symbols": [
                {
                    **_PRECIO,
                    "spread": precio(_ASK - _BID),
                    "spread_percent": porcentaje(cociente_porcentaje(_ASK - _BID, _BID)),
                }
            ],
        },
        "GET /api/v1/orderbook/{symbol}": {
            "symbol": _SIMBOLO,
            "bids": [[precio(_BID), cantidad(Decimal("1.5"))]],
            "asks": [[precio(_ASK), cantidad(Decimal("0.75"))]],
            "timestamp": _AHORA_S,
        },
        "GET /api/v1/candles/{symbol}": _VELAS,
        "GET /api/historical-data": _VELAS,
        "GET /api/portfolio/positions": {"positions": [_POSICION_SEMILLA]},
        "GET /api/account/balance": {
            "balance": dolares(_SALDO),
            "environment": "sim",
            "accounts": [_FONDOS],
        },
        "GET /api/portfolio/patrimony": {
            "patrimony": dolares(_PATRIMONIO),
            **{
                campo: _FONDOS[campo]
                for campo in (
                    *("balance", "unrealized_pnl", "positions_value", "available", "exposure_percent"),
                    "environment",
                )
            },
            "accounts": [_FONDOS],
        },
        "GET /stats": {
            "open_positions": 1,
            "daemons_alive": 1,
            "environments": [{"environment": "sim", **_DE_OPERACIONES, "net_pnl": _SUMAS["net_pnl"]}],
            "commands": {"DONE": 3, "FAILED": 1},
        },
        "GET /api/v1/positions": {"positions": [_POSICION]},
        "GET /api/v1/orders": {"orders": [_ORDEN]},
        "GET /api/v1/trades": {"trades": [_FILL]},
        "GET /api/v1/history/trades": {"trades": [_FILL]},
        "GET /api/v1/balance": {"accounts": [_FONDOS], "agents": [_SALDO_DICHO]},
        "GET /api/v1/history/balance": {"balances": [_SALDO_DICHO]},
        "GET /api/v1/metrics": {
            "metrics": [{**_DONDE, "name": "mark_price_quote", "value": float(_ULTIMO), "taken_at": _AHORA_S}]
        },
        "GET /api/v1/performance": {
            "performance": [
                {
                    **_DONDE,
                    "environment": "sim",
                    **_DE_OPERACIONES,
                    **_SUMAS,
                    "profit_factor": porcentaje(_NETO_GANADO / _NETO_PERDIDO),
                    "average_pnl": dolares((_NETO_GANADO - _NETO_PERDIDO) / 2),
                    "best_pnl": dolares(_NETO_GANADO),
                    "worst_pnl": dolares(-_NETO_PERDIDO),
                }
            ]
        },
        "GET /api/v1/daily": {
            "daily": [
                {
                    "date": "2024-10-03",
                    "account_id": _CUENTA,
                    "environment": "sim",
                    "fills": 4,
                    "closing_fills": 2,
                    **_SUMAS,
                }
            ]
        },
        "GET /api/v1/latch": {
            "latches": [{**_DONDE, "latched": False, "reason": "checked, by ana", "since": _ABIERTA_S}]
        },
        "GET /api/v1/model": {
            "models": [{**_DE_QUIEN, "agent_id": _AGENTE, "train_id": "train_20241004", "alive": True}]
        },
        "GET /api/v1/guardian": {
            "accounts": [
                {
                    "user_id": _USUARIO,
                    "environment": "sim",
                    "use_guardian": True,
                    "use_guardian_half": False,
                    "operations": [
                        {
                            "operation_id": _OPERACION,
                            "symbol": _SIMBOLO,
                            "side": "BUY",
                            "stop": precio(_STOP),
                            "target": precio(_OBJETIVO),
                            "level": "towards_be_20",
                            "previous_level": "initial",
                            "previous_stop": precio(_STOP_ANTES),
                            "adjusted_at": _AHORA_S,
                        }
                    ],
                }
            ]
        },
        "GET /api/v1/events": {
            "events": [
                {
                    "id": 12,
                    "event_id": "0c9d0f2e-7b1a-5e64-8f0b-3a5d1c2e4f60",
                    "operation_id": _OPERACION,
                    "symbol": _SIMBOLO,
                    "event_type": "STOP_TRIGGERED",
                    "side": "SELL",
                    "trigger_price": precio(_STOP),
                    "stop_price": precio(_STOP),
                    "quantity": cantidad(_LARGO.cantidad),
                    "fill_price": None,
                    "slippage_percent": None,
                    "execution_token": f"{_OPERACION}:1",
                    "source": "ws",
                    "error_message": None,
                    "retry_count": 0,
                    "occurred_at": _AHORA_S,
                }
            ]
        },
        "GET /api/v1/logs": {"logs": [_ALERTA]},
        "GET /api/v1/history/alerts": {"alerts": [_ALERTA]},
        "GET /api/v1/audit": {
            "audit": [
                {
                    "id": 3,
                    "username": "ana",
                    "role": "admin",
                    "address": "127.0.0.1",
                    "action": "guardian.adjust",
                    "target": _SIMBOLO,
                    "request": _AJUSTE,
                    "status": 200,
                    "outcome": _HECHO_GUARDIAN,
                    "occurred_at": _AHORA_S,
                    "finished_at": _AHORA_S,
                }
            ]
        },
        "GET /api/v1/commands/{command_id}": {
            **_MANDO,
            "account_id": _CUENTA,
            "action": "guardian.adjust",
            "requested_by": "ana",
            "status": "DONE",
            "created_at": _AHORA_S,
            "finished_at": _AHORA_S,
            "outcome": _HECHO_GUARDIAN,
        },
        "POST /api/v1/token/login": _FICHA,
        "POST /api/v1/token/refresh": _FICHA,
        "POST /guardian": _HECHO_GUARDIAN,
        "POST /api/v1/positions/{symbol}/close": _resultados("Position closed"),
        "POST /api/v1/forceexit": _resultados("Position closed"),
        "POST /api/v1/stopentry": _CONFIG | {"trading_enabled": False, "trading_paused_reason": _MOTIVO},
        "POST /api/v1/start": _CONFIG,
        "GET /api/v1/tenant-config": _CONFIG,
        "PUT /api/v1/tenant-config": _CONFIG | {"max_slippage_pct": 1.5, "max_executions_per_minute": 5},
        "POST /api/v1/orders/create": _resultados(_ORDEN_PUESTA),
        "POST /api/v1/orders/{order_id}/cancel": _resultados(f"order {_ID_ORDEN} is canceled"),
        "POST /api/v1/stop": _resultados(
            "the daemon ends after its step; on exit protected: an open position stays when a stop protects"
            " it, and is closed otherwise"
        ),
        "GET /api/v1/breakers": {
            "breakers": [
                {
                    "id": f"{_CUENTA}:binance:{_SIMBOLO}:spread",
                    **_MEDIDO,
                    "blocks_entries": True,
                    "since": _AHORA_S,
                    "opened_at": _AHORA_S,
                    "until": _AHORA_S + 60,
                    "how_to_close": "healthy samples close it; by hand: timonel breakers reset spread"
                    f" --symbol {_SIMBOLO} --account {_CUENTA} --reason WHY",
                }
            ]
        },
        "POST /api/v1/breakers/{breaker_id}/reset": _DE_CIERRE,
        "GET /api/v1/history/circuit-breakers": {
            "circuit_breakers": [{"id": 5, **_MEDIDO, "previous_state": "CLOSED", "occurred_at": _AHORA_S}]
        },
        "GET /api/v1/locks": {"locks": [_CANDADO]},
        "GET /api/v1/risk/mode": {
            "modes": [
                {
                    **_DE_QUIEN,
                    "mode": "REDUCING",
                    "reason": _MOTIVO,
                    "by": "ana",
                    "since": _AHORA_S,
                    "alive": True,
                }
            ]
        },
        "PUT /api/v1/risk/mode": _DE_MODO,
        "GET /api/v1/message/schema": {"client": {"type": "object"}, "server": {"anyOf": []}},
        "GET /metrics": 'timonel_api_requests_total{method="GET",route="/health",status="200"} 1.0\n',
    }
)
"""What each operation answers when it was done; none where it answers without a body."""

RESUMEN_GUARDIAN: Mapping[str, Any] = MappingProxyType(_RESUMEN)
"""What ``POST /guardian`` answers to a request to all accounts."""


def en_marcha(hecho: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to the same request while it is not over."""
    campos = {"status": 202, "success": None, "message": None}
    sin_saber = dict.fromkeys(("state", "previous_state", "mode", "previous_mode"))
    return {
        "success": None,
        "results": [
            uno | campos | {c: v for c, v in sin_saber.items() if c in uno} for uno in hecho["results"]
        ],
    }


def desiguales(hecho: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to the same request when another account's daemon was not there."""
    (uno,) = hecho["results"]
    error = f"failed: no daemon trades {_SIMBOLO} for User_2; nothing was done"
    otro = uno | {"user_id": "User_2", "command_id": "2e85a1c4-90d7-4c0e-b1b5-6d1f0a3c9e11", "success": False}
    otro |= {"error": error, "message": None} | ({"status": 503} if "status" in uno else {})
    sumas = {"total_users": 2, "failed_users": 1, "success_rate": 50.0} if "total_users" in hecho else {}
    return {**hecho, **({} if sumas else {"success": False}), **sumas, "results": [uno, otro]}
