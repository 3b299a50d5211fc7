"""Writes down what happens to stops, each event once and for ever, and what it amounts to."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, RowMapping, func, insert, select, text, update

from src.produccion.almacen.ejecuciones import (
    EjecucionStop,
    EstadoEjecucion,
    FuenteStop,
    HechoStop,
    TipoEventoStop,
    plegar,
)
from src.produccion.almacen.esquema import POR_DEFECTO, stop_events, stop_executions
from src.produccion.almacen.tipos_sql import Cantidad, numero

__all__ = [
    "EjecucionStop",
    "EstadoEjecucion",
    "EventoStopNuevo",
    "FuenteStop",
    "Hallazgo",
    "TipoEventoStop",
    "anotar_ejecucion",
    "anotar_evento",
    "ejecucion_de",
    "eventos_de",
    "fila_y_hecho",
]

_ESPACIO = uuid.UUID("9d3f1c58-6a10-5a43-bb7e-2f7b8f6f2c01")
_CANDADO = 7_405_014
_DE_INTENTOS = (TipoEventoStop.EXECUTION_SUBMITTED, TipoEventoStop.EXECUTED, TipoEventoStop.FAILED)


class EventoStopNuevo(NamedTuple):
    """An event that is to be written down; the store numbers it."""

    execution_token: str
    tipo: TipoEventoStop
    occurred_at_ms: int
    symbol: str
    source: FuenteStop
    operation_id: str | None = None
    client_id: str = POR_DEFECTO
    attempt: int = 1
    trigger_price: Cantidad | None = None
    stop_price: Cantidad | None = None
    quantity: Cantidad | None = None
    side: str | None = None  # BUY or SELL, of the order that closes
    exchange_order_id: str | None = None
    fill_price: Cantidad | None = None
    slippage_pct: Cantidad | None = None
    error_message: str | None = None
    payload: Mapping[str, object] = {}
    request_payload_hash: str | None = None


class Hallazgo(NamedTuple):
    """Where fills were booked."""

    journal: str
    seq: int
    client_order_id: str | None = None  # of their order; ``None`` when it is not known


def anotar_evento(conexion: Connection, evento: EventoStopNuevo) -> bool:
    """Write an event down, and what the execution is after it, in the caller's transaction.

    Args:
        conexion: In a transaction that writes (``motor.begin()``); never one that waits for the exchange.
        evento: What happened.

    Returns:
        False when this type was there already for the token and attempt: nothing was written.

    Raises:
        DatosInvalidos: A number cannot be stored.
    """
    token = evento.execution_token
    _ponerse_en_cola(conexion, token)
    estado = ejecucion_de(conexion, token, para_cambiar=True)
    if _ya_esta(conexion, evento):
        return False
    fila, hecho = fila_y_hecho(evento, _ultima_version(conexion, token) + 1)
    conexion.execute(insert(stop_events), fila)
    _guardar(conexion, estado, plegar(estado, hecho))
    return True


def anotar_ejecucion(conexion: Connection, evento: EventoStopNuevo, hallazgo: Hallazgo) -> bool:
    """Write down fills that a journal has booked, in the caller's transaction, each once.

    They get the attempt of the order that they are of, or the next free one.

    Args:
        conexion: In a transaction that writes.
        evento: ``EXECUTED``; its attempt and payload do not count.
        hallazgo: Where they were booked.

    Returns:
        False when this record's are there, or whoever sent the order has told of it: nothing was written.
    """
    _ponerse_en_cola(conexion, evento.execution_token)
    evento = evento._replace(payload=hallazgo._asdict())
    hay = [
        (TipoEventoStop(fila["event_type"]), int(fila["attempt"]), orjson.loads(fila["payload_json"]))
        for fila in eventos_de(conexion, evento.execution_token)
    ]
    dichos = {intento: carga for tipo, intento, carga in hay if tipo is TipoEventoStop.EXECUTED}
    if evento.payload in dichos.values():
        return False
    suyo = next((intento for tipo, intento, carga in hay if _envia(tipo, carga, hallazgo)), None)
    if suyo is not None and (suyo not in dichos or "journal" not in dichos[suyo]):
        return anotar_evento(conexion, evento._replace(attempt=suyo))
    libre = 1 + max((intento for tipo, intento, _ in hay if tipo in _DE_INTENTOS), default=0)
    return anotar_evento(conexion, evento._replace(attempt=libre))


def _envia(tipo: TipoEventoStop, carga: Mapping[str, object], hallazgo: Hallazgo) -> bool:
    """Whether an event is of sending the order whose fills were booked."""
    suya = hallazgo.client_order_id is not None and carga.get("client_order_id") == hallazgo.client_order_id
    return suya and tipo is TipoEventoStop.EXECUTION_SUBMITTED


def _ponerse_en_cola(conexion: Connection, token: str) -> None:
    """Versions have no gaps only when those of one token are given out one after the other."""
    if conexion.dialect.name == "postgresql":
        conexion.execute(
            text("SELECT pg_advisory_xact_lock(:clase, hashtext(:token))"),
            {"clase": _CANDADO, "token": token},
        )


def ejecucion_de(conexion: Connection, token: str, *, para_cambiar: bool = False) -> EjecucionStop | None:
    """The execution of a token; ``None`` when nothing was triggered, submitted, executed, failed or blocked.

    Args:
        conexion: In a transaction.
        token: The execution token.
        para_cambiar: Keep others from changing it until the transaction ends.
    """
    consulta = select(stop_executions).where(stop_executions.c.execution_token == token)
    fila = conexion.execute(consulta.with_for_update() if para_cambiar else consulta).mappings().first()
    return None if fila is None else leer_ejecucion(fila)


def leer_ejecucion(fila: RowMapping) -> EjecucionStop:
    """A row of ``stop_executions`` as a value."""
    ejecucion = EjecucionStop(**fila)
    return ejecucion._replace(status=EstadoEjecucion(ejecucion.status))


def eventos_de(conexion: Connection, token: str) -> Sequence[RowMapping]:
    """Every event of a token, oldest first, as rows of ``stop_events``."""
    consulta = select(stop_events).where(stop_events.c.execution_token == token)
    return conexion.execute(consulta.order_by(stop_events.c.version)).mappings().all()


def _ultima_version(conexion: Connection, token: str) -> int:
    consulta = select(func.max(stop_events.c.version)).where(stop_events.c.execution_token == token)
    return conexion.execute(consulta).scalar_one() or 0


def _ya_esta(conexion: Connection, evento: EventoStopNuevo) -> bool:
    consulta = select(stop_events.c.event_seq).where(
        stop_events.c.execution_token == evento.execution_token,
        stop_events.c.event_type == evento.tipo.value,
        stop_events.c.attempt == evento.attempt,
    )
    return conexion.execute(consulta).first() is not None


def fila_y_hecho(evento: EventoStopNuevo, version: int) -> tuple[dict[str, Any], HechoStop]:
    """An event as its row, and as its execution takes it.

    Raises:
        DatosInvalidos: A number cannot be stored.
    """
    return _fila(evento, version), _hecho(evento)._replace(version=version)


def _fila(evento: EventoStopNuevo, version: int) -> dict[str, Any]:
    fila = evento._asdict()
    carga = fila.pop("payload")
    return fila | {
        "event_type": fila.pop("tipo").value,
        "event_id": str(uuid.uuid5(_ESPACIO, f"{evento.execution_token}:{version}")),
        "version": version,
        "source": evento.source.value,
        "payload_json": orjson.dumps(carga, default=_a_json).decode(),
        "retry_count": evento.attempt - 1,
    }


def _hecho(evento: EventoStopNuevo) -> HechoStop:
    return HechoStop(
        evento.execution_token,
        0,  # it is not known yet
        evento.tipo,
        evento.attempt,
        evento.occurred_at_ms,
        evento.operation_id,
        evento.client_id,
        evento.symbol,
        _exacto(evento.trigger_price),
        _exacto(evento.stop_price),
        _exacto(evento.quantity),
        evento.side,
        evento.exchange_order_id,
        _exacto(evento.fill_price),
        _exacto(evento.slippage_pct),
        evento.source.value,
        evento.error_message,
    )


def _guardar(conexion: Connection, antes: EjecucionStop | None, despues: EjecucionStop | None) -> None:
    if despues is None:
        return
    valores = despues._asdict() | {"status": despues.status.value}
    if antes is None:
        conexion.execute(insert(stop_executions), valores)
        return
    donde = stop_executions.c.execution_token == despues.execution_token
    conexion.execute(update(stop_executions).where(donde).values(valores))


def _exacto(valor: Cantidad | None) -> Decimal | None:
    return None if valor is None else numero(valor)


def _a_json(valor: object) -> str:
    if isinstance(valor, Decimal):
        return format(valor, "f")
    raise TypeError(f"{type(valor).__name__} cannot be written as JSON")
