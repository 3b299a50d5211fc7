"""The log-in that ``timonel login`` keeps for the commands that ask the API: a file of its owner's alone."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import orjson

from src.nucleo.errores import ConfiguracionInvalida

FICHERO = "TIMONEL_TOKEN_FILE"
_NADIE_MAS = 0o600


class SesionGuardada(NamedTuple):
    """Tokens, and the API that gave them; they go to no other."""

    url: str
    acceso: str
    refresco: str
    vence_s: float  # of the access token, Unix seconds


def ruta_de_sesion(entorno: Mapping[str, str] = os.environ) -> Path:
    """Where it is kept: ``TIMONEL_TOKEN_FILE``, or below the user's configuration."""
    if entorno.get(FICHERO):
        return Path(entorno[FICHERO])
    base = Path(entorno.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "timonel" / "session.json"


def leer_sesion(ruta: Path) -> SesionGuardada | None:
    """What is kept; ``None`` when nothing is.

    Raises:
        ConfiguracionInvalida: The file cannot be read, or others can read it.
    """
    try:
        if ruta.stat().st_mode & 0o077:
            raise ConfiguracionInvalida(
                f"{ruta} can be read by others; run `chmod 600 {ruta}`, or log in again"
            )
        return SesionGuardada(**orjson.loads(ruta.read_bytes()))
    except FileNotFoundError:
        return None
    except OSError as fallo:
        raise ConfiguracionInvalida(f"{ruta} cannot be read: {fallo.strerror}") from fallo
    except (orjson.JSONDecodeError, TypeError):
        raise ConfiguracionInvalida(f"{ruta} is no log-in of Timonel; run `timonel login`") from None


def guardar_sesion(ruta: Path, sesion: SesionGuardada) -> None:
    """Keep it, whole or not at all.

    Raises:
        ConfiguracionInvalida: The file cannot be written.
    """
    nueva = ruta.with_name(f"{ruta.name}.{os.getpid()}")
    try:
        ruta.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        nueva.unlink(missing_ok=True)
        descriptor = os.open(nueva, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _NADIE_MAS)
        with os.fdopen(descriptor, "wb") as archivo:
            archivo.write(orjson.dumps(sesion._asdict()))
        nueva.replace(ruta)
    except OSError as fallo:
        raise ConfiguracionInvalida(f"{ruta} cannot be written: {fallo.strerror}; set {FICHERO}") from fallo


@contextmanager
def a_solas(ruta: Path) -> Iterator[None]:
    """One process at a time: a refresh token that two use is taken for a stolen one."""
    ruta.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ruta.with_name(f"{ruta.name}.lock").open("w") as candado:
        fcntl.flock(candado, fcntl.LOCK_EX)
        yield
