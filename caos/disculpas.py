"""What an injected fault or the rules themselves excuse: a stop nobody could place, a candle nobody heard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from caos.guion import PUNTOS_POR_VELA
from caos.pruebas import Evento

Bitacora = Sequence[Mapping[str, Any]]
"""The log of ``GET /sim/v1/faults``."""

_STOPS_ESTROPEADOS = frozenset(
    {"stop_dropped", "stop_stuck", "stop_child_expired", "stop_child_partial", "stop_ignored"}
)
_MENSAJES_PERDIDOS = frozenset({"kline", "silence", "outage", "disconnect"})
_DESFASE_MS = 60_000  # how far injected skews move the daemon's clock against the market's


def stops_estropeados(bitacora: Bitacora, velas: Sequence[int]) -> list[tuple[int, int]]:
    """Spans of market time after a stop was tampered with, until the next candle was decided on."""
    duracion = velas[1] - velas[0]
    return [
        (velas[vela], velas[vela] + 2 * duracion) for vela in _velas_de(bitacora, velas, _STOPS_ESTROPEADOS)
    ]


def niveles_imposibles(eventos: Sequence[Evento]) -> list[tuple[int, int]]:
    """Spans of market time in which no positive price called for a stop."""
    tramos: list[tuple[int, int]] = []
    desde_ms: int | None = None
    for evento in eventos:
        if evento.tipo not in ("LEVEL_SET", "LEVEL_CLEARED"):
            continue
        if evento.tipo == "LEVEL_SET" and evento.contenido["level"] is None:
            desde_ms = evento.instante_ms if desde_ms is None else desde_ms
        elif desde_ms is not None:
            tramos.append((desde_ms - _DESFASE_MS, evento.instante_ms + _DESFASE_MS))
            desde_ms = None
    if desde_ms is not None:
        tramos.append((desde_ms - _DESFASE_MS, 1 << 62))
    return tramos


def velas_no_oidas(bitacora: Bitacora, velas: Sequence[int]) -> frozenset[int]:
    """Candles whose closing message a fault may have kept from the daemon."""
    return frozenset(
        velas[cual]
        for vela in _velas_de(bitacora, velas, _MENSAJES_PERDIDOS)
        for cual in (vela - 1, vela, vela + 1)
        if 0 <= cual < len(velas)
    )


def velas_a_deshora(desfases: Sequence[tuple[int, int]], velas: Sequence[int]) -> frozenset[int]:
    """Candles that close while the exchange's clock says that they have not.

    Args:
        desfases: Market step and milliseconds of each injected skew, in order.
        velas: Open times of the candles.
    """
    a_deshora: set[int] = set()
    total_ms = 0
    siguientes = [paso for paso, _ in desfases[1:]] + [PUNTOS_POR_VELA * len(velas) + 1]
    for (paso, ms), hasta in zip(desfases, siguientes, strict=False):
        total_ms += ms
        if total_ms < 0:
            a_deshora.update(velas[max(0, (paso - 1) // PUNTOS_POR_VELA - 1) : hasta // PUNTOS_POR_VELA + 1])
    return frozenset(a_deshora)


def adelanto_maximo_ms(desfases: Sequence[tuple[int, int]]) -> int:
    """How far injected skews brought the exchange's clock ahead of the market at most; `velas_a_deshora`."""
    return max(0, *accumulate((ms for _, ms in desfases), initial=0))


def _velas_de(bitacora: Bitacora, velas: Sequence[int], clases: frozenset[str]) -> list[int]:
    """Indices of the candles during which faults of some kinds happened."""
    return [
        min(max(0, (int(suceso["step"]) - 1) // PUNTOS_POR_VELA), len(velas) - 1)
        for suceso in bitacora
        if suceso["kind"] in clases
    ]
