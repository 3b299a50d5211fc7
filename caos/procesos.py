"""The processes of a run: the exchange with its control routes, and the daemon that is killed."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from src.produccion.config.config import CLAVE_SIMULADOR

RAIZ = Path(__file__).parents[1]
_ESPERA_S = 60.0


class ProcesoFallido(Exception):
    """A process did not do what a run needs; the text has its last words."""


def entorno() -> dict[str, str]:
    """The environment of a run's processes: no keys, one thread."""
    heredado = {k: v for k, v in os.environ.items() if not k.startswith(("BINANCE_", "TIMONEL_"))}
    unos = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return heredado | unos | {"NO_PROXY": "127.0.0.1", "COLUMNS": "200"}


class Mando:
    """The control routes of a simulator, over one connection."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._destino = urlsplit(url).netloc
        self._conexion = http.client.HTTPConnection(self._destino, timeout=120)

    def pedir(self, metodo: str, ruta: str, cuerpo: object = None) -> Any:
        """One request; the answer's JSON."""
        datos = None if cuerpo is None else json.dumps(cuerpo).encode()
        cabeceras = {"X-MBX-APIKEY": CLAVE_SIMULADOR}
        for intento in (1, 2):
            try:
                self._conexion.request(metodo, f"/sim/v1/{ruta}", datos, cabeceras)
                respuesta = self._conexion.getresponse()
                texto = respuesta.read()
                break
            except (OSError, http.client.HTTPException) as fallo:
                self._conexion.close()
                if intento == 2:
                    raise ProcesoFallido(f"the simulator does not answer: {fallo}") from fallo
        if respuesta.status >= 400:
            raise ProcesoFallido(f"{metodo} {ruta} was answered {respuesta.status}: {texto.decode()}")
        return json.loads(texto) if texto else None

    def close(self) -> None:
        """Close the connection."""
        self._conexion.close()

    def estado(self) -> dict[str, Any]:
        """Where the market stands."""
        return dict(self.pedir("GET", "status"))

    def armar(self, guion: Mapping[str, Any]) -> list[int]:
        """Arm faults; their numbers."""
        return list(self.pedir("POST", "faults", guion)["armed"])

    def detenciones(self, espera_s: float) -> list[dict[str, Any]]:
        """The holds that were reached, waiting for one so long."""
        return list(self.pedir("GET", f"holds?wait={espera_s}")["holds"])

    def soltar(self) -> None:
        """Let the exchange go on."""
        self.pedir("POST", "holds/release", {})

    def fallas(self) -> dict[str, Any]:
        """What is armed and what has happened."""
        return dict(self.pedir("GET", "faults"))

    def libros(self, desde_ms: int = 0) -> dict[str, Any]:
        """The exchange's own books, or what has changed in them since a market time."""
        return dict(self.pedir("GET", f"books?key={CLAVE_SIMULADOR}&since={desde_ms}"))


@contextmanager
def simulador(carpeta: Path, opciones: Sequence[str]) -> Iterator[tuple[Mando, int]]:
    """A simulator for the length of the block; its control and its process id."""
    listo = carpeta / "ready.json"
    orden = [
        *(sys.executable, "-m", "src.cli.simulator", "--port", "0", "--ready-file", str(listo)),
        *("--control", *opciones),
    ]
    with (
        (carpeta / "simulator.log").open("wb") as salida,
        subprocess.Popen(orden, cwd=RAIZ, env=entorno(), stdout=salida, stderr=salida) as proceso,
    ):
        try:
            limite = time.monotonic() + _ESPERA_S
            while not listo.exists():
                if proceso.poll() is not None or time.monotonic() > limite:
                    raise ProcesoFallido(f"the simulator did not start: {_cola(carpeta / 'simulator.log')}")
                time.sleep(0.02)
            with closing(Mando(json.loads(listo.read_text(encoding="utf-8"))["url"])) as mando:
                yield mando, proceso.pid
        finally:
            proceso.terminate()


@dataclass(frozen=True, slots=True, kw_only=True)
class Encargo:
    """How the daemon of a run is started."""

    carpeta: Path
    train_id: str
    url: str
    ajustes: Path

    @property
    def artefactos(self) -> Path:
        """Where the artefact lives."""
        return self.carpeta / "artefacts"

    @property
    def produccion(self) -> Path:
        """Where the session's files go."""
        return self.artefactos / self.train_id / "produccion"

    @property
    def diario(self) -> Path:
        """The journal of the only account and symbol."""
        (ruta,) = (self.carpeta / "state").rglob("diario.sqlite")
        return ruta

    @property
    def salida(self) -> Path:
        """What the daemon's processes said."""
        return self.carpeta / "daemon.log"

    def orden(self, *opciones: str) -> list[str]:
        """The command line."""
        return [
            *(sys.executable, "live.py", "--train-id", self.train_id, "--exchange-url", self.url),
            *("--artefacts", str(self.artefactos), "--state-dir", str(self.carpeta / "state")),
            *("--config", str(self.ajustes), *opciones),
        ]


class Demonio:
    """One life of the daemon, in a process group of its own."""

    def __init__(self, encargo: Encargo, *opciones: str) -> None:
        self._encargo = encargo
        with encargo.salida.open("ab") as salida:
            self._proceso = subprocess.Popen(
                encargo.orden(*opciones),
                cwd=RAIZ,
                env=entorno(),
                stdout=salida,
                stderr=salida,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._proceso.pid

    def codigo(self) -> int | None:
        """Its exit code, once it has ended."""
        return self._proceso.poll()

    def esperar(self, segundos: float) -> int:
        """Its exit code.

        Raises:
            ProcesoFallido: It goes on.
        """
        try:
            return self._proceso.wait(segundos)
        except subprocess.TimeoutExpired as fallo:
            raise ProcesoFallido(f"the daemon goes on after {segundos} s") from fallo

    def interrumpir(self, senal: signal.Signals) -> None:
        """Ask it to end."""
        self._proceso.send_signal(senal)

    def matar(self) -> None:
        """``kill -9`` of the whole group."""
        if self._proceso.poll() is None:
            os.killpg(self._proceso.pid, signal.SIGKILL)
        self._proceso.wait(10)

    def ultimas_palabras(self) -> str:
        """The end of what it said."""
        return _cola(self._encargo.salida)


def _cola(ruta: Path, lineas: int = 12) -> str:
    return "\n".join(ruta.read_text(encoding="utf-8", errors="replace").splitlines()[-lineas:])
