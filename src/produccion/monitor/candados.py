"""All that stands against opening or increasing anything, as far as the shared store knows: the only list."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection

from src.nucleo.disparos import Barrera
from src.nucleo.riesgo import ModoRiesgo
from src.produccion.almacen.disyuntores import disyuntores_de, modos_de
from src.produccion.almacen.hora_mercado import hora_de_mercado
from src.produccion.almacen.inquilinos import leer_config
from src.produccion.almacen.lecturas import cerrojos_de
from src.produccion.monitor.libro import vallas_de

_SIN_SIMBOLO = ""


class ClaseCandado(StrEnum):
    """What kind of thing stands there."""

    PAUSA = "tenant_paused"
    RITMO = "execution_rate"
    DISYUNTOR = "circuit_breaker"
    MODO = "risk_mode"
    CERROJO = "latch"


class Candado(NamedTuple):
    """One thing that keeps positions from being opened or increased; exits pass."""

    clase: ClaseCandado
    account_id: str | None  # ``None``: all accounts of the tenant
    symbol: str | None  # ``None``: all symbols
    que: str | None  # the breaker's kind, the mode
    estado: str | None  # of a breaker
    motivo: str
    desde_ms: int | None
    hasta_ms: int | None  # when a cool-down ends; the trial after it holds entries too
    remedio: str  # what takes it away

    @property
    def texto(self) -> str:
        """In one line, without what takes it away."""
        donde = " ".join(parte for parte in (self.account_id, self.symbol) if parte)
        que = " ".join(parte for parte in (self.que, self.estado) if parte)
        cabeza = " ".join(parte for parte in (self.clase.value.replace("_", " "), donde, que) if parte)
        return f"{cabeza}: {self.motivo or 'no reason told'}"


def candados_de(conexion: Connection, client_id: str) -> list[Candado]:
    """What keeps a tenant's agents from opening or increasing anything now, from the widest to the narrowest.

    Stop executions cool down and the rate of executions is counted by `hora_de_mercado`.

    Args:
        conexion: That reads.
        client_id: The tenant.
    """
    return [
        *_del_inquilino(conexion, client_id),
        *_modos(conexion, client_id),
        *_disyuntores(conexion, client_id),
        *_cerrojos(conexion, client_id),
    ]


def _del_inquilino(conexion: Connection, client_id: str) -> Iterator[Candado]:
    """Pause and rate limit, by the guardrails themselves; their third, the symbol's breaker, is a breaker."""
    ahora_ms = hora_de_mercado(conexion, client_id)
    levantadas = vallas_de(conexion, client_id, _SIN_SIMBOLO, ahora_ms).contra_una_entrada(ahora_ms)
    config = leer_config(conexion, client_id)
    if Barrera.KILL_SWITCH in levantadas:
        motivo, remedio = config.trading_paused_reason or "", "timonel stopentry --undo"
        yield _ancho(ClaseCandado.PAUSA, motivo, config.updated_at_ms, remedio)
    if Barrera.RATE_LIMIT in levantadas:
        motivo = (
            f"{config.max_executions_per_minute} exits a minute or {config.max_executions_per_hour} an hour"
            " are reached"
        )
        yield _ancho(ClaseCandado.RITMO, motivo, None, "time alone: it is counted over a minute and an hour")


def _ancho(clase: ClaseCandado, motivo: str, desde_ms: int | None, remedio: str) -> Candado:
    return Candado(clase, None, None, None, None, motivo, desde_ms, None, remedio)


def _modos(conexion: Connection, client_id: str) -> Iterator[Candado]:
    for uno in modos_de(conexion, client_id):
        if uno.mode is not ModoRiesgo.ACTIVE:
            remedio = (
                f"timonel risk mode ACTIVE --symbol {uno.symbol} --account {uno.account_id} --reason WHY"
            )
            yield Candado(
                *(ClaseCandado.MODO, uno.account_id, uno.symbol, uno.mode.value, None),
                *(f"set by {uno.requested_by}: {uno.reason}", uno.changed_at_ms, None, remedio),
            )


def _disyuntores(conexion: Connection, client_id: str) -> Iterator[Candado]:
    for uno in disyuntores_de(conexion, client_id):
        if uno.detiene:
            yield Candado(
                ClaseCandado.DISYUNTOR,
                uno.account_id or None,
                uno.symbol,
                uno.kind.value,
                uno.state.value,
                uno.reason,
                uno.changed_at_ms,
                uno.hasta_ms,
                uno.como_se_cierra,
            )


def _cerrojos(conexion: Connection, client_id: str) -> Iterator[Candado]:
    remedio = 'on its machine: timonel live --train-id ID --unlock "reason"'
    for uno in cerrojos_de(conexion, client_id):
        if uno.puesto:
            donde = (uno.account_id, uno.symbol)
            yield Candado(ClaseCandado.CERROJO, *donde, None, None, uno.motivo, uno.desde_ms, None, remedio)
