"""What the store says of a tenant's accounts, for monitoring: who lives, what it is worth, what is locked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Engine, select

from src.produccion.almacen.conexion import leer
from src.produccion.almacen.disyuntores import disyuntores_de
from src.produccion.almacen.esquema import ahora_bd, balance_snapshots, daemons, positions
from src.produccion.almacen.lecturas import Cerrojo, cerrojos_de
from src.produccion.almacen.tipos_disyuntor import DisyuntorGuardado


class EdadDemonio(NamedTuple):
    """A daemon that has not ended on purpose."""

    account_id: str
    symbol: str
    agent_id: str
    edad_s: float  # of its last sign of life, by the database's clock


class UltimaEquity(NamedTuple):
    """The equity that a daemon has put in the store last."""

    account_id: str
    symbol: str
    agent_id: str
    equity: float  # margin asset
    instante_ms: int  # market time


class Cifras(NamedTuple):
    """All of it."""

    demonios: Sequence[EdadDemonio]
    equities: Sequence[UltimaEquity]
    cerrojos: Sequence[Cerrojo]
    disyuntores: Sequence[DisyuntorGuardado]


def leer_cifras(motor: Engine, client_id: str) -> Cifras:
    """Of one tenant, and of no other."""
    with leer(motor) as conexion:
        demonios = _demonios(conexion, client_id)
        return Cifras(
            demonios,
            _equities(conexion, client_id, demonios),
            cerrojos_de(conexion, client_id),
            disyuntores_de(conexion, client_id),
        )


def _demonios(conexion: Connection, client_id: str) -> Sequence[EdadDemonio]:
    d = daemons.c
    consulta = select(d.account_id, d.symbol, d.agent_id, ahora_bd() - d.heartbeat_ms)
    consulta = consulta.where(d.client_id == client_id).order_by(d.account_id, d.symbol)
    return [
        EdadDemonio(cuenta, simbolo, agente or "", max(0.0, float(edad_ms)) / 1_000)
        for cuenta, simbolo, agente, edad_ms in conexion.execute(consulta)
    ]


def _equities(
    conexion: Connection, client_id: str, demonios: Sequence[EdadDemonio]
) -> Sequence[UltimaEquity]:
    """One look per account and symbol, by the index: the table of snapshots only grows."""
    con_filas = select(positions.c.account_id, positions.c.symbol).where(positions.c.client_id == client_id)
    conocidas = {(cuenta, simbolo) for cuenta, simbolo in conexion.execute(con_filas)}
    conocidas |= {(demonio.account_id, demonio.symbol) for demonio in demonios}
    filas = (_equity(conexion, client_id, *una) for una in sorted(conocidas))
    return [fila for fila in filas if fila is not None]


def _equity(conexion: Connection, client_id: str, account_id: str, symbol: str) -> UltimaEquity | None:
    b = balance_snapshots.c
    consulta = select(b.agent_id, b.equity, b.taken_at_ms)
    consulta = consulta.where(
        b.account_id == account_id, b.symbol == symbol, b.client_id == client_id, b.equity.is_not(None)
    )
    fila = conexion.execute(consulta.order_by(b.id.desc()).limit(1)).one_or_none()
    if fila is None:
        return None
    agente, equity, instante_ms = fila
    return UltimaEquity(account_id, symbol, agente or "", float(equity), instante_ms)
