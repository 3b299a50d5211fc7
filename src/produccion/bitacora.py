"""Logs: JSON lines to the session's file, colours to the console, one line of live status."""

from __future__ import annotations

import logging
import re
import shutil
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.types import Processor

from src.nucleo.errores import ConfiguracionInvalida

_CAMPOS_SECRETOS = frozenset({"secreto", "secret", "signature", "api_secret", "listenKey", "token"})
_OCULTO = "***"
_EN_TEXTO = re.compile(r"""(listenKey|signature)(=(?:'|\\")?|\\?["']\s*:\s*\\?["'])[^&\s'"\\]+""")


def ocultar_secretos(
    _registrador: Any, _metodo: str, evento: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Blank every field that may hold a secret."""
    for campo in _CAMPOS_SECRETOS & evento.keys():
        evento[campo] = _OCULTO
    return evento


def ocultar_en_texto(_registrador: Any, _metodo: str, linea: Any) -> str:
    """Blank the secrets in the addresses and answers that a rendered line quotes, tracebacks included."""
    return _EN_TEXTO.sub(rf"\1\2{_OCULTO}", linea)


@contextmanager
def configurada(ruta: Path, *, detallado: bool = False) -> Iterator[None]:
    """Within the block, send every log event to ``ruta`` as JSON, and to the console in colours.

    Args:
        ruta: The session's log file.
        detallado: Show informational events on the console too; warnings always are.

    Raises:
        ConfiguracionInvalida: The file cannot be written.
    """
    try:
        ruta.parent.mkdir(parents=True, exist_ok=True)
        archivo = logging.FileHandler(ruta, encoding="utf-8")
    except OSError as fallo:
        raise ConfiguracionInvalida(
            f"{ruta} cannot be written: {fallo.strerror}. Check the permissions of the artefact's directory"
        ) from fallo
    comunes: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        ocultar_secretos,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *comunes,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    archivo.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=comunes,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
                ocultar_en_texto,
            ],
        )
    )
    consola = _ConsolaConEstado(sys.stderr)
    consola.setLevel(logging.INFO if detallado else logging.WARNING)
    consola.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=comunes,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.dev.ConsoleRenderer(
                    colors=sys.stderr.isatty(),
                    # A prettier one prints the values of local variables, and may split a secret.
                    exception_formatter=structlog.dev.plain_traceback,
                ),
                ocultar_en_texto,
            ],
        )
    )
    raiz = logging.getLogger()
    nivel = raiz.level
    raiz.setLevel(logging.INFO)
    for destino in (archivo, consola):
        raiz.addHandler(destino)
    try:
        yield
    finally:
        for destino in (archivo, consola):
            raiz.removeHandler(destino)
            destino.flush()
        archivo.close()
        raiz.setLevel(nivel)


class LineaEstado:
    """One line on the terminal that is rewritten in place; silent when there is no terminal."""

    def __init__(self, salida: TextIO | None = None) -> None:
        self._salida = salida if salida is not None else sys.stderr
        self._activa = self._salida.isatty()
        self._ancho = 0

    def mostrar(self, texto: str) -> None:
        """Replace the line; what the terminal has no room for is left out."""
        if self._activa:
            visible = texto[: shutil.get_terminal_size().columns - 1]
            self._salida.write("\r" + visible.ljust(self._ancho))
            self._salida.flush()
            self._ancho = len(visible)

    def terminar(self) -> None:
        """Leave the last status on the screen and go to the next line."""
        if self._activa and self._ancho:
            self._salida.write("\n")
            self._salida.flush()
            self._ancho = 0


class _ConsolaConEstado(logging.StreamHandler[TextIO]):
    """Writes below the status line instead of into it."""

    def emit(self, record: logging.LogRecord) -> None:
        if self.stream.isatty():
            self.stream.write("\r\x1b[K")
        super().emit(record)
