"""What a run is made of, drawn from its seed: where the daemon dies and which faults happen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any, NamedTuple

from src.simulador.fallas.catalogo import CATALOGO
from src.simulador.fallas.clases import Clase, Familia

PUNTOS_POR_VELA = 4  # of --path ohlc
_HASTA = 0.9  # share of the market in which points lie, so that the last ones are reached
_DESDE_ATASCO = 0.95  # a stop that hangs for ever blocks every entry from then on: only near the end
_RECUPERACION = 40  # a start makes about so many requests

Cuerpo = dict[str, Any]
"""A fault or a scenario as ``POST /sim/v1/faults`` takes it."""


class Sitio(StrEnum):
    """Kinds of points at which the daemon is killed."""

    ORDEN = "order request"
    STOP = "stop request"
    RELEVO = "stop replacement"
    LECTURA = "read request"
    PASO = "market step"
    VELA = "closed candle"
    RECUPERACION = "during recovery"


_PESOS = {
    Sitio.ORDEN: 28,
    Sitio.STOP: 10,
    Sitio.RELEVO: 12,
    Sitio.LECTURA: 12,
    Sitio.PASO: 13,
    Sitio.VELA: 10,
    Sitio.RECUPERACION: 15,
}
_COLOCAR, _CANCELAR = "POST /fapi/v1/algoOrder", "DELETE /fapi/v1/algoOrder"
_ENTRE_PONER_Y_QUITAR = {_COLOCAR: "after", _CANCELAR: "before"}
"""The new stop lives and the one that it replaces does too."""

_LLAMADAS = {
    Sitio.ORDEN: ("POST /fapi/v1/order",),
    Sitio.STOP: (_COLOCAR, _CANCELAR),
    Sitio.RELEVO: (_COLOCAR, _CANCELAR),
    Sitio.LECTURA: ("GET /fapi/v*", "GET /fapi/v1/userTrades"),
}


class Muerte(NamedTuple):
    """One kill."""

    numero: int
    sitio: Sitio
    paso: int  # first market step at which it may happen
    patron: str  # of the request; empty for steps and candles
    enesima: int  # of the requests after a restart
    momento: str  # before or after the point

    def guion(self) -> Cuerpo:
        """The hold that stops the exchange at this point, to be armed after the kill before it."""
        match self.sitio:
            case Sitio.PASO:
                at: Cuerpo = {"step": self.paso, "stage": self.momento}
            case Sitio.VELA:
                at = {"candle": -(-self.paso // PUNTOS_POR_VELA), "stage": self.momento}
            case Sitio.RECUPERACION:
                at = {"call": "* /fapi/*", "nth": self.enesima, "stage": self.momento, "count": "armed"}
            case Sitio.ORDEN | Sitio.STOP | Sitio.RELEVO | Sitio.LECTURA:
                return desde_paso(
                    self.paso, {"kind": "hold", "at": {"call": self.patron, "stage": self.momento}}
                )
        return {"faults": [{"kind": Clase.HOLD.value, "at": at}]}


class Desgracia(NamedTuple):
    """One fault."""

    numero: int
    paso: int  # first market step at which it may happen
    falla: Cuerpo

    @property
    def clase(self) -> str:
        """Its kind."""
        return str(self.falla["kind"])

    def en(self, paso: int) -> Desgracia:
        """The same fault, no earlier than the step after this one."""
        desde = max(self.paso, paso + 1)
        falla = self.falla
        if "candle" in falla.get("at", ()):
            falla = falla | {"at": {"candle": -(-desde // PUNTOS_POR_VELA)}}
        return Desgracia(self.numero, desde, falla)

    def guion(self) -> Cuerpo:
        """What arms it."""
        if "at" in self.falla and "candle" in self.falla["at"]:
            return {"faults": [self.falla]}
        return desde_paso(self.paso, self.falla)


def desde_paso(paso: int, falla: Cuerpo) -> Cuerpo:
    """A fault that strikes at its first occasion from a market step on."""
    return {"random": {"from_step": paso, "faults": [{"probability": 1.0, "times": 1, **falla}]}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Guion:
    """Everything that a seed decides."""

    semilla: int
    velas: int
    muertes: tuple[Muerte, ...]  # in the order they happen
    desgracias: tuple[Desgracia, ...]  # by market step


_CASI_SIEMPRE_EJECUTADA: tuple[Cuerpo, ...] = (*({"executed": True},) * 3, {"executed": False})
"""An order that was not executed takes seconds to be proved absent."""

_TRAS_COLOCAR: Cuerpo = {"call": _COLOCAR, "stage": "after"}
"""While a stop is replaced: what the market does next finds two of them, or half a change."""

FIJAS: dict[Clase, tuple[Cuerpo, ...]] = {
    Clase.LOSE_ANSWER: ({"how": "drop"}, {"how": "silence", "seconds": 1.5}),
    Clase.LOSE_REQUEST: ({"how": "drop"}, {"how": "silence", "seconds": 1.5}),
    Clase.LATE_ANSWER: ({"ms": 50}, {"ms": 400}),
    Clase.HTTP_503_UNKNOWN: _CASI_SIEMPRE_EJECUTADA,
    Clase.HTTP_503_UNAVAILABLE: ({},),
    Clase.HTTP_503_NO_JSON: _CASI_SIEMPRE_EJECUTADA,
    Clase.HTTP_500: _CASI_SIEMPRE_EJECUTADA,
    Clase.HTTP_502: _CASI_SIEMPRE_EJECUTADA,
    Clase.HTTP_504: _CASI_SIEMPRE_EJECUTADA,
    Clase.ERROR_1006: _CASI_SIEMPRE_EJECUTADA,
    Clase.ERROR_1007: _CASI_SIEMPRE_EJECUTADA,
    Clase.ERROR_1008: ({},),
    Clase.REJECT: ({"code": -2019}, {"code": -2022}),
    Clase.STOP_4130: ({},),
    Clase.RATE_LIMIT: ({"seconds": 1.0, "insist": 20, "ban_seconds": 1.0},),
    Clase.REST_LAG: ({"reads": 1}, {"reads": 3}),
    Clase.PARTIAL_FILL: ({"pieces": 3, "filled": 1.0}, {"pieces": 2, "filled": 0.5}),
    Clase.CLOCK_SKEW: ({"ms": -1_500}, {"ms": 1_500}),
    Clase.OUTAGE: ({"seconds": 0.5},),
    Clase.DISCONNECT: (
        {"sockets": "market", "how": "close"},
        {"sockets": "all", "how": "abort"},
        {"sockets": "user", "how": "close"},
    ),
    Clase.SILENCE: ({"sockets": "market", "seconds": 0.3},),
    Clase.EXPIRE_LISTEN_KEY: ({},),
    Clase.BURST: ({"sockets": "all", "messages": 150},),
    Clase.PRICE_JUMP: tuple(
        {"percent": p, "at": cuando}
        for p in (-4.0, 4.2, -8.0, 8.7, -15.0, 17.6)
        for cuando in ("step", _TRAS_COLOCAR)
    ),
    Clase.WIDE_SPREAD: ({"bps": 10.0}, {"bps": 0.0}),
    Clase.STOP_DROPPED: ({},),
    Clase.CLOSED_BY_HAND: ({"at": "step"}, {"at": _TRAS_COLOCAR}),
    Clase.LIQUIDATED: ({"at": "step"}, {"at": _TRAS_COLOCAR}),
    Clase.KLINE: ({"how": "late"}, {"how": "missing"}, {"how": "duplicated"}, {"how": "out_of_order"}),
    Clase.STOP_STUCK: ({},),
    Clase.STOP_CHILD_EXPIRED: ({},),
    Clase.STOP_CHILD_PARTIAL: ({},),
    Clase.STOP_IGNORED: ({},),
    Clase.ALGO_REORDER: ({},),
}
"""Parameters that each kind is drawn with; waits are short, so that a run takes minutes."""

TRANSPARENTES: dict[Clase, tuple[Cuerpo, ...]] = {
    Clase.LOSE_ANSWER: ({"how": "drop"}, {"how": "silence", "seconds": 1.5}),
    Clase.LATE_ANSWER: ({"ms": 50}, {"ms": 400}),
    Clase.HTTP_503_UNKNOWN: ({"executed": True},),
    Clase.HTTP_504: ({"executed": True},),
    Clase.ERROR_1007: ({"executed": True},),
    Clase.REST_LAG: ({"reads": 1},),
    Clase.DISCONNECT: FIJAS[Clase.DISCONNECT],
    Clase.EXPIRE_LISTEN_KEY: ({},),
    Clase.KLINE: ({"how": "duplicated"},),
    Clase.BURST: FIJAS[Clase.BURST],
}
"""Faults after which every row must be what it is without them."""

REPETIBLES: dict[Clase, tuple[Cuerpo, ...]] = {
    Clase.HTTP_503_UNKNOWN: ({"executed": True},),
    Clase.ERROR_1007: ({"executed": True},),
    Clase.REJECT: ({"code": -2019},),
    Clase.PARTIAL_FILL: FIJAS[Clase.PARTIAL_FILL],
    Clase.PRICE_JUMP: ({"percent": -4.0}, {"percent": 4.0}),
    Clase.KLINE: ({"how": "duplicated"},),
    Clase.ALGO_REORDER: ({},),
}
"""Faults in which no wall time takes part."""

_SALTOS_AL_STOP = (-6.0, 6.4)
_DE_DISPARO = frozenset(c for c, ficha in CATALOGO.items() if ficha.familia is Familia.DISPARO)
_AL_EMPEZAR_UNA_VELA = frozenset({Clase.KLINE})
_DE_PASO = frozenset(
    {
        *(Clase.CLOCK_SKEW, Clase.OUTAGE, Clase.DISCONNECT, Clase.SILENCE, Clase.EXPIRE_LISTEN_KEY),
        *(Clase.BURST, Clase.PRICE_JUMP, Clase.WIDE_SPREAD, Clase.STOP_DROPPED),
    }
)


def sortear(
    semilla: int,
    velas: int,
    muertes: int,
    desgracias: int,
    clases: dict[Clase, tuple[Cuerpo, ...]] = FIJAS,
) -> Guion:
    """Draw a run.

    Args:
        semilla: Equal arguments give an equal run.
        velas: Candles that the market has.
        muertes: Kills.
        desgracias: Faults; every kind has its turn before one comes again. A fault of a triggered stop brings
            a jump of the price with it.
        clases: Kinds and their parameters.
    """
    azar = Random(f"{semilla}|{velas}|{muertes}|{desgracias}")
    ultimo = PUNTOS_POR_VELA * velas - PUNTOS_POR_VELA
    pasos = sorted(azar.randint(1, max(1, int(_HASTA * ultimo))) for _ in range(muertes))
    return Guion(
        semilla=semilla,
        velas=velas,
        muertes=tuple(_muerte(azar, numero, paso) for numero, paso in enumerate(pasos, 1)),
        desgracias=tuple(sorted(_desgracias(azar, ultimo, desgracias, clases), key=lambda d: d.paso)),
    )


def _muerte(azar: Random, numero: int, paso: int) -> Muerte:
    (sitio,) = azar.choices(list(_PESOS), list(_PESOS.values()))
    if numero == 1 and sitio is Sitio.RECUPERACION:
        sitio = Sitio.PASO
    patron = azar.choice(_LLAMADAS[sitio]) if sitio in _LLAMADAS else ""
    enesima, momento = azar.randint(1, _RECUPERACION), azar.choice(("before", "after"))
    if sitio is Sitio.RELEVO:
        momento = _ENTRE_PONER_Y_QUITAR[patron]
    return Muerte(numero, sitio, paso, patron, enesima, momento)


def _desgracias(
    azar: Random, ultimo: int, cuantas: int, clases: dict[Clase, tuple[Cuerpo, ...]]
) -> Iterator[Desgracia]:
    pasos = sorted(azar.randint(1, ultimo) for _ in range(cuantas))
    for numero, (paso, clase) in enumerate(zip(pasos, _turnos(azar, cuantas, list(clases)), strict=True), 1):
        if clase is Clase.STOP_STUCK:
            paso = max(paso, int(_DESDE_ATASCO * ultimo))
        if clase in _DE_DISPARO:
            # A stop is only tampered with when the price comes to it.
            salto = {"kind": Clase.PRICE_JUMP.value, "percent": azar.choice(_SALTOS_AL_STOP), "at": "step"}
            yield Desgracia(numero, paso, salto)
        falla: Cuerpo = {"kind": clase.value, **azar.choice(clases[clase])}
        if clase in _AL_EMPEZAR_UNA_VELA:
            falla["at"] = {"candle": -(-paso // PUNTOS_POR_VELA)}
        elif clase in _DE_PASO:
            falla.setdefault("at", "step")
        yield Desgracia(numero, paso, falla)


def _turnos(azar: Random, cuantas: int, clases: Sequence[Clase]) -> Iterator[Clase]:
    vuelta: list[Clase] = []
    for _ in range(cuantas):
        if not vuelta:
            vuelta = azar.sample(clases, len(clases))
        yield vuelta.pop()
