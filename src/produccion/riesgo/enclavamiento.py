"""The latch: closed by an emergency, opened by a person who says why, never by itself."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import structlog

from src.nucleo.errores import ConfiguracionInvalida, EmergenciaOperacional
from src.nucleo.registro import texto_utc
from src.produccion.diario.diario import EventoDiario
from src.produccion.puertos import Diario
from src.produccion.supervision.hilo import aparte

AGREGADO = "risk"
DAEMON = "daemon"
"""Who latches when nobody did it by hand."""

_ARCHIVO = "ENCLAVADO.json"
_PLAZO_DIARIO_S = 5.0
_PLAZO_RESPALDO_S = 5.0
PLAZO_S = _PLAZO_DIARIO_S + _PLAZO_RESPALDO_S + 1.0
"""Wall seconds after which nothing more is to be expected of `enclavar`."""

log = structlog.get_logger(__name__)


class Razon(StrEnum):
    """Why the emergency protocol ran, or why account and symbol are locked."""

    DRAWDOWN = "max_drawdown"
    OPERACIONAL = "operational_error"
    DIARIO_REPARADO = "journal_repaired"
    DESCONOCIDA = "unknown"


class Enclavamiento(NamedTuple):
    """A latch that is closed."""

    razon: Razon
    quien: str
    instante_ms: int  # market time
    detalle: str = ""

    def __str__(self) -> str:
        return f"{self.razon.value} at {texto_utc(self.instante_ms)}"


class Memoria(NamedTuple):
    """What survives restarts: a fold of the journal."""

    equity_maximo: float | None = None
    con_libro: bool | None = None  # whether that peak is of an agent's own ledger
    cerrojo: Enclavamiento | None = None
    plana: bool = False  # since it was latched, the account was seen flat with nothing on its way

    @property
    def sin_acabar(self) -> bool:
        """Whether the emergency that latched it was cut short before the account was flat."""
        return self.cerrojo is not None and self.cerrojo.razon is Razon.DRAWDOWN and not self.plana

    @property
    def enclavado(self) -> str:
        """What latched it; empty when it is not."""
        return str(self.cerrojo) if self.cerrojo is not None else ""


def recordar(eventos: Iterable[EventoDiario]) -> Memoria:
    """Fold the ``risk`` events of an account and symbol."""
    memoria = Memoria()
    for evento in eventos:
        contenido = evento.contenido
        match evento.tipo:
            case "PEAK":
                memoria = memoria._replace(
                    equity_maximo=float(str(contenido["equity"])), con_libro=bool(contenido["ledger"])
                )
            case "LATCHED":
                memoria = memoria._replace(cerrojo=_leer(contenido), plana=False)
            case "FLAT" if memoria.cerrojo is not None:
                memoria = memoria._replace(plana=True)
            case "UNLOCKED" if str(contenido.get("reason", "")).strip():
                memoria = Memoria()
    return memoria


def recordar_todo(eventos: Iterable[EventoDiario], carpeta: Path) -> Memoria:
    """`recordar`, and the file that stands in for a journal that could not be written."""
    memoria = recordar(eventos)
    respaldo = leer_respaldo(carpeta) if memoria.cerrojo is None else None
    return memoria if respaldo is None else memoria._replace(cerrojo=respaldo, plana=False)


async def enclavar(diario: Diario, carpeta: Path | None, cerrojo: Enclavamiento) -> None:
    """Close the latch: in the journal, or in a file of its own when the journal fails or hangs.

    The file is written in a thread: the disk that the journal hangs on is its disk as well.

    Args:
        diario: The journal.
        carpeta: Where the account and symbol keep their state; ``None`` for none.
        cerrojo: What to keep.

    Raises:
        EmergenciaOperacional: It could not be written anywhere.
    """
    try:
        await asyncio.wait_for(
            diario.anotar(AGREGADO, "LATCHED", cerrojo.instante_ms, _escribir(cerrojo)), _PLAZO_DIARIO_S
        )
    except (EmergenciaOperacional, TimeoutError) as fallo:
        log.critical("diario_roto", motivo=str(fallo) or "no answer from the disk")
        if carpeta is None:
            raise EmergenciaOperacional(f"the latch {cerrojo} could not be written: {fallo}") from fallo
        await _respaldar(carpeta, cerrojo)


async def _respaldar(carpeta: Path, cerrojo: Enclavamiento) -> None:
    try:
        await aparte("enclavamiento", lambda: escribir_respaldo(carpeta, cerrojo), _PLAZO_RESPALDO_S)
    except TimeoutError as fallo:
        raise EmergenciaOperacional(
            f"the latch {cerrojo} could not be written to {carpeta}: no answer from the disk"
        ) from fallo


def desbloquear(
    diario: Diario, memoria: Memoria, quien: str, razon: str, ahora_ms: int
) -> Enclavamiento | None:
    """Open the latch; the peak starts again from the next equity.

    `quitar_respaldo` must follow once the journal is closed.

    Returns:
        What had locked it; ``None`` when nothing had, and nothing was written.

    Raises:
        ConfiguracionInvalida: No reason, or nobody's name, was given.
    """
    comprobar_desbloqueo(quien, razon)
    if memoria.cerrojo is not None:
        contenido: dict[str, object] = {"reason": razon.strip(), "by": quien.strip(), "at": ahora_ms}
        diario.anotar_luego(AGREGADO, "UNLOCKED", ahora_ms, contenido)
    return memoria.cerrojo


def comprobar_desbloqueo(quien: str, razon: str) -> None:
    """Refuse to unlock for no reason, or by nobody.

    Raises:
        ConfiguracionInvalida: Naming the option.
    """
    if not razon.strip():
        raise ConfiguracionInvalida(
            '--unlock needs a reason, e.g. --unlock "checked the losses, limit is right"'
        )
    if not quien.strip():
        raise ConfiguracionInvalida("--by needs a name: who unlocks is recorded")


def operador(nombre: str | None = None) -> str:
    """Who is at the keyboard: the name given, else the user of the operating system."""
    if nombre is not None:
        return nombre
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def escribir_respaldo(carpeta: Path, cerrojo: Enclavamiento) -> None:
    """Keep a latch in a plain file, safe on disk when this returns. Blocks: not for the loop.

    Raises:
        EmergenciaOperacional: It could not be written.
    """
    ruta, nueva = carpeta / _ARCHIVO, carpeta / f"{_ARCHIVO}.new"
    try:
        carpeta.mkdir(parents=True, exist_ok=True)
        with nueva.open("w", encoding="utf-8") as archivo:
            json.dump(_escribir(cerrojo), archivo)
            archivo.flush()
            os.fsync(archivo.fileno())
        nueva.replace(ruta)
        _asegurar(carpeta)
    except OSError as fallo:
        raise EmergenciaOperacional(f"the latch {cerrojo} could not be written to {ruta}: {fallo}") from fallo


def leer_respaldo(carpeta: Path) -> Enclavamiento | None:
    """The latch in the plain file; one that cannot be read is closed all the same."""
    ruta = carpeta / _ARCHIVO
    if not ruta.exists():
        return None
    try:
        crudo = json.loads(ruta.read_text(encoding="utf-8"))
        return _leer(crudo)
    except (OSError, ValueError, KeyError, TypeError) as fallo:
        return Enclavamiento(Razon.DESCONOCIDA, DAEMON, 0, f"{ruta} cannot be read: {fallo}")


def quitar_respaldo(carpeta: Path) -> None:
    """Remove the plain file, after the unlocking is safe in the journal."""
    (carpeta / _ARCHIVO).unlink(missing_ok=True)
    _asegurar(carpeta)


def _asegurar(carpeta: Path) -> None:
    descriptor = os.open(carpeta, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _escribir(cerrojo: Enclavamiento) -> dict[str, object]:
    return {
        "reason": cerrojo.razon.value,
        "by": cerrojo.quien,
        "at": cerrojo.instante_ms,
        "detail": cerrojo.detalle,
    }


def _leer(contenido: Mapping[str, object]) -> Enclavamiento:
    return Enclavamiento(
        _razon(str(contenido["reason"])),
        str(contenido.get("by", DAEMON)),
        int(str(contenido["at"])),
        str(contenido.get("detail", "")),
    )


def _razon(texto: str) -> Razon:
    return Razon(texto) if texto in set(Razon) else Razon.DESCONOCIDA
