"""Breakers and risk modes in the journal become their state now, their history, and alerts."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import Connection, delete
from sqlalchemy.dialects import postgresql, sqlite

from src.nucleo.disyuntores import ClaseDisyuntor, EstadoDisyuntor
from src.produccion.almacen.alimentador import Titular
from src.produccion.almacen.escritura import anadir, poner
from src.produccion.almacen.esquema import alerts, breakers, circuit_breaker_events, risk_modes
from src.produccion.almacen.lectura_diario import Apunte

REABIERTO = "BREAKER_REOPENED"
"""Kind of the alert of a trial that failed."""


def escribir_reglas(conexion: Connection, titular: Titular, diario: str, apunte: Apunte) -> None:
    """The breakers that a daemon has from now on; those that it had before are gone, unless it still does."""
    contenido = apunte.contenido
    clases: dict[str, dict[str, Any]] = contenido["kinds"]
    suyos = (breakers.c.account_id == titular.account_id) & (breakers.c.symbol == titular.symbol)
    conexion.execute(delete(breakers).where(suyos, breakers.c.kind.not_in(clases)))
    for clase, regla in clases.items():
        valores = {
            **_llave(titular, contenido["exchange"], clase),
            "state": EstadoDisyuntor.CLOSED.value,
            "limit_value": float(regla["limit"]),
            "unit": ClaseDisyuntor(clase).unidad,
            "cool_down_ms": regla.get("cool_down_ms"),
            "updated_at_ms": apunte.instante_ms,
        }
        insertar = postgresql.insert if conexion.dialect.name == "postgresql" else sqlite.insert
        orden = insertar(breakers).values(valores)
        nuevos = {campo: orden.excluded[campo] for campo in ("limit_value", "cool_down_ms", "updated_at_ms")}
        clave = [columna.name for columna in breakers.primary_key]
        conexion.execute(orden.on_conflict_do_update(index_elements=clave, set_=nuevos))


def escribir_cambio(conexion: Connection, titular: Titular, diario: str, apunte: Apunte) -> None:
    """A breaker that changed: its state now, and a row of its history."""
    contenido = apunte.contenido
    comun = {
        "state": EstadoDisyuntor(contenido["state"]).value,
        "failures": int(contenido["violations"]),
        "value": contenido["value"],
        "limit_value": contenido["limit"],
        "unit": contenido["unit"],
        "reason": contenido["reason"],
        "requested_by": contenido["by"],
    }
    ahora = {
        "opened_at_ms": contenido["opened_at"],
        "changed_at_ms": apunte.instante_ms,
        "updated_at_ms": apunte.instante_ms,
    }
    llave = _llave(titular, contenido["exchange"], ClaseDisyuntor(contenido["kind"]).value)
    poner(conexion, breakers, llave | comun | ahora)
    historia = {
        "previous_state": contenido["previous_state"],
        "occurred_at_ms": apunte.instante_ms,
        "journal": diario,
        "seq": apunte.seq,
    }
    anadir(conexion, circuit_breaker_events, llave | comun | historia)


def escribir_alerta(conexion: Connection, titular: Titular, diario: str, apunte: Apunte) -> None:
    """Each change of a breaker, as a person has to know it.

    One that opens again after a trial is of a kind of its own: those that come and go must not use up what
    may be told of breakers that open anew.
    """
    contenido = apunte.contenido
    nivel, clase = "INFO", apunte.tipo
    match EstadoDisyuntor(contenido["state"]), EstadoDisyuntor(contenido["previous_state"]):
        case EstadoDisyuntor.OPEN, EstadoDisyuntor.HALF_OPEN:
            clase, que = REABIERTO, "is open again, entries wait"
        case EstadoDisyuntor.OPEN, _:
            nivel, que = "WARNING", "is open, entries wait"
        case EstadoDisyuntor.HALF_OPEN, _:
            que = "is on trial, entries wait"
        case _:
            que = "is closed again"
    nombre = str(contenido["kind"]).replace("_", " ")
    texto = f"the {nombre} breaker of {titular.symbol} {que}: {contenido['reason']}"
    _alertar(conexion, titular, diario, apunte, nivel, texto, clase)


def escribir_modo(conexion: Connection, titular: Titular, diario: str, apunte: Apunte) -> None:
    """What a person lets the agent do from now on."""
    modo, motivo, quien = (str(apunte.contenido[campo]) for campo in ("mode", "reason", "by"))
    valores = {
        "account_id": titular.account_id,
        "symbol": titular.symbol,
        "client_id": titular.client_id,
        "user_id": titular.user_id,
        "mode": modo,
        "reason": motivo,
        "requested_by": quien,
        "changed_at_ms": apunte.instante_ms,
    }
    poner(conexion, risk_modes, valores)
    texto = f"risk mode {modo} for {titular.symbol}, set by {quien}: {motivo}"
    _alertar(conexion, titular, diario, apunte, "INFO" if modo == "ACTIVE" else "WARNING", texto)


def _llave(titular: Titular, exchange: object, clase: str) -> dict[str, object]:
    return {
        "client_id": titular.client_id,
        "account_id": titular.account_id,
        "exchange": str(exchange),
        "symbol": titular.symbol,
        "kind": clase,
    }


def _alertar(
    conexion: Connection,
    titular: Titular,
    diario: str,
    apunte: Apunte,
    nivel: str,
    texto: str,
    clase: str | None = None,
) -> None:
    valores = {
        "client_id": titular.client_id,
        "account_id": titular.account_id,
        "symbol": titular.symbol,
        "level": nivel,
        "kind": clase or apunte.tipo,
        "message": texto,
        "payload_json": orjson.dumps(apunte.contenido).decode(),
        "created_at_ms": apunte.instante_ms,
        "journal": diario,
        "seq": apunte.seq,
    }
    anadir(conexion, alerts, valores)
