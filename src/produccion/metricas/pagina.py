"""The daemon's page for Prometheus; imported once the position is protected, by the thread that serves it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog
from prometheus_client.registry import Collector

from src.produccion.metricas.catalogo import FOTO_EDAD
from src.produccion.metricas.exposicion import pagina_de
from src.produccion.metricas.muestras import Foto, Valor

RUTA = "/metrics"
_PLAZO_S = 5.0  # for a client to ask and to read

log = structlog.get_logger(__name__)


def con_su_edad(pedir: Callable[[], Foto | None]) -> Callable[[], Foto | None]:
    """The newest figures and how old they are."""

    def con_edad() -> Foto | None:
        foto = pedir()
        if foto is None:
            return None
        edad = Valor(FOTO_EDAD, time.monotonic() - foto.tomada_s)
        return foto._replace(valores=(*foto.valores, edad))

    return con_edad


class Servidor(ThreadingHTTPServer):
    """Answers GET on one path.

    Args:
        enchufe: A socket that listens; closed with the server.
        coleccion: What is shown.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, enchufe: socket.socket, coleccion: Collector) -> None:
        super().__init__(enchufe.getsockname()[:2], _Peticion, bind_and_activate=False)
        self.socket.close()
        self.socket = enchufe
        self.coleccion = coleccion

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
        texto, tipo = pagina_de(self.server.coleccion, self.headers.get("Accept", ""))
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", tipo)
        self.send_header("Content-Length", str(len(texto)))
        self.end_headers()
        self.wfile.write(texto)

    def log_message(self, format: str, *args: Any) -> None:
        """A scrape every few seconds is no news."""
