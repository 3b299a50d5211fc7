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


def _empezar(binarios: Path) -> str:
    carpeta = Path(tempfile.mkdtemp(prefix="timonel-postgresql-"))
    carpeta.chmod(0o711)
    datos = carpeta / "datos"
    datos.mkdir()
    quien = _USUARIO if os.geteuid() == 0 else None
    if quien:
        shutil.chown(datos, quien)
    atexit.register(shutil.rmtree, carpeta, ignore_errors=True)
    inicio = ("-D", str(datos), "-U", "timonel", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
    _ejecutar(quien, binarios / "initdb", *inicio)
    with socket.socket() as libre:
        libre.bind(("127.0.0.1", 0))
        puerto = libre.getsockname()[1]
    ajustes = f"-h 127.0.0.1 -p {puerto} -k {datos} -c fsync=off -c max_connections=60"
    bitacora = ("-D", str(datos), "-l", str(datos / "servidor.log"))
    _ejecutar(quien, binarios / "pg_ctl", *bitacora, "-w", "-o", ajustes, "start")
    atexit.register(_ejecutar, quien, binarios / "pg_ctl", *bitacora, "-m", "immediate", "stop")
    return f"postgresql+psycopg://timonel@127.0.0.1:{puerto}/postgres"


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
