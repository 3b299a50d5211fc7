"""The session's CSV files: opened once, flushed per row, never rewritten."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, TextIO

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


class RegistroProduccion:
    """Writes ``registro_<ts>.csv``, and ``emergencias_<ts>.csv`` once there is an emergency.

    Args:
        carpeta: Where the files go; made when missing.
        sello: Names the session; from `sello_libre`.
    """

    def __init__(self, carpeta: Path, sello: str) -> None:
        self.sello = sello
        self.ruta = carpeta / f"registro_{self.sello}.csv"
        self.ruta_emergencias = carpeta / f"emergencias_{self.sello}.csv"
        self._registro = _ArchivoCsv(self.ruta, tuple(REGISTRO))
        self._emergencias: _ArchivoCsv | None = None
        self.filas = 0

    def registrar_paso(self, fila: Fila) -> None:
        """Append one row of 42 columns."""
        self._registro.escribir(textos_de(fila))
        self.filas += 1

    def registrar_emergencia(self, emergencia: Emergencia) -> None:
        """Append one row of 6 columns."""
        if self._emergencias is None:
            self._emergencias = _ArchivoCsv(self.ruta_emergencias, EMERGENCIAS)
        self._emergencias.escribir(
            [texto_utc(emergencia.instante_ms), *(texto_de(celda) for celda in emergencia[1:])]
        )

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
    def __init__(self, ruta: Path, columnas: Sequence[str]) -> None:
        self._ruta = ruta
        self._bufer = io.StringIO()
        self._escritor = csv.writer(self._bufer, lineterminator="\n")
        try:
            ruta.parent.mkdir(parents=True, exist_ok=True)
            self._archivo: TextIO = ruta.open("x", encoding="utf-8", newline="")
        except OSError as fallo:
            raise EmergenciaOperacional(f"{ruta} cannot be created: {fallo}") from fallo
        self.escribir(columnas)

    def escribir(self, celdas: Iterable[str]) -> None:
        self._escritor.writerow(celdas)
        try:
            self._archivo.write(self._bufer.getvalue())
            self._archivo.flush()
        except OSError as fallo:
            raise EmergenciaOperacional(f"{self._ruta} cannot be written: {fallo}") from fallo
        self._bufer.seek(0)
        self._bufer.truncate()

    def cerrar(self) -> None:
        self._archivo.close()


def sello_libre(carpeta: Path, inicio_ms: int) -> str:
    """``YYYYMMDD_HHMMSS`` in UTC; a later second when a session of that second exists."""
    while True:
        sello = datetime.fromtimestamp(inicio_ms / 1000, UTC).strftime("%Y%m%d_%H%M%S")
        if not (carpeta / f"registro_{sello}.csv").exists():
            return sello
        inicio_ms += 1_000
