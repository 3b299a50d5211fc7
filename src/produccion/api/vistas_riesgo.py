"""Breakers, risk modes and locks as answers tell them: instants in Unix seconds, what is not known null."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from src.produccion.almacen.demonios import VIVO_MS
from src.produccion.almacen.lecturas import DemonioVisto
from src.produccion.almacen.modos import ModoVigente
from src.produccion.almacen.tipos_disyuntor import DisyuntorGuardado
from src.produccion.api.formas import segundos
from src.produccion.monitor.candados import Candado, ClaseCandado

_EMPEZAR = "start the daemon again: `timonel live`"


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


def candados(todos: Iterable[Candado], demonios: Iterable[DemonioVisto]) -> list[dict[str, Any]]:
    """All that keeps entries out; what a daemon that does not live told is what was known last."""
    edades_ms = {(uno.account_id, uno.symbol): uno.edad_ms for uno in demonios}
    return [_candado(uno, edades_ms.get((uno.account_id or "", uno.symbol or ""))) for uno in todos]


def _candado(uno: Candado, edad_ms: int | None) -> dict[str, Any]:
    callado = uno.account_id is not None and (edad_ms is None or edad_ms > VIVO_MS)
    medido = uno.clase is ClaseCandado.DISYUNTOR  # by the daemon alone; modes and latches outlive it
    texto, remedio = uno.texto, uno.remedio
    if callado and medido:
        como = "has ended" if edad_ms is None else f"is not alive, silent for {edad_ms / 1_000:.0f} s"
        texto, remedio = f"{texto}; last known: its daemon {como}", f"{_EMPEZAR}, which measures anew"
    elif callado and uno.clase is ClaseCandado.MODO:
        remedio = f"{_EMPEZAR}; then {remedio}"
    return {
        "account_id": uno.account_id,
        "symbol": uno.symbol,
        "kind": uno.clase.value,
        "name": uno.que,
        "state": uno.estado,
        "reason": uno.motivo or None,
        "since": segundos(uno.desde_ms),
        "until": segundos(uno.hasta_ms),
        "text": texto,
        "how_to_remove": remedio,
        "current": not (callado and medido),
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
