"""A daemon's journal read beside its writer, every record compared with its checksum."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from src.produccion.diario.apertura_diario import comprobar_presencia, conectar, corrupto, fallos_explicados
from src.produccion.diario.formato_diario import COLUMNAS, Registro


class Apunte(NamedTuple):
    """One record of a journal."""

    seq: int
    agregado: str
    tipo: str
    instante_ms: int
    contenido: dict[str, Any]


class Tramo(NamedTuple):
    """Some records of a journal, and which journal it is."""

    diario: str
    ultimo_seq: int  # of the whole journal; 0 when it is empty
    apuntes: tuple[Apunte, ...]


def nombre_diario(ruta: Path, nombre: str) -> str:
    """What a journal is called in the store; empty while it has no record.

    Accounts of dry runs are the same every time, so the first record's checksum tells their journals apart.

    Raises:
        DiarioCorrupto, ConfiguracionInvalida: It cannot be read.
    """
    with fallos_explicados(ruta), closing(_abrir(ruta)) as conexion:
        fila = conexion.execute("SELECT checksum FROM events ORDER BY seq LIMIT 1").fetchone()
    return "" if fila is None else f"{nombre}#{int(fila[0]):08x}"


def leer_tramo(ruta: Path, diario: str, despues_de: int, limite: int) -> Tramo:
    """The records after a number, in order.

    Args:
        ruta: The journal's file; its daemon may be writing to it.
        diario: Its name in the store.
        despues_de: ``seq`` of the last record that is known.
        limite: How many at most.

    Raises:
        DiarioCorrupto, ConfiguracionInvalida: It cannot be read, or a record is not what was written.
    """
    consulta = f"SELECT {COLUMNAS} FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
    with fallos_explicados(ruta), closing(_abrir(ruta)) as conexion:
        filas = conexion.execute(consulta, (despues_de, limite)).fetchall()
        (ultimo,) = conexion.execute("SELECT COALESCE(MAX(seq), 0) FROM events").fetchone()
    return Tramo(diario, ultimo, tuple(_apunte(fila, ruta) for fila in filas))


def _abrir(ruta: Path) -> Any:
    comprobar_presencia(ruta)
    return conectar(ruta, escritura=False)


def _apunte(fila: tuple[Any, ...], ruta: Path) -> Apunte:
    contenido = fila[7]
    registro = Registro._make((*fila[:7], contenido.encode(), fila[8]))
    defecto = registro.defecto()
    if defecto:
        raise corrupto(ruta, f"record {registro.seq} of {registro.agregado}: {defecto}")
    return Apunte(
        registro.seq, registro.agregado, registro.tipo, registro.instante_ms, orjson.loads(contenido)
    )
