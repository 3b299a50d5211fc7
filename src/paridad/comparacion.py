"""Holding two runs against each other."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import isclose

import numpy as np

from src.paridad.corridas import Corrida

TOLERANCIA_EQUITY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparacion:
    """How equal two runs are."""

    nombre: str
    velas: int
    ordenes: int
    operaciones: Counter[str]
    pagos_funding: int
    liquidaciones: int
    protecciones: int  # resident stops and targets that were filled
    ganadas: int  # those of them in profit: targets, and stops that had trailed the market
    rechazos: int
    emergencia: bool
    equity_entorno: float
    equity_daemon: float
    diferencias: tuple[str, ...]  # empty when they are equal

    @property
    def iguales(self) -> bool:
        """Whether nothing differs."""
        return not self.diferencias


def comparar(nombre: str, entorno: Corrida, daemon: Corrida) -> Comparacion:
    """Compare observations bit for bit, decisions, wallets, stops and the final equity."""
    return Comparacion(
        nombre=nombre,
        velas=len(entorno.operaciones),
        ordenes=daemon.ordenes,
        operaciones=Counter(daemon.operaciones),
        pagos_funding=entorno.pagos_funding,
        liquidaciones=daemon.liquidaciones,
        protecciones=len(daemon.protecciones),
        ganadas=sum(salida.pnl > 0.0 for salida in daemon.protecciones),
        rechazos=daemon.rechazos,
        emergencia=daemon.emergencia,
        equity_entorno=entorno.equity_final,
        equity_daemon=daemon.equity_final,
        diferencias=tuple(_diferencias(entorno, daemon)),
    )


def _diferencias(entorno: Corrida, daemon: Corrida) -> list[str]:
    halladas = []
    if len(entorno.observaciones) != len(daemon.observaciones):
        halladas.append(f"observations: {len(entorno.observaciones)} and {len(daemon.observaciones)}")
    for indice, (una, otra) in enumerate(zip(entorno.observaciones, daemon.observaciones, strict=False)):
        if una.market.tobytes() != otra.market.tobytes():
            distintas = int(np.count_nonzero(una.market != otra.market))
            halladas.append(f"observation {indice}: {distintas} cells of the market differ")
            break
        if una.portfolio.tobytes() != otra.portfolio.tobytes():
            halladas.append(f"observation {indice}: portfolio {una.portfolio} and {otra.portfolio}")
            break
    for campo in ("operaciones", "saldos", "cantidades", "protecciones"):
        halladas += _primera_distinta(campo, getattr(entorno, campo), getattr(daemon, campo))
    for campo in ("ordenes", "rechazos", "liquidaciones", "emergencia"):
        if getattr(entorno, campo) != getattr(daemon, campo):
            halladas.append(f"{campo}: {getattr(entorno, campo)} and {getattr(daemon, campo)}")
    if not isclose(entorno.equity_final, daemon.equity_final, rel_tol=TOLERANCIA_EQUITY):
        halladas.append(f"final equity: {entorno.equity_final!r} and {daemon.equity_final!r}")
    return halladas


def _primera_distinta(campo: str, unos: list[object], otros: list[object]) -> list[str]:
    if unos == otros:
        return []
    for indice, (uno, otro) in enumerate(zip(unos, otros, strict=False)):
        if uno != otro:
            return [f"{campo}[{indice}]: {uno!r} and {otro!r}"]
    return [f"{campo}: {len(unos)} and {len(otros)} of them"]
