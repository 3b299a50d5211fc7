"""What a run under a trailing strategy comes to: operations from flat to flat, moves of their stops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from src.nucleo.frenos import TipoFreno
from src.nucleo.metricas import max_drawdown, medir_operaciones
from src.nucleo.registro import StatusFila
from src.paridad.vueltas import META_SPANS, STOP_PCT, Renglon, Vuelta

_META_FRACCION = META_SPANS * STOP_PCT / 100.0
_PARTE_DE_META = 0.95
"""A fill beyond this share of the way is the target's: no stop of any strategy gets there before it."""


class Motivo(StrEnum):
    """Why an operation ended."""

    STOP = "stop"
    OBJETIVO = "target"
    DECISION = "decision"
    OTRO = "other"  # liquidation or emergency


class OperacionVivida(NamedTuple):
    """One position from flat to flat."""

    larga: bool
    neto: float  # after fees, slippage and funding, margin asset
    motivo: Motivo


@dataclass(frozen=True, slots=True, kw_only=True)
class CifrasFreno:
    """The figures of one run; amounts in margin asset, fractions of 1."""

    tipo: TipoFreno
    operaciones: int
    tasa_acierto: float | None
    ganancia_media: float | None
    perdida_media: float | None  # < 0
    factor_beneficio: float | None
    max_drawdown: float  # of the equity at closed candles
    neto: float  # of the whole run, after all costs
    salidas: dict[Motivo, int]
    ajustes: dict[str, int]  # by level, in the order of first use


def medir_vuelta(vuelta: Vuelta) -> CifrasFreno:
    """The figures of a run."""
    operaciones = list(_operaciones(vuelta.renglones))
    netos = np.array([operacion.neto for operacion in operaciones])
    generales = medir_operaciones(netos)
    ganados, perdidos = netos[netos > 0.0], netos[netos < 0.0]
    equity = np.array([renglon.equity for renglon in vuelta.renglones])
    salidas = Counter(operacion.motivo for operacion in operaciones)
    return CifrasFreno(
        tipo=vuelta.tipo,
        operaciones=generales.cerradas,
        tasa_acierto=generales.tasa_acierto,
        ganancia_media=float(ganados.mean()) if ganados.size else None,
        perdida_media=float(perdidos.mean()) if perdidos.size else None,
        factor_beneficio=generales.factor_beneficio,
        max_drawdown=max_drawdown(equity),
        neto=float(equity[-1] - equity[0]),
        salidas={motivo: salidas[motivo] for motivo in Motivo},
        ajustes=dict(Counter(ajuste.nivel for ajuste in vuelta.ajustes)),
    )


def _operaciones(renglones: Sequence[Renglon]) -> Iterator[OperacionVivida]:
    inicio = renglones[0].balance
    anterior: Renglon | None = None
    for renglon in renglones:
        tenia = anterior is not None and anterior.cantidad != 0.0
        if anterior is not None and not tenia and renglon.cantidad != 0.0:
            inicio = anterior.balance
        if anterior is not None and tenia and renglon.cantidad == 0.0:
            larga = anterior.cantidad > 0.0
            yield OperacionVivida(larga, renglon.balance - inicio, _motivo(anterior, renglon))
        anterior = renglon


def _motivo(abierta: Renglon, cierre: Renglon) -> Motivo:
    match cierre.status:
        case StatusFila.OK:
            return Motivo.DECISION
        case StatusFila.PROTECCION if abierta.entrada is not None:
            avance = cierre.precio / abierta.entrada - 1.0
            a_favor = avance if abierta.cantidad > 0.0 else -avance
            return Motivo.OBJETIVO if a_favor > _PARTE_DE_META * _META_FRACCION else Motivo.STOP
        case _:
            return Motivo.OTRO
