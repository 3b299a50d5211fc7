"""Who may execute a stop: one holder at a time, for ten seconds by the database's clock.

A claim is taken, renewed and let go in transactions of their own, which are over before anything is sent.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Engine, select, update
from sqlalchemy.dialects import postgresql, sqlite

from src.produccion.almacen.esquema import ahora_bd, claims

ARRIENDO_MS = 10_000
"""How long a claim holds without being renewed."""


class ResultadoReclamo(StrEnum):
    """What came of asking for a claim."""

    NUEVO = "new"  # yours; nobody had it before
    VENCIDO = "expired"  # yours; whoever had it stopped renewing: first look `id_cliente` up at the exchange
    AJENO = "held"  # somebody else has it
    TERMINADO = "done"  # what it was for is done


class Reclamo(NamedTuple):
    """The answer, and the claim itself when it is yours."""

    resultado: ResultadoReclamo
    token: str
    quien: str  # who has it
    attempt: int  # how many have had it so far
    id_cliente: str  # what its holder sends, or the former one may have sent
    hasta_ms: int  # by the database's clock

    @property
    def mio(self) -> bool:
        """Whether the one who asked may go on."""
        return self.resultado in (ResultadoReclamo.NUEVO, ResultadoReclamo.VENCIDO)


def tomar_reclamo(motor: Engine, token: str, quien: str, id_cliente: str) -> Reclamo:
    """Ask for the right to execute a token.

    An expired claim keeps the former holder's client id: whoever takes it over looks that one up at the
    exchange, then calls `renovar_reclamo` with its own before it sends.

    Args:
        motor: The store.
        token: The execution token.
        quien: Who asks; unique among processes and tasks.
        id_cliente: The client order id that would be sent.
    """
    hasta = ahora_bd() + ARRIENDO_MS
    tabla = postgresql.insert(claims) if motor.dialect.name == "postgresql" else sqlite.insert(claims)
    nuevo = tabla.values(
        execution_token=token,
        attempt=1,
        holder=quien,
        claimed_at_ms=ahora_bd(),
        lease_until_ms=hasta,
        client_order_id=id_cliente,
    )
    relevo = (
        update(claims)
        .where(claims.c.execution_token == token, claims.c.done.is_(False))
        .where(claims.c.lease_until_ms <= ahora_bd())
        .values(holder=quien, attempt=claims.c.attempt + 1, claimed_at_ms=ahora_bd(), lease_until_ms=hasta)
    )
    columnas = (claims.c.holder, claims.c.attempt, claims.c.client_order_id, claims.c.lease_until_ms)
    with motor.begin() as conexion:
        fila = conexion.execute(nuevo.on_conflict_do_nothing().returning(*columnas)).first()
        if fila is not None:
            return Reclamo(ResultadoReclamo.NUEVO, token, *fila)
        fila = conexion.execute(relevo.returning(*columnas)).first()
        if fila is not None:
            return Reclamo(ResultadoReclamo.VENCIDO, token, *fila)
        consulta = select(claims.c.done, *columnas).where(claims.c.execution_token == token)
        hecho, *resto = conexion.execute(consulta).one()
    return Reclamo(ResultadoReclamo.TERMINADO if hecho else ResultadoReclamo.AJENO, token, *resto)


def renovar_reclamo(motor: Engine, reclamo: Reclamo, id_cliente: str | None = None) -> bool:
    """Hold a claim for ten seconds more; false when it is no longer yours, and nothing may be sent.

    Args:
        motor: The store.
        reclamo: What `tomar_reclamo` gave.
        id_cliente: What will be sent from now on, after the former one was looked up; ``None`` leaves it.
    """
    valores: dict[str, object] = {"lease_until_ms": ahora_bd() + ARRIENDO_MS}
    if id_cliente is not None:
        valores["client_order_id"] = id_cliente
    return _cambiar(motor, reclamo, valores)


def soltar_reclamo(motor: Engine, reclamo: Reclamo, *, hecho: bool) -> bool:
    """Let a claim go; false when it was no longer yours.

    Args:
        motor: The store.
        reclamo: What `tomar_reclamo` gave.
        hecho: Whether it is done for ever; otherwise the next one may take it over at once.
    """
    return _cambiar(motor, reclamo, {"done": True} if hecho else {"lease_until_ms": ahora_bd()})


def _cambiar(motor: Engine, reclamo: Reclamo, valores: dict[str, object]) -> bool:
    mio = (
        (claims.c.execution_token == reclamo.token)
        & (claims.c.holder == reclamo.quien)
        & (claims.c.attempt == reclamo.attempt)
        & claims.c.done.is_(False)
    )
    with motor.begin() as conexion:
        return conexion.execute(update(claims).where(mio).values(valores)).rowcount == 1
