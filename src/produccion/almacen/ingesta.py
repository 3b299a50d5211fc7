"""Records of a journal become rows of the store, each once: rows and cursor are one transaction."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog
from sqlalchemy import Connection, Engine, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, IntegrityError

from src.nucleo.alertas import PERDIDA_GRANDE
from src.nucleo.errores import DatosInvalidos
from src.produccion.almacen import (
    filas_alerta,
    filas_cuenta,
    filas_disyuntor,
    filas_orden,
    filas_proteccion,
    filas_stop,
)
from src.produccion.almacen.alimentador import Titular
from src.produccion.almacen.conexion import leer
from src.produccion.almacen.esquema import journal_cursors
from src.produccion.almacen.lectura_diario import (
    Apunte,
    contar_desde,
    leer_tramo,
    nombre_diario,
    nombres_anteriores,
)
from src.produccion.diario.marca_diario import tiene_marca

LOTE = 20
"""Records in one transaction, which is to end well before a claim gives up waiting for it."""

Escritor = Callable[[Connection, Titular, str, Apunte], None]
"""Writes the rows of a record: connection, whose it is, journal, record."""

_ORDENES = "INTENT SENT ACCEPTED PARTIAL FILLED REJECTED CANCELED UNCERTAIN ABSENT"
_ESCRITORES: Mapping[str, tuple[Escritor, ...]] = {
    **{f"ORDER_{paso}": (filas_orden.escribir_orden,) for paso in _ORDENES.split()},
    "ROWS": (
        filas_cuenta.escribir_filas,
        filas_proteccion.escribir_ejecucion,
        filas_proteccion.escribir_tamano,
    ),
    "LEVEL_SET": (filas_proteccion.escribir_nivel,),
    "LEVEL_CLEARED": (filas_proteccion.escribir_cierre,),
    **dict.fromkeys(filas_stop.TIPOS, (filas_stop.escribir_stop,)),
    "STOP_TRIGGERED": (filas_stop.escribir_stop, filas_proteccion.escribir_disparo),
    **dict.fromkeys(filas_alerta.DE_RIESGO, (filas_alerta.escribir_riesgo,)),
    **dict.fromkeys(filas_alerta.DE_SESION, (filas_alerta.escribir_sesion,)),
    **dict.fromkeys(filas_alerta.DE_ENLACE, (filas_alerta.escribir_enlace,)),
    "BREAKER_RULES": (filas_disyuntor.escribir_reglas,),
    **dict.fromkeys(
        ("BREAKER_OPENED", "BREAKER_HALF_OPEN", "BREAKER_CLOSED"),
        (filas_disyuntor.escribir_cambio, filas_disyuntor.escribir_alerta),
    ),
    "RISK_MODE": (filas_disyuntor.escribir_modo,),
}
_ILEGIBLE = (
    *(LookupError, ValueError, TypeError, ArithmeticError, AttributeError),
    *(DatosInvalidos, IntegrityError, DataError),
)

log = structlog.get_logger(__name__)


def ingerir(
    motor: Engine,
    ruta: Path,
    diario: str,
    titular: Titular,
    limite: int = LOTE,
    perdida_grande: float = PERDIDA_GRANDE,
) -> int:
    """Feed the next records of a journal; how many there were, ``limite`` when there may be more.

    A record that says nothing a row can hold is told and passed over.

    Args:
        motor: The store.
        ruta: The journal's file.
        diario: Its name in the store.
        titular: Whose it is.
        limite: How many records at most.
        perdida_grande: Share of the equity from which a loss is an alert of its own.

    Raises:
        DiarioCorrupto: A record is not what was written.
        sqlalchemy.exc.DBAPIError: The store failed; nothing of this call is in it.
    """
    with leer(motor) as conexion:
        cursor = _cursor(conexion, ruta, diario)
    tramo = leer_tramo(ruta, cursor, limite, _ESCRITORES)
    if tramo.hasta_seq == cursor:
        return 0
    if tramo.hasta_seq < cursor:
        log.warning("diario_mas_corto", diario=diario, cursor=cursor, ultimo=tramo.hasta_seq)
    with motor.begin() as conexion:
        if not _avanzar(conexion, diario, cursor, tramo.hasta_seq):
            return limite  # another process feeds this journal too, and was faster: there may be more
        for apunte in tramo.apuntes:
            _escribir(conexion, titular, diario, apunte, perdida_grande)
    return tramo.leidos


def por_tomar(motor: Engine, ruta: Path, nombre: str) -> int | None:
    """How many records of a journal the store has not taken; ``None`` when it never took any.

    Args:
        motor: The store.
        ruta: The journal's file; nothing is written beside it.
        nombre: Of whom it is, as `nombre_diario` takes it.

    Raises:
        DiarioCorrupto, ConfiguracionInvalida: It cannot be read.
        sqlalchemy.exc.DBAPIError: The store failed.
    """
    if not tiene_marca(ruta):
        return None
    diario = nombre_diario(ruta, nombre)
    with leer(motor) as conexion:
        conocidos = [diario, *(antes for antes, _ in nombres_anteriores(ruta, diario))]
        if all(_leido(conexion, uno) is None for uno in conocidos):
            return None
        cursor = _cursor(conexion, ruta, diario)
    return contar_desde(ruta, cursor)


def _escribir(
    conexion: Connection, titular: Titular, diario: str, apunte: Apunte, perdida_grande: float
) -> None:
    try:
        with conexion.begin_nested():
            for escritor in _ESCRITORES[apunte.tipo]:
                escritor(conexion, titular, diario, apunte)
            if apunte.tipo == "ROWS":
                filas_alerta.escribir_posicion(conexion, titular, diario, apunte, perdida_grande)
    except _ILEGIBLE as fallo:
        log.error(
            "apunte_sin_fila",
            diario=diario,
            seq=apunte.seq,
            tipo=apunte.tipo,
            motivo=str(fallo).splitlines()[:1],
        )


def _cursor(conexion: Connection, ruta: Path, diario: str) -> int:
    """Up to which record a journal was leido; one that was repaired since, as far as it is still the same."""
    leido = _leido(conexion, diario)
    if leido is not None:
        return leido
    iguales = math.inf
    for nombre, hasta_seq in nombres_anteriores(ruta, diario):
        iguales = min(iguales, hasta_seq)
        leido = _leido(conexion, nombre)
        if leido is not None:
            return int(min(leido, iguales))
    return 0


def _leido(conexion: Connection, diario: str) -> int | None:
    consulta = select(journal_cursors.c.last_seq).where(journal_cursors.c.journal == diario)
    return conexion.execute(consulta).scalar()


def _avanzar(conexion: Connection, diario: str, desde: int, hasta: int) -> bool:
    """Move the cursor, which nobody else may have moved; others wait for this transaction from now on."""
    insertar = postgresql.insert if conexion.dialect.name == "postgresql" else sqlite.insert
    conexion.execute(
        insertar(journal_cursors).values(journal=diario, last_seq=desde).on_conflict_do_nothing()
    )
    donde = (journal_cursors.c.journal == diario) & (journal_cursors.c.last_seq == desde)
    return conexion.execute(update(journal_cursors).where(donde).values(last_seq=hasta)).rowcount == 1
