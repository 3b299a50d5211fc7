"""Breakers, risk modes and locks as answers tell them: instants in Unix seconds, what is not known null."""

from __future__ import annotations

from typing import Any

from src.produccion.almacen.modos import ModoVigente
from src.produccion.almacen.tipos_disyuntor import DisyuntorGuardado
from src.produccion.api.formas import segundos
from src.produccion.monitor.candados import Candado


def disyuntor(uno: DisyuntorGuardado) -> dict[str, Any]:
    """A breaker as it was told last."""
    return {
        "id": uno.id,
        "account_id": uno.account_id or None,
        "exchange": uno.exchange or None,
        "symbol": uno.symbol,
        "kind": uno.kind.value,
        "state": uno.state.value,
        "blocks_entries": uno.detiene,
        "value": uno.value,
        "limit": uno.limit_value,
        "unit": uno.unit,
        "failures": uno.failures,
        "reason": uno.reason or None,
        "by": uno.requested_by or None,
        "since": segundos(uno.changed_at_ms),
        "opened_at": segundos(uno.opened_at_ms),
        "until": segundos(uno.hasta_ms),
        "how_to_close": uno.como_se_cierra or None,
    }


def candado(uno: Candado) -> dict[str, Any]:
    """Something that keeps entries out."""
    return {
        "account_id": uno.account_id,
        "symbol": uno.symbol,
        "kind": uno.clase.value,
        "name": uno.que,
        "state": uno.estado,
        "reason": uno.motivo or None,
        "since": segundos(uno.desde_ms),
        "until": segundos(uno.hasta_ms),
        "text": uno.texto,
        "how_to_remove": uno.remedio,
    }


def modo(uno: ModoVigente) -> dict[str, Any]:
    """What a person lets an agent do."""
    return {
        "account_id": uno.account_id,
        "user_id": uno.user_id,
        "symbol": uno.symbol,
        "mode": uno.mode.value,
        "reason": uno.reason or None,
        "by": uno.requested_by or None,
        "since": segundos(uno.changed_at_ms),
        "alive": uno.alive,
    }
