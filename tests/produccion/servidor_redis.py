"""A Redis server of a test's own, which can be stopped, frozen and started again."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.produccion.servidor_postgresql import falta

PLAZO_S = 20.0


class ServidorRedis:
    """Listens on loopback; what it holds is lost when it stops."""

    def __init__(self, carpeta: Path) -> None:
        if shutil.which("redis-server") is None:
            falta("Redis")
        self._carpeta = carpeta
        with socket.socket() as libre:
            libre.bind(("127.0.0.1", 0))
            self.puerto = int(libre.getsockname()[1])
        self._proceso: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:muy-secreto@127.0.0.1:{self.puerto}/0"

    def empezar(self) -> None:
        opciones = {
            "port": str(self.puerto),
            "bind": "127.0.0.1",
            "save": "",
            "appendonly": "no",
            "dir": str(self._carpeta),
            "requirepass": "muy-secreto",
        }
        argumentos = [parte for nombre, valor in opciones.items() for parte in (f"--{nombre}", valor)]
        self._proceso = subprocess.Popen(["redis-server", *argumentos], stdout=subprocess.DEVNULL)
        limite = time.monotonic() + PLAZO_S
        while not self._escucha():
            assert self._proceso.poll() is None, "redis-server ended by itself"
            assert time.monotonic() < limite, "redis-server does not listen"
            time.sleep(0.02)

    def parar(self) -> None:
        if self._proceso is not None:
            self._proceso.send_signal(signal.SIGCONT)
            self._proceso.kill()
            self._proceso.wait()
            self._proceso = None

    def helar(self) -> None:
        """It goes on listening, and answers nobody."""
        assert self._proceso is not None
        self._proceso.send_signal(signal.SIGSTOP)

    def _escucha(self) -> bool:
        with socket.socket() as prueba:
            return prueba.connect_ex(("127.0.0.1", self.puerto)) == 0
