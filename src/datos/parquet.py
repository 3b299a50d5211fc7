"""Candles from and to Parquet; pyarrow is imported only when such a file is met."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from src.datos.tabla import COLUMNAS, Enteros, TablaVelas, Ubicar, por_fila, revisar
from src.nucleo.errores import DatosInvalidos
from src.nucleo.tipos import Matriz


def leer_parquet(ruta: Path) -> tuple[TablaVelas, Ubicar]:
    """Read a Parquet file with the columns of `COLUMNAS`; others are ignored.

    Returns:
        The candles, and what names the row of each.
    Raises:
        DatosInvalidos: The file, or its first wrong row, column and value, with a remedy.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not ruta.is_file():
        raise DatosInvalidos(f"{ruta} does not exist. Check the path.")
    try:
        with pq.ParquetFile(ruta) as archivo:
            presentes = archivo.schema_arrow.names
            faltan = [nombre for nombre in COLUMNAS if nombre not in presentes]
            if faltan:
                raise DatosInvalidos(
                    f"{ruta.name}: no column {', '.join(faltan)} among {', '.join(presentes)}. "
                    f"A candle file has the columns {', '.join(COLUMNAS)}."
                )
            cruda = archivo.read(columns=list(COLUMNAS))
    except (pa.ArrowInvalid, OSError) as fallo:
        raise DatosInvalidos(
            f"{ruta.name} is not a whole Parquet file: {fallo}. Write or download it again."
        ) from fallo
    if cruda.num_rows == 0:
        raise DatosInvalidos(f"{ruta.name} holds no candles. Add the rows.")
    columnas = {nombre: _columna(ruta.name, nombre, cruda.column(nombre)) for nombre in COLUMNAS}
    apertura = columnas.pop("open_time")
    return revisar(TablaVelas(apertura_ms=apertura, **columnas, origen=ruta.name)), por_fila


def _columna(archivo: str, nombre: str, columna: Any) -> Any:
    """One column as int64 (``open_time``) or float64."""
    import pyarrow as pa

    if columna.null_count:
        fila = columna.is_null().to_pylist().index(True) + 1
        raise DatosInvalidos(f"{archivo} row {fila}: {nombre} is missing. Complete or remove the row.")
    tipo = columna.type
    if nombre != "open_time":
        if not (pa.types.is_floating(tipo) or pa.types.is_integer(tipo)):
            raise DatosInvalidos(f"{archivo}: {nombre} has type {tipo}; write it as float64.")
        return _arreglo(columna.cast(pa.float64()), np.dtype(np.float64))
    if pa.types.is_timestamp(tipo):
        columna = columna.cast(pa.timestamp("ms"))
    elif not pa.types.is_integer(tipo):
        raise DatosInvalidos(f"{archivo}: open_time has type {tipo}; write it as int64 UTC milliseconds.")
    return _arreglo(columna.cast(pa.int64()), np.dtype(np.int64))


def _arreglo(columna: Any, tipo: np.dtype[Any]) -> Any:
    """The numbers of a column without nulls, read from its buffers: pyarrow's own way imports pandas."""
    trozos = [
        np.frombuffer(trozo.buffers()[1], dtype=tipo)[trozo.offset : trozo.offset + len(trozo)]
        for trozo in columna.chunks
        if len(trozo)
    ]
    return np.concatenate(trozos) if trozos else np.empty(0, dtype=tipo)


def leer_columnas(ruta: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """All columns of a file that `escribir_parquet` wrote, and its notes.

    Raises:
        DatosInvalidos: The file is not whole.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(ruta) as archivo:
            cruda = archivo.read()
    except (pa.ArrowInvalid, OSError) as fallo:
        raise DatosInvalidos(f"{ruta.name} is not a whole Parquet file: {fallo}") from fallo
    columnas = {
        nombre: _arreglo(cruda.column(nombre), np.dtype(cruda.schema.field(nombre).type.to_pandas_dtype()))
        for nombre in cruda.column_names
    }
    metadatos = cruda.schema.metadata or {}
    return columnas, {clave.decode(): valor.decode() for clave, valor in metadatos.items()}


def escribir_parquet(
    columnas: Mapping[str, Enteros | Matriz], ruta: Path, notas: Mapping[str, str] | None = None
) -> None:
    """Write named columns of one length, and notes about them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    # From buffers, because building a column from an array would import pandas.
    arreglos = [
        pa.Array.from_buffers(
            pa.int64() if columna.dtype == np.int64 else pa.float64(),
            len(columna),
            [None, pa.py_buffer(np.ascontiguousarray(columna))],
        )
        for columna in columnas.values()
    ]
    tabla = pa.table(arreglos, names=list(columnas)).replace_schema_metadata(dict(notas or {}))
    pq.write_table(tabla, ruta)
