"""What could not be written while the store was down: on disk at once, in the store when it is back."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import structlog
from sqlalchemy import Engine

from src.produccion.almacen.conexion import escribir
from src.produccion.almacen.eventos_stop import EventoStopNuevo, FuenteStop, TipoEventoStop, anotar_evento

NOMBRE = "stop_events_pending.jsonl"

_INTENTOS, _PAUSA_S = 20, 0.05  # whoever holds the file reads or appends, no more

log = structlog.get_logger(__name__)


class Cuaderno:
    """A file of events that all monitors of a state directory share.

    Args:
        carpeta: The account's directory; made when missing.
    """

    def __init__(self, carpeta: Path) -> None:
        self._ruta = carpeta / NOMBRE

    @property
    def vacio(self) -> bool:
        """Whether nothing waits."""
        try:
            return self._ruta.stat().st_size == 0
        except FileNotFoundError:
            return True

    def guardar(self, *eventos: EventoStopNuevo) -> None:
        """Keep events; a disk that fails is told and holds nothing back. Blocks: not for the loop."""
        lineas = [evento._asdict() for evento in eventos]
        try:
            with self._abierto() as (archivo, _):  # held or not, it is added at the end
                texto = b"".join(orjson.dumps(linea) + b"\n" for linea in lineas)
                archivo.write(b"\n" + texto if _cortado(archivo) else texto)
                archivo.flush()
                os.fsync(archivo.fileno())
        except OSError as fallo:
            log.critical("cuaderno_roto", ruta=str(self._ruta), motivo=str(fallo), lineas=len(lineas))

    @contextmanager
    def _abierto(self) -> Iterator[tuple[BinaryIO, bool]]:
        """The file, and whether it is held against other processes; it is waited for a second."""
        self._ruta.parent.mkdir(parents=True, exist_ok=True)
        with self._ruta.open("a+b") as archivo:
            yield archivo, _tomar(archivo)

    def asentar(self, motor: Engine) -> int:
        """Write down in the store what waited, and forget it; how many events were new. Blocks.

        The file is free while the store is at work. What was added meanwhile stays, with what was written
        down: the store takes each event once.
        """
        with self._abierto() as (archivo, mio):
            antes = _todo(archivo) if mio else b""
        eventos = [evento for linea in antes.splitlines() if (evento := _leer(linea)) is not None]
        with escribir(motor) as conexion:
            nuevos = sum(anotar_evento(conexion, evento) for evento in eventos)
        with self._abierto() as (archivo, mio):
            if mio and _todo(archivo) == antes:
                archivo.truncate(0)
        return nuevos


def _todo(archivo: BinaryIO) -> bytes:
    archivo.seek(0)
    return archivo.read()


def _cortado(archivo: BinaryIO) -> bool:
    """Whether its last line has no end: a disk that was full took a part of it. Leaves it at the end."""
    if archivo.seek(0, os.SEEK_END) == 0:
        return False
    archivo.seek(-1, os.SEEK_END)
    return archivo.read(1) != b"\n"


def _tomar(archivo: BinaryIO) -> bool:
    for _ in range(_INTENTOS):
        try:
            fcntl.flock(archivo, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSA_S)
        else:
            return True
    log.warning("cuaderno_retenido", ruta=archivo.name)
    return False


def _leer(linea: bytes) -> EventoStopNuevo | None:
    """An event; a line that was cut short is told and left out."""
    try:
        crudo: dict[str, Any] = orjson.loads(linea)
        evento = EventoStopNuevo(**crudo)
        return evento._replace(tipo=TipoEventoStop(evento.tipo), source=FuenteStop(evento.source))
    except (TypeError, ValueError) as fallo:
        log.error("linea_de_cuaderno_rota", linea=linea[:200].decode(errors="replace"), motivo=str(fallo))
        return None
