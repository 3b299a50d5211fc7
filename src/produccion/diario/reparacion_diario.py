"""A damaged journal made good again: what can still be trusted is kept, and what is lost is told."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import orjson

from src.produccion.diario.apertura_diario import (
    asentar_nombre,
    conectar,
    crear_vacio,
    examinar,
    fallos_explicados,
)
from src.produccion.diario.examen_diario import Ilegible, Violacion, recorrer
from src.produccion.diario.formato_diario import INSERCION, Registro, registro_nuevo, suma_de
from src.produccion.diario.marca_diario import renovar_marca
from src.produccion.riesgo.enclavamiento import AGREGADO as RIESGO
from src.produccion.riesgo.enclavamiento import Razon

_FIRMA = b"SQLite format 3\0"
_CABECERA = 100  # bytes of SQLite's file header
_HUECOS = "repair"
"""The aggregate whose records stand where others were lost, so that those kept keep their numbers."""

_TRAS_OTRO = "an earlier record of its aggregate was lost"


class Reparacion(NamedTuple):
    """What became of a damaged journal."""

    ruta: Path
    copia: Path
    danos: tuple[Violacion, ...]  # as found
    conservados: int
    perdidos: tuple[Violacion, ...]  # records that were there, or must have been, and are not kept
    enclavado: bool  # peak or latch may be among the lost, so an operator has to unlock


class _Rescate(NamedTuple):
    buenos: Sequence[Registro]
    perdidos: Sequence[Violacion]


def reparar(ruta: Path) -> Reparacion | None:
    """Rebuild a journal from its good records; the caller holds the lock.

    Of each aggregate the records up to its first damaged or missing one are kept, under their own numbers;
    a file of version 1, which nobody copies from, is numbered anew. When `risk` records are lost, or it
    cannot be told whose were, the account and symbol is left latched.

    Returns:
        What was done; ``None`` when the journal is healthy, which is then left as it is.

    Raises:
        ConfiguracionInvalida: It cannot be read or written, or another process has locked it.
    """
    danos = examinar(ruta)
    if not danos:
        return None
    with fallos_explicados(ruta):
        rescate = _rescatar(ruta)
        perdidos = (*rescate.perdidos, *(dano for dano in danos if _es_hueco(dano)))
        enclavado = not rescate.buenos or any(p.agregado in ("", RIESGO) for p in perdidos)
        nueva = ruta.with_name(f"{ruta.name}.new")
        _escribir(nueva, rescate.buenos, enclavado=enclavado)
        # Before the journal: a death in between leaves one that is damaged still, and is repaired again.
        renovar_marca(ruta, _ultimo(rescate.buenos))
        copia = _apartar(ruta)
        nueva.replace(ruta)
        asentar_nombre(ruta.parent)
    return Reparacion(ruta, copia, tuple(danos), len(rescate.buenos), perdidos, enclavado)


def _es_hueco(dano: Violacion) -> bool:
    return dano.seq > 0 and not dano.agregado and "missing" in dano.motivo


def _rescatar(ruta: Path) -> _Rescate:
    buenos: list[Registro] = []
    perdidos: list[Violacion] = []
    versiones: dict[str, int] = {}
    if not ruta.exists() or ruta.stat().st_size == 0:
        return _Rescate(buenos, perdidos)
    with _entero(ruta) as legible, closing(conectar(legible, escritura=False)) as conexion:
        nombres = _nombres(conexion)
        for uno in recorrer(conexion):
            if isinstance(uno, Ilegible):
                perdidos.append(Violacion(uno.seq, *nombres.get(uno.seq, ("", 0)), uno.motivo))
                continue
            motivo = uno.defecto()
            if not motivo and uno.agregado == _HUECOS:
                continue
            if not motivo and uno.version != versiones.get(uno.agregado, 0) + 1:
                motivo = _TRAS_OTRO
            if motivo:
                perdidos.append(Violacion(uno.seq, uno.agregado, uno.version, motivo))
            else:
                versiones[uno.agregado] = uno.version
                buenos.append(uno if uno.suma is not None else uno._replace(seq=len(buenos) + 1))
    return _Rescate(buenos, perdidos)


@contextmanager
def _entero(ruta: Path) -> Iterator[Path]:
    """The file; of one that was cut short a copy of full length, so that what is left can be read."""
    with ruta.open("rb") as archivo:
        cabecera = archivo.read(_CABECERA)
    pagina = int.from_bytes(cabecera[16:18], "big")
    completo = (65_536 if pagina == 1 else pagina) * int.from_bytes(cabecera[28:32], "big")
    if not cabecera.startswith(_FIRMA) or ruta.stat().st_size >= completo:
        yield ruta
        return
    with tempfile.TemporaryDirectory(dir=ruta.parent, prefix=".repair-") as carpeta:
        copia = Path(carpeta) / ruta.name
        shutil.copyfile(ruta, copia)
        os.truncate(copia, completo)
        yield copia


def _nombres(conexion: sqlite3.Connection) -> dict[int, tuple[str, int]]:
    """Aggregate and version of each record as the index tells them, which may be whole still."""
    nombres: dict[int, tuple[str, int]] = {}
    try:
        for seq, agregado, version in conexion.execute(
            "SELECT seq, aggregate, version FROM events ORDER BY aggregate, version"
        ):
            nombres[seq] = (agregado, version)
    except sqlite3.DatabaseError:
        return {}
    return nombres


def _escribir(nueva: Path, buenos: Sequence[Registro], *, enclavado: bool) -> None:
    nueva.unlink(missing_ok=True)
    crear_vacio(nueva)
    registros = _sin_huecos(buenos)
    if enclavado:
        registros.append(_enclavamiento(registros))
    registros += _finales(registros)
    with closing(conectar(nueva, escritura=True)) as conexion:
        conexion.execute("PRAGMA synchronous = FULL")
        conexion.execute("BEGIN")
        conexion.executemany(INSERCION, [registro.fila() for registro in registros])
        conexion.execute("COMMIT")


def _sin_huecos(buenos: Sequence[Registro]) -> list[Registro]:
    """The records kept, each under its own number, and one in the place of each that was lost."""
    registros: list[Registro] = []
    huecos = 0
    for bueno in buenos:
        while len(registros) + 1 < bueno.seq:
            huecos += 1
            registros.append(
                registro_nuevo(len(registros) + 1, _HUECOS, huecos, "RECORD_LOST", bueno.instante_ms, b"{}")
            )
        registros.append(bueno._replace(suma=suma_de(bueno)))
    return registros


def _ultimo(buenos: Sequence[Registro]) -> int:
    return buenos[-1].seq if buenos else 0


def _finales(registros: Sequence[Registro]) -> list[Registro]:
    """An end for each session that seems to go on: its own may be lost, and its files hold more than this."""
    abiertas: dict[str, str] = {}
    versiones: dict[str, int] = {}
    for registro in registros:
        versiones[registro.agregado] = registro.version
        if registro.tipo == "SESSION_ENDED":
            abiertas.pop(registro.agregado, None)
        elif registro.tipo in ("SESSION_STARTED", "SESSION_RESUMED"):
            abiertas[registro.agregado] = str(orjson.loads(registro.contenido)["session"])
    instante_ms = max((r.instante_ms for r in registros), default=0)
    return [
        registro_nuevo(
            len(registros) + numero,
            agregado,
            versiones[agregado] + 1,
            "SESSION_ENDED",
            instante_ms,
            orjson.dumps({"session": sesion, "reason": Razon.DIARIO_REPARADO.value}),
        )
        for numero, (agregado, sesion) in enumerate(abiertas.items(), start=1)
    ]


def _enclavamiento(registros: Sequence[Registro]) -> Registro:
    """The latch of an account and symbol whose risk records are not all there."""
    instante_ms = max((r.instante_ms for r in registros), default=time.time_ns() // 1_000_000)
    version = 1 + sum(registro.agregado == RIESGO for registro in registros)
    contenido = orjson.dumps(
        {
            "reason": Razon.DIARIO_REPARADO.value,
            "by": "timonel doctor",
            "at": instante_ms,
            "detail": "records of peak and latch may be lost",
        }
    )
    return registro_nuevo(len(registros) + 1, RIESGO, version, "LATCHED", instante_ms, contenido)


def _apartar(ruta: Path) -> Path:
    """Keep the damaged files under another name; none of them is left where the new one will be."""
    sello = datetime.now(UTC).strftime("%Y%m%d_%H%M%S")
    copia = ruta.with_name(f"{ruta.name}.corrupt-{sello}")
    numero = 1
    while copia.exists():
        numero += 1
        copia = ruta.with_name(f"{ruta.name}.corrupt-{sello}-{numero}")
    if ruta.exists():
        shutil.copy2(ruta, copia)
        with copia.open("rb") as archivo:
            os.fsync(archivo.fileno())
    # A write-ahead log that stays behind would be replayed onto the new file.
    diario_previo = ruta.with_name(f"{ruta.name}-wal")
    if diario_previo.exists():
        diario_previo.replace(copia.with_name(f"{copia.name}-wal"))
    ruta.with_name(f"{ruta.name}-shm").unlink(missing_ok=True)
    return copia
