"""What time it is in a tenant's market, as far as the store knows."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from src.produccion.almacen.demonios import VIVO_MS
from src.produccion.almacen.esquema import ahora_bd, balance_snapshots, daemons


def hora_de_mercado(conexion: Connection, client_id: str, symbol: str | None = None) -> int:
    """UTC milliseconds: the newest balance of the tenant's living daemons, told once a minute.

    Daemons may replay different years: the earliest of their times counts, so that nothing is taken to be
    over for one of them that is not. Where no daemon lives it is the database's clock.

    Args:
        conexion: That reads.
        client_id: The tenant.
        symbol: Only daemons that trade it.
    """
    d, b = daemons.c, balance_snapshots.c
    vivos = select(d.account_id, d.symbol).where(
        d.client_id == client_id, d.heartbeat_ms >= ahora_bd() - VIVO_MS
    )
    if symbol is not None:
        vivos = vivos.where(d.symbol == symbol)
    ultimas = [
        conexion.execute(
            select(func.max(b.taken_at_ms)).where(
                b.account_id == cuenta, b.symbol == simbolo, b.client_id == client_id
            )
        ).scalar()
        for cuenta, simbolo in conexion.execute(vivos).all()
    ]
    conocidas = [instante_ms for instante_ms in ultimas if instante_ms is not None]
    ahora_ms: int = conexion.execute(select(ahora_bd())).scalar_one()
    return min(conocidas, default=ahora_ms)
