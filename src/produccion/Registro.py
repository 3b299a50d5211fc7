"""The session's CSV files: a face of the journal, appended to row by row."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

from src.nucleo.columnas import EMERGENCIAS, REGISTRO
from src.nucleo.errores import EmergenciaOperacional
from src.nucleo.registro import Fila, texto_de, texto_utc, textos_de


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
    """Writes ``registro_<ts>.csv``, and ``emergencias_<ts>.csv`` once there is an emergency.

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
        self.filas = 0
        if asentado is not None:
            self._igualar(asentado)

    def registrar_paso(self, fila: Fila) -> None:
        """Append one row of 42 columns."""
        self.filas += 1
        self._registro.escribir(textos_de(fila))

    def registrar_emergencia(self, emergencia: Emergencia) -> None:
        """Append one row of 6 columns."""
        archivo = self._emergencias or self._abrir_emergencias(nuevo=not self.ruta_emergencias.exists())
        archivo.escribir(_celdas(emergencia))

    def _igualar(self, asentado: Asentado) -> None:
        presentes = self._registro.recortar(asentado.filas)
        for fila in asentado.desde(presentes) if presentes < asentado.filas else ():
            self._registro.escribir(textos_de(fila))
        self.filas = asentado.filas
        if asentado.emergencia is not None:
            archivo = self._abrir_emergencias(nuevo=not self.ruta_emergencias.exists())
            if archivo.recortar(1) == 0:
                archivo.escribir(_celdas(asentado.emergencia))

    def _abrir_emergencias(self, *, nuevo: bool) -> _ArchivoCsv:
        self._emergencias = _ArchivoCsv(self.ruta_emergencias, EMERGENCIAS, nuevo=nuevo)
        return self._emergencias

    def cerrar(self) -> None:
        """Close the files."""
        self._registro.cerrar()
        if self._emergencias is not None:
            self._emergencias.cerrar()

    def __enter__(self) -> RegistroProduccion:
        return self

    def __exit__(
        self, tipo: type[BaseException] | None, valor: BaseException | None, traza: TracebackType | None
    ) -> None:
        self.cerrar()


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

    def recortar(self, filas: int) -> int:
        """Drop what comes after so many whole rows; returns how many are left."""
        try:
            self._archivo.seek(0)
            presente = self._archivo.read()
            fines = _fines_de_fila(presente)
            completas = min(len(fines), filas + 1)
            self._archivo.truncate(fines[completas - 1] if completas else 0)
        except OSError as fallo:
            raise EmergenciaOperacional(f"{self._ruta} cannot be read back: {fallo}") from fallo
        if not completas:
            self._anexar(self._titulos)
        return max(0, completas - 1)

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

    def cerrar(self) -> None:
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
