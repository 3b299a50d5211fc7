"""Figures as the Prometheus library wants them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from types import MappingProxyType
from typing import NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from src.produccion.metricas.catalogo import Metrica, Tipo
from src.produccion.metricas.muestras import Foto, Reparto

_NINGUNA: Mapping[str, str] = MappingProxyType({})


class Pagina(NamedTuple):
    """What a scrape is answered with."""

    texto: bytes
    tipo: str  # Content-Type


def _seguir() -> None:
    """Nobody goes first."""


class Coleccion(Collector):
    """Figures with the labels that all of them have.

    Args:
        foto: Gives the newest ones; ``None`` before there are any.
        comunes: Labels of all of them.
        ceder: Called between two metrics, so that somebody else's work goes first.
    """

    def __init__(
        self,
        foto: Callable[[], Foto | None],
        comunes: Mapping[str, str] = _NINGUNA,
        ceder: Callable[[], None] = _seguir,
    ) -> None:
        self._foto = foto
        self._comunes = comunes
        self._ceder = ceder

    def collect(self) -> Iterator[Metric]:
        """Every metric, one after the other."""
        foto = self._foto()
        if foto is None:
            return
        valores = sorted(foto.valores, key=lambda valor: valor.metrica.nombre)
        for metrica, suyos in groupby(valores, key=lambda valor: valor.metrica):
            self._ceder()
            clase = CounterMetricFamily if metrica.tipo is Tipo.COUNTER else GaugeMetricFamily
            familia = clase(metrica.nombre, metrica.ayuda, labels=self._nombres(metrica))
            for valor in suyos:
                familia.add_metric(self._textos(valor.etiquetas), float(valor.valor))
            yield familia
        for metrica, repartos in groupby(foto.repartos, key=lambda reparto: reparto.metrica):
            self._ceder()
            yield self._histograma(metrica, repartos)

    def _histograma(self, metrica: Metrica, repartos: Iterator[Reparto]) -> Metric:
        familia = HistogramMetricFamily(metrica.nombre, metrica.ayuda, labels=self._nombres(metrica))
        for reparto in repartos:
            bordes = (*(repr(limite) for limite in reparto.limites_s), "+Inf")
            cubos = [(borde, float(n)) for borde, n in zip(bordes, reparto.acumulados, strict=True)]
            familia.add_metric(self._textos(reparto.etiquetas), buckets=cubos, sum_value=reparto.suma_s)
        return familia

    def _nombres(self, metrica: Metrica) -> tuple[str, ...]:
        return (*self._comunes, *metrica.etiquetas)

    def _textos(self, etiquetas: tuple[str, ...]) -> tuple[str, ...]:
        return (*self._comunes.values(), *etiquetas)


def pagina_de(coleccion: Collector, acepta: str = "") -> Pagina:
    """The page of a collection, with the figures of the process.

    Args:
        coleccion: What is shown.
        acepta: The request's ``Accept``.
    """
    registro = CollectorRegistry(auto_describe=False)
    registro.register(coleccion)
    ProcessCollector(registry=registro)
    codificar, tipo = choose_encoder(acepta)
    return Pagina(codificar(registro), tipo)
