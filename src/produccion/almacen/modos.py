"""What people let each agent do, also where nobody ever said: there it is ACTIVE."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, select

from src.nucleo.riesgo import ModoRiesgo
from src.produccion.almacen.demonios import VIVO_MS
from src.produccion.almacen.disyuntores import modos_de
from src.produccion.almacen.esquema import ahora_bd, daemons


class ModoVigente(NamedTuple):
    """The risk mode of an account and symbol."""

    client_id: str
    account_id: str
    user_id: str
    symbol: str
    mode: ModoRiesgo
    reason: str
    requested_by: str
    changed_at_ms: int | None  # ``None`` when nobody ever set it
    alive: bool  # whether its daemon gives signs of life

    @property
    def texto(self) -> str:
        """In one line."""
        quien = f", by {self.requested_by}: {self.reason}" if self.requested_by else ", nobody ever set it"
        vive = "" if self.alive else "; no daemon of it runs"
        return f"{self.symbol} of {self.account_id}: {self.mode.value}{quien}{vive}"


def modos_vigentes(conexion: Connection, client_id: str | None = None) -> list[ModoVigente]:
    """The mode of every daemon that is known, and of whatever one was set for; by account and symbol.

    Args:
        conexion: That reads.
        client_id: One tenant only.
    """
    d = daemons.c
    consulta = select(d.client_id, d.account_id, d.user_id, d.symbol, d.heartbeat_ms >= ahora_bd() - VIVO_MS)
    if client_id is not None:
        consulta = consulta.where(d.client_id == client_id)
    todos: dict[tuple[str, str], ModoVigente] = {}
    for cliente, cuenta, usuario, simbolo, vive in conexion.execute(consulta):
        todos[cuenta, simbolo] = ModoVigente(
            cliente, cuenta, usuario, simbolo, ModoRiesgo.ACTIVE, "", "", None, bool(vive)
        )
    for uno in modos_de(conexion, client_id):
        lugar = (uno.account_id, uno.symbol)
        quien = (uno.client_id, uno.account_id, uno.user_id, uno.symbol)
        dicho = (uno.mode, uno.reason, uno.requested_by, uno.changed_at_ms)
        todos[lugar] = ModoVigente(*quien, *dicho, lugar in todos and todos[lugar].alive)
    return [todos[lugar] for lugar in sorted(todos)]
