"""Makes ``stop_executions`` again from ``stop_events``, and says what was different."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Text, cast, delete, func, select, text, type_coerce

from src.produccion.almacen.conexion import sin_limites
from src.produccion.almacen.ejecuciones import EjecucionStop, HechoStop, plegar_todos
from src.produccion.almacen.esquema import stop_events, stop_executions
from src.produccion.almacen.tipos_sql import Numero, texto_numero

Progreso = Callable[[int, int], None]
"""Told how many events were folded, and of how many."""

_LOTE = 5_000
_CACHE_KB = 65_536
_COLUMNAS = ", ".join(EjecucionStop._fields)


class Reconstruccion(NamedTuple):
    """What rebuilding came to."""

    eventos: int
    ejecuciones: int
    distintas: int  # executions that were missing, too many or otherwise than their events say


def reconstruir(motor: Engine, progreso: Progreso | None = None) -> Reconstruccion:
    """Make the projection again from all events, in one transaction.

    Events come token by token, so memory does not grow with their number, and only what differs is written.
    Readers see the old projection until the new one is done; whoever wants to write a stop event waits.

    Args:
        motor: The store.
        progreso: Told from time to time.
    """
    with motor.begin() as conexion:
        sin_limites(conexion)
        _preparar(conexion)
        total = conexion.execute(select(func.count()).select_from(stop_events)).scalar_one()
        ejecuciones, distintas, hasta = 0, 0, None
        with closing(_cursor_de_eventos(conexion)) as cursor:
            sqlite = conexion.dialect.name == "sqlite"
            for lote in _lotes(
                _ejecuciones(cursor, total, progreso), texto_numero if sqlite else _texto_fijo
            ):
                distintas += _corregir(conexion, lote, hasta)
                ejecuciones += len(lote)
                hasta = lote[-1].execution_token
        distintas += _corregir(conexion, (), hasta)
    return Reconstruccion(total, ejecuciones, distintas)


def _preparar(conexion: Connection) -> None:
    if conexion.dialect.name == "postgresql":
        conexion.execute(text("LOCK TABLE stop_executions IN EXCLUSIVE MODE"))
    else:
        # Execution ids come in no order: a small cache would write the same pages again and again.
        conexion.exec_driver_sql(f"PRAGMA cache_size = -{_CACHE_KB}")


def _cursor_de_eventos(conexion: Connection) -> Any:
    """A driver's cursor over every event, token by token, in the order of versions.

    SQLAlchemy's rows would cost as much as the fold; a cursor with a name leaves them at the server.
    """
    nombres = ("event_type" if campo == "tipo" else campo for campo in HechoStop._fields)
    consulta = select(*(_como_texto(stop_events.c[nombre], conexion) for nombre in nombres))
    consulta = consulta.order_by(stop_events.c.execution_token, stop_events.c.version)
    cursor: Any = conexion.connection.cursor(*(["rebuild"] if conexion.dialect.name == "postgresql" else []))
    cursor.execute(str(consulta.compile(dialect=conexion.dialect)))
    return cursor


def _ejecuciones(cursor: Any, total: int, progreso: Progreso | None) -> Iterator[EjecucionStop]:
    """What the events of each token amount to, in the database's order of tokens."""
    for _, eventos in groupby(_hechos(cursor, total, progreso), itemgetter(0)):
        ejecucion = plegar_todos(eventos)
        if ejecucion is not None:
            yield ejecucion


def _hechos(cursor: Any, total: int, progreso: Progreso | None) -> Iterator[HechoStop]:
    """Numbers stay the database's text: nearly all are only passed on."""
    vistos = 0
    while parte := cursor.fetchmany(_LOTE):
        yield from map(HechoStop._make, parte)
        vistos += len(parte)
        if progreso is not None:
            progreso(vistos, total)


def _lotes(
    ejecuciones: Iterator[EjecucionStop], texto: Callable[[Decimal], str]
) -> Iterator[Sequence[EjecucionStop]]:
    lote: list[EjecucionStop] = []
    for ejecucion in ejecuciones:
        sumada = isinstance(ejecucion.quantity, Decimal)
        lote.append(_en_texto(ejecucion, texto) if sumada else ejecucion)
        if len(lote) == _LOTE:
            yield lote
            lote = []
    if lote:
        yield lote


def _en_texto(ejecucion: EjecucionStop, texto: Callable[[Decimal], str]) -> EjecucionStop:
    """What was added up, as the database writes it."""
    return EjecucionStop._make(texto(valor) if isinstance(valor, Decimal) else valor for valor in ejecucion)


def _texto_fijo(valor: Decimal) -> str:
    """A number as PostgreSQL writes one of ``NUMERIC(38, 18)``."""
    return format(valor, ".18f")


def _corregir(conexion: Connection, lote: Sequence[EjecucionStop], despues_de: str | None) -> int:
    """Make a stretch of the table what it should be; how many rows were not.

    Args:
        conexion: In the rebuilding transaction.
        lote: All rows that belong there; empty for the stretch behind the last one.
        despues_de: The token that the stretch begins behind; ``None`` for the first.
    """
    tramo = select(*(_como_texto(stop_executions.c[nombre], conexion) for nombre in EjecucionStop._fields))
    if despues_de is not None:
        tramo = tramo.where(stop_executions.c.execution_token > despues_de)
    if lote:
        tramo = tramo.where(stop_executions.c.execution_token <= lote[-1].execution_token)
    antes = {fila[1]: tuple(fila) for fila in conexion.execute(tramo)}
    nuevas = [ejecucion for ejecucion in lote if antes.pop(ejecucion.execution_token, None) != ejecucion]
    viejas = [*antes, *(ejecucion.execution_token for ejecucion in nuevas)]
    for i in range(0, len(viejas), 500):
        conexion.execute(
            delete(stop_executions).where(stop_executions.c.execution_token.in_(viejas[i : i + 500]))
        )
    _insertar(conexion, nuevas)
    return len(antes) + len(nuevas)


def _insertar(conexion: Connection, nuevas: Sequence[EjecucionStop]) -> None:
    if conexion.dialect.name == "postgresql":
        orden = f"COPY stop_executions ({_COLUMNAS}) FROM STDIN"
        cursor: Any = conexion.connection.cursor()
        with cursor, cursor.copy(orden) as copia:
            for ejecucion in nuevas:
                copia.write_row(ejecucion)
    elif nuevas:
        huecos = ", ".join("?" * len(EjecucionStop._fields))
        orden = f"INSERT INTO stop_executions ({_COLUMNAS}) VALUES ({huecos})"
        # What is no plain text goes through adapters first.
        conexion.exec_driver_sql(orden, [(*e[:5], e.status.value, *e[6:]) for e in nuevas])


def _como_texto(columna: Any, conexion: Connection) -> Any:
    if not isinstance(columna.type, Numero):
        return columna
    return type_coerce(columna, Text) if conexion.dialect.name == "sqlite" else cast(columna, Text)
