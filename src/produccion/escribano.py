"""Writes log lines in a thread of its own; whoever logs waits for no disk, and for no reader of a pipe."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Sequence
from logging.handlers import RotatingFileHandler
from queue import SimpleQueue

import structlog

MAXIMO = 20_000
"""Lines that may wait for what hangs; later ones are counted and lost."""

DESPEDIDA_S = 2.0
"""Wall seconds that the end waits for what is queued."""


class Archivo(logging.FileHandler):
    """A file that says once on the console that it cannot be written, and quotes no line of it."""

    _avisado = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 -- the library's name
        """Told within `emit`; later lines are tried again."""
        self._avisar(sys.exception())

    def close(self) -> None:
        """Whatever the disk says: nothing must come to an end by its log."""
        try:
            super().close()
        except OSError as fallo:
            self._avisar(fallo)

    def _avisar(self, fallo: BaseException | None) -> None:
        if not self._avisado:
            self._avisado = True
            print(f"log {self.baseFilename} cannot be written: {fallo}", file=sys.stderr)


class ArchivoRotativo(Archivo, RotatingFileHandler):
    """The same, turned over when it has grown."""


class Escribano(logging.Handler):
    """One line per event, the same in every place.

    Args:
        destinos: Take the finished lines; closed when the last one is written.
        formato: Makes the line; knows the context of an event by `contexto_de`.
        ceder: Called before each line, in the thread; returns when there is time for it.
        maximo: Lines that may wait.
        despedida_s: Wall seconds that the end may take.
    """

    def __init__(
        self,
        destinos: Sequence[logging.Handler],
        formato: logging.Formatter,
        ceder: Callable[[], None] = lambda: None,
        maximo: int = MAXIMO,
        despedida_s: float = DESPEDIDA_S,
    ) -> None:
        super().__init__()
        self._destinos = destinos
        self._formato = formato
        self._ceder = ceder
        self._maximo = maximo
        self._despedida_s = despedida_s
        self._cola: SimpleQueue[logging.LogRecord | None] = SimpleQueue()
        self.perdidas = 0
        """Lines that found no room."""
        self._hilo = threading.Thread(target=self._escribir, name="bitacora", daemon=True)
        self._hilo.start()

    @property
    def en_cola(self) -> int:
        """Lines that wait to be written."""
        return self._cola.qsize()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue an event with the context that it happened in."""
        if self._cola.qsize() >= self._maximo:
            self.perdidas += 1
            return
        record.contexto = structlog.contextvars.get_contextvars()
        self._cola.put(record)

    def close(self) -> None:
        """Write what is queued; a disk that hangs is not waited for long."""
        self._cola.put(None)
        self._hilo.join(self._despedida_s)
        super().close()

    def _escribir(self) -> None:
        while (registro := self._cola.get()) is not None:
            self._ceder()
            linea = logging.makeLogRecord({"msg": self._linea(registro), "levelno": registro.levelno})
            for destino in self._destinos:
                destino.handle(linea)
        for destino in self._destinos:
            destino.close()

    def _linea(self, registro: logging.LogRecord) -> str:
        try:
            return self._formato.format(registro)
        except Exception as fallo:  # noqa: BLE001 -- a field that cannot be written must not end the log
            motivo = type(fallo).__name__
            return f'{{"event": "linea_ilegible", "logger": "{registro.name}", "motivo": "{motivo}"}}'


def contexto_de(registro: logging.LogRecord) -> dict[str, object]:
    """What was bound where an event happened, which may have been another thread."""
    contexto: dict[str, object] = getattr(registro, "contexto", {})
    return contexto
