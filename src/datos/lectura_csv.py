"""Candles from CSV text: fast when all is well, exact about line and column when it is not."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from math import isfinite
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from src.datos.tabla import COLUMNAS, TablaVelas, Ubicar, revisar
from src.nucleo.errores import DatosInvalidos
from src.nucleo.tipos import Matriz

_ENCABEZADO = f"The first line must name the columns {','.join(COLUMNAS)}."


class _Fuente(NamedTuple):
    """The rows of a CSV file, as text."""

    origen: str
    filas: list[list[str]]  # without header and blank lines
    lineas: list[int]  # line number of each row
    posiciones: dict[str, int]  # column name → index in a row
    ancho: int


def leer_csv(ruta: Path) -> tuple[TablaVelas, Ubicar]:
    """Read a ``.csv`` or ``.csv.gz`` file with header; columns it does not know are ignored.

    Returns:
        The candles, and what names the line of each.
    Raises:
        DatosInvalidos: The file, or its first wrong line, column and value, with a remedy.
    """
    fuente = _abrir(ruta)
    valores = {nombre: _columna(fuente, nombre) for nombre in COLUMNAS}
    instantes = valores.pop("open_time")
    _exigir_enteros(fuente, instantes)
    tabla = TablaVelas(apertura_ms=instantes.astype(np.int64), **valores, origen=fuente.origen)

    def por_linea(indice: int) -> str:
        return f"line {fuente.lineas[indice]}"

    return revisar(tabla, por_linea), por_linea


def _abrir(ruta: Path) -> _Fuente:
    lector = csv.reader(io.StringIO(_texto(ruta), newline=""))
    try:
        renglones = [(lector.line_num, fila) for fila in lector if fila]
    except csv.Error as fallo:
        raise DatosInvalidos(
            f"{ruta.name} line {lector.line_num}: {fallo}. Save the file as plain CSV."
        ) from fallo
    if not renglones:
        raise DatosInvalidos(f"{ruta.name} is empty. {_ENCABEZADO}")
    encabezado = [nombre.strip() for nombre in renglones[0][1]]
    faltan = [nombre for nombre in COLUMNAS if nombre not in encabezado]
    if faltan:
        raise DatosInvalidos(
            f"{ruta.name} line {renglones[0][0]}: no column {', '.join(faltan)} in '{','.join(encabezado)}'. "
            f"{_ENCABEZADO}"
        )
    if len(renglones) == 1:
        raise DatosInvalidos(f"{ruta.name} has a header but no candles. Add the rows.")
    return _Fuente(
        origen=ruta.name,
        filas=[fila for _, fila in renglones[1:]],
        lineas=[linea for linea, _ in renglones[1:]],
        posiciones={nombre: encabezado.index(nombre) for nombre in COLUMNAS},
        ancho=len(encabezado),
    )


def _texto(ruta: Path) -> str:
    try:
        crudo = ruta.read_bytes()
    except FileNotFoundError as fallo:
        raise DatosInvalidos(f"{ruta} does not exist. Check the path.") from fallo
    except OSError as fallo:
        raise DatosInvalidos(f"{ruta} cannot be read: {fallo.strerror}. Check the path.") from fallo
    try:
        if ruta.suffix == ".gz":
            crudo = gzip.decompress(crudo)
        return crudo.decode("utf-8-sig")
    except (EOFError, zlib.error, gzip.BadGzipFile) as fallo:
        raise DatosInvalidos(
            f"{ruta.name} is not a whole gzip file: {fallo}. Copy or download it again."
        ) from fallo
    except UnicodeDecodeError as fallo:
        raise DatosInvalidos(
            f"{ruta.name} is not text in UTF-8: {fallo.reason} at byte {fallo.start}. Save it as plain CSV."
        ) from fallo


def _columna(fuente: _Fuente, nombre: str) -> Matriz:
    posicion = fuente.posiciones[nombre]
    try:
        textos = list(map(itemgetter(posicion), fuente.filas))
        valores = np.fromiter(map(float, textos), dtype=np.float64, count=len(textos))
    except (ValueError, IndexError):
        valores = None
    if valores is None or not np.isfinite(valores).all() or any(map(_mal_escrito, textos)):
        raise _falla(fuente, nombre, posicion)
    return valores


def _mal_escrito(texto: str) -> bool:
    """Python reads ``1_000`` and non-ASCII digits as numbers; a candle file never means them."""
    return "_" in texto or not texto.isascii()


def _falla(fuente: _Fuente, nombre: str, posicion: int) -> DatosInvalidos:
    """The error that names the first cell of a column that is no number."""
    for linea, fila in zip(fuente.lineas, fuente.filas, strict=True):
        if posicion >= len(fila):
            return DatosInvalidos(
                f"{fuente.origen} line {linea}: {nombre} is missing; the row has {len(fila)} fields "
                f"and the header {fuente.ancho}. Complete or remove the row."
            )
        motivo = _motivo(fila[posicion])
        if motivo:
            remedio = (
                "open_time must be UTC milliseconds."
                if nombre == "open_time"
                else "Remove or correct the row."
            )
            return DatosInvalidos(
                f"{fuente.origen} line {linea}: {nombre} is '{fila[posicion]}'; {motivo}. {remedio}"
            )
    raise AssertionError(f"no cell of {nombre} is wrong")


def _motivo(texto: str) -> str:
    try:
        valor = float(texto)
    except ValueError:
        return "it must be a number"
    if not isfinite(valor):
        return "it must be a finite number"
    return "it must be a number" if _mal_escrito(texto) else ""


def _exigir_enteros(fuente: _Fuente, instantes: Matriz) -> None:
    for indice in np.flatnonzero(instantes != np.rint(instantes))[:1]:
        texto = fuente.filas[indice][fuente.posiciones["open_time"]]
        raise DatosInvalidos(
            f"{fuente.origen} line {fuente.lineas[indice]}: open_time is '{texto}'; it must be a whole "
            "number of UTC milliseconds. Remove or correct the row."
        )
