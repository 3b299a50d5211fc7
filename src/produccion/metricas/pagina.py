"""The page that Prometheus reads; imported once the position is protected, by the thread that serves it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import groupby
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from src.produccion.metricas import catalogo
from src.produccion.metricas.catalogo import TITULAR, Metrica, Tipo
from src.produccion.metricas.foto import Foto, Reparto, Valor

RUTA = "/metrics"
_PLAZO_S = 5.0  # for a client to ask and to read

log = structlog.get_logger(__name__)


class Coleccion(Collector):
    """The figures of one daemon as the library wants them.

    Args:
        titular: Values of the labels that all of them have.
        foto: Gives the newest figures; ``None`` before there are any.
        ceder: Called between two metrics, so that the daemon's own work goes first.
    """

    def __init__(
        self, titular: Sequence[str], foto: Callable[[], Foto | None], ceder: Callable[[], None]
    ) -> None:
        self._titular = tuple(titular)
        self._foto = foto
        self._ceder = ceder

    def collect(self) -> Iterator[Metric]:
        """Every metric, one after the other."""
        foto = self._foto()
        if foto is None:
            return
        edad = Valor(catalogo.FOTO_EDAD, time.monotonic() - foto.tomada_s)
        todos = sorted((*foto.valores, edad), key=lambda valor: valor.metrica.nombre)
        for metrica, valores in groupby(todos, key=lambda valor: valor.metrica):
            self._ceder()
            familia = _familia(metrica)
            for valor in valores:
                familia.add_metric((*self._titular, *valor.etiquetas), float(valor.valor))
            yield familia
        for reparto in foto.repartos:
            self._ceder()
            yield self._histograma(reparto)

    def _histograma(self, reparto: Reparto) -> Metric:
        metrica = reparto.metrica
        familia = HistogramMetricFamily(metrica.nombre, metrica.ayuda, labels=_etiquetas(metrica))
        bordes = (*(repr(limite) for limite in reparto.limites_s), "+Inf")
        cubos = [(borde, float(n)) for borde, n in zip(bordes, reparto.acumulados, strict=True)]
        familia.add_metric(self._titular, buckets=cubos, sum_value=reparto.suma_s)
        return familia


def _familia(metrica: Metrica) -> GaugeMetricFamily | CounterMetricFamily:
    clase = CounterMetricFamily if metrica.tipo is Tipo.COUNTER else GaugeMetricFamily
    return clase(metrica.nombre, metrica.ayuda, labels=_etiquetas(metrica))


def _etiquetas(metrica: Metrica) -> tuple[str, ...]:
    return (*TITULAR, *metrica.etiquetas)


def registro_de(coleccion: Collector) -> CollectorRegistry:
    """The figures of a collection, and those of the process."""
    registro = CollectorRegistry(auto_describe=False)
    registro.register(coleccion)
    ProcessCollector(registry=registro)
    return registro


class Servidor(ThreadingHTTPServer):
    """Answers GET on one path.

    Args:
        enchufe: A socket that listens; closed with the server.
        registro: What is shown.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, enchufe: socket.socket, registro: CollectorRegistry) -> None:
        super().__init__(enchufe.getsockname()[:2], _Peticion, bind_and_activate=False)
        self.socket.close()
        self.socket = enchufe
        self.registro = registro

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is nothing; a defect is told."""
        log.warning("metricas_fallidas", exc_info=True)


class _Peticion(BaseHTTPRequestHandler):
    server: Servidor
    timeout = _PLAZO_S

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != RUTA:
            self.send_error(HTTPStatus.NOT_FOUND, f"only {RUTA} is served")
            return
        codificar, tipo = choose_encoder(self.headers.get("Accept", ""))
        pagina = codificar(self.server.registro)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", tipo)
        self.send_header("Content-Length", str(len(pagina)))
        self.end_headers()
        self.wfile.write(pagina)

    def log_message(self, format: str, *args: Any) -> None:
        """A scrape every few seconds is no news."""
