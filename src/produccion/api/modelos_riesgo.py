"""What answers about breakers, risk modes and locks hold."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from src.nucleo.disyuntores import ClaseDisyuntor, EstadoDisyuntor
from src.nucleo.riesgo import ModoRiesgo
from src.produccion.almacen.mandos_riesgo import MOTIVO_MAX
from src.produccion.api.formas import Escrito, Instante
from src.produccion.api.modelos import Simbolo, Texto
from src.produccion.monitor.candados import ClaseCandado

_MOTIVO = "Why; it is recorded"


class Disyuntor(BaseModel):
    """A breaker as it was told last."""

    id: str = Field(description="For POST /api/v1/breakers/{id}/reset")
    account_id: str | None = Field(description="null: of all accounts of the tenant")
    exchange: str | None = Field(description="null: of all exchanges")
    symbol: str
    kind: ClaseDisyuntor
    state: EstadoDisyuntor
    blocks_entries: bool
    value: float | None = Field(description="Measured at the latest change, in its unit")
    limit: float | None
    unit: str = Field(description="ms, bps, fraction or failures")
    failures: int = Field(description="Samples in a row at or beyond the limit")
    reason: str | None
    by: str | None = Field(description="Who changed it last; null where nobody told")
    since: Instante = Field(description="Its latest change; null: it never has changed")
    opened_at: Instante
    until: Instante = Field(description="When its cool-down ends; null unless it is open and has one")
    how_to_close: str | None


class Disyuntores(BaseModel):
    """All that daemons have, also those that never opened, and those of failed stop executions."""

    breakers: list[Disyuntor]


class CambioDisyuntor(BaseModel):
    """A breaker that changed; what was not written down at its time is null."""

    id: int
    account_id: str | None
    exchange: str | None
    symbol: str
    kind: str
    state: str
    previous_state: str | None
    value: float | None
    limit: float | None
    unit: str | None
    failures: int
    reason: str | None
    by: str | None
    occurred_at: Instante


class HistoriaDisyuntores(BaseModel):
    """Newest first."""

    circuit_breakers: list[CambioDisyuntor]


class Candado(BaseModel):
    """Something that keeps positions from being opened or increased; exits pass."""

    account_id: str | None = Field(description="null: all accounts of the tenant")
    symbol: str | None = Field(description="null: all symbols")
    kind: ClaseCandado
    name: str | None = Field(description="The breaker's kind, the risk mode")
    state: str | None = Field(description="Of a breaker")
    reason: str | None
    since: Instante
    until: Instante = Field(description="When a cool-down ends; the trial after it holds entries too")
    text: str = Field(description="All of it in one line")
    how_to_remove: str
    current: bool = Field(description="false: what a daemon that does not live any more told last")


class Candados(BaseModel):
    """``GET /api/v1/locks``."""

    locks: list[Candado]


class ModoVisto(BaseModel):
    """What a person lets the agent of an account and symbol do."""

    account_id: str
    user_id: str
    symbol: str
    mode: ModoRiesgo
    reason: str | None
    by: str | None
    since: Instante = Field(description="null: nobody ever set it")
    alive: bool = Field(description="Whether its daemon can be told")


class Modos(BaseModel):
    """``GET /api/v1/risk/mode``: of every daemon, and wherever one was set."""

    modes: list[ModoVisto]


class PedidoCierreDisyuntor(BaseModel):
    """``POST /api/v1/breakers/{id}/reset``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Annotated[Escrito, Field(min_length=1, max_length=MOTIVO_MAX, description=_MOTIVO)]


class PedidoModo(BaseModel):
    """``PUT /api/v1/risk/mode``: what is left out means all of the tenant's living daemons."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: ModoRiesgo
    reason: Annotated[Escrito, Field(min_length=1, max_length=MOTIVO_MAX, description=_MOTIVO)]
    symbol: Simbolo | None = None
    account_id: Texto | None = None
    user_id: Texto | None = None


class _ResultadoRiesgo(BaseModel):
    account_id: str | None = Field(description="null: of all accounts of the tenant")
    user_id: str | None
    symbol: str
    command_id: str | None = Field(description="For GET /api/v1/commands/{id}; null when none was given")
    status: int = Field(description="HTTP status it would have alone; 202: not over")
    success: bool | None = Field(description="null: not known yet")
    message: str | None
    error: str | None


class ResultadoCierreDisyuntor(_ResultadoRiesgo):
    """What became of closing a breaker."""

    kind: ClaseDisyuntor
    state: EstadoDisyuntor | None = Field(description="After it; null while that is not known")
    previous_state: EstadoDisyuntor | None


class ResultadosCierre(BaseModel):
    """One result."""

    success: bool | None = Field(description="Whether it was closed; null while that is not known")
    results: list[ResultadoCierreDisyuntor]


class ResultadoModo(_ResultadoRiesgo):
    """What became of one daemon's command."""

    mode: ModoRiesgo | None = Field(description="The daemon's mode after it; null while that is not known")
    previous_mode: ModoRiesgo | None


class ResultadosModo(BaseModel):
    """One result per daemon."""

    success: bool | None = Field(description="Whether all of them were done; null while that is not known")
    results: list[ResultadoModo]
