"""Drawdown and pre-trade rules, as pure functions and folds."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from src.nucleo.cartera import debe_liquidarse, equity_alcanza, equity_de, precio_liquidacion
from src.nucleo.intervalos import DIA, DIA_MS, MES, siguiente_apertura
from src.nucleo.ordenes import Plan
from src.nucleo.tipos import EstadoCuenta, Mercado, Tramo

FRACCION_AVISO = 0.8
"""Share of the drawdown limit from which a warning is due."""

FRACCION_DIA = 0.25
FRACCION_MES = 0.5
"""Shares of the drawdown limit that may be lost within a UTC day and month before entries pause."""

_crear = tuple.__new__  # what a NamedTuple's constructor ends in, at half its price

CONFIRMACION_MS = 1_000
"""A breach counts when a second mark update at least this much later still shows it."""


_MARGEN_REDONDEO = 1e-12


class Drawdown(NamedTuple):
    """Fall from the peak, as a fraction of the peak."""

    actual: float
    excedido: bool
    aviso: bool


def verificar_drawdown(equity: float, equity_maximo: float, limite: float) -> Drawdown:
    """Measure the drawdown; it is fine as long as it is below the limit."""
    actual = caida(equity, equity_maximo)
    excedido = excede(actual, limite)
    return Drawdown(actual, excedido, not excedido and excede(actual, FRACCION_AVISO * limite))


def caida(equity: float, equity_maximo: float) -> float:
    """The fall from a peak, as a fraction of it; negative above it; all of it from a peak of nothing."""
    return 1.0 if equity_maximo <= 0.0 else 1.0 - equity / equity_maximo


def excede(drawdown: float, limite: float) -> bool:
    """Whether a drawdown has reached a limit; one that is not a number has.

    A drawdown that is exactly the limit may come out of its division one bit below it.
    """
    return not drawdown < limite - _MARGEN_REDONDEO


class EstadoRiesgo(NamedTuple):
    """What the drawdown monitor remembers."""

    equity_maximo: float
    max_drawdown: float = 0.0
    brecha_desde_ms: int | None = None  # first mark update of a breach that has not ended

    def drawdown_con(self, equity: float) -> float:
        """The largest drawdown, one equity that the monitor was not told included."""
        return max(self.max_drawdown, caida(equity, self.equity_maximo))


class Vigilancia(NamedTuple):
    """The monitor's answer to one mark update."""

    estado: EstadoRiesgo
    drawdown: Drawdown
    confirmado: bool  # the limit was exceeded on two updates at least `CONFIRMACION_MS` apart


def vigilar_drawdown(estado: EstadoRiesgo, equity: float, instante_ms: int, limite: float) -> Vigilancia:
    """Fold one equity, marked at an instant of market time, into the monitor."""
    maximo, maximo_drawdown, desde = estado
    if equity > maximo:
        maximo = equity
    drawdown = verificar_drawdown(equity, maximo, limite)
    if drawdown.actual > maximo_drawdown:
        maximo_drawdown = drawdown.actual
    if not drawdown.excedido:
        return Vigilancia(EstadoRiesgo(maximo, maximo_drawdown, None), drawdown, False)
    if desde is None:
        return Vigilancia(EstadoRiesgo(maximo, maximo_drawdown, instante_ms), drawdown, False)
    confirmado = instante_ms - desde >= CONFIRMACION_MS
    return Vigilancia(EstadoRiesgo(maximo, maximo_drawdown, desde), drawdown, confirmado)


def vigilar_extremos(estado: EstadoRiesgo, menor: float, mayor: float, limite: float) -> EstadoRiesgo | None:
    """Fold many equities at once, of which only the smallest and the largest are known.

    Returns:
        What folding them one by one with `vigilar_drawdown` gives, whatever their order; ``None`` when the
        order matters, or there is a breach and the instants matter.
    """
    maximo, max_drawdown, desde = estado
    es_pico = mayor > maximo
    if es_pico:
        maximo = mayor
    actual = caida(menor, maximo)
    if desde is not None or excede(actual, limite):
        return None
    if actual <= max_drawdown:
        return _crear(EstadoRiesgo, (maximo, max_drawdown, None)) if es_pico else estado
    return None if es_pico else _crear(EstadoRiesgo, (maximo, actual, None))


class Rechazo(StrEnum):
    """Why an operation is not sent."""

    NINGUNO = ""
    FILTROS = "filters"
    MARGEN = "margin"
    BLOQUEO = "entries_blocked"


class Validacion(NamedTuple):
    """The pre-trade verdict."""

    rechazo: Rechazo
    detalle: str = ""

    @property
    def valida(self) -> bool:
        """Whether the plan may be sent."""
        return self.rechazo is Rechazo.NINGUNO


VALIDA = Validacion(Rechazo.NINGUNO)


class ModoRiesgo(StrEnum):
    """What a person lets an agent do, as stored and shown; from the widest to the strictest."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"

    def es_mas_estricto_que(self, otro: ModoRiesgo) -> bool:
        """Whether it takes something away from the other one."""
        modos = tuple(ModoRiesgo)
        return modos.index(self) > modos.index(otro)


def validar_modo(plan: Plan, modo: ModoRiesgo) -> Validacion:
    """Refuse what the mode does not let through; protective exits are no plans and never come here.

    Args:
        plan: What the action asks for.
        modo: REDUCING lets exits and reductions pass, HALTED nothing at all.
    """
    if modo is ModoRiesgo.HALTED and plan.cantidades:
        return Validacion(Rechazo.BLOQUEO, "risk mode HALTED: nothing but protective exits")
    if modo is ModoRiesgo.REDUCING and plan.operacion.aumenta_exposicion:
        return Validacion(Rechazo.BLOQUEO, "risk mode REDUCING: nothing is opened or increased")
    return VALIDA


def validar_brecha(plan: Plan, estado: EstadoRiesgo) -> Validacion:
    """Refuse what increases exposure while the drawdown limit is exceeded, confirmed or not yet."""
    if estado.brecha_desde_ms is None or plan.solo_reduce or not plan.cantidades:
        return VALIDA
    return Validacion(Rechazo.BLOQUEO, "drawdown limit exceeded")


_INSTANTE = "%Y-%m-%dT%H:%MZ"
_ESCALON = re.compile(rf"{Rechazo.BLOQUEO.value}: (daily|monthly) loss .*: no entries until (\S+)$")


class Anclas(NamedTuple):
    """The equity at the first candle that closed in the current UTC day, and in the current month."""

    dia_ms: int  # 00:00 of the day
    equity_dia: float
    mes_ms: int  # 00:00 of the month's first day
    equity_mes: float

    def escaladas(self, factor: float) -> Anclas:
        """Follow a deposit or withdrawal, which is neither profit nor loss."""
        return self._replace(equity_dia=self.equity_dia * factor, equity_mes=self.equity_mes * factor)


def anclar(anclas: Anclas | None, equity: float, instante_ms: int) -> Anclas:
    """Take note of the equity at a candle's close instant, before the decision on it.

    Args:
        anclas: The anchors so far; ``None`` at the first candle of all.
        equity: Marked at the close.
        instante_ms: The close; midnight belongs to the day that begins.
    """
    dia_ms = instante_ms - instante_ms % DIA_MS
    if anclas is not None and anclas.dia_ms == dia_ms:
        return anclas
    dia = datetime.fromtimestamp(dia_ms / 1000, UTC)
    mes_ms = dia_ms - (dia.day - 1) * DIA_MS
    if anclas is not None and anclas.mes_ms == mes_ms:
        return anclas._replace(dia_ms=dia_ms, equity_dia=equity)
    return Anclas(dia_ms, equity, mes_ms, equity)


def validar_escalones(plan: Plan, equity: float, anclas: Anclas, limite: float) -> Validacion:
    """Refuse what increases exposure after losing a part of the drawdown limit in a day or a month.

    Args:
        plan: What the action asks for; exits and reductions always pass.
        equity: At the observed close.
        anclas: The equity that the day and the month began with.
        limite: Drawdown limit, fraction of the peak.
    """
    _, cantidades, solo_reduce, _ = plan
    dia_ms, equity_dia, mes_ms, equity_mes = anclas
    if solo_reduce or not cantidades or (equity >= equity_dia and equity >= equity_mes):
        return VALIDA
    if _ha_perdido(equity, equity_mes, FRACCION_MES * limite):
        return _pausa("monthly", 1.0 - equity / equity_mes, FRACCION_MES * limite, _final(mes_ms, MES))
    if _ha_perdido(equity, equity_dia, FRACCION_DIA * limite):
        return _pausa("daily", 1.0 - equity / equity_dia, FRACCION_DIA * limite, _final(dia_ms, DIA))
    return VALIDA


def perdida_del_dia(equity: float, anclas: Anclas) -> float:
    """What was lost since the day began, as a fraction; below 0 after a profit."""
    return 1.0 - equity / anclas.equity_dia if anclas.equity_dia > 0.0 else 0.0


def _ha_perdido(equity: float, ancla: float, fraccion: float) -> bool:
    return ancla > 0.0 and excede(1.0 - equity / ancla, fraccion)


def _pausa(escalon: str, perdida: float, maximo: float, hasta: str) -> Validacion:
    return Validacion(
        Rechazo.BLOQUEO, f"{escalon} loss {perdida:.2%} has reached {maximo:.2%}: no entries until {hasta}"
    )


class Escalon(NamedTuple):
    """A loss that pauses entries."""

    nombre: str  # daily | monthly
    hasta_ms: int  # entries pause until then


def escalon_de(error: str) -> Escalon | None:
    """The tier that the ``error`` of a row names; ``None`` when it is about something else."""
    dicho = _ESCALON.match(error)
    if dicho is None:
        return None
    hasta = datetime.strptime(dicho[2], _INSTANTE).replace(tzinfo=UTC)
    return Escalon(dicho[1], round(hasta.timestamp() * 1_000))


@lru_cache(maxsize=64)
def _final(inicio_ms: int, intervalo: str) -> str:
    final = datetime.fromtimestamp(siguiente_apertura(inicio_ms, intervalo) / 1000, UTC)
    return final.strftime(_INSTANTE)


def distancia_liquidacion(cuenta: EstadoCuenta, mark: float, tramos: tuple[Tramo, ...]) -> float | None:
    """Share of the mark price that lies between it and the liquidation price; 0.0 when it is reached.

    ``None`` when flat, or when no positive price would liquidate the position.
    """
    liquidacion = precio_liquidacion(cuenta, mark, tramos)
    if liquidacion is None:
        return 0.0 if debe_liquidarse(cuenta, mark, tramos) else None
    distancia = (mark - liquidacion) / mark
    return max(0.0, distancia if cuenta.cantidad > 0.0 else -distancia)


def validar_accion_pre(
    plan: Plan,
    cuenta: EstadoCuenta,
    precio_orden: float,
    mark: float,
    mercado: Mercado,
    apalancamiento: float,
) -> Validacion:
    """Check a plan before anything is sent; exits always pass.

    Args:
        plan: What `planificar` made of the action.
        cuenta: The account before it.
        precio_orden: Expected fill price.
        mark: Mark price.
        mercado: Gives the taker fee.
        apalancamiento: Leverage.
    """
    equity = equity_de(cuenta, mark)
    return validar_plan(plan, cuenta.cantidad, equity, precio_orden, mark, mercado, apalancamiento)


def validar_plan(
    plan: Plan,
    actual: float,
    equity: float,
    precio_orden: float,
    mark: float,
    mercado: Mercado,
    apalancamiento: float,
) -> Validacion:
    """`validar_accion_pre` on plain numbers: the signed quantity held, and the equity at ``mark``."""
    _, cantidades, solo_reduce, motivo = plan
    if motivo:
        return Validacion(Rechazo.FILTROS, motivo)
    if solo_reduce or not cantidades:
        return VALIDA
    cantidad = sum(cantidades)
    if equity_alcanza(equity, actual, cantidad, precio_orden, mark, mercado, apalancamiento):
        return VALIDA
    return Validacion(Rechazo.MARGEN, f"margin does not cover {cantidad} at {precio_orden}")
