"""How deliveries went: sent, failed and held back, by channel and kind."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from src.produccion.alertas.bandeja import TEMA, Final, de_inquilino
from src.produccion.almacen.esquema import ahora_bd, outbox


class Cuenta(NamedTuple):
    """Messages of one kind in one channel."""

    canal: str
    clase: str
    enviados: int
    esperan: int  # to be sent, or for a digest
    retenidos: int  # held back: told in a digest, or waiting for it
    fallidos: int  # given up
    intentos_fallidos: int
    ultimo_error: str | None


def contar(conexion: Connection, horas: float | None = None, client_id: str | None = None) -> list[Cuenta]:
    """Count what the outbox holds, by channel and kind.

    Args:
        conexion: That reads.
        horas: How far back; ``None`` is everything that is kept.
        client_id: Alerts of one tenant only; digests are of several alerts and left out.
    """
    c = outbox.c
    sin_acabar = c.delivered_at_ms.is_(None)
    enviado = c.outcome == Final.SENT.value
    consulta = (
        select(
            c.topic,
            c.kind,
            _cuantos(enviado),
            _cuantos(and_(sin_acabar, c.outcome.is_(None) | (c.outcome == Final.HELD.value))),
            _cuantos(c.outcome == Final.HELD.value),
            _cuantos(c.outcome == Final.FAILED.value),
            func.sum(c.attempts) - _cuantos(enviado),
            func.max(case((c.last_error.is_not(None), c.id))),
        )
        .where(c.topic.like(f"{TEMA}/%"))
        .group_by(c.topic, c.kind)
        .order_by(c.topic, c.kind)
    )
    if horas is not None:
        consulta = consulta.where(c.created_at_ms >= ahora_bd() - round(horas * 3_600_000))
    if client_id is not None:
        consulta = consulta.where(de_inquilino(client_id))
    filas = conexion.execute(consulta).all()
    errores = _errores(conexion, [fila[-1] for fila in filas if fila[-1] is not None])
    return [
        Cuenta._make((str(tema).removeprefix(f"{TEMA}/"), *cuentas, errores.get(fila)))
        for tema, *cuentas, fila in filas
    ]


def _errores(conexion: Connection, ids: list[int]) -> dict[int, str]:
    """What went wrong last, by row."""
    consulta = select(outbox.c.id, outbox.c.last_error).where(outbox.c.id.in_(ids))
    return {int(fila[0]): str(fila[1]) for fila in conexion.execute(consulta)}


def sin_repartir(conexion: Connection, client_id: str | None = None) -> int:
    """Alerts that no deliverer has looked at yet; of one tenant where it is named."""
    c = outbox.c
    consulta = select(func.count()).where(c.topic == TEMA, c.delivered_at_ms.is_(None), c.outcome.is_(None))
    if client_id is not None:
        consulta = consulta.where(de_inquilino(client_id))
    return int(conexion.execute(consulta).scalar_one())


def _cuantos(condicion: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condicion, 1), else_=0)), 0)
