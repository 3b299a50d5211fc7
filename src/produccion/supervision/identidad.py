"""Who trades: account, agent, and where their state is kept."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from src.nucleo.errores import ConfiguracionInvalida

_FICHERO = "daemon.lock"
_INTENTOS = 3
_PAUSA_S = 0.05  # longer than anyone takes who only looks whether the lock is held


class Titular(NamedTuple):
    """Who wrote a lock file last."""

    pid: int
    desde: str  # UTC, ISO 8601
    anfitrion: str
    train_id: str
    vivo: bool  # the lock is held; otherwise the text was left behind

    def __str__(self) -> str:
        return (
            f"{self.train_id or 'unknown'} on {self.anfitrion or 'unknown'} since {self.desde or 'unknown'},"
            f" process {self.pid or 'unknown'}"
        )


def id_cuenta(entorno: str, clave: str) -> str:
    """An account: the environment and a fingerprint of its key."""
    return f"{entorno}-{hashlib.sha256(clave.encode()).hexdigest()[:12]}"


def entorno_de(cuenta_id: str) -> str:
    """The environment of an account: ``sim``, ``testnet`` or ``live``; every id announces it."""
    return cuenta_id.partition("-")[0]


def id_agente(cuenta_id: str, simbolo: str, train_id: str) -> str:
    """An agent: one trained model on one symbol of one account."""
    return f"{cuenta_id}:{simbolo}:{train_id}"


def train_id_de(agente_id: str) -> str:
    """The artefact of an agent."""
    return agente_id.split(":", 2)[2]


def carpeta_estado(base: Path, cuenta_id: str, simbolo: str) -> Path:
    """Where the journal of an account and symbol lives."""
    return base / cuenta_id / simbolo


@contextmanager
def candado(carpeta: Path, train_id: str = "") -> Iterator[None]:
    """Hold the single-instance lock of an account and symbol.

    The kernel lets go of it when the process ends, however it ends; the text in the file only says who holds
    it, and outlives a process that was killed.

    Args:
        carpeta: The directory of the account and symbol; made when missing.
        train_id: The agent, told to whoever comes second.

    Raises:
        ConfiguracionInvalida: Another daemon holds it, or the directory cannot be written.
    """
    try:
        carpeta.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(carpeta / _FICHERO, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as fallo:
        raise ConfiguracionInvalida(
            f"the state directory {carpeta} cannot be written: {fallo.strerror}. Choose another with"
            " --state-dir"
        ) from fallo
    try:
        if not _tomar(descriptor, fcntl.LOCK_EX, _INTENTOS):
            titular = _leer(descriptor, vivo=True)
            raise ConfiguracionInvalida(
                f"a daemon already trades this account and symbol ({titular}); stop it first"
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, _presentacion(train_id), 0)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


@contextmanager
def candado_de_maquina(bolsa: str, cuenta_id: str, simbolo: str) -> Iterator[None]:
    """Hold the lock of an account and symbol whatever directory its journal is in.

    It is a name of this machine's kernel, not a file: private temporary directories do not hide it, and the
    kernel lets go of it when the process ends. Systems without such names have only the directory's lock.

    Args:
        bolsa: Address of the exchange: every simulator is one of its own.
        cuenta_id: The account.
        simbolo: The symbol.

    Raises:
        ConfiguracionInvalida: Another daemon holds it.
    """
    if sys.platform != "linux":
        yield
        return
    huella = hashlib.sha256(f"{bolsa} {cuenta_id} {simbolo}".encode()).hexdigest()
    nombre = f"\0timonel-{huella}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as puerta:
        for intento in range(_INTENTOS):
            try:
                puerta.bind(nombre)
                break
            except OSError as fallo:
                if intento + 1 == _INTENTOS:
                    raise ConfiguracionInvalida(
                        f"a daemon already trades this account and symbol (process {_proceso_de(nombre)}),"
                        " with another state directory; stop it first"
                    ) from fallo
                time.sleep(_PAUSA_S)
        puerta.listen()
        yield


def _proceso_de(nombre: str) -> str:
    """The process that holds a name of the kernel, if it says so."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sonda:
            sonda.settimeout(_PAUSA_S)
            sonda.connect(nombre)
            (pid,) = struct.unpack_from("i", sonda.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    except OSError:
        return "unknown"
    return str(pid)


def titular_de(carpeta: Path) -> Titular | None:
    """Who holds the lock of an account and symbol, or left its text behind; ``None`` when nobody did.

    Raises:
        ConfiguracionInvalida: The lock file is there but cannot be read.
    """
    try:
        descriptor = os.open(carpeta / _FICHERO, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as fallo:
        raise ConfiguracionInvalida(f"{carpeta / _FICHERO} cannot be read: {fallo.strerror}") from fallo
    try:
        vivo = not _tomar(descriptor, fcntl.LOCK_SH, 1)
        titular = _leer(descriptor, vivo=vivo)
    finally:
        os.close(descriptor)
    return titular if vivo or titular.pid else None


def _tomar(descriptor: int, clase: int, intentos: int) -> bool:
    for intento in range(intentos):
        try:
            fcntl.flock(descriptor, clase | fcntl.LOCK_NB)
        except BlockingIOError:
            if intento + 1 < intentos:
                time.sleep(_PAUSA_S)
        else:
            return True
    return False


def _presentacion(train_id: str) -> bytes:
    desde = datetime.now(UTC).isoformat(timespec="seconds")
    datos = {"pid": os.getpid(), "since": desde, "host": socket.gethostname(), "train_id": train_id}
    return json.dumps(datos).encode()


def _leer(descriptor: int, *, vivo: bool) -> Titular:
    try:
        datos = json.loads(os.pread(descriptor, 4_096, 0))
    except ValueError:
        datos = {}
    if isinstance(datos, int):  # a lock of version 0.1 holds the process id alone
        datos = {"pid": datos}
    if not isinstance(datos, dict):
        datos = {}
    pid = datos.get("pid")
    return Titular(
        pid if isinstance(pid, int) else 0,
        str(datos.get("since", "")),
        str(datos.get("host", "")),
        str(datos.get("train_id", "")),
        vivo,
    )
