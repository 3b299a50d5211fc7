"""Which figures are measured together, and where."""

from __future__ import annotations

import importlib
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from bench.medida import Medida


class Grupo(NamedTuple):
    """Figures that are measured together, in a process of their own."""

    modulo: str
    funcion: str
    figuras: tuple[str, ...]  # those with a goal
    por_omision: bool = True


GRUPOS = (
    Grupo("decision", "medir_decision", ("decision_p50_ms", "decision_p99_ms", "decision_vs_seed")),
    Grupo("indicadores", "medir_indicadores", ("indicator_update_us",)),
    Grupo("entorno", "medir_entorno", ("env_steps_s",)),
    Grupo("evaluacion", "medir_evaluacion", ("evaluation_vs_sb3",)),
    Grupo("replay", "medir_replay", ("replay_candles_s",)),
    Grupo("replay", "medir_replay_con_stops", ("replay_journal_candles_s",)),
    Grupo("reinicio", "medir_reinicio", ("restart_to_protected_s",)),
    Grupo("proteccion", "medir_proteccion", ("tick_to_protect_p99_ms",)),
    Grupo("almacen", "medir_reconstruccion", ("rebuild_1m_events_s", "rebuild_1m_events_mb")),
    Grupo("mensajes", "medir_mensajes", ("ws_fanout_p99_ms",)),
    Grupo("api", "medir_api", ("api_p95_ms", "price_cache_hit_pct", "decision_p99_beside_api")),
    Grupo("replay", "medir_soak", ("rss_growth_mb",), por_omision=False),
)


def elegir(solo: Sequence[str], *, soak: bool) -> list[Grupo]:
    """The groups to measure: those of the named figures, or all but the soak."""
    if solo:
        return [grupo for grupo in GRUPOS if set(solo) & set(grupo.figuras)]
    return [grupo for grupo in GRUPOS if grupo.por_omision or soak]


def medir(grupo: Grupo, *, rapido: bool) -> list[Medida]:
    """Measure a group in a fresh process, so that no group leaves anything to the next one."""
    contexto = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=contexto) as uno:
        return uno.submit(_medir, grupo.modulo, grupo.funcion, rapido).result()


def _medir(modulo: str, funcion: str, rapido: bool) -> list[Medida]:
    medidas: list[Medida] = getattr(importlib.import_module(f"bench.{modulo}"), funcion)(rapido=rapido)
    return medidas
