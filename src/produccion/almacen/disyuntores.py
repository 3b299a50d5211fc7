"""Breakers and risk modes as the shared store shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update

from src.nucleo.disparos import ENFRIAMIENTO_MS, REGLA_EJECUCIONES
from src.nucleo.disyuntores import ClaseDisyuntor, Disyuntor, EstadoDisyuntor
from src.nucleo.errores import SolicitudInvalida
from src.nucleo.riesgo import ModoRiesgo
from src.produccion.almacen.conexion import leer
from src.produccion.almacen.esquema import (
    ahora_bd,
    alerts,
    breakers,
    circuit_breaker_events,
    circuit_breaker_state,
    risk_modes,
)
from src.produccion.almacen.hora_mercado import hora_de_mercado
from src.produccion.almacen.tipos_disyuntor import CambioGuardado, DisyuntorGuardado, ModoGuardado

_EJECUCIONES = ClaseDisyuntor.STOP_EXECUTION


def listar_disyuntores(
    almacen: Engine, client_id: str | None = None, symbol: str | None = None, exchange: str | None = None
) -> list[DisyuntorGuardado]:
    """`disyuntores_de`, in a transaction of its own."""
    with leer(almacen) as conexion:
        return disyuntores_de(conexion, client_id, symbol, exchange)


def disyuntores_de(
    conexion: Connection,
    client_id: str | None = None,
    symbol: str | None = None,
    exchange: str | None = None,
) -> list[DisyuntorGuardado]:
    """Every breaker, also those that never opened; that of failed stop executions is of all exchanges.

    Args:
        conexion: That reads.
        client_id: One tenant only.
        symbol: One symbol only.
        exchange: One exchange only; what is of all exchanges is among them.
    """
    filas = [*_medidos(conexion, client_id, symbol), *_de_ejecuciones(conexion, client_id, symbol)]
    return [f for f in sorted(filas, key=_orden) if exchange is None or f.exchange in ("", exchange)]


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
    """`historia_de`, in a transaction of its own."""
    with leer(almacen) as conexion:
        return historia_de(conexion, client_id, symbol, kind, limite=limite, antes_de=antes_de)


def historia_de(
    conexion: Connection,
    client_id: str | None = None,
    symbol: str | None = None,
    kind: str | None = None,
    account_id: str | None = None,
    *,
    limite: int = 100,
    antes_de: int | None = None,
) -> list[CambioGuardado]:
    """The changes of breakers, newest first.

    Args:
        conexion: That reads.
        client_id: One tenant only.
        symbol: One symbol only.
        kind: One kind only.
        account_id: One account only; what is of all accounts is not among them.
        limite: How many at most.
        antes_de: Only those with a smaller ``id``: the last one of the page before.
    """
    c = circuit_breaker_events.c
    consulta = select(*(c[nombre] for nombre in CambioGuardado._fields))
    pedidos = ((c.client_id, client_id), (c.symbol, symbol), (c.kind, kind), (c.account_id, account_id))
    for columna, valor in pedidos:
        if valor is not None:
            consulta = consulta.where(columna == valor)
    if antes_de is not None:
        consulta = consulta.where(c.id < antes_de)
    filas = conexion.execute(consulta.order_by(c.id.desc()).limit(limite))
    return [CambioGuardado(*fila) for fila in filas]


def modos_de(conexion: Connection, client_id: str | None = None) -> list[ModoGuardado]:
    """The modes that people have set, by account and symbol."""
    consulta = select(*(risk_modes.c[nombre] for nombre in ModoGuardado._fields))
    if client_id is not None:
        consulta = consulta.where(risk_modes.c.client_id == client_id)
    filas = conexion.execute(consulta.order_by(risk_modes.c.account_id, risk_modes.c.symbol))
    return [ModoGuardado(*fila)._replace(mode=ModoRiesgo(fila.mode)) for fila in filas]


def anotar_el_de_ejecuciones(
    conexion: Connection,
    client_id: str,
    symbol: str,
    estados: tuple[Disyuntor, Disyuntor, Disyuntor],
    instante_ms: int,
    motivo: str = "",
    quien: str | None = None,
) -> None:
    """Write a change of the breaker of failed stop executions into its history.

    That a cool-down is over nobody notices by itself: it is written with the change that comes after it,
    under the instant at which it was.

    Args:
        conexion: In the transaction of the change.
        client_id: The tenant.
        symbol: Of the breaker.
        estados: The breaker as it was kept, as it stood by market time, and after the change.
        instante_ms: Of the change.
        motivo: Why, where a person says so.
        quien: Who says so.
    """
    (antes, tibio, despues), regla = estados, REGLA_EJECUCIONES
    filas: list[tuple[Disyuntor, Disyuntor, int, str, str | None]] = []
    if tibio.estado is not antes.estado and antes.abierto_ms is not None:
        enfriado = f"{ENFRIAMIENTO_MS // 1_000} s are over; an execution that succeeds closes it"
        filas.append((antes, tibio, antes.abierto_ms + ENFRIAMIENTO_MS, enfriado, None))
    if (tibio.estado, tibio.abierto_ms) != (despues.estado, despues.abierto_ms):
        filas.append((tibio, despues, instante_ms, motivo or _motivo(tibio, despues), quien))
    for de, a, cuando_ms, por_que, de_quien in filas:
        conexion.execute(
            insert(circuit_breaker_events).values(
                client_id=client_id,
                symbol=symbol,
                kind=_EJECUCIONES.value,
                state=a.estado.value,
                previous_state=de.estado.value,
                failures=a.fallos,
                value=float(a.fallos),
                limit_value=float(regla.violaciones),
                unit=_EJECUCIONES.unidad,
                reason=por_que,
                requested_by=de_quien,
                occurred_at_ms=cuando_ms,
            )
        )


def _motivo(antes: Disyuntor, despues: Disyuntor) -> str:
    if despues.estado is EstadoDisyuntor.CLOSED:
        return "an execution succeeded"
    cuantas = f"{despues.fallos} executions failed in a row"
    return f"{cuantas}, the last one on trial" if antes.estado is EstadoDisyuntor.HALF_OPEN else cuantas


def cerrar_el_de_ejecuciones(
    conexion: Connection, client_id: str, symbol: str, motivo: str, quien: str
) -> EstadoDisyuntor:
    """Close the breaker of failed stop executions, which lives in the store: no daemon is asked.

    Returns:
        What it was.

    Raises:
        SolicitudInvalida: It is closed already.
    """
    guardado = el_de_ejecuciones(conexion, client_id, symbol)
    es_el = (circuit_breaker_state.c.client_id == client_id) & (circuit_breaker_state.c.symbol == symbol)
    cerrado = EstadoDisyuntor.CLOSED.value
    hecho = conexion.execute(
        update(circuit_breaker_state)
        .where(es_el, circuit_breaker_state.c.state != cerrado)
        .values(state=cerrado, failures=0, opened_at_ms=None, updated_at_ms=ahora_bd())
    )
    if hecho.rowcount == 0:
        raise SolicitudInvalida(f"the {_EJECUCIONES.value} breaker of {symbol} is closed already")
    antes = guardado.en(hora_de_mercado(conexion, client_id, symbol), REGLA_EJECUCIONES)
    ahora_ms = conexion.execute(select(ahora_bd())).scalar_one()
    estados = (guardado, antes, Disyuntor())
    anotar_el_de_ejecuciones(conexion, client_id, symbol, estados, ahora_ms, motivo, quien)
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
    return antes.estado


def el_de_ejecuciones(conexion: Connection, client_id: str, symbol: str) -> Disyuntor:
    """The breaker of failed stop executions of a symbol, as it is kept: a cool-down may be over since."""
    c = circuit_breaker_state.c
    consulta = select(c.state, c.failures, c.opened_at_ms).where(c.client_id == client_id, c.symbol == symbol)
    fila = conexion.execute(consulta).first()
    if fila is None:
        return Disyuntor()
    return Disyuntor(EstadoDisyuntor(fila[0]), fallos=int(fila[1]), abierto_ms=fila[2])


def _medidos(conexion: Connection, client_id: str | None, symbol: str | None) -> Sequence[DisyuntorGuardado]:
    consulta = select(*(breakers.c[nombre] for nombre in DisyuntorGuardado._fields))
    return [_leer(fila) for fila in conexion.execute(_de(consulta, breakers, client_id, symbol))]


def _de_ejecuciones(
    conexion: Connection, client_id: str | None, symbol: str | None
) -> Sequence[DisyuntorGuardado]:
    """Those of failed stop executions; that a cool-down is over nobody writes down: market time tells."""
    c, regla = circuit_breaker_state.c, REGLA_EJECUCIONES
    motivo = f"{regla.violaciones} executions failed in a row; {ENFRIAMIENTO_MS // 1_000} s to cool down"
    consulta = select(c.client_id, c.symbol, c.state, c.failures, c.opened_at_ms, c.updated_at_ms)
    guardados = []
    for fila in conexion.execute(_de(consulta, circuit_breaker_state, client_id, symbol)):
        uno = Disyuntor(EstadoDisyuntor(fila.state), fallos=fila.failures, abierto_ms=fila.opened_at_ms)
        if uno.estado is EstadoDisyuntor.OPEN:
            uno = uno.en(hora_de_mercado(conexion, fila.client_id, fila.symbol), regla)
        guardados.append(
            DisyuntorGuardado(
                *(fila.client_id, "", "", fila.symbol, _EJECUCIONES, uno.estado, uno.fallos),
                *(float(uno.fallos), float(regla.violaciones), _EJECUCIONES.unidad),
                *(motivo if uno.estado is EstadoDisyuntor.OPEN else "", ""),
                *(uno.abierto_ms, fila.updated_at_ms, ENFRIAMIENTO_MS),
            )
        )
    return guardados


def _de(consulta: Any, tabla: Any, client_id: str | None, symbol: str | None) -> Any:
    if client_id is not None:
        consulta = consulta.where(tabla.c.client_id == client_id)
    return consulta if symbol is None else consulta.where(tabla.c.symbol == symbol)


def _orden(uno: DisyuntorGuardado) -> tuple[str, ...]:
    return (uno.client_id, uno.account_id, uno.exchange, uno.symbol, uno.kind.value)


def _leer(fila: Any) -> DisyuntorGuardado:
    guardado = DisyuntorGuardado(*fila)
    return guardado._replace(
        kind=ClaseDisyuntor(guardado.kind),
        state=EstadoDisyuntor(guardado.state),
        unit=guardado.unit or "",
        reason=guardado.reason or "",
        requested_by=guardado.requested_by or "",
    )
