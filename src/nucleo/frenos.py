"""One operation's protective stop: where a trailing strategy moves it, behind one gate that only tightens."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from math import inf
from typing import NamedTuple, assert_never

from src.nucleo.dinero import al_tick, al_tick_si_cabe
from src.nucleo.errores import DatosInvalidos, StopFueraDeFiltro, StopMalLado, StopMasFlojo
from src.nucleo.niveles import COSTO_FRACCION, Candidato, candidatos_por_niveles, candidatos_por_tramos
from src.nucleo.tipos import EscalaPrecio

AJUSTE_MANUAL = "manual_adjust"
"""The level of a stop that somebody moved by hand."""

_A_MANO = "manual:"

_HORA_MS = 3_600_000
_INTERVALO_ALTO_MS, _INTERVALO_MEDIO_MS, _INTERVALO_BAJO_MS = 60_000, 90_000, 240_000


class TipoFreno(StrEnum):
    """How the stop of an operation follows the market."""

    FIJA = "fija"  # not at all
    NIVELES = "niveles"  # the eight levels on the way to the target
    HAND_SPAN = "hand_span"  # by spans from entry to initial stop
    PORCENTAJE = "porcentaje"  # at a distance from the best price


class ReglaMomento(NamedTuple):
    """From which momentum on the stop is looked at more often; shares of the way per hour."""

    alto: float = 0.2  # every 60 s from here on
    bajo: float = 0.05  # every 90 s from here on, else every 240 s


class ReglaFreno(NamedTuple):
    """A trailing strategy and its numbers."""

    tipo: TipoFreno
    costo_fraccion: float = COSTO_FRACCION  # break-even lies so far beyond the entry; 0.0 is at the entry
    porcentaje: float = 0.0  # PORCENTAJE only: distance from the best price, in percent of it
    momento: ReglaMomento = ReglaMomento()


class Freno(NamedTuple):
    """The protective stop of one operation; absolute prices, quote asset per unit."""

    entrada: float  # average
    largo: bool
    stop_inicial: float  # kept for ever
    stop: float  # in force; it only ever tightens
    objetivo: float | None
    nivel: str  # the level applied last, such as ``break_even`` or ``span_2``; empty before the first one;
    # of a stop moved by hand a name that stands before all levels, see `nombre_visible`
    extremo: float  # the best mark since the opening; only PORCENTAJE follows it
    abierto_ms: int  # market time of the opening
    ajustado_ms: int  # of the last adjustment; of the opening before the first one


def tipo_por_defecto(objetivo: float | None) -> TipoFreno:
    """What trails a position for which nobody chose: levels with a target, else spans."""
    return TipoFreno.HAND_SPAN if objetivo is None else TipoFreno.NIVELES


def nuevo_freno(
    entrada: float,
    stop: float,
    objetivo: float | None,
    mark: float,
    instante_ms: int,
    *,
    largo: bool,
) -> Freno:
    """The brake of an operation that opens.

    Args:
        entrada: Average entry price.
        stop: The initial stop.
        objetivo: The target; ``None`` without one.
        mark: Mark price now.
        instante_ms: Market time now.
        largo: Side of the position.
    """
    return Freno(entrada, largo, stop, stop, objetivo, "", mark, instante_ms, instante_ms)


def ajustar(freno: Freno, mark: float, instante_ms: int, regla: ReglaFreno, escala: EscalaPrecio) -> Freno:
    """The brake after one mark: the same object when nothing changed.

    It never loosens and never comes to lie at or beyond the mark. A level of the ladder or a span is applied
    the moment it is reached, and once; the plain percentage moves at most once in `intervalo_ms`. Of several
    levels reached at once the tightest one that the mark allows counts.

    Args:
        freno: The brake before it.
        mark: Mark price.
        instante_ms: Market time of that price.
        regla: The strategy. NIVELES without a target goes by spans.
        escala: The prices that the symbol's orders may name.

    Raises:
        DatosInvalidos: The mark is no positive number.
    """
    if not 0.0 < mark < inf:
        raise DatosInvalidos(f"mark price is {mark}; a stop is only moved by a positive number")
    match regla.tipo:
        case TipoFreno.FIJA:
            return freno
        case TipoFreno.PORCENTAJE:
            return _seguir(freno, mark, instante_ms, regla, escala)
        case TipoFreno.NIVELES | TipoFreno.HAND_SPAN:
            return _aplicar(freno, _candidatos(freno, mark, regla), mark, instante_ms, escala)
        case _:
            assert_never(regla.tipo)


def _candidatos(freno: Freno, mark: float, regla: ReglaFreno) -> Iterable[Candidato]:
    entrada, largo, inicial, _, objetivo, aplicado, *_ = freno
    costo = regla.costo_fraccion
    if regla.tipo is TipoFreno.NIVELES and objetivo is not None:
        return candidatos_por_niveles(entrada, inicial, objetivo, mark, aplicado, costo, largo=largo)
    return candidatos_por_tramos(entrada, inicial, mark, aplicado, costo, largo=largo)


def _aplicar(
    freno: Freno,
    candidatos: Iterable[Candidato],
    mark: float,
    instante_ms: int,
    escala: EscalaPrecio,
) -> Freno:
    nivel, stop, largo = freno.nivel, freno.stop, freno.largo
    for nombre, precio in candidatos:
        candidato = al_tick(precio, escala, hacia_arriba=not largo)
        if candidato is None or candidato == stop or es_mas_flojo(candidato, stop, largo=largo):
            continue
        if not es_mal_lado(candidato, mark, largo=largo):
            nivel, stop = nombre, candidato
    if stop == freno.stop:
        return freno
    return freno._replace(stop=stop, nivel=nivel, ajustado_ms=instante_ms)


def _seguir(freno: Freno, mark: float, instante_ms: int, regla: ReglaFreno, escala: EscalaPrecio) -> Freno:
    if mark > freno.extremo if freno.largo else mark < freno.extremo:
        freno = freno._replace(extremo=mark)
    if instante_ms - freno.ajustado_ms < intervalo_ms(momento(freno, mark, instante_ms), regla.momento):
        return freno
    distancia = regla.porcentaje / 100.0
    precio = freno.extremo * (1.0 - distancia if freno.largo else 1.0 + distancia)
    return _aplicar(freno, [(regla.tipo.value, precio)], mark, instante_ms, escala)


def apretar(
    freno: Freno,
    stop: float,
    mark: float,
    escala: EscalaPrecio,
    nivel: str = AJUSTE_MANUAL,
    instante_ms: int | None = None,
) -> Freno:
    """Move the stop where somebody wants it, if the gate lets it through; the stop in force is accepted.

    Args:
        freno: The brake before it.
        stop: The price wanted; it is rounded to the tick towards the side of loss.
        mark: Mark price.
        escala: The prices that the symbol's orders may name.
        nivel: What whoever moves it calls it; it is kept, and counts as none of the strategy's levels.
        instante_ms: Market time; the last adjustment's when it is left out.

    Raises:
        StopFueraDeFiltro: The price filter takes no such price.
        StopMasFlojo: It is looser than the stop in force.
        StopMalLado: It lies at or beyond the mark.
    """
    actual, largo = freno.stop, freno.largo
    en_tick = al_tick_si_cabe(stop, escala, hacia_arriba=not largo)
    if en_tick is None:
        raise StopFueraDeFiltro(f"Stop {stop} is outside the price filter: it must be {escala.alcance}")
    if es_mas_flojo(stop, actual, largo=largo):
        raise StopMasFlojo(f"Looser stop not allowed (current {actual}, new {en_tick})")
    if es_mas_flojo(en_tick, actual, largo=largo):
        en_tick = actual
    if es_mal_lado(en_tick, mark, largo=largo):
        lado, donde = ("LONG", "below") if largo else ("SHORT", "above")
        raise StopMalLado(
            f"Stop {en_tick} is on the wrong side of the mark {mark}: a {lado} needs it {donde}"
        )
    ajustado_ms = freno.ajustado_ms if instante_ms is None else instante_ms
    nombre = nivel if nivel == AJUSTE_MANUAL else f"{_A_MANO}{nivel}"
    return freno._replace(stop=en_tick, nivel=nombre, ajustado_ms=ajustado_ms)


def nombre_visible(nivel: str) -> str:
    """A brake's level as others are told of it: by the name that it was given."""
    return nivel.removeprefix(_A_MANO)


def es_mas_flojo(stop: float, actual: float, *, largo: bool) -> bool:
    """Whether a stop leaves more to lose than the one in force; an equal one does not."""
    return stop < actual if largo else stop > actual


def es_mal_lado(stop: float, mark: float, *, largo: bool) -> bool:
    """Whether a stop would be triggered by the mark; a mark that is no number leaves no side."""
    return not (stop < mark if largo else stop > mark)


def momento(freno: Freno, mark: float, instante_ms: int) -> float:
    """Share of the way from entry to target covered per hour since the opening; of a span without target.

    What goes against the position is negative; at the very opening any profit is infinitely fast.
    """
    camino = (freno.objetivo if freno.objetivo is not None else 2.0 * freno.entrada - freno.stop_inicial) - (
        freno.entrada
    )
    if camino == 0.0:
        return 0.0
    cubierto, transcurrido_ms = (mark - freno.entrada) / camino, instante_ms - freno.abierto_ms
    if transcurrido_ms <= 0:
        return inf if cubierto > 0.0 else 0.0
    return cubierto * _HORA_MS / transcurrido_ms


def intervalo_ms(momento: float, regla: ReglaMomento) -> int:
    """Milliseconds of market time between two adjustments: 60, 90 or 240 seconds."""
    if momento >= regla.alto:
        return _INTERVALO_ALTO_MS
    return _INTERVALO_MEDIO_MS if momento >= regla.bajo else _INTERVALO_BAJO_MS
