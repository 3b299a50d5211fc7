"""Logs: JSON lines to files, colours to the console, one line of live status; secrets to none of them.

They are written by threads: a disk that hangs, or a pipe that nobody reads any more, delays nobody, and least
of all an exit.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TextIO

import structlog
from structlog.types import Processor

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.config.config import SeccionLogs
from src.produccion.escribano import Archivo, ArchivoRotativo, Escribano, contexto_de
from src.produccion.puertos import Credenciales
from src.produccion.secretos import Tapadera, ocultar_campos

_MB = 1_000_000
_NIVELES = {"": "INFO", "alembic": "WARNING"}
_CONSABIDOS = frozenset({"agente", "cuenta_id", "simbolo"})


class Rotacion(NamedTuple):
    """When a file is turned over."""

    maximo_mb: float = 20.0
    guardados: int = 5  # earlier files that are kept, named .1, .2 …


class AjustesBitacora(NamedTuple):
    """What is logged, and how much of it is kept."""

    detallado: bool = False  # informational events reach the console too; warnings always do
    rotacion: Rotacion = Rotacion()
    niveles: Mapping[str, str] = MappingProxyType({})  # by module; INFO otherwise, of alembic WARNING
    secretos: Iterable[str] = ()  # in use, besides those of the environment
    ceder: Callable[[], None] = lambda: None  # called before a line is written, away from whoever logs


def ajustes_de(logs: SeccionLogs, credenciales: Credenciales, *, detallado: bool) -> AjustesBitacora:
    """What the operator's file asks for, with the account's own keys among the secrets."""
    return AjustesBitacora(
        detallado,
        Rotacion(logs.max_file_mb, logs.kept_files),
        logs.levels,
        (credenciales.clave, credenciales.secreto),
    )


@contextmanager
def configurada(
    ruta: Path | None = None,
    *,
    rotativa: Path | None = None,
    ajustes: AjustesBitacora = AjustesBitacora(),  # noqa: B008 -- immutable
) -> Iterator[Escribano]:
    """Within the block, send every log event to the files as JSON, and to the console in colours.

    Args:
        ruta: A file that is kept whole.
        rotativa: One that is turned over when it has grown.
        ajustes: What is logged.

    Raises:
        ConfiguracionInvalida: A file cannot be written.
    """
    tapadera = Tapadera(ajustes.secretos)

    def tapar(_registrador: Any, _metodo: str, linea: Any) -> str:
        return tapadera.tapar(linea)

    with ExitStack() as pila:
        with ExitStack() as abiertos:
            destinos = [abiertos.enter_context(closing(a)) for a in _abrir(ruta, rotativa, ajustes.rotacion)]
            escribano = Escribano(destinos, _como_json(tapar), ajustes.ceder)
            abiertos.pop_all()  # from here on the scribe closes them
        _preparar_structlog()
        texto = _como_texto(tapar, con_color=con_color(sys.stderr))
        consola = Escribano([_ConsolaConEstado(sys.stderr)], texto, ajustes.ceder)
        consola.setLevel(logging.INFO if ajustes.detallado else logging.WARNING)
        pila.enter_context(_niveles({**_NIVELES, **ajustes.niveles}))
        raiz = logging.getLogger()
        for manejador in (escribano, consola):
            raiz.addHandler(manejador)
            pila.callback(raiz.removeHandler, manejador)
        try:
            yield escribano
        finally:
            consola.close()
            escribano.close()


@contextmanager
def enmudecida() -> Iterator[None]:
    """Within the block, log nothing: what is measured has a table of its own."""
    antes = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(antes)


def con_color(salida: TextIO, entorno: Mapping[str, str] = os.environ) -> bool:
    """Whether a stream is a terminal whose user has nothing against colours."""
    return salida.isatty() and not entorno.get("NO_COLOR")


def _abrir(ruta: Path | None, rotativa: Path | None, rotacion: Rotacion) -> Iterator[Archivo]:
    maximo, guardados = round(rotacion.maximo_mb * _MB), rotacion.guardados
    if ruta is not None:
        yield _abierto(ruta, lambda: Archivo(ruta, encoding="utf-8"))
    if rotativa is not None:
        yield _abierto(
            rotativa,
            lambda: ArchivoRotativo(rotativa, maxBytes=maximo, backupCount=guardados, encoding="utf-8"),
            ", or choose another --state-dir",
        )


def _abierto(ruta: Path, abrir: Callable[[], Archivo], remedio: str = "") -> Archivo:
    try:
        ruta.parent.mkdir(parents=True, exist_ok=True)
        return abrir()
    except OSError as fallo:
        raise ConfiguracionInvalida(
            f"{ruta} cannot be written: {fallo.strerror}. Check the permissions of its directory{remedio}"
        ) from fallo


def _preparar_structlog() -> None:
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            *_comunes(),
            _con_su_traza,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _comunes() -> list[Processor]:
    """What happens to the events of libraries as well."""
    return [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        ocultar_campos,
    ]


def _con_su_traza(
    _registrador: Any, _metodo: str, evento: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Take the exception that is being handled along: the thread that writes does not handle any."""
    if evento.get("exc_info") is True:
        evento["exc_info"] = sys.exc_info()
    return evento


def _con_su_contexto(
    _registrador: Any, _metodo: str, evento: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Add to a library's event what was bound where it happened."""
    return {**contexto_de(evento["_record"]), **evento}


def _sin_lo_consabido(
    _registrador: Any, _metodo: str, evento: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Leave out what every line of the process would say."""
    contexto = contexto_de(evento["_record"])
    for campo in _CONSABIDOS & contexto.keys():
        if evento.get(campo) == contexto[campo]:
            del evento[campo]
    return evento


def _formato(*procesadores: Processor) -> structlog.stdlib.ProcessorFormatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[_con_su_contexto, *_comunes()], processors=procesadores
    )


def _como_json(tapar: Processor) -> logging.Formatter:
    return _formato(
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
        tapar,
    )


def _como_texto(tapar: Processor, *, con_color: bool) -> logging.Formatter:
    # A prettier traceback prints the values of local variables, and may split a secret.
    traza = structlog.dev.plain_traceback
    return _formato(
        _sin_lo_consabido,
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.dev.ConsoleRenderer(colors=con_color, exception_formatter=traza),
        tapar,
    )


@contextmanager
def _niveles(niveles: Mapping[str, str]) -> Iterator[None]:
    """Within the block, log of each module what its level says; the empty name is the rest."""
    antes = {nombre: logging.getLogger(nombre).level for nombre in niveles}
    for nombre, nivel in niveles.items():
        logging.getLogger(nombre).setLevel(nivel)
    try:
        yield
    finally:
        for nombre, nivel_previo in antes.items():
            logging.getLogger(nombre).setLevel(nivel_previo)


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
        try:
            if self.stream.isatty():
                self.stream.write("\r\x1b[K")
        except (OSError, ValueError):
            self.handleError(record)  # a terminal that is gone: the thread that writes goes on
            return
        super().emit(record)
