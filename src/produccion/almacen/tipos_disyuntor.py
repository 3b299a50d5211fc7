"""A breaker, a change of one and a risk mode, as the shared store keeps them."""

from __future__ import annotations

from typing import NamedTuple

from src.nucleo.disyuntores import ClaseDisyuntor, EstadoDisyuntor
from src.nucleo.riesgo import ModoRiesgo
from src.produccion.almacen.esquema import POR_DEFECTO

_SEPARADOR = ":"


class NombreDisyuntor(NamedTuple):
    """What tells a tenant's breakers apart."""

    account_id: str
    exchange: str
    symbol: str
    kind: str

    @property
    def id(self) -> str:
        """In one word."""
        return _SEPARADOR.join(self)


def leer_id(id_: str) -> NombreDisyuntor | None:
    """The parts of a `DisyuntorGuardado.id`; ``None`` when it is none."""
    partes = id_.rsplit(_SEPARADOR, 3)
    return NombreDisyuntor(*partes) if len(partes) == len(NombreDisyuntor._fields) else None


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
    cool_down_ms: int | None  # market time from opening to trial; ``None`` where there is no trial

    @property
    def id(self) -> str:
        """Its name within the tenant, for `buscar_disyuntor`."""
        return NombreDisyuntor(self.account_id, self.exchange, self.symbol, self.kind.value).id

    @property
    def detiene(self) -> bool:
        """Whether it holds entries."""
        return self.kind.detiene(self.state)

    @property
    def hasta_ms(self) -> int | None:
        """When its cool-down ends, market time; ``None`` unless it is open, or when that is not known."""
        abierto = self.state is EstadoDisyuntor.OPEN and not self.kind.es_limite
        if not abierto or self.opened_at_ms is None or self.cool_down_ms is None:
            return None
        return self.opened_at_ms + self.cool_down_ms

    @property
    def como_se_cierra(self) -> str:
        """What closes it, for a person; empty when it is closed."""
        if self.state is EstadoDisyuntor.CLOSED:
            return ""
        if self.kind.es_limite:
            return "closes by itself when the loss of the day is below the limit, or the day is over"
        cuenta = f" --account {self.account_id}" if self.account_id else ""
        de = f" --client-id {self.client_id}" if self.client_id != POR_DEFECTO else ""
        orden = f"timonel breakers reset {self.kind.value} --symbol {self.symbol}{cuenta}{de} --reason WHY"
        que = "healthy samples close it"
        if self.kind is ClaseDisyuntor.STOP_EXECUTION:
            que = "an exit that succeeds closes it"
        return f"{que}; by hand: {orden}"

    def como_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "id": self.id,
            **self._asdict(),
            "until_ms": self.hasta_ms,
            "blocks_entries": self.detiene,
            "how_to_close": self.como_se_cierra,
        }


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
