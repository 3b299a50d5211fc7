"""A PostgreSQL server for tests: the one that ``TIMONEL_TEST_POSTGRES`` names, or one of their own."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

VARIABLE = "TIMONEL_TEST_POSTGRES"
"""Address of a server whose user may create databases."""

_PAQUETES = Path("/usr/lib/postgresql")
_USUARIO = "postgres"  # the server refuses to run as root


@cache
def servidor() -> str:
    """The address of a server, started at the first question and stopped at the end of the process."""
    nombrado = os.environ.get(VARIABLE)
    return nombrado or _empezar(_binarios())


def falta(que: str) -> None:
    """Skip what needs a server that is not installed; where nothing may be skipped, fail."""
    texto = f"{que} is not installed, and what is tested with it stays untested"
    if os.environ.get("CI"):
        pytest.fail(texto)
    pytest.skip(texto)


def _binarios() -> Path:
    hallado = shutil.which("initdb")
    if hallado:
        return Path(hallado).parent
    versiones = sorted(_PAQUETES.glob("*/bin/initdb"), key=lambda ruta: int(ruta.parts[-3]))
    if not versiones:
        falta("PostgreSQL")
    return versiones[-1].parent


class ServidorPostgresql:
    """Listens on loopback; it can be killed and started again, and what it had promised is still there."""

    def __init__(self, binarios: Path | None = None) -> None:
        self._binarios = binarios or _binarios()
        self._quien = _USUARIO if os.geteuid() == 0 else None
        self._carpeta = Path(tempfile.mkdtemp(prefix="timonel-postgresql-"))
        self._carpeta.chmod(0o711)
        self._datos = self._carpeta / "datos"
        self._datos.mkdir()
        if self._quien:
            shutil.chown(self._datos, self._quien)
        with socket.socket() as libre:
            libre.bind(("127.0.0.1", 0))
            self._puerto = int(libre.getsockname()[1])
        inicio = ("-U", "timonel", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        self._ejecutar("initdb", *inicio)

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://timonel@127.0.0.1:{self._puerto}/postgres"

    def empezar(self) -> None:
        ajustes = f"-h 127.0.0.1 -p {self._puerto} -k {self._datos} -c fsync=off -c max_connections=60"
        bitacora = str(self._datos / "servidor.log")
        self._ejecutar("pg_ctl", "-l", bitacora, "-w", "-o", ajustes, "start")

    def parar(self) -> None:
        """Kill it: no connection is finished, nothing is written any more."""
        self._ejecutar("pg_ctl", "-m", "immediate", "stop")

    def borrar(self) -> None:
        shutil.rmtree(self._carpeta, ignore_errors=True)

    def _ejecutar(self, programa: str, *argumentos: str) -> None:
        _ejecutar(self._quien, self._binarios / programa, "-D", str(self._datos), *argumentos)


def _empezar(binarios: Path) -> str:
    servidor = ServidorPostgresql(binarios)
    atexit.register(servidor.borrar)
    servidor.empezar()
    atexit.register(servidor.parar)
    return servidor.url


def _ejecutar(quien: str | None, programa: Path, *argumentos: str) -> None:
    subprocess.run(
        [str(programa), *argumentos],
        check=True,
        user=quien,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
