"""The session's CSV files: a face of the journal, appended to row by row; nobody waits for their disk."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

import structlog

from src.nucleo.columnas import EMERGENCIAS, REGISTRO
from src.nucleo.errores import EmergenciaOperacional
from src.nucleo.registro import Fila, texto_de, texto_utc, textos_de
from src.produccion.supervision.hilo import HiloSuelto

_CERRAR_S = 5.0  # wall seconds for what is queued; the next start writes what is missing

log = structlog.get_logger(__name__)


class Emergencia(NamedTuple):
    """What the emergency protocol did."""

    instante_ms: int
    razon: str
    balance_final: float
    equity_final: float
    posiciones_cerradas: int
    detalles: str


class Asentado(NamedTuple):
    """What the journal says that the files of a session hold."""

    filas: int
    desde: Callable[[int], Sequence[Fila]]  # the rows from a number on, 0 being the first
    emergencia: Emergencia | None = None


class RegistroProduccion:
    """Writes ``registro_<ts>.csv``, and ``emergencias_<ts>.csv`` once there is an emergency, from a thread.

    A row that could not be written is told by the next call.

    Args:
        carpeta: Where the files go; made when missing.
        sello: Names the session; from `sello_libre`.
        asentado: Of a session that is gone on with: the files are made to hold this, no row less and none
            more, before anything is appended. ``None`` starts new files.
    """

    def __init__(self, carpeta: Path, sello: str, asentado: Asentado | None = None) -> None:
        self.sello = sello
        self.ruta = carpeta / f"registro_{sello}.csv"
        self.ruta_emergencias = carpeta / f"emergencias_{sello}.csv"
        self._registro = _ArchivoCsv(self.ruta, tuple(REGISTRO), nuevo=asentado is None)
        self._emergencias: _ArchivoCsv | None = None
        self._hilo = HiloSuelto("registro")
        self._ultimo: Future[None] | None = None
        self._fallo: EmergenciaOperacional | None = None
        self._dicho = self._cerrado = False
        self.filas = 0
        if asentado is not None:
            self._igualar(asentado)

    @property
    def queja(self) -> str:
        """Why rows cannot be written any more; empty while they can."""
        return "" if self._fallo is None else str(self._fallo)

    def registrar_paso(self, fila: Fila) -> None:
        """Append one row of 42 columns.

        Raises:
            EmergenciaOperacional: A row before it could not be written.
        """
        self.filas += 1
        celdas = textos_de(fila)
        self._encargar(lambda: self._registro.escribir(celdas))

    def registrar_emergencia(self, emergencia: Emergencia) -> None:
        """Append one row of 6 columns.

        Raises:
            EmergenciaOperacional: A row before it could not be written.
        """
        celdas = _celdas(emergencia)
        self._encargar(lambda: self._escribir_emergencia(celdas))

    def comprobar(self) -> None:
        """Say whether the disk has refused anything so far.

        Raises:
            EmergenciaOperacional: A row could not be written.
        """
        if self._fallo is not None:
            self._dicho = True
            raise EmergenciaOperacional(str(self._fallo)) from self._fallo

    async def asentar(self) -> None:
        """Return when every row so far is written.

        Raises:
            EmergenciaOperacional: One could not be.
        """
        if self._ultimo is not None and not self._ultimo.done():
            await asyncio.get_running_loop().run_in_executor(self._hilo, _nada)
        self.comprobar()

    def esperar(self, plazo_s: float) -> bool:
        """Whether every row so far has been dealt with, after so many wall seconds at most. Blocks."""
        return self._ultimo is None or bool(wait([self._ultimo], plazo_s).done)

    def _encargar(self, hacer: Callable[[], None]) -> None:
        try:
            self.comprobar()
        finally:
            self._ultimo = self._hilo.submit(self._hacer, hacer)

    def _hacer(self, hacer: Callable[[], None]) -> None:
        try:
            hacer()
        except EmergenciaOperacional as fallo:
            self._fallo = self._fallo or fallo

    def _escribir_emergencia(self, celdas: Sequence[str]) -> None:
        archivo = self._emergencias or self._abrir_emergencias(nuevo=not self.ruta_emergencias.exists())
        archivo.escribir(celdas)

    def _igualar(self, asentado: Asentado) -> None:
        _anadir_desde(self._registro.recortar(asentado.filas), self._registro, asentado)
        self.filas = asentado.filas
        if asentado.emergencia is not None:
            archivo = self._abrir_emergencias(nuevo=not self.ruta_emergencias.exists())
            if archivo.recortar(1) == 0:
                archivo.escribir(_celdas(asentado.emergencia))

    def _abrir_emergencias(self, *, nuevo: bool) -> _ArchivoCsv:
        self._emergencias = _ArchivoCsv(self.ruta_emergencias, EMERGENCIAS, nuevo=nuevo)
        return self._emergencias

    def cerrar(self, plazo_s: float = _CERRAR_S) -> None:
        """Write what is queued, as far as the time goes, and close the files. Blocks."""
        if self._cerrado:
            return
        self._cerrado = True
        self._ultimo = self._hilo.submit(self._cerrar_archivos)
        self._hilo.shutdown()
        if not self.esperar(plazo_s):
            log.critical("registro_sin_acabar", ruta=str(self.ruta), efecto="the next start writes the rest")
        elif self._fallo is not None and not self._dicho:
            log.critical("registro_roto", motivo=str(self._fallo), efecto="the next start writes the rest")

    def _cerrar_archivos(self) -> None:
        self._registro.close()
        if self._emergencias is not None:
            self._emergencias.close()

    def __enter__(self) -> RegistroProduccion:
        return self

    def __exit__(
        self, tipo: type[BaseException] | None, valor: BaseException | None, traza: TracebackType | None
    ) -> None:
        self.cerrar()


def completar(carpeta: Path, sello: str, asentado: Asentado) -> None:
    """Write what is missing from the files of a session that has ended.

    Rows that the journal does not have stay: it may have been repaired. Files that somebody took away are not
    made again.

    Raises:
        EmergenciaOperacional: They cannot be read or written.
    """
    ruta, ruta_emergencias = carpeta / f"registro_{sello}.csv", carpeta / f"emergencias_{sello}.csv"
    if not ruta.exists():
        return
    with closing(_ArchivoCsv(ruta, tuple(REGISTRO), nuevo=False)) as archivo:
        presentes = archivo.contar()
        if presentes < asentado.filas:
            _anadir_desde(archivo.recortar(presentes), archivo, asentado)
            log.warning("registro_completado", ruta=str(ruta), filas=asentado.filas - presentes)
    if asentado.emergencia is not None:
        nuevo = not ruta_emergencias.exists()
        with closing(_ArchivoCsv(ruta_emergencias, EMERGENCIAS, nuevo=nuevo)) as archivo:
            if archivo.recortar(1) == 0:
                archivo.escribir(_celdas(asentado.emergencia))


def _anadir_desde(presentes: int, archivo: _ArchivoCsv, asentado: Asentado) -> None:
    for fila in asentado.desde(presentes) if presentes < asentado.filas else ():
        archivo.escribir(textos_de(fila))


def _nada() -> None:
    """Nothing is left of what was queued before it."""


class _ArchivoCsv:
    def __init__(self, ruta: Path, columnas: Sequence[str], *, nuevo: bool) -> None:
        self._ruta = ruta
        self._titulos = _linea(columnas)
        self._rota = False
        try:
            ruta.parent.mkdir(parents=True, exist_ok=True)
            self._archivo: BinaryIO = ruta.open("x+b" if nuevo else "a+b", buffering=0)
        except OSError as fallo:
            raise EmergenciaOperacional(f"{ruta} cannot be created: {fallo}") from fallo
        if nuevo:
            self._anexar(self._titulos)

    def contar(self) -> int:
        """How many whole rows there are."""
        return max(0, len(self._fines()) - 1)

    def recortar(self, filas: int) -> int:
        """Drop what comes after so many whole rows; returns how many are left."""
        fines = self._fines()
        completas = min(len(fines), filas + 1)
        try:
            self._archivo.truncate(fines[completas - 1] if completas else 0)
        except OSError as fallo:
            raise EmergenciaOperacional(f"{self._ruta} cannot be cut: {fallo}") from fallo
        if not completas:
            self._anexar(self._titulos)
        return max(0, completas - 1)

    def _fines(self) -> list[int]:
        try:
            self._archivo.seek(0)
            return _fines_de_fila(self._archivo.read())
        except OSError as fallo:
            raise EmergenciaOperacional(f"{self._ruta} cannot be read back: {fallo}") from fallo

    def escribir(self, celdas: Iterable[str]) -> None:
        self._anexar(_linea(celdas))

    def _anexar(self, crudo: bytes) -> None:
        """Append a line; after one that failed nothing more, so that a later session can go on from there."""
        if self._rota:
            raise EmergenciaOperacional(f"{self._ruta} cannot be written: a line before is not whole")
        try:
            while crudo:
                crudo = crudo[self._archivo.write(crudo) :]
        except OSError as fallo:
            self._rota = True
            raise EmergenciaOperacional(f"{self._ruta} cannot be written: {fallo}") from fallo

    def close(self) -> None:
        self._archivo.close()


def _fines_de_fila(crudo: bytes) -> list[int]:
    """Where each whole row ends; a line break between quotes belongs to its cell."""
    fines, lugar, comillas = [], 0, 0
    for linea in crudo.split(b"\n")[:-1]:
        lugar += len(linea) + 1
        comillas += linea.count(b'"')
        if comillas % 2 == 0:
            fines.append(lugar)
    return fines


def _linea(celdas: Iterable[str]) -> bytes:
    bufer = io.StringIO()
    csv.writer(bufer, lineterminator="\n").writerow(celdas)
    return bufer.getvalue().encode()


def _celdas(emergencia: Emergencia) -> list[str]:
    return [texto_utc(emergencia.instante_ms), *(texto_de(celda) for celda in emergencia[1:])]


def sello_libre(carpeta: Path, inicio_ms: int) -> str:
    """``YYYYMMDD_HHMMSS`` in UTC; a later second when a session of that second exists."""
    while True:
        sello = datetime.fromtimestamp(inicio_ms / 1000, UTC).strftime("%Y%m%d_%H%M%S")
        if not (carpeta / f"registro_{sello}.csv").exists():
            return sello
        inicio_ms += 1_000
