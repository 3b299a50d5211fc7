"""Who trades: account, agent, and where their state is kept."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from src.nucleo.errores import ConfiguracionInvalida


def id_cuenta(entorno: str, clave: str) -> str:
    """An account: the environment and a fingerprint of its key."""
    return f"{entorno}-{hashlib.sha256(clave.encode()).hexdigest()[:12]}"


def id_agente(cuenta_id: str, simbolo: str, train_id: str) -> str:
    """An agent: one trained model on one symbol of one account."""
    return f"{cuenta_id}:{simbolo}:{train_id}"


def carpeta_estado(base: Path, cuenta_id: str, simbolo: str) -> Path:
    """Where the journal of an account and symbol lives."""
    return base / cuenta_id / simbolo


@contextmanager
def candado(carpeta: Path) -> Iterator[None]:
    """Hold the single-instance lock of an account and symbol.

    Raises:
        ConfiguracionInvalida: Another daemon holds it, or the directory cannot be written.
    """
    ruta = carpeta / "daemon.lock"
    try:
        carpeta.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(ruta, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as fallo:
        raise ConfiguracionInvalida(
            f"the state directory {carpeta} cannot be written: {fallo.strerror}. Choose another with"
            " --state-dir"
        ) from fallo
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fallo:
            titular = os.read(descriptor, 64).decode(errors="replace").strip() or "unknown"
            raise ConfiguracionInvalida(
                f"a daemon already trades this account and symbol (process {titular}); stop it first"
            ) from fallo
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        os.close(descriptor)
