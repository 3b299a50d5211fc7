"""Rebuilding the projection of stop executions from a million events."""

from __future__ import annotations

import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection, Engine, insert, text

from bench.medida import Cota, Medida
from src.produccion.almacen.conexion import abrir_almacen
from src.produccion.almacen.ejecuciones import EjecucionStop, TipoEventoStop, plegar
from src.produccion.almacen.esquema import stop_events, stop_executions
from src.produccion.almacen.eventos_stop import EventoStopNuevo, FuenteStop, fila_y_hecho
from src.produccion.almacen.operaciones import ficha_stop
from src.produccion.almacen.proyecciones import reconstruir

_EVENTOS, _EVENTOS_RAPIDO = 1_000_000, 100_000
_ABIERTOS = 200  # tokens whose events come in between each other
_LOTE = 5_000

_POR_SQL = """
SELECT execution_token, max(version), max(attempt),
       min(CASE WHEN event_type = 'STOP_TRIGGERED' THEN occurred_at_ms END),
       max(CASE WHEN event_type = 'EXECUTION_SUBMITTED' THEN occurred_at_ms END),
       min(CASE WHEN event_type = 'EXECUTED' THEN occurred_at_ms END),
       max(CASE WHEN event_type = 'FAILED' THEN occurred_at_ms END),
       max(CASE WHEN event_type = 'EXECUTED' THEN fill_price END)
FROM stop_events GROUP BY execution_token
"""
"""A part of the projection that plain SQL can express."""

_FELIZ = (TipoEventoStop.STOP_TRIGGERED, TipoEventoStop.EXECUTION_SUBMITTED, TipoEventoStop.EXECUTED)
_FALLIDO = (*_FELIZ[:2], TipoEventoStop.FAILED)


def medir_reconstruccion(*, rapido: bool) -> list[Medida]:
    """Seconds and resident memory of `reconstruir`; what comes out has to be what was there."""
    eventos = _EVENTOS_RAPIDO if rapido else _EVENTOS
    with tempfile.TemporaryDirectory(prefix="bench-", dir="build") as nombre:
        url = f"sqlite:///{Path(nombre).absolute() / 'timonel.sqlite'}"
        contexto = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(max_workers=1, mp_context=contexto) as otro:
            otro.submit(llenar, url, eventos).result()
        motor = abrir_almacen(url, Path(nombre))
        antes_mb, inicio = _residente_mb(), time.perf_counter()
        hecha = reconstruir(motor)
        duracion, crecido_mb = time.perf_counter() - inicio, _residente_mb() - antes_mb
        if hecha.distintas or hecha.eventos != eventos:
            raise RuntimeError(f"the projection is not what it was: {hecha}")
        par = _por_sql(motor)
        motor.dispose()
    nota = f"{eventos:,} events to {hecha.ejecuciones:,} executions on SQLite, equal to the original"
    return [
        Medida(
            nombre="rebuild_1m_events_s",
            valor=duracion,
            unidad="s",
            par=par,
            razon=par / duracion,
            cota=Cota(20.0),
            nota=f"{nota}; peer: GROUP BY in SQL, of some columns",
        ),
        Medida(
            nombre="rebuild_1m_events_mb",
            valor=crecido_mb,
            unidad="MB",
            cota=Cota(300.0),
            nota="growth of the largest resident size",
        ),
    ]


def llenar(url: str, eventos: int) -> None:
    """Fill a store with events and with the projection as writing them one by one leaves it."""
    motor = abrir_almacen(url, Path())
    abiertas: dict[str, EjecucionStop | None] = {}
    versiones: dict[str, int] = {}
    nuevos = islice(_sucesos(random.Random(7)), eventos)
    with motor.begin() as conexion:
        while lote := list(islice(nuevos, _LOTE)):
            filas = []
            for evento in lote:
                token = evento.execution_token
                versiones[token] = versiones.get(token, 0) + 1
                fila, hecho = fila_y_hecho(evento, versiones[token])
                abiertas[token] = plegar(abiertas.get(token), hecho)
                filas.append(fila)
            conexion.execute(insert(stop_events), filas)
            cerradas = list(abiertas)[: -2 * _ABIERTOS]
            _guardar(conexion, [abiertas.pop(token) for token in cerradas])
        _guardar(conexion, list(abiertas.values()))
    motor.dispose()


def _sucesos(azar: random.Random) -> Iterator[EventoStopNuevo]:
    """The lives of many stops, begun one after the other and told in between each other."""
    vivas: list[Iterator[EventoStopNuevo]] = []
    numero = 0
    while True:
        while len(vivas) < _ABIERTOS:
            vivas.append(_vida(numero, azar))
            numero += 1
        # The oldest go first, so that none stays open for ever.
        i = int(len(vivas) * azar.random() ** 2)
        suceso = next(vivas[i], None)
        if suceso is None:
            del vivas[i]
        else:
            yield suceso


def _vida(numero: int, azar: random.Random) -> Iterator[EventoStopNuevo]:
    operacion = f"sim-4f0011223344:BTCUSDT:{1_700_000_000_000 + 60_000 * numero}"
    stop = Decimal(azar.randrange(3_000_000, 6_000_000)) / 100
    cuando = 1_700_000_100_000 + 60_000 * numero
    intentos = 2 if azar.random() < 0.1 else 1
    for intento in range(1, intentos + 1):
        for tipo in _FELIZ if intento == intentos else _FALLIDO:
            cuando += azar.randrange(1, 400)
            yield EventoStopNuevo(
                ficha_stop(operacion, stop, 1_700_000_000_001 + 60_000 * numero),
                tipo,
                cuando,
                "BTCUSDT",
                FuenteStop.WS,
                operacion,
                attempt=intento,
                stop_price=stop,
                trigger_price=stop - 1,
                quantity="0.125",
                side="SELL",
                fill_price=stop - 2 if tipo is TipoEventoStop.EXECUTED else None,
                error_message="no margin" if tipo is TipoEventoStop.FAILED else None,
            )


def _guardar(conexion: Connection, ejecuciones: list[EjecucionStop | None]) -> None:
    filas = [ejecucion._asdict() for ejecucion in ejecuciones if ejecucion is not None]
    if filas:
        conexion.execute(insert(stop_executions), filas)


def _por_sql(motor: Engine) -> float:
    inicio = time.perf_counter()
    with motor.begin() as conexion:
        conexion.execute(text(f"CREATE TEMPORARY TABLE peer AS {_POR_SQL}"))
    return time.perf_counter() - inicio


def _residente_mb() -> float:
    maximo = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return maximo / (1024 * 1024 if sys.platform == "darwin" else 1024)
