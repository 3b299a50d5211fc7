"""Breakers and risk modes as the shared store shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, insert, select, update

from src.nucleo.disparos import REGLA_EJECUCIONES
from src.nucleo.disyuntores import ClaseDisyuntor, EstadoDisyuntor
from src.nucleo.errores import SolicitudInvalida
from src.nucleo.riesgo import ModoRiesgo
from src.produccion.almacen.conexion import escribir, leer
from src.produccion.almacen.esquema import (
    ahora_bd,
    alerts,
    breakers,
    circuit_breaker_events,
    circuit_breaker_state,
    risk_modes,
)

_SEPARADOR = ":"
_EJECUCIONES = ClaseDisyuntor.STOP_EXECUTION


class DisyuntorGuardado(NamedTuple):
    """A breaker as it was told last."""

    client_id: str
    account_id: str  # empty where it is of all accounts of the tenant
    exchange: str  # empty where it is of all exchanges
    symbol: str
    kind: ClaseDisyuntor
    state: EstadoDisyuntor
    failures: int
    value: float | None  # measured at the latest change
    limit_value: float | None
    unit: str
    reason: str
    requested_by: str
    opened_at_ms: int | None
    changed_at_ms: int | None  # ``None`` when it never has

    @property
    def id(self) -> str:
        """Its name within the tenant, for `buscar_disyuntor`."""
        return _SEPARADOR.join((self.account_id, self.exchange, self.symbol, self.kind.value))

    def como_json(self) -> dict[str, object]:
        """For programs."""
        return {"id": self.id, **self._asdict()}


class CambioGuardado(NamedTuple):
    """One row of the history; what was not written down at its time is ``None``."""

    id: int
    client_id: str
    account_id: str | None
    exchange: str | None
    symbol: str
    kind: str
    state: str
    previous_state: str | None
    failures: int
    value: float | None
    limit_value: float | None
    unit: str | None
    reason: str | None
    requested_by: str | None
    occurred_at_ms: int


class ModoGuardado(NamedTuple):
    """What a person lets the agent of an account and symbol do; without a row it is ACTIVE."""

    account_id: str
    symbol: str
    client_id: str
    user_id: str
    mode: ModoRiesgo
    reason: str
    requested_by: str
    changed_at_ms: int


def listar_disyuntores(
    almacen: Engine, client_id: str | None = None, symbol: str | None = None, exchange: str | None = None
) -> list[DisyuntorGuardado]:
    """Every breaker, also those that never opened; that of failed stop executions is of all exchanges.

    Args:
        almacen: The shared store.
        client_id: One tenant only.
        symbol: One symbol only.
        exchange: One exchange only; what is of all exchanges is among them.
    """
    with leer(almacen) as conexion:
        filas = [*_medidos(conexion, client_id, symbol), *_de_ejecuciones(conexion, client_id, symbol)]
    return [f for f in sorted(filas) if exchange is None or f.exchange in ("", exchange)]


def buscar_disyuntor(almacen: Engine, client_id: str, id_: str) -> DisyuntorGuardado | None:
    """A tenant's breaker by its `DisyuntorGuardado.id`."""
    todos = listar_disyuntores(almacen, client_id)
    return next((uno for uno in todos if uno.id == id_), None)


def historia_disyuntores(
    almacen: Engine,
    client_id: str | None = None,
    symbol: str | None = None,
    kind: str | None = None,
    *,
    limite: int = 100,
    antes_de: int | None = None,
) -> list[CambioGuardado]:
    """The changes of breakers, newest first.

    Args:
        almacen: The shared store.
        client_id: One tenant only.
        symbol: One symbol only.
        kind: One kind only.
        limite: How many at most.
        antes_de: Only those with a smaller ``id``: the last one of the page before.
    """
    c = circuit_breaker_events.c
    consulta = select(*(c[nombre] for nombre in CambioGuardado._fields))
    for columna, valor in ((c.client_id, client_id), (c.symbol, symbol), (c.kind, kind)):
        if valor is not None:
            consulta = consulta.where(columna == valor)
    if antes_de is not None:
        consulta = consulta.where(c.id < antes_de)
    with leer(almacen) as conexion:
        filas = conexion.execute(consulta.order_by(c.id.desc()).limit(limite))
        return [CambioGuardado(*fila) for fila in filas]


def listar_modos(almacen: Engine, client_id: str | None = None) -> list[ModoGuardado]:
    """The modes that people have set, by account and symbol."""
    consulta = select(*(risk_modes.c[nombre] for nombre in ModoGuardado._fields))
    if client_id is not None:
        consulta = consulta.where(risk_modes.c.client_id == client_id)
    with leer(almacen) as conexion:
        filas = conexion.execute(consulta.order_by(risk_modes.c.account_id, risk_modes.c.symbol))
        return [ModoGuardado(*fila)._replace(mode=ModoRiesgo(fila.mode)) for fila in filas]


def cerrar_el_de_ejecuciones(almacen: Engine, client_id: str, symbol: str, motivo: str, quien: str) -> None:
    """Close the breaker of failed stop executions, which lives in the store: no daemon is asked.

    Raises:
        SolicitudInvalida: It is not open.
    """
    es_el = (circuit_breaker_state.c.client_id == client_id) & (circuit_breaker_state.c.symbol == symbol)
    cerrado = EstadoDisyuntor.CLOSED.value
    abierto: ColumnElement[bool] = circuit_breaker_state.c.state != cerrado
    with escribir(almacen) as conexion:
        hecho = conexion.execute(
            update(circuit_breaker_state)
            .where(es_el, abierto)
            .values(state=cerrado, failures=0, opened_at_ms=None, updated_at_ms=ahora_bd())
        )
        if hecho.rowcount == 0:
            raise SolicitudInvalida(f"the {_EJECUCIONES.value} breaker of {symbol} is closed already")
        conexion.execute(
            insert(circuit_breaker_events).values(
                client_id=client_id,
                symbol=symbol,
                kind=_EJECUCIONES.value,
                state=cerrado,
                unit=_EJECUCIONES.unidad,
                reason=motivo,
                requested_by=quien,
                occurred_at_ms=ahora_bd(),
            )
        )
        conexion.execute(
            insert(alerts).values(
                client_id=client_id,
                symbol=symbol,
                level="INFO",
                kind="BREAKER_CLOSED",
                message=f"the stop execution breaker of {symbol} was closed by {quien}: {motivo}",
                payload_json="{}",
                created_at_ms=ahora_bd(),
            )
        )


def _medidos(conexion: Connection, client_id: str | None, symbol: str | None) -> Sequence[DisyuntorGuardado]:
    consulta = select(*(breakers.c[nombre] for nombre in DisyuntorGuardado._fields))
    return [_leer(fila) for fila in conexion.execute(_de(consulta, breakers, client_id, symbol))]


def _de_ejecuciones(
    conexion: Connection, client_id: str | None, symbol: str | None
) -> Sequence[DisyuntorGuardado]:
    """Those of failed stop executions, as stored: cool-downs end by market time, which the store has not."""
    c, regla = circuit_breaker_state.c, REGLA_EJECUCIONES
    espera = (
        f"{regla.violaciones} executions failed in a row; {regla.enfriamiento_ms // 1_000} s to cool down"
    )
    consulta = select(c.client_id, c.symbol, c.state, c.failures, c.opened_at_ms, c.updated_at_ms)
    filas = conexion.execute(_de(consulta, circuit_breaker_state, client_id, symbol))
    return [
        DisyuntorGuardado(
            *(fila.client_id, "", "", fila.symbol, _EJECUCIONES, EstadoDisyuntor(fila.state)),
            *(fila.failures, float(fila.failures), float(regla.violaciones), _EJECUCIONES.unidad),
            *(espera if fila.state == EstadoDisyuntor.OPEN else "", ""),
            *(fila.opened_at_ms, fila.updated_at_ms),
        )
        for fila in filas
    ]


def _de(consulta: Any, tabla: Any, client_id: str | None, symbol: str | None) -> Any:
    if client_id is not None:
        consulta = consulta.where(tabla.c.client_id == client_id)
    return consulta if symbol is None else consulta.where(tabla.c.symbol == symbol)


def _leer(fila: Any) -> DisyuntorGuardado:
    guardado = DisyuntorGuardado(*fila)
    return guardado._replace(
        kind=ClaseDisyuntor(guardado.kind),
        state=EstadoDisyuntor(guardado.state),
        unit=guardado.unit or "",
        reason=guardado.reason or "",
        requested_by=guardado.requested_by or "",
    )
