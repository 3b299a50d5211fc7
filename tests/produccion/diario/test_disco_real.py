"""The journal on file systems of its own: one that fills up, and one that takes no writes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RAIZ = Path(__file__).parents[3]
EN_PRIVADO = ("unshare", "--user", "--map-root-user", "--mount")
ESCRIBIR = """
import asyncio, sys
from pathlib import Path
from src.nucleo.errores import EmergenciaOperacional
from src.produccion.diario.diario import DiarioSqlite

async def escribir():
    diario = DiarioSqlite(Path(sys.argv[1]))
    escritos = 0
    try:
        for escritos in range(1_000):
            await diario.anotar("a", "X", escritos, {"text": "x" * 1_000})
    except EmergenciaOperacional as fallo:
        print(fallo)
    try:
        diario.cerrar()
    except EmergenciaOperacional:
        print("closed")
    return escritos

escritos = asyncio.run(escribir())
otro = DiarioSqlite(Path(sys.argv[1]))
print([evento.instante_ms for evento in otro.leer("a")] == list(range(escritos)), escritos > 5)
otro.cerrar()
"""
ABRIR = """
import sys
from pathlib import Path
from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.diario.diario import DiarioSqlite
try:
    DiarioSqlite(Path(sys.argv[1]))
except ConfiguracionInvalida as fallo:
    print(fallo)
"""


def _se_puede_montar() -> bool:
    orden = [*EN_PRIVADO, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return shutil.which("unshare") is not None and subprocess.run(orden, capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not _se_puede_montar(), reason="no private file systems here")


def en_un_disco(carpeta: Path, guion: str) -> str:
    """Run a shell script that finds a file system of 300 kB mounted at ``$D``, and Python at ``$P``."""
    preparar = f"set -e; D={carpeta}; P={sys.executable}; mount -t tmpfs -o size=300k tmpfs $D; {guion}"
    hecho = subprocess.run(
        [*EN_PRIVADO, "sh", "-c", preparar], cwd=RAIZ, capture_output=True, text=True, timeout=60
    )
    assert hecho.returncode == 0, hecho.stderr
    return hecho.stdout


def test_un_disco_lleno_es_una_emergencia_que_conserva_lo_escrito(tmp_path: Path):
    dicho = en_un_disco(tmp_path, f"$P -c '{ESCRIBIR}' $D/a/b/diario.sqlite").splitlines()

    assert dicho == [
        f"the journal {tmp_path}/a/b/diario.sqlite cannot be written: database or disk is full",
        "closed",
        "True True",
    ]


def test_un_disco_de_solo_lectura_se_nombra(tmp_path: Path):
    abrir = f"$P -c '{ABRIR}' $D/a/b/diario.sqlite"

    dicho = en_un_disco(tmp_path, f"{abrir}; mount -o remount,ro $D; {abrir}")

    assert f"the journal {tmp_path}/a/b/diario.sqlite cannot be used" in dicho
    assert "--state-dir" in dicho
