"""A daemon's journal read beside its writer, every record compared with its checksum."""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from src.produccion.diario.apertura_diario import comprobar_presencia, conectar, corrupto, fallos_explicados
from src.produccion.diario.formato_diario import COLUMNAS, DISTINTO, Registro, suma_de
from src.produccion.diario.marca_diario import marca_de


class Apunte(NamedTuple):
    """One record of a journal."""

    seq: int
    agregado: str
    tipo: str
    instante_ms: int
    contenido: dict[str, Any]


class Tramo(NamedTuple):
    """Some records of a journal."""

    apuntes: tuple[Apunte, ...]  # those of the types wanted
    leidos: int  # records, of whatever type
    hasta_seq: int  # of the last one read; of the whole journal when none was


def nombre_diario(ruta: Path, nombre: str) -> str:
    """What a journal is called in the store; the same until it is repaired.

    Raises:
        OSError: The directory cannot be written.
    """
    return f"{nombre}#{marca_de(ruta).actual}"


def nombres_anteriores(ruta: Path, diario: str) -> Iterator[tuple[str, int]]:
    """What a journal was called before its repairs, newest first, and up to which record it is the same.

    Raises:
        OSError: The directory cannot be read.
    """
    nombre, _, marca = diario.rpartition("#")
    conocida = marca_de(ruta)
    if marca == conocida.actual:
        yield from ((f"{nombre}#{antes.marca}", antes.hasta_seq) for antes in conocida.anteriores)


def leer_tramo(ruta: Path, despues_de: int, limite: int, tipos: Container[str]) -> Tramo:
    """The records after a number, in order, each compared with its checksum.

    Args:
        ruta: The journal's file; its daemon may be writing to it.
        despues_de: ``seq`` of the last record that is known.
        limite: How many at most.
        tipos: The types whose contents are wanted.

    Raises:
        DiarioCorrupto, ConfiguracionInvalida: It cannot be read, or a record is not what was written.
    """
    consulta = f"SELECT {COLUMNAS} FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
    with fallos_explicados(ruta):
        comprobar_presencia(ruta)
        with closing(conectar(ruta, escritura=False)) as conexion:
            filas = conexion.execute(consulta, (despues_de, limite)).fetchall()
            (ultimo,) = conexion.execute("SELECT COALESCE(MAX(seq), 0) FROM events").fetchone()
    registros = [_verificado(fila, ruta) for fila in filas]
    apuntes = tuple(_apunte(registro) for registro in registros if registro.tipo in tipos)
    return Tramo(apuntes, len(registros), registros[-1].seq if registros else ultimo)


def contar_desde(ruta: Path, despues_de: int) -> int:
    """How many records there are after a number.

    Raises:
        DiarioCorrupto, ConfiguracionInvalida: It cannot be read.
    """
    with fallos_explicados(ruta):
        comprobar_presencia(ruta)
        with closing(conectar(ruta, escritura=False)) as conexion:
            (cuantos,) = conexion.execute(
                "SELECT COUNT(*) FROM events WHERE seq > ?", (despues_de,)
            ).fetchone()
    return int(cuantos)


def _verificado(fila: tuple[Any, ...], ruta: Path) -> Registro:
    registro = Registro._make((*fila[:7], fila[7].encode(), fila[8]))
    if registro.suma != suma_de(registro):
        raise corrupto(ruta, f"record {registro.seq} of {registro.agregado}: {DISTINTO}")
    return registro


def _apunte(registro: Registro) -> Apunte:
    contenido = orjson.loads(registro.contenido)
    return Apunte(registro.seq, registro.agregado, registro.tipo, registro.instante_ms, contenido)
