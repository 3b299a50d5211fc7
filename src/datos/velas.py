"""Candle files: reading, writing, and the checks on their grid."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

from src.datos.archivos import escritura_atomica
from src.datos.continuidad import (
    Hueco,
    buscar_huecos,
    inferir_intervalo,
    rellenar_huecos,
    validar_continuidad,
    validar_rejilla,
)
from src.datos.lectura_csv import leer_csv
from src.datos.parquet import escribir_parquet, leer_parquet
from src.datos.tabla import COLUMNAS, Enteros, TablaVelas, Ubicar, revisar
from src.nucleo.errores import DatosInvalidos
from src.nucleo.tipos import Matriz

__all__ = [
    "COLUMNAS",
    "Hueco",
    "TablaVelas",
    "buscar_huecos",
    "escribir_velas",
    "inferir_intervalo",
    "leer_velas",
    "rellenar_huecos",
    "revisar",
    "validar_continuidad",
    "validar_rejilla",
]


def leer_velas(ruta: Path, intervalo: str | None = None) -> TablaVelas:
    """Read closed candles from ``.csv``, ``.csv.gz`` or ``.parquet``.

    The file has a header with the columns of `COLUMNAS`, open times in UTC milliseconds; other columns
    are ignored. Missing candles are no error here: see `validar_continuidad`.

    Args:
        ruta: The file.
        intervalo: What the candles must be; ``None`` takes the interval they are apart.
    Raises:
        DatosInvalidos: The file cannot be read, or its first row that breaks the contract: file, line,
            column, value and remedy.
        ConfiguracionInvalida: Binance has no such interval.
    """
    tabla, ubicar = _formato(ruta)(ruta)
    if intervalo is not None or len(tabla) > 1:
        validar_rejilla(tabla, intervalo or inferir_intervalo(tabla), ubicar)
    return tabla


def _formato(ruta: Path) -> Callable[[Path], tuple[TablaVelas, Ubicar]]:
    if ruta.name.endswith((".csv", ".csv.gz")):
        return leer_csv
    if ruta.suffix == ".parquet":
        return leer_parquet
    raise DatosInvalidos(f"{ruta}: the kind of file is unknown. Use .csv, .csv.gz or .parquet.")


def escribir_velas(tabla: TablaVelas, ruta: Path) -> None:
    """Write candles as the file's suffix says; numbers keep every digit, and readers never see half a file.

    Raises:
        DatosInvalidos: The suffix is none of .csv, .csv.gz, .parquet.
    """
    _formato(ruta)
    with escritura_atomica(ruta) as provisional:
        if ruta.suffix == ".parquet":
            escribir_parquet(_columnas(tabla), provisional)
        else:
            crudo = _texto_csv(tabla).encode()
            provisional.write_bytes(gzip.compress(crudo, mtime=0) if ruta.suffix == ".gz" else crudo)


def _columnas(tabla: TablaVelas) -> dict[str, Enteros | Matriz]:
    datos: tuple[Enteros | Matriz, ...] = (
        tabla.apertura_ms,
        tabla.open,
        tabla.high,
        tabla.low,
        tabla.close,
        tabla.volume,
    )
    return dict(zip(COLUMNAS, datos, strict=True))


def _texto_csv(tabla: TablaVelas) -> str:
    filas = (",".join(map(repr, vela)) for vela in tabla)
    return "\n".join((",".join(COLUMNAS), *filas)) + "\n"
