"""The peers' own environment, because what they pin does not go with what Timonel uses."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

CERRADURA = Path("requirements/peers.txt")
ENTORNO = Path("build/peers-venv")
_MARCA = ".installed"


def preparar() -> Path:
    """Create the environment unless this very lock is installed already; returns its interpreter.

    Raises:
        subprocess.CalledProcessError: Something could not be installed.
    """
    interprete = ENTORNO / "bin" / "python"
    huella = hashlib.sha256(CERRADURA.read_bytes()).hexdigest()
    marca = ENTORNO / _MARCA
    if not marca.exists() or marca.read_text(encoding="utf-8") != huella:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENTORNO)], check=True)
        subprocess.run(
            [*(str(interprete), "-m", "pip", "install", "-qq", "--no-deps", "-r", str(CERRADURA))],
            check=True,
        )
        marca.write_text(huella, encoding="utf-8")
    return interprete


def correr(guion: Path, encargo: dict[str, Any]) -> dict[str, Any]:
    """Run a script of a peer; it gets JSON as its argument and prints JSON.

    Raises:
        subprocess.CalledProcessError: The environment could not be made, or the script failed.
    """
    proceso = subprocess.run(
        [str(preparar()), str(guion), json.dumps(encargo)], check=True, stdout=subprocess.PIPE, text=True
    )
    respuesta: dict[str, Any] = json.loads(proceso.stdout.splitlines()[-1])
    return respuesta
