"""What the events of one stop amount to: a pure fold, the same when written and when rebuilt."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from decimal import Context, Decimal
from enum import StrEnum
from typing import NamedTuple, assert_never

from src.produccion.almacen.tipos_sql import numero

_CONTEXTO = Context(prec=80)  # a product of two of the store's numbers is exact in it
_ESPACIO = uuid.UUID("0f1d7a36-3f3a-5f0e-8c2b-5d1f6f0c9a11").bytes


class TipoEventoStop(StrEnum):
    """What can happen to a stop that is to be executed."""

    STOP_TRIGGERED = "STOP_TRIGGERED"
    EXECUTION_SUBMITTED = "EXECUTION_SUBMITTED"
    EXECUTED = "EXECUTED"
    FAILED = "FAILED"
    BLOCKED = "BLOCKED"
    STALE_PRICE = "STALE_PRICE"
    KILL_SWITCH = "KILL_SWITCH"
    SLIPPAGE_BREACH = "SLIPPAGE_BREACH"
    CIRCUIT_BREAKER = "CIRCUIT_BREAKER"


class EstadoEjecucion(StrEnum):
    """How far an execution is."""

    PENDING = "PENDING"
    SUBMITTED = "SUBMITTED"
    EXECUTED = "EXECUTED"
    FAILED = "FAILED"
    BLOCKED = "BLOCKED"


class FuenteStop(StrEnum):
    """Who saw it."""

    WS = "ws"
    CRON = "cron"
    MANUAL = "manual"


class HechoStop(NamedTuple):
    """An event as far as its execution needs it."""

    execution_token: str
    version: int
    tipo: str  # one of `TipoEventoStop`
    attempt: int
    occurred_at_ms: int
    operation_id: str | None
    client_id: str
    symbol: str
    trigger_price: Decimal | None
    stop_price: Decimal | None
    quantity: Decimal | None
    side: str | None
    exchange_order_id: str | None
    fill_price: Decimal | None
    slippage_pct: Decimal | None
    source: str
    error_message: str | None


class EjecucionStop(NamedTuple):
    """One row of ``stop_executions``, in the order of its columns."""

    execution_id: str
    execution_token: str
    operation_id: str | None
    client_id: str
    symbol: str
    status: EstadoEjecucion
    attempt: int
    version: int
    stop_price: Decimal | None
    trigger_price: Decimal | None
    quantity: Decimal | None
    side: str | None
    triggered_at_ms: int | None
    submitted_at_ms: int | None
    executed_at_ms: int | None
    failed_at_ms: int | None
    blocked_at_ms: int | None
    exchange_order_id: str | None
    fill_price: Decimal | None
    slippage_pct: Decimal | None
    source: str
    error_message: str | None
    retry_count: int
    updated_at_ms: int


def plegar(estado: EjecucionStop | None, evento: HechoStop) -> EjecucionStop | None:
    """The execution after one more event.

    What was executed stays executed, whatever is told later; what is executed besides is added, price and
    slippage averaged by quantity, and unknown when one of them is. A later attempt takes the place of one
    that failed; what a former attempt tells late changes nothing, unless it was executed after all. Guardrail
    events are noted and change no status: they never hold back an exit.

    Args:
        estado: Before it; ``None`` when nothing but guardrail events came before.
        evento: The next one of the same token, in the order of ``version``.
    """
    nuevo = _estado_tras(estado, evento)
    if estado is None:
        return None if nuevo is None else _empezar(evento, nuevo)
    if nuevo is estado.status and nuevo is EstadoEjecucion.EXECUTED:
        return _sumar(estado, evento)
    if nuevo is None:
        return estado._replace(version=evento.version, updated_at_ms=evento.occurred_at_ms)
    return _seguir(estado, evento, nuevo)


def plegar_todos(eventos: Iterable[HechoStop]) -> EjecucionStop | None:
    """The execution that all events of one token amount to, in the order of ``version``."""
    estado: EjecucionStop | None = None
    for evento in eventos:
        estado = plegar(estado, evento)
    return estado


def id_ejecucion(token: str) -> str:
    """uuid5 of a token; `uuid.uuid5` itself takes five times as long."""
    h = hashlib.sha1(_ESPACIO + token.encode(), usedforsecurity=False).hexdigest()
    return f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{'89ab'[int(h[16], 16) & 3]}{h[17:20]}-{h[20:32]}"


def _estado_tras(estado: EjecucionStop | None, evento: HechoStop) -> EstadoEjecucion | None:
    """The status that an event leads to; ``None`` when it leads nowhere."""
    propuesto = _DICE[evento.tipo]
    if propuesto is None or estado is None:
        return propuesto
    if propuesto is EstadoEjecucion.EXECUTED:
        return propuesto
    if estado.status is EstadoEjecucion.EXECUTED:
        return None
    if evento.attempt > estado.attempt:
        return propuesto
    if evento.attempt < estado.attempt:
        return None
    return propuesto if _ORDEN[propuesto] >= _ORDEN[estado.status] else None


_ORDEN = {
    EstadoEjecucion.PENDING: 0,
    EstadoEjecucion.BLOCKED: 1,
    EstadoEjecucion.SUBMITTED: 2,
    EstadoEjecucion.FAILED: 3,
    EstadoEjecucion.EXECUTED: 4,
}
"""Within one attempt, what comes late never undoes what came further."""


def _que_dice(tipo: TipoEventoStop) -> EstadoEjecucion | None:
    match tipo:
        case TipoEventoStop.STOP_TRIGGERED:
            return EstadoEjecucion.PENDING
        case TipoEventoStop.EXECUTION_SUBMITTED:
            return EstadoEjecucion.SUBMITTED
        case TipoEventoStop.EXECUTED:
            return EstadoEjecucion.EXECUTED
        case TipoEventoStop.FAILED:
            return EstadoEjecucion.FAILED
        case TipoEventoStop.BLOCKED:
            return EstadoEjecucion.BLOCKED
        case (
            TipoEventoStop.STALE_PRICE
            | TipoEventoStop.KILL_SWITCH
            | TipoEventoStop.SLIPPAGE_BREACH
            | TipoEventoStop.CIRCUIT_BREAKER
        ):
            return None
        case _:
            assert_never(tipo)


_DICE: dict[str, EstadoEjecucion | None] = {tipo.value: _que_dice(tipo) for tipo in TipoEventoStop}


def _empezar(evento: HechoStop, status: EstadoEjecucion) -> EjecucionStop:
    cuando = evento.occurred_at_ms
    return EjecucionStop(
        id_ejecucion(evento.execution_token),
        evento.execution_token,
        evento.operation_id,
        evento.client_id,
        evento.symbol,
        status,
        evento.attempt,
        evento.version,
        evento.stop_price,
        evento.trigger_price,
        evento.quantity,
        evento.side,
        cuando if status is EstadoEjecucion.PENDING else None,
        cuando if status is EstadoEjecucion.SUBMITTED else None,
        cuando if status is EstadoEjecucion.EXECUTED else None,
        cuando if status is EstadoEjecucion.FAILED else None,
        cuando if status is EstadoEjecucion.BLOCKED else None,
        evento.exchange_order_id,
        evento.fill_price,
        evento.slippage_pct,
        evento.source,
        evento.error_message,
        evento.attempt - 1,
        cuando,
    )


def _seguir(estado: EjecucionStop, evento: HechoStop, status: EstadoEjecucion) -> EjecucionStop:
    intento = max(estado.attempt, evento.attempt)
    cuando = evento.occurred_at_ms
    return EjecucionStop(
        estado.execution_id,
        estado.execution_token,
        estado.operation_id or evento.operation_id,
        estado.client_id,
        estado.symbol,
        status,
        intento,
        evento.version,
        evento.stop_price if evento.stop_price is not None else estado.stop_price,
        estado.trigger_price if estado.trigger_price is not None else evento.trigger_price,
        evento.quantity if evento.quantity is not None else estado.quantity,
        estado.side or evento.side,
        _disparado_ms(estado.triggered_at_ms, cuando, status),
        cuando if status is EstadoEjecucion.SUBMITTED else estado.submitted_at_ms,
        cuando if status is EstadoEjecucion.EXECUTED else estado.executed_at_ms,
        cuando if status is EstadoEjecucion.FAILED else estado.failed_at_ms,
        cuando if status is EstadoEjecucion.BLOCKED else estado.blocked_at_ms,
        evento.exchange_order_id if evento.exchange_order_id is not None else estado.exchange_order_id,
        evento.fill_price if evento.fill_price is not None else estado.fill_price,
        evento.slippage_pct if evento.slippage_pct is not None else estado.slippage_pct,
        evento.source,
        evento.error_message if status is not EstadoEjecucion.EXECUTED else None,
        intento - 1,
        cuando,
    )


def _sumar(estado: EjecucionStop, evento: HechoStop) -> EjecucionStop:
    """Executed once more: quantities are added; one that is not told adds nothing."""
    intento = max(estado.attempt, evento.attempt)
    despues = estado._replace(
        attempt=intento,
        version=evento.version,
        executed_at_ms=evento.occurred_at_ms,
        exchange_order_id=evento.exchange_order_id or estado.exchange_order_id,
        source=evento.source,
        retry_count=intento - 1,
        updated_at_ms=evento.occurred_at_ms,
    )
    if estado.quantity is None or evento.quantity is None:
        return despues
    antes, ahora = Decimal(estado.quantity), Decimal(evento.quantity)
    if antes <= 0 or ahora <= 0:
        return despues
    return despues._replace(
        quantity=numero(_CONTEXTO.add(antes, ahora)),
        fill_price=_media(estado.fill_price, antes, evento.fill_price, ahora),
        slippage_pct=_media(estado.slippage_pct, antes, evento.slippage_pct, ahora),
    )


def _media(uno: Decimal | None, peso: Decimal, otro: Decimal | None, otro_peso: Decimal) -> Decimal | None:
    """The mean by weight, as the store keeps it."""
    if uno is None or otro is None:
        return None
    suma = _CONTEXTO.add(_CONTEXTO.multiply(Decimal(uno), peso), _CONTEXTO.multiply(Decimal(otro), otro_peso))
    return numero(_CONTEXTO.divide(suma, _CONTEXTO.add(peso, otro_peso)))


def _disparado_ms(antes: int | None, cuando: int, status: EstadoEjecucion) -> int | None:
    """When it was triggered; what was executed had been by then, even if that was heard of later."""
    if status is EstadoEjecucion.EXECUTED and antes is not None:
        return min(antes, cuando)
    return cuando if antes is None and status is EstadoEjecucion.PENDING else antes
