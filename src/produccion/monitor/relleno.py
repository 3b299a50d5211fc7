"""Gives operations that know only a percentage their absolute stop, in batches, as often as one likes."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Select, func, select, update

from src.nucleo.disparos import stop_de_porcentaje, token_de
from src.nucleo.errores import DatosInvalidos
from src.produccion.almacen.conexion import escribir, leer
from src.produccion.almacen.esquema import ahora_bd, operations
from src.produccion.almacen.operaciones import LadoOperacion

LOTE = 1_000


class Rellenada(NamedTuple):
    """One operation that was looked at."""

    operation_id: str
    porcentaje: Decimal
    stop: Decimal | None  # ``None`` when its numbers make none
    motivo: str = ""


class Lote(NamedTuple):
    """One batch, as far as it is done."""

    numero: int
    desde: int  # position of its first operation among all that were to be filled, from 1
    total: int
    filas: tuple[Rellenada, ...]

    @property
    def actualizadas(self) -> int:
        """How many got a stop."""
        return sum(fila.stop is not None for fila in self.filas)


def por_rellenar(motor: Engine) -> int:
    """How many operations have a percentage and no stop."""
    with leer(motor) as conexion:
        return int(conexion.execute(select(func.count()).select_from(_faltan().subquery())).scalar_one())


def rellenar(motor: Engine, ahora_ms: int, lote: int = LOTE, *, ensayo: bool = False) -> Iterator[Lote]:
    """Fill in stops, one transaction for each batch; what was filled before is left alone.

    Args:
        motor: The store.
        ahora_ms: When the stops are set, as their tokens say for ever.
        lote: Operations in a batch.
        ensayo: Whether nothing is written.

    Raises:
        DatosInvalidos: The size of the batch is not positive.
    """
    if lote < 1:
        raise DatosInvalidos(f"--batch-size {lote} must be at least 1")
    total, hechas, ultimo, numero = por_rellenar(motor), 0, "", 0
    while True:
        with leer(motor) if ensayo else escribir(motor) as conexion:
            filas = _un_lote(conexion, ultimo, lote, ahora_ms, ensayo=ensayo)
        if not filas:
            return
        numero += 1
        yield Lote(numero, hechas + 1, max(total, hechas + len(filas)), filas)
        hechas, ultimo = hechas + len(filas), filas[-1].operation_id


def _faltan() -> Select[Any]:
    c = operations.c
    return select(c.operation_id, c.side, c.average_entry_price, c.stop_loss_percent).where(
        c.stop_price.is_(None), c.stop_loss_percent.is_not(None)
    )


def _un_lote(
    conexion: Connection, ultimo: str, lote: int, ahora_ms: int, *, ensayo: bool
) -> tuple[Rellenada, ...]:
    """The operations after one, by name: those that cannot be filled do not come up again."""
    id_operacion = operations.c.operation_id
    consulta = _faltan().where(id_operacion > ultimo).order_by(id_operacion).limit(lote)
    filas = []
    for operation_id, side, entrada, porcentaje in conexion.execute(consulta).all():
        try:
            stop = stop_de_porcentaje(entrada, porcentaje, largo=side == LadoOperacion.BUY.value)
        except DatosInvalidos as fallo:
            filas.append(Rellenada(operation_id, porcentaje, None, str(fallo)))
            continue
        if not ensayo:
            _poner(conexion, operation_id, stop, ahora_ms)
        filas.append(Rellenada(operation_id, porcentaje, stop))
    return tuple(filas)


def _poner(conexion: Connection, operation_id: str, stop: Decimal, ahora_ms: int) -> None:
    conexion.execute(
        update(operations)
        .where(operations.c.operation_id == operation_id, operations.c.stop_price.is_(None))
        .values(
            stop_price=stop,
            initial_stop_price=func.coalesce(operations.c.initial_stop_price, stop),
            stop_set_at_ms=ahora_ms,
            stop_execution_token=token_de(operation_id, stop, ahora_ms),
            updated_at_ms=ahora_bd(),
        )
    )
