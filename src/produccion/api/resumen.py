"""From what became of each account's command to the answer of the request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from src.nucleo.guardian import Solicitud

_NO_HECHO: Mapping[str, Any] = {
    "direction": None,
    "stop": None,
    "level_applied": None,
    "previous_stop": None,
    "adjustment_confirmed": False,
    "redis_updated": False,
}
VARIOS = 207
"""HTTP status of a request to several accounts that did not all end alike."""


class Resultado(NamedTuple):
    """What became of one account's command."""

    user_id: str
    mando_id: str
    estado: int  # HTTP status it would have alone
    campos: Mapping[str, Any]  # what the daemon wrote
    error: str  # empty when it was done
    pedido_ms: int
    acabado_ms: int | None  # None: not over

    @property
    def exito(self) -> bool:
        """Whether the daemon said that it was done, and nothing else."""
        return not self.error


def cuerpo_de(resultado: Resultado, ahora_ms: int) -> dict[str, Any]:
    """The eight fields, and what else the daemon wrote; ``success`` is true only when it is."""
    instante_ms = ahora_ms if resultado.acabado_ms is None else resultado.acabado_ms
    return {
        "success": resultado.exito,
        **_NO_HECHO,
        "timestamp": instante_ms / 1_000,
        **{campo: valor for campo, valor in resultado.campos.items() if campo not in ("success", "error")},
    }


def resumir(solicitud: Solicitud, resultados: Sequence[Resultado], ahora_ms: int) -> dict[str, Any]:
    """The summary of a request to all enabled accounts.

    Args:
        solicitud: What was asked.
        resultados: One per account; at least one.
        ahora_ms: Now; stands in for the end of commands that are not over.
    """
    logrados = sum(resultado.exito for resultado in resultados)
    finales = [ahora_ms if r.acabado_ms is None else r.acabado_ms for r in resultados]
    return {
        "action": solicitud.accion.value,
        "symbol": solicitud.simbolo,
        "total_users": len(resultados),
        "successful_users": logrados,
        "failed_users": len(resultados) - logrados,
        "success_rate": round(100.0 * logrados / len(resultados), 2),
        "total_execution_time_sec": max(0, max(finales) - min(r.pedido_ms for r in resultados)) / 1_000,
        "results": [
            {
                "user_id": resultado.user_id,
                "command_id": resultado.mando_id,
                **cuerpo_de(resultado, ahora_ms),
                "error": resultado.error or None,
            }
            for resultado in resultados
        ],
        "timestamp": max(finales) / 1_000,
    }


def estado_comun(resultados: Sequence[Resultado]) -> int:
    """The HTTP status that all of them have, 207 when they differ."""
    estados = {resultado.estado for resultado in resultados}
    return estados.pop() if len(estados) == 1 else VARIOS
