"""What a store must hold after monitors were killed over it, whatever befell them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Engine, select

from caos.invariantes import Violacion
from src.produccion.almacen.conexion import leer
from src.produccion.almacen.esquema import claims, stop_events, stop_executions
from src.produccion.almacen.proyecciones import reconstruir

Fila = dict[str, Any]


class Resto(NamedTuple):
    """What is left of a run."""

    tokens: frozenset[str]  # of the operations that were triggered
    ordenes: Sequence[dict[str, str]]  # that the exchange executed
    eventos: Sequence[Fila]
    ejecuciones: Sequence[Fila]  # the projection as it grew
    reclamos: Sequence[Fila]
    distintas: int  # executions that rebuilding the projection changed


def leer_resto(motor: Engine, tokens: frozenset[str], ordenes: Sequence[dict[str, str]]) -> Resto:
    """Read everything; the projection is made again on the way."""
    with leer(motor) as conexion:
        eventos, ejecuciones, reclamos = (
            [dict(fila) for fila in conexion.execute(consulta).mappings()]
            for consulta in (
                select(stop_events).order_by(stop_events.c.event_seq),
                select(stop_executions),
                select(claims),
            )
        )
    return Resto(tokens, ordenes, eventos, ejecuciones, reclamos, reconstruir(motor).distintas)


def ejecutadas_una_vez(r: Resto) -> Iterator[str]:
    """Every triggered operation has one order at the exchange, one execution and no claim that is open."""
    for simbolo, veces in Counter(orden["symbol"] for orden in r.ordenes).items():
        if veces > 1:
            yield f"the position in {simbolo} was closed {veces} times"
    if len(r.ordenes) != len(r.tokens):
        yield f"{len(r.ordenes)} orders were executed for {len(r.tokens)} triggered operations"
    veces_dichas = Counter(e["execution_token"] for e in r.eventos if e["event_type"] == "EXECUTED")
    for token in sorted(r.tokens):
        if veces_dichas[token] != 1:
            yield f"the store tells of {veces_dichas[token]} executions of {token}"
    estados = {e["execution_token"]: e["status"] for e in r.ejecuciones}
    for token in sorted(r.tokens):
        if estados.get(token) != "EXECUTED":
            yield f"the projection has {token} as {estados.get(token)}"
    for reclamo in r.reclamos:
        if not reclamo["done"]:
            yield f"the claim on {reclamo['execution_token']} was left open by {reclamo['holder']}"


def proyeccion_igual(r: Resto) -> Iterator[str]:
    """The projection that grew with the events is the one that they make from nothing."""
    if r.distintas:
        yield f"rebuilding the projection changed {r.distintas} executions"


def versiones_seguidas(r: Resto) -> Iterator[str]:
    """The events of a token are numbered from 1 without gaps, in the order in which they came."""
    versiones: defaultdict[str, int] = defaultdict(int)
    for evento in r.eventos:
        token = evento["execution_token"]
        versiones[token] += 1
        if evento["version"] != versiones[token]:
            yield (
                f"event {evento['event_seq']} is version {evento['version']} of {token}, not"
                f" {versiones[token]}"
            )
            versiones[token] = evento["version"]


COMPROBACIONES: tuple[tuple[str, Callable[[Resto], Iterator[str]]], ...] = (
    ("every operation is executed once", ejecutadas_una_vez),
    ("the projection is what the events say", proyeccion_igual),
    ("versions of a token have no gaps", versiones_seguidas),
)


def comprobar(resto: Resto) -> list[Violacion]:
    """Check everything."""
    return [
        Violacion(nombre, detalle)
        for nombre, comprobacion in COMPROBACIONES
        for detalle in comprobacion(resto)
    ]
