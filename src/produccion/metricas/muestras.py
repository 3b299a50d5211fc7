"""Figures on their way to whoever shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from src.nucleo.disyuntores import EstadoDisyuntor
from src.produccion.metricas.catalogo import Metrica
from src.produccion.metricas.histograma import Histograma

GRADO: Mapping[EstadoDisyuntor, float] = MappingProxyType(
    {EstadoDisyuntor.CLOSED: 0.0, EstadoDisyuntor.HALF_OPEN: 0.5, EstadoDisyuntor.OPEN: 1.0}
)
"""A breaker's state as a figure."""


class Valor(NamedTuple):
    """One figure."""

    metrica: Metrica
    valor: float
    etiquetas: tuple[str, ...] = ()


class Reparto(NamedTuple):
    """One histogram."""

    metrica: Metrica
    limites_s: Sequence[float]
    acumulados: tuple[int, ...]  # one more than edges
    suma_s: float
    etiquetas: tuple[str, ...] = ()


class Foto(NamedTuple):
    """All figures of one moment."""

    tomada_s: float  # monotonic
    valores: tuple[Valor, ...]
    repartos: tuple[Reparto, ...] = ()


def reparto_de(metrica: Metrica, histograma: Histograma, *etiquetas: str) -> Reparto:
    """A histogram as it is now."""
    return Reparto(metrica, histograma.limites_s, histograma.acumulados, histograma.suma_s, etiquetas)
