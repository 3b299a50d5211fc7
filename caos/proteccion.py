"""Protection: stops that only tighten, and executions that close what was open and nothing else."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from caos.pruebas import Evento, Pruebas

_DESFASE_MS = 60_000  # how far injected skews move the daemon's clock against the market's
_PROTECCION = "proteccion"
_REDUCEN = ("cerrar_", "reducir_")
_CIERRES_PROPIOS = ("unprotected:", "guardian:")
"""How the tokens of closes begin that the daemon makes because a position lacks a stop, or by command."""


class _Rango(NamedTuple):
    """The way of the price during one candle."""

    desde_ms: int
    hasta_ms: int
    alto: float
    bajo: float


def solo_aprieta(p: Pruebas) -> Iterator[str]:
    """Within an operation no stop loosens and the initial one stays; none is moved past the market."""
    rangos = _rangos(p)
    anterior: Evento | None = None
    for evento in p.de_tipo("LEVEL_SET", "LEVEL_CLEARED"):
        if evento.tipo == "LEVEL_CLEARED":
            anterior = None
            continue
        if anterior is not None and _misma_operacion(anterior.contenido, evento.contenido):
            for que in _empeora(anterior.contenido, evento.contenido):
                yield f"record {evento.seq}: {que} (after record {anterior.seq})"
            if _movido(anterior.contenido, evento.contenido):
                yield from _mal_lado(evento, rangos)
        anterior = evento


def _misma_operacion(antes: Mapping[str, Any], despues: Mapping[str, Any]) -> bool:
    mismo_lado = antes["quantity"] * despues["quantity"] > 0.0
    return mismo_lado and antes["operation"] == despues["operation"]


def _empeora(antes: Mapping[str, Any], despues: Mapping[str, Any]) -> Iterator[str]:
    largo = despues["quantity"] > 0.0
    if _mas_flojo(antes["level"], despues["level"], largo=largo):
        yield f"the catastrophe level loosened from {antes['level']} to {despues['level']}"
    viejo, nuevo = antes["brake"], despues["brake"]
    if viejo is None or _renacido(antes, despues):
        return
    if nuevo is None:
        yield f"the stop {viejo['stop']} was taken away"
        return
    if _mas_flojo(viejo["stop"], nuevo["stop"], largo=largo):
        yield f"the stop loosened from {viejo['stop']} to {nuevo['stop']}"
    if viejo["initial"] != nuevo["initial"]:
        yield f"the initial stop changed from {viejo['initial']} to {nuevo['initial']}"


def _mas_flojo(antes: float | None, despues: float | None, *, largo: bool) -> bool:
    if antes is None:
        return False
    return despues is None or (despues < antes if largo else despues > antes)


def _renacido(antes: Mapping[str, Any], despues: Mapping[str, Any]) -> bool:
    """Whether the position itself is another one, opened in the same moment of a market that stands still."""
    freno = despues["brake"]
    recien = freno is not None and not freno["name"] and freno["stop"] == freno["initial"]
    return recien and despues["entry"] != antes["entry"] and freno["adjusted_ms"] == freno["opened_ms"]


def _movido(antes: Mapping[str, Any], despues: Mapping[str, Any]) -> bool:
    viejo, nuevo = antes["brake"], despues["brake"]
    if viejo is None or nuevo is None or _renacido(antes, despues):
        return False
    return bool(viejo["stop"] != nuevo["stop"])


def _mal_lado(evento: Evento, rangos: list[_Rango]) -> Iterator[str]:
    """A stop beyond everything that the market did about then was on the wrong side of the mark."""
    freno, largo = evento.contenido["brake"], evento.contenido["quantity"] > 0.0
    instante_ms = int(freno["adjusted_ms"])
    primero = bisect_left(rangos, instante_ms - _DESFASE_MS, key=lambda r: r.hasta_ms)
    cerca = rangos[primero : bisect_right(rangos, instante_ms + _DESFASE_MS, key=lambda r: r.desde_ms)]
    if not cerca or _incompleto(cerca, instante_ms):
        return
    limite = max(r.alto for r in cerca) if largo else min(r.bajo for r in cerca)
    if freno["stop"] >= limite if largo else freno["stop"] <= limite:
        yield (
            f"record {evento.seq}: the stop of a {'long' if largo else 'short'} was moved to {freno['stop']},"
            f" and the market only came to {limite}"
        )


def _incompleto(cerca: list[_Rango], instante_ms: int) -> bool:
    """Whether the mark may belong to a candle that the journal lacks."""
    desde_ms, hasta_ms = min(r.desde_ms for r in cerca), max(r.hasta_ms for r in cerca)
    return instante_ms - _DESFASE_MS < desde_ms or instante_ms + _DESFASE_MS > hasta_ms


def _rangos(p: Pruebas) -> list[_Rango]:
    if len(p.velas) < 2:
        return []
    duracion = p.velas[1] - p.velas[0]
    decididas = [evento.contenido["candle"] for evento in p.de_tipo("CANDLE_DECIDED")]
    otras = [vela for evento in p.de_tipo("CANDLES") for vela in evento.contenido["candles"]]
    return sorted(
        _Rango(int(vela[0]), int(vela[0]) + duracion, float(vela[2]), float(vela[3]))
        for vela in decididas + otras
    )


def cierra_lo_abierto(p: Pruebas) -> Iterator[str]:
    """Orders that stops became only reduce, and the rows attribute to protection what they closed."""
    yield from _hijas_que_no_reducen(p)
    de_hijas = sum((abs(f.cantidad) for f in p.libros.fills if f.id_orden in p.libros.hijas), Decimal(0))
    en_filas = Decimal(0)
    for evento in p.de_tipo("ROWS"):
        for fila in evento.contenido["rows"]:
            if fila["status"] != _PROTECCION:
                continue
            if not str(fila["operacion"]).startswith(_REDUCEN):
                yield f"record {evento.seq}: protection is said to have done {fila['operacion']}"
            en_filas += Decimal(repr(fila["cantidad_reducida"] or 0.0))
    mas_propias = de_hijas + _cerrado_por_el_demonio(p)
    if not de_hijas <= en_filas <= mas_propias:
        yield (
            f"the rows say that protection closed {en_filas}; the exchange's stops closed {de_hijas}, with"
            f" the daemon's own closes {mas_propias}"
        )


def _hijas_que_no_reducen(p: Pruebas) -> Iterator[str]:
    cantidad = Decimal(0)
    for fill in sorted(p.libros.fills):
        despues = cantidad + fill.cantidad
        if fill.id_orden in p.libros.hijas and (fill.cantidad * cantidad >= 0 or despues * cantidad < 0):
            yield f"the fill {fill.id} of the stop's order {fill.id_orden} made {despues} of {cantidad}"
        cantidad = despues


def _cerrado_por_el_demonio(p: Pruebas) -> Decimal:
    """By closes of positions that nothing protected or by command; an exit may be ahead of its intent."""
    fichas = {
        evento.agregado.removeprefix("order:"): str(evento.contenido["token"])
        for evento in p.de_tipo("ORDER_INTENT")
    }
    return sum(
        (
            orden.ejecutada
            for orden in p.libros.ordenes
            if orden.propia
            and orden.id not in p.libros.hijas
            and orden.solo_reduce
            and fichas.get(orden.id_cliente, _CIERRES_PROPIOS[0]).startswith(_CIERRES_PROPIOS)
        ),
        Decimal(0),
    )


__all__ = ["cierra_lo_abierto", "solo_aprieta"]
