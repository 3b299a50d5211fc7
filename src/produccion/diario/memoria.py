"""What an agent remembers across restarts: the newest events of its journal, as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from src.nucleo.accion import Interpretacion
from src.nucleo.contabilidad import Contabilidad, TradeActivo
from src.nucleo.ordenes import Plan
from src.nucleo.riesgo import Anclas, EstadoRiesgo
from src.nucleo.tipos import EstadoCuenta, Operacion, Posicion, TipoAccion, Vela
from src.nucleo.veto import Veto
from src.produccion.cuenta import Marcador
from src.produccion.diario.diario import EventoDiario


class Anterior(NamedTuple):
    """The previous decision, for the reward of the step that ends at the next one."""

    equity: float
    maximo: float
    inactivo: bool


class Instantanea(NamedTuple):
    """All that a restarted daemon needs to go on where an event was written."""

    filas: int  # rows of the session's CSV so far
    paso: int  # closed candles acted on in the session
    ultima_decidida_ms: int  # open time; -1 before the first
    cuenta: EstadoCuenta
    marcador: Marcador
    contabilidad: Contabilidad
    riesgo: EstadoRiesgo
    anclas: Anclas | None
    anterior: Anterior | None
    capital_referencia: float  # equity that maps to 1.0 in the observation
    abiertos: tuple[str, ...] = ()  # aggregates of orders and stops that are not over
    veto: Veto | None = None
    atr: float | None = None  # average true range of the newest decided candle, where it is needed


class Pendiente(NamedTuple):
    """A decision whose effect is not in the record yet."""

    vela: Vela
    cierre_ms: int  # the candle's boundary: open time of the next one
    equity: float  # at the candle's close, before the decision
    accion: float
    interpretacion: Interpretacion
    plan: Plan
    rechazo: str  # why nothing is sent although the plan says so; empty when it is
    recompensa: float | None
    atr: float | None = None  # average true range at the candle, where the initial stop is measured in it


INSTANTANEAS = ("ROWS", "CANDLE_DECIDED")
"""Types of the events that carry a snapshot: what came before the newest one is history."""


class SesionEscrita(NamedTuple):
    """What the files of a session should hold."""

    sesion: str
    filas: int
    emergencia: tuple[Any, ...] | None = None  # row of the emergencies file


class MemoriaAgente(NamedTuple):
    """What the journal says of an agent."""

    capital_referencia: float | None = None
    instantanea: Instantanea | None = None
    pendiente: Pendiente | None = None
    sesion: str | None = None  # the session that did not end; it is gone on with
    emergencia: tuple[Any, ...] | None = None  # row of the emergencies file, of that session
    acabada: SesionEscrita | None = None  # the newest session, when it has ended and no other has begun


def recordar_agente(eventos: Iterable[EventoDiario]) -> MemoriaAgente:
    """Fold the events of an agent from its newest snapshot on, or all when there is none."""
    memoria = MemoriaAgente()
    for evento in eventos:
        contenido: dict[str, Any] = evento.contenido
        match evento.tipo:
            case "REFERENCE":
                instantanea = leer_instantanea(contenido["state"]) if "state" in contenido else None
                memoria = memoria._replace(
                    capital_referencia=float(contenido["equity"]),
                    instantanea=instantanea or memoria.instantanea,
                )
            case "SESSION_STARTED":
                memoria = MemoriaAgente(
                    memoria.capital_referencia,
                    _de_otra_sesion(memoria.instantanea),
                    sesion=str(contenido["session"]),
                )
            case "SESSION_ENDED":
                memoria = memoria._replace(
                    instantanea=_de_otra_sesion(memoria.instantanea),
                    sesion=None,
                    emergencia=None,
                    acabada=_acabada(memoria),
                )
            case "EMERGENCY":
                memoria = memoria._replace(emergencia=tuple(contenido["row"]))
            case "CANDLE_DECIDED" | "ROWS":
                instantanea = leer_instantanea(contenido["state"])
                memoria = MemoriaAgente(
                    instantanea.capital_referencia,
                    instantanea,
                    leer_pendiente(contenido) if evento.tipo == "CANDLE_DECIDED" else None,
                    str(contenido["session"]),
                )
            case "RISK" if memoria.instantanea is not None:
                riesgo = leer_riesgo(contenido["risk"])
                memoria = memoria._replace(instantanea=memoria.instantanea._replace(riesgo=riesgo))
    return memoria


def _acabada(memoria: MemoriaAgente) -> SesionEscrita | None:
    if memoria.sesion is None:
        return memoria.acabada
    filas = memoria.instantanea.filas if memoria.instantanea is not None else 0
    return SesionEscrita(memoria.sesion, filas, memoria.emergencia)


def _de_otra_sesion(anterior: Instantanea | None) -> Instantanea | None:
    """What a new session takes over from the one before: the account and its history, not the counts."""
    if anterior is None:
        return None
    return anterior._replace(
        filas=0,
        paso=0,
        contabilidad=Contabilidad(),
        riesgo=EstadoRiesgo(anterior.riesgo.equity_maximo),
        anterior=None,
    )


def escribir_instantanea(i: Instantanea) -> dict[str, object]:
    """A snapshot as the journal keeps it."""
    activo = i.contabilidad.activo
    return {
        "rows": i.filas,
        "step": i.paso,
        "decided": i.ultima_decidida_ms,
        "account": _cuenta(i.cuenta),
        "cursor": i.marcador.a_lista(),
        "trades": i.contabilidad.operaciones_total,
        "pnl": i.contabilidad.pnl_total,
        "trade": list(activo) if activo is not None else None,
        "risk": list(i.riesgo),
        "anchors": list(i.anclas) if i.anclas is not None else None,
        "previous": list(i.anterior) if i.anterior is not None else None,
        "reference": i.capital_referencia,
        "open": list(i.abiertos),
        "veto": list(i.veto) if i.veto is not None else None,
        "atr": i.atr,
    }


def leer_instantanea(crudo: Any) -> Instantanea:
    """A snapshot from the journal."""
    trade, anclas, anterior = crudo["trade"], crudo["anchors"], crudo["previous"]
    return Instantanea(
        int(crudo["rows"]),
        int(crudo["step"]),
        int(crudo["decided"]),
        _leer_cuenta(crudo["account"]),
        Marcador.de_lista(crudo["cursor"]),
        Contabilidad(int(crudo["trades"]), float(crudo["pnl"]), TradeActivo(*trade) if trade else None),
        leer_riesgo(crudo["risk"]),
        Anclas(*anclas) if anclas else None,
        Anterior(*anterior) if anterior else None,
        float(crudo["reference"]),
        tuple(crudo["open"]),
        Veto(*veto) if (veto := crudo.get("veto")) else None,
        None if crudo.get("atr") is None else float(crudo["atr"]),
    )


def leer_riesgo(crudo: Any) -> EstadoRiesgo:
    """The drawdown monitor's state from the journal."""
    maximo, max_drawdown, brecha_desde_ms = crudo
    return EstadoRiesgo(float(maximo), float(max_drawdown), brecha_desde_ms)


def escribir_pendiente(p: Pendiente) -> dict[str, object]:
    """A decision as the journal keeps it."""
    lectura, plan = p.interpretacion, p.plan
    return {
        "candle": list(p.vela),
        "close_ms": p.cierre_ms,
        "equity": p.equity,
        "action": p.accion,
        "reading": [lectura.tipo_accion.value, lectura.operacion.value, lectura.intensidad, lectura.objetivo],
        "plan": [plan.operacion.value, list(plan.cantidades), plan.solo_reduce, plan.motivo],
        "refused": p.rechazo,
        "reward": p.recompensa,
        "atr": p.atr,
    }


def leer_pendiente(crudo: Mapping[str, Any]) -> Pendiente:
    """A decision from the journal."""
    tipo, operacion, intensidad, objetivo = crudo["reading"]
    del_plan, cantidades, solo_reduce, motivo = crudo["plan"]
    apertura_ms, *precios = crudo["candle"]
    return Pendiente(
        Vela(int(apertura_ms), *map(float, precios)),
        int(crudo["close_ms"]),
        float(crudo["equity"]),
        float(crudo["action"]),
        Interpretacion(TipoAccion(tipo), Operacion(operacion), float(intensidad), float(objetivo)),
        Plan(Operacion(del_plan), tuple(map(float, cantidades)), bool(solo_reduce), str(motivo)),
        str(crudo["refused"]),
        None if crudo["reward"] is None else float(crudo["reward"]),
        None if crudo.get("atr") is None else float(crudo["atr"]),
    )


def _cuenta(cuenta: EstadoCuenta) -> list[float]:
    posicion = cuenta.posicion
    if posicion is None:
        return [cuenta.saldo]
    return [cuenta.saldo, posicion.cantidad, posicion.precio_entrada]


def _leer_cuenta(crudo: list[float]) -> EstadoCuenta:
    saldo, *posicion = crudo
    return EstadoCuenta(float(saldo), Posicion(*map(float, posicion)) if posicion else None)
