"""Breakers: what is measured opens them, time half-opens them, healthy samples close them again."""

from __future__ import annotations

from enum import StrEnum
from math import isfinite
from typing import NamedTuple

from src.nucleo.riesgo import excede


class EstadoDisyuntor(StrEnum):
    """A breaker's states, as stored."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


class ClaseDisyuntor(StrEnum):
    """What a breaker watches, as stored and shown."""

    LATENCY = "latency"
    SPREAD = "spread"
    VOLATILITY = "volatility"
    ERROR_RATE = "error_rate"
    DRAWDOWN = "drawdown"
    STOP_EXECUTION = "stop_execution"

    @property
    def unidad(self) -> str:
        """Of what it measures: milliseconds, basis points, a fraction, or failures in a row."""
        match self:
            case ClaseDisyuntor.LATENCY:
                return "ms"
            case ClaseDisyuntor.SPREAD:
                return "bps"
            case ClaseDisyuntor.VOLATILITY | ClaseDisyuntor.ERROR_RATE | ClaseDisyuntor.DRAWDOWN:
                return "fraction"
            case ClaseDisyuntor.STOP_EXECUTION:
                return "failures"

    def detiene(self, estado: EstadoDisyuntor) -> bool:
        """Whether a breaker in that state holds entries; only that of stop executions lets them on trial."""
        if self is ClaseDisyuntor.STOP_EXECUTION:
            return estado is EstadoDisyuntor.OPEN
        return estado is not EstadoDisyuntor.CLOSED

    @property
    def es_limite(self) -> bool:
        """Whether it shows a limit: no cool-down half-opens it, and nobody closes it by hand."""
        return self is ClaseDisyuntor.DRAWDOWN

    def texto(self, valor: float) -> str:
        """A measured value as a person reads it."""
        match self.unidad:
            case "fraction":
                return f"{valor:.2%}"
            case "failures":
                return f"{valor:g} failures"
            case unidad:
                return f"{valor:.4g} {unidad}" if valor < 1_000 else f"{valor:.0f} {unidad}"


class Llave(NamedTuple):
    """What names one breaker."""

    exchange: str
    symbol: str
    kind: ClaseDisyuntor


class ReglaDisyuntor(NamedTuple):
    """When a breaker opens and closes; a sample that reaches the limit is a violation."""

    limite: float
    violaciones: int = 3  # in a row, that open it
    enfriamiento_ms: int | None = 60_000  # market time from opening to half-open; ``None``: it is on no trial
    sanas: int = 3  # samples in a row below the limit, while half-open, that close it
    exito_cierra: bool = False  # whether one of them closes it before it has cooled down, too


class Disyuntor(NamedTuple):
    """One breaker. While it cools down samples change nothing but the count of violations."""

    estado: EstadoDisyuntor = EstadoDisyuntor.CLOSED
    fallos: int = 0  # violations in a row
    sanas: int = 0  # healthy samples in a row since it half-opened
    abierto_ms: int | None = None  # market time of the latest opening

    def en(self, ahora_ms: int, regla: ReglaDisyuntor) -> Disyuntor:
        """As it stands at an instant: open until the cool-down is over, then half-open."""
        if self.estado is not EstadoDisyuntor.OPEN or self.abierto_ms is None:
            return self
        if regla.enfriamiento_ms is None or ahora_ms - self.abierto_ms < regla.enfriamiento_ms:
            return self
        return self._replace(estado=EstadoDisyuntor.HALF_OPEN, sanas=0)

    def tomar(self, *, violacion: bool, ahora_ms: int, regla: ReglaDisyuntor) -> Disyuntor:
        """After one sample."""
        antes = self.en(ahora_ms, regla)
        return antes._violado(ahora_ms, regla) if violacion else antes._sano(regla)

    def _violado(self, ahora_ms: int, regla: ReglaDisyuntor) -> Disyuntor:
        fallos = self.fallos + 1
        if self.estado is EstadoDisyuntor.OPEN:
            # What goes on while it is open must not keep it open for ever.
            return self._replace(fallos=fallos)
        if self.estado is EstadoDisyuntor.CLOSED and fallos < regla.violaciones:
            return self._replace(fallos=fallos)
        return Disyuntor(EstadoDisyuntor.OPEN, fallos, 0, ahora_ms)

    def _sano(self, regla: ReglaDisyuntor) -> Disyuntor:
        if self.estado is EstadoDisyuntor.CLOSED or regla.exito_cierra:
            return Disyuntor()
        if self.estado is EstadoDisyuntor.OPEN:
            return self._replace(fallos=0)
        sanas = self.sanas + 1
        return Disyuntor() if sanas >= regla.sanas else self._replace(fallos=0, sanas=sanas)


class Cambio(NamedTuple):
    """A breaker that went from one state to another, and why."""

    llave: Llave
    antes: EstadoDisyuntor
    ahora: Disyuntor
    valor: (
        float | None
    )  # what was measured, in the kind's unit; ``None`` when nothing was, or it is no number
    limite: float | None  # ``None`` of a breaker that has none any more
    motivo: str
    instante_ms: int  # market time
    quien: str = ""  # who did it by hand; empty when nobody


def medir(
    llave: Llave, disyuntor: Disyuntor, valor: float, ahora_ms: int, regla: ReglaDisyuntor
) -> tuple[Disyuntor, tuple[Cambio, ...]]:
    """Fold one measured value into a breaker.

    Args:
        llave: Its name.
        disyuntor: As it was.
        valor: In the kind's unit; one that is not a number is a violation.
        ahora_ms: Market time.
        regla: When it opens and closes.

    Returns:
        The breaker, and what changed on the way: a cool-down may have ended before the sample was taken.
    """
    tibio, cambios = enfriar(llave, disyuntor, ahora_ms, regla)
    violacion = excede(valor, regla.limite)
    despues = tibio.tomar(violacion=violacion, ahora_ms=ahora_ms, regla=regla)
    if despues.estado is tibio.estado:
        return despues, cambios
    medido = valor if isfinite(valor) else None
    motivo = _motivo(llave.kind, tibio, despues, valor, regla)
    cambio = Cambio(llave, tibio.estado, despues, medido, regla.limite, motivo, ahora_ms)
    return despues, (*cambios, cambio)


def enfriar(
    llave: Llave, disyuntor: Disyuntor, ahora_ms: int, regla: ReglaDisyuntor
) -> tuple[Disyuntor, tuple[Cambio, ...]]:
    """Let time pass: the breaker, and its half-opening when the cool-down is over."""
    despues = disyuntor.en(ahora_ms, regla)
    if regla.enfriamiento_ms is None or despues.estado is disyuntor.estado:
        return disyuntor, ()
    motivo = (
        f"{regla.enfriamiento_ms / 1_000:g} s are over; {_muestras(regla.sanas)} below the limit close it"
    )
    return despues, (Cambio(llave, disyuntor.estado, despues, None, regla.limite, motivo, ahora_ms),)


def cerrar(
    llave: Llave, disyuntor: Disyuntor, ahora_ms: int, limite: float | None, motivo: str, quien: str
) -> Cambio:
    """Close a breaker whatever is measured, because somebody says so."""
    return Cambio(llave, disyuntor.estado, Disyuntor(), None, limite, motivo, ahora_ms, quien)


def _motivo(
    clase: ClaseDisyuntor, antes: Disyuntor, despues: Disyuntor, valor: float, regla: ReglaDisyuntor
) -> str:
    medido, limite = clase.texto(valor), clase.texto(regla.limite)
    if despues.estado is EstadoDisyuntor.CLOSED:
        return f"{medido}: {_muestras(antes.sanas + 1)} in a row below {limite}"
    if antes.estado is EstadoDisyuntor.HALF_OPEN:
        return f"{medido} on trial: {limite} is reached again"
    return f"{medido}: {_muestras(despues.fallos)} in a row reached {limite}"


def _muestras(cuantas: int) -> str:
    return f"{cuantas} sample{'' if cuantas == 1 else 's'}"
