"""Makes ``stop_executions`` again from ``stop_events``, and says what was different."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Text, cast, delete, func, select, text, type_coerce

from src.produccion.almacen.ejecuciones import EjecucionStop, HechoStop, TipoEventoStop, plegar_todos
from src.produccion.almacen.esquema import stop_events, stop_executions
from src.produccion.almacen.tipos_sql import Numero

Progreso = Callable[[int, int], None]
"""Told how many events were folded, and of how many."""

_LOTE = 5_000
_TIPOS = {tipo.value: tipo for tipo in TipoEventoStop}
_COLUMNAS = ", ".join(EjecucionStop._fields)
_AHORA, _ANTES = f"SELECT {_COLUMNAS} FROM stop_executions", f"SELECT {_COLUMNAS} FROM former"
_DISTINTAS = (
    "SELECT count(DISTINCT execution_token) FROM ("
    f"SELECT * FROM ({_AHORA} EXCEPT {_ANTES}) AS added UNION ALL"
    f" SELECT * FROM ({_ANTES} EXCEPT {_AHORA}) AS gone) AS different"
)


class Reconstruccion(NamedTuple):
    """What rebuilding came to."""

    eventos: int
    ejecuciones: int
    distintas: int  # executions that were missing, too many or otherwise than their events say


def reconstruir(motor: Engine, progreso: Progreso | None = None) -> Reconstruccion:
    """Make the projection again from all events, in one transaction.

    Events come token by token, so memory does not grow with their number. Readers see the old projection
    until the new one is done; whoever wants to write a stop event waits.

    Args:
        motor: The store.
        progreso: Told from time to time.
    """
    with motor.begin() as conexion:
        if conexion.dialect.name == "postgresql":
            conexion.execute(text("LOCK TABLE stop_executions IN EXCLUSIVE MODE"))
        total = conexion.execute(select(func.count()).select_from(stop_events)).scalar_one()
        conexion.execute(text("CREATE TEMPORARY TABLE former AS SELECT * FROM stop_executions"))
        conexion.execute(delete(stop_executions))
        ejecuciones = _plegar_todo(conexion, total, progreso)
        distintas = conexion.execute(text(_DISTINTAS)).scalar_one()
        conexion.execute(text("DROP TABLE former"))
    return Reconstruccion(total, ejecuciones, distintas)


def _plegar_todo(conexion: Connection, total: int, progreso: Progreso | None) -> int:
    ejecuciones = 0
    lote: list[EjecucionStop] = []
    for _, eventos in groupby(_contados(_hechos(conexion), total, progreso), attrgetter("execution_token")):
        ejecucion = plegar_todos(eventos)
        if ejecucion is not None:
            lote.append(ejecucion)
        if len(lote) == _LOTE:
            ejecuciones += _insertar(conexion, lote)
            lote = []
    return ejecuciones + _insertar(conexion, lote)


def _hechos(conexion: Connection) -> Iterator[HechoStop]:
    """Every event, token by token, in the order of versions; numbers stay the database's text."""
    nombres = ("event_type" if campo == "tipo" else campo for campo in HechoStop._fields)
    consulta = select(*(_como_texto(stop_events.c[nombre], conexion) for nombre in nombres))
    consulta = consulta.order_by(stop_events.c.execution_token, stop_events.c.version)
    filas = conexion.execute(consulta, execution_options={"yield_per": _LOTE})
    for token, version, tipo, *resto in filas:
        yield HechoStop(token, version, _TIPOS[tipo], *resto)


def _como_texto(columna: Any, conexion: Connection) -> Any:
    if not isinstance(columna.type, Numero):
        return columna
    return type_coerce(columna, Text) if conexion.dialect.name == "sqlite" else cast(columna, Text)


def _contados(hechos: Iterator[HechoStop], total: int, progreso: Progreso | None) -> Iterator[HechoStop]:
    vistos = 0
    for vistos, hecho in enumerate(hechos, 1):
        yield hecho
        if progreso is not None and vistos % _LOTE == 0:
            progreso(vistos, total)
    if progreso is not None:
        progreso(vistos, total)


def _insertar(conexion: Connection, lote: Sequence[EjecucionStop]) -> int:
    if not lote:
        return 0
    if conexion.dialect.name == "postgresql":
        with (
            conexion.connection.cursor() as cursor,
            cursor.copy(f"COPY stop_executions ({_COLUMNAS}) FROM STDIN") as copia,
        ):
            for ejecucion in lote:
                copia.write_row(ejecucion)
    else:
        huecos = ", ".join("?" * len(EjecucionStop._fields))
        orden = f"INSERT INTO stop_executions ({_COLUMNAS}) VALUES ({huecos})"
        conexion.exec_driver_sql(orden, [tuple(ejecucion) for ejecucion in lote])
    return len(lote)
