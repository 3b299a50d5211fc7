"""Is a journal what was written? The quick look of every opening, and the long one that names the fault.

Opening looks at the structure of all records and at the checksums of the newest `EXAMINADOS_AL_ABRIR`, so
that a start stays short however old the journal is; what is older is checked when it is read, and by
``timonel doctor``.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from src.produccion.diario.formato_diario import (
    COLUMNAS,
    COLUMNAS_TEXTO,
    TEXTO_SQL,
    VERSION_FICHERO,
    Registro,
)

EXAMINADOS_AL_ABRIR = 50_000
_PAGINAS_DE_COMPROBACION = 15_000  # beyond them SQLite's own check of its pages is left to the doctor
_SALTO_MAXIMO = 10_000  # records that may be unreadable in a row when nothing says how many there were


class Violacion(NamedTuple):
    """Something in a journal that was not written so."""

    seq: int  # 0: the file as a whole
    agregado: str
    version: int
    motivo: str

    def __str__(self) -> str:
        if not self.seq:
            return self.motivo
        donde = f"record {self.seq}"
        if self.agregado:
            donde += f" (aggregate {self.agregado}, version {self.version})"
        return f"{donde}: {self.motivo}"


class Ilegible(NamedTuple):
    """A record that SQLite could not read, or whose values are not of a record's types."""

    seq: int
    motivo: str


def esta_sano(conexion: sqlite3.Connection) -> bool:
    """The quick look; when it is false, `violaciones` will say what is wrong.

    Raises:
        sqlite3.DatabaseError: A page of the file cannot be read.
    """
    ultimo = ultimo_seq(conexion)
    primero, mayor = conexion.execute("SELECT MIN(seq), MAX(seq) FROM events").fetchone()
    if ultimo and (primero, mayor) != (1, ultimo):
        return False
    total = 0
    consulta = "SELECT MIN(version), MAX(version), COUNT(*) FROM events GROUP BY aggregate"
    for menor, mayor, cuantos in conexion.execute(consulta):
        if menor != 1 or mayor != cuantos:
            return False
        total += cuantos
    if total != ultimo:
        return False
    conexion.create_function("crc32", 1, zlib.crc32, deterministic=True)
    cambiado = conexion.execute(
        f"SELECT seq FROM events WHERE seq > ? AND crc32({TEXTO_SQL}) IS NOT checksum LIMIT 1",
        (ultimo - EXAMINADOS_AL_ABRIR,),
    ).fetchone()
    if cambiado is not None:
        return False
    (paginas,) = conexion.execute("PRAGMA page_count").fetchone()
    return paginas > _PAGINAS_DE_COMPROBACION or not queja_de_sqlite(conexion)


def queja_de_sqlite(conexion: sqlite3.Connection) -> str:
    """What SQLite says of the file's pages; empty when they are in order."""
    (respuesta,) = conexion.execute("PRAGMA quick_check(1)").fetchone()
    texto = respuesta.decode(errors="replace") if isinstance(respuesta, bytes) else str(respuesta)
    return "" if texto == "ok" else texto


def ultimo_seq(conexion: sqlite3.Connection) -> int:
    """The last ``seq`` that SQLite gave out."""
    fila = conexion.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
    return 0 if fila is None else int(fila[0])


def violaciones(conexion: sqlite3.Connection) -> Iterator[Violacion]:
    """Record by record, what is wrong, in the order of the file; nothing when the journal is good."""
    versiones: dict[str, int] = {}
    esperado = 1
    for uno in recorrer(conexion):
        if uno.seq > esperado:
            yield _faltan(esperado, uno.seq - 1)
        esperado = uno.seq + 1
        if isinstance(uno, Ilegible):
            yield Violacion(uno.seq, "", 0, uno.motivo)
            continue
        motivo = uno.defecto()
        anterior = versiones.get(uno.agregado, 0)
        if not motivo and uno.version != anterior + 1:
            motivo = f"it follows version {anterior} of its aggregate"
        versiones[uno.agregado] = uno.version
        if motivo:
            yield Violacion(uno.seq, uno.agregado, uno.version, motivo)
    try:
        ultimo = ultimo_seq(conexion)
        queja = queja_de_sqlite(conexion)
    except sqlite3.DatabaseError as fallo:
        ultimo, queja = 0, str(fallo)
    if ultimo >= esperado:
        yield _faltan(esperado, ultimo)
    elif ultimo < esperado - 1 and not queja:
        queja = f"its counter says {ultimo} records, and there are {esperado - 1}"
    if queja:
        yield Violacion(0, "", 0, f"SQLite finds the file damaged: {queja}")


def recorrer(conexion: sqlite3.Connection) -> Iterator[Registro | Ilegible]:
    """Every record that can be read, in order, and the place of each one that cannot."""
    conexion.text_factory = bytes
    limite = _limite(conexion)
    consulta = f"SELECT {columnas_de(conexion)} FROM events WHERE seq > ? ORDER BY seq"
    seq = seguidos = 0
    while limite is None or seq <= limite:
        try:
            for fila in conexion.execute(consulta, (seq,)):
                seq, seguidos = fila[0], 0
                yield _leer(fila)
        except sqlite3.DatabaseError as fallo:
            seq += 1
            seguidos += 1
            if limite is None and seguidos > _SALTO_MAXIMO:
                return
            if limite is None or seq <= limite:
                yield Ilegible(seq, f"it cannot be read: {fallo}")
        else:
            return


def _limite(conexion: sqlite3.Connection) -> int | None:
    try:
        return ultimo_seq(conexion) or None
    except sqlite3.DatabaseError:
        return None


def columnas_de(conexion: sqlite3.Connection) -> str:
    """The columns of a `Registro`; a file of version 1 has no checksums."""
    try:
        (version,) = conexion.execute("PRAGMA user_version").fetchone()
    except sqlite3.DatabaseError:
        return COLUMNAS
    return COLUMNAS if version == VERSION_FICHERO else f"{COLUMNAS_TEXTO}, NULL"


def _leer(fila: tuple[object, ...]) -> Registro | Ilegible:
    match fila:
        case (
            int(seq),
            bytes(identidad),
            bytes(agregado),
            int(version),
            bytes(tipo),
            int(version_contenido),
            int(instante_ms),
            bytes(contenido),
            int() | None as suma,
        ):
            try:
                textos = (identidad.decode(), agregado.decode(), tipo.decode())
                contenido.decode()
            except UnicodeDecodeError as fallo:
                return Ilegible(seq, f"it is not text: {fallo}")
            return Registro(
                seq,
                textos[0],
                textos[1],
                version,
                textos[2],
                version_contenido,
                instante_ms,
                contenido,
                suma,
            )
        case (int(seq), *_):
            return Ilegible(seq, "a column is not of its type")
        case _:
            raise AssertionError(f"not a row of the journal: {fila!r}")


def _faltan(desde: int, hasta: int) -> Violacion:
    cuales = "the record is" if desde == hasta else f"the records {desde} to {hasta} are"
    return Violacion(desde, "", 0, f"{cuales} missing")
