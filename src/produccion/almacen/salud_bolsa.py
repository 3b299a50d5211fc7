"""How an exchange is, as the daemons that trade on it measure: kept with their metrics, once a minute."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, insert, select

from src.nucleo.disyuntores import ClaseDisyuntor, EstadoDisyuntor
from src.produccion.almacen.alimentador import Muestra, Titular
from src.produccion.almacen.esquema import breakers, daemons, exchange_health

_DE_LA_BOLSA = (ClaseDisyuntor.LATENCY, ClaseDisyuntor.ERROR_RATE)
"""Breakers of what the exchange itself does; the others watch its market or the account."""


class SaludBolsa(NamedTuple):
    """One look at an exchange through an account."""

    account_id: str
    exchange: str
    status: str  # ok or degraded
    latency_ms: float | None  # median time to its answers
    error_rate: float | None  # calls without a usable answer, as a fraction
    detail: str | None
    checked_at_ms: int  # market time


def anotar_salud(conexion: Connection, titular: Titular, muestra: Muestra) -> None:
    """Write down what a daemon has measured; nothing where it has measured nothing."""
    latencia, errores = (muestra.metricas.get(f"breaker_{c.value}_{c.unidad}") for c in _DE_LA_BOLSA)
    if latencia is None and errores is None:
        return
    b = breakers.c
    suyos = select(b.exchange, b.kind, b.state).where(
        b.client_id == titular.client_id,
        b.account_id == titular.account_id,
        b.symbol == titular.symbol,
        b.kind.in_(_DE_LA_BOLSA),
    )
    filas = conexion.execute(suyos.order_by(b.kind)).all()
    if not filas:  # the journal has not told yet which exchange it is
        return
    puestos = [
        f"the {kind.replace('_', ' ')} breaker of {titular.symbol} is {estado}"
        for _, kind, estado in filas
        if estado != EstadoDisyuntor.CLOSED
    ]
    fila = {
        "exchange": filas[0].exchange,
        "account_id": titular.account_id,
        "status": "degraded" if puestos else "ok",
        "latency_ms": latencia,
        "error_rate": errores,
        "detail": "; ".join(puestos) or None,
        "checked_at_ms": muestra.instante_ms,
    }
    conexion.execute(insert(exchange_health).values(fila))


def salud_de(conexion: Connection, client_id: str) -> list[SaludBolsa]:
    """The newest look through each account of the tenant's daemons, by account."""
    cuentas = select(daemons.c.account_id).where(daemons.c.client_id == client_id).distinct()
    h = exchange_health.c
    miradas = select(*(h[nombre] for nombre in SaludBolsa._fields)).order_by(h.id.desc()).limit(1)
    salida = []
    for cuenta in sorted(conexion.execute(cuentas).scalars()):
        salida += [SaludBolsa(*fila) for fila in conexion.execute(miradas.where(h.account_id == cuenta))]
    return salida
