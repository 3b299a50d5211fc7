"""The monitoring queries: how stop executions went, how far from their level, how fast, and which failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import ceil, fsum
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, true

from src.produccion.almacen.ejecuciones import EstadoEjecucion
from src.produccion.almacen.esquema import ahora_bd, stop_executions

_HORA_MS = 3_600_000


class Medida(NamedTuple):
    """A figure over executions; ``None`` of none."""

    cuantas: int
    media: float | None
    p99: float | None
    maximo: float | None


class Fallida(NamedTuple):
    """An execution whose last attempt failed."""

    operation_id: str | None
    simbolo: str
    mensaje: str
    fallo_ms: int
    reintentos: int


class InformeStops(NamedTuple):
    """What `timonel stops report` says."""

    horas: float | None  # the window; ``None`` is everything
    por_estado: dict[str, int]
    slippage_pct: Medida  # > 0 is worse than the level
    latencia_ms: Medida  # trigger → execution, market time
    fallidas: tuple[Fallida, ...]
    anteriores: int  # executions that are older than the window


def informar(
    conexion: Connection,
    horas: float | None = 24.0,
    horas_fallos: float | None = 1.0,
    client_id: str | None = None,
) -> InformeStops:
    """Ask the projection.

    Args:
        conexion: That reads.
        horas: How far back triggers and executions go, by the database's clock; ``None`` for all.
        horas_fallos: How far back failures go.
        client_id: One tenant; all unless given.
    """
    c = stop_executions.c
    suyas = true() if client_id is None else c.client_id == client_id
    ahora_ms = int(conexion.execute(select(ahora_bd())).scalar_one())
    vista = or_(_desde(c.triggered_at_ms, ahora_ms, horas), _desde(c.submitted_at_ms, ahora_ms, horas))
    cuentas = conexion.execute(
        select(c.status, func.count()).where(suyas, vista).group_by(c.status).order_by(c.status)
    )
    por_estado = {estado.value: 0 for estado in EstadoEjecucion} | {str(e): int(n) for e, n in cuentas}
    hechas = conexion.execute(
        select(c.slippage_pct, c.triggered_at_ms, c.executed_at_ms).where(
            suyas,
            c.status == EstadoEjecucion.EXECUTED.value,
            _desde(c.executed_at_ms, ahora_ms, horas),
        )
    ).all()
    todas = conexion.execute(select(func.count()).select_from(stop_executions).where(suyas)).scalar_one()
    return InformeStops(
        horas,
        por_estado,
        medir([float(s) for s, _, _ in hechas if s is not None]),
        medir([float(e - t) for _, t, e in hechas if t is not None and e is not None]),
        _fallidas(conexion, and_(suyas, _desde(c.failed_at_ms, ahora_ms, horas_fallos))),
        int(todas) - sum(por_estado.values()),
    )


def medir(valores: Sequence[float]) -> Medida:
    """Mean, 99th percentile and maximum."""
    if not valores:
        return Medida(0, None, None, None)
    ordenados = sorted(valores)
    return Medida(
        len(ordenados),
        fsum(ordenados) / len(ordenados),
        ordenados[ceil(0.99 * len(ordenados)) - 1],
        ordenados[-1],
    )


def total(informe: InformeStops) -> int:
    """How many executions the window holds."""
    return Counter(informe.por_estado).total()


def _fallidas(conexion: Connection, donde: ColumnElement[bool]) -> tuple[Fallida, ...]:
    c = stop_executions.c
    consulta = (
        select(c.operation_id, c.symbol, c.error_message, c.failed_at_ms, c.retry_count)
        .where(donde, c.status == EstadoEjecucion.FAILED.value)
        .order_by(c.failed_at_ms.desc())
    )
    return tuple(Fallida(o, s, m or "", int(f), int(r)) for o, s, m, f, r in conexion.execute(consulta))


def _desde(columna: ColumnElement[int], ahora_ms: int, horas: float | None) -> ColumnElement[bool]:
    return true() if horas is None else columna >= ahora_ms - int(horas * _HORA_MS)
