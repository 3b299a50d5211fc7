"""Strict reading of a CSV file: the header is a contract, each cell is checked, errors say where."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NoReturn, TypeVar

import numpy as np
import numpy.typing as npt

from src.nucleo.errores import DatosInvalidos
from src.nucleo.tipos import Matriz

_LOGICOS = {"True": True, "true": True, "False": False, "false": False}
_REMEDIO = "restore the file as Timonel wrote it"
_CABECERA = 1024  # bytes that tell whether a file is text at all
_EPOCA = datetime.fromisoformat("1970-01-01T00:00:00.000Z")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tabla:
    """A CSV file as text, column by column."""

    ruta: Path
    columnas: dict[str, tuple[str, ...]]
    lineas: tuple[int, ...]  # line of the file on which each row ends, from 1
    truncada: int | None = None  # line of a last row that was cut off and left out

    def __len__(self) -> int:
        return len(self.lineas)

    def fallar(self, fila: int, columna: str, motivo: str) -> NoReturn:
        """Refuse a cell, naming file, line and column."""
        valor = self.columnas[columna][fila]
        raise DatosInvalidos(
            f"{self.ruta}, line {self.lineas[fila]}, column {columna!r}: {valor!r} {motivo}; {_REMEDIO}"
        )

    def convertir(self, columna: str, funcion: Callable[[str], T], motivo: str) -> list[T]:
        """Convert each cell; a ``ValueError`` or ``KeyError`` of the function refuses it."""
        salida: list[T] = []
        for fila, texto in enumerate(self.columnas[columna]):
            try:
                salida.append(funcion(texto))
            except (ValueError, KeyError):
                self.fallar(fila, columna, motivo)
        return salida

    def numeros(
        self, columna: str, *, vacio: float | None = None, minimo: float = -math.inf, maximo: float = math.inf
    ) -> Matriz:
        """Finite numbers, (n,); an empty cell is ``vacio``, or refused when that is ``None``."""

        def numero(texto: str) -> float:
            if not texto:
                return _vacio(vacio)
            valor = float(texto)
            if "_" in texto or not minimo <= valor <= maximo or math.isinf(valor):
                raise ValueError
            return valor

        return np.array(
            self.convertir(columna, numero, f"is not {_esperado('number', minimo, maximo)}"), dtype=np.float64
        )

    def enteros(self, columna: str, *, vacio: int | None = None, minimo: int = 0) -> npt.NDArray[np.int64]:
        """Whole numbers, (n,); an empty cell is ``vacio``, or refused when that is ``None``."""

        def entero(texto: str) -> int:
            if not texto:
                return int(_vacio(vacio))
            valor = int(texto)
            if "_" in texto or valor < minimo:
                raise ValueError
            return valor

        return np.array(
            self.convertir(columna, entero, f"is not {_esperado('whole number', minimo)}"), dtype=np.int64
        )

    def logicos(self, columna: str) -> npt.NDArray[np.bool_]:
        """Truth values, (n,)."""
        return np.array(
            self.convertir(columna, _LOGICOS.__getitem__, "is neither True nor False"), dtype=np.bool_
        )

    def opciones(self, columna: str, clase: type[StrEnum], *, vacio: bool = True) -> npt.NDArray[np.str_]:
        """Members of a closed set as text, (n,); an empty cell stays empty where that is allowed."""
        validas = {miembro.value: miembro.value for miembro in clase} | ({"": ""} if vacio else {})
        motivo = f"is none of {', '.join(miembro.value for miembro in clase)}"
        return np.array(self.convertir(columna, validas.__getitem__, motivo), dtype=np.str_)

    def instantes(self, columna: str) -> npt.NDArray[np.int64]:
        """UTC times, (n,) milliseconds."""
        return np.array(
            self.convertir(columna, _instante_ms, "is not a time like 2024-01-31T08:00:00.000Z"),
            dtype=np.int64,
        )

    def textos(self, columna: str) -> tuple[str, ...]:
        """The cells as they are."""
        return self.columnas[columna]


def leer_tabla(ruta: Path, columnas: Sequence[str]) -> Tabla:
    """Read a CSV file whose header must be exactly these columns, in this order.

    A last row without an end of line was cut off while it was written: it is left out and told in
    ``truncada``.

    Raises:
        DatosInvalidos: No such file, not UTF-8, another header, or a row with another number of cells.
    """
    texto, cortada = _texto_completo(ruta)
    filas = _registros(ruta, texto)
    linea, encabezado = next(filas, (1, []))
    if encabezado is not None:
        _verificar_encabezado(ruta, encabezado, columnas)
    celdas: list[list[str]] = []
    lineas: list[int] = []
    for linea, fila in filas:
        if fila is None:
            cortada = True
            break
        if len(fila) != len(columnas):
            raise DatosInvalidos(
                f"{ruta}, line {linea}: {len(fila)} columns instead of {len(columnas)}; {_REMEDIO}"
            )
        celdas.append(fila)
        lineas.append(linea)
    por_columna = tuple(zip(*celdas, strict=True)) if celdas else tuple(() for _ in columnas)
    truncada = (lineas[-1] if lineas else 1) + 1 if cortada else None
    return Tabla(ruta, dict(zip(columnas, por_columna, strict=True)), tuple(lineas), truncada)


def _texto_completo(ruta: Path) -> tuple[str, bool]:
    """The file up to its last end of line, and whether something stood behind it."""
    try:
        crudo = ruta.read_bytes()
    except OSError as fallo:
        raise DatosInvalidos(f"{ruta}: cannot be read ({fallo.strerror}); check the path") from fallo
    if b"\0" in crudo[:_CABECERA]:
        raise DatosInvalidos(f"{ruta}: not a session CSV (it is not text); give a registro_….csv")
    cuerpo, fin, cola = crudo.rpartition(b"\n")
    try:
        return (cuerpo + fin).decode("utf-8-sig"), bool(cola)
    except UnicodeDecodeError as fallo:
        linea = cuerpo.count(b"\n", 0, fallo.start) + 1
        raise DatosInvalidos(
            f"{ruta}: not a session CSV (line {linea} is not UTF-8 text); give a registro_….csv, "
            "or restore the file as Timonel wrote it"
        ) from fallo


def _registros(ruta: Path, texto: str) -> Iterator[tuple[int, list[str] | None]]:
    """Rows with their line; ``None`` for a last one that ends inside a quoted cell."""
    agotado = False

    def lineas() -> Iterator[str]:
        nonlocal agotado
        yield from io.StringIO(texto, newline="")
        agotado = True

    lector = csv.reader(lineas(), strict=True)
    while True:
        try:
            fila = next(lector, None)
        except csv.Error as fallo:
            if not agotado:
                raise DatosInvalidos(f"{ruta}, line {lector.line_num}: {fallo}; {_REMEDIO}") from fallo
            yield lector.line_num, None
            return
        if fila is None:
            return
        yield lector.line_num, fila


def _verificar_encabezado(ruta: Path, encabezado: list[str], columnas: Sequence[str]) -> None:
    if not encabezado:
        raise DatosInvalidos(f"{ruta}: the file is empty; give a session CSV with its header and rows")
    for posicion, (hallada, esperada) in enumerate(zip(encabezado, columnas, strict=False), start=1):
        if hallada != esperada:
            raise DatosInvalidos(
                f"{ruta}, line 1, column {posicion}: {hallada!r} instead of {esperada!r}; {_REMEDIO}"
            )
    if len(encabezado) != len(columnas):
        raise DatosInvalidos(
            f"{ruta}, line 1: {len(encabezado)} columns instead of {len(columnas)}; {_REMEDIO}"
        )


def _instante_ms(texto: str) -> int:
    if not texto.endswith("Z") or "T" not in texto:
        raise ValueError
    diferencia = datetime.fromisoformat(texto) - _EPOCA
    return (diferencia.days * 86_400 + diferencia.seconds) * 1_000 + diferencia.microseconds // 1_000


def _vacio(vacio: float | None) -> float:
    if vacio is None:
        raise ValueError
    return vacio


def _esperado(que: str, minimo: float, maximo: float = math.inf) -> str:
    if math.isinf(minimo) and math.isinf(maximo):
        return f"a {que}"
    if math.isinf(maximo):
        return f"a {que} >= {minimo:g}"
    return f"a {que} in [{minimo:g}, {maximo:g}]"
