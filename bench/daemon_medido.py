"""The daemon as a process that measures itself: ``python -m bench.daemon_medido ENCARGO.json``."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from src.artefactos.artefacto import leer_artefacto
from src.nucleo.politica import Politica
from src.nucleo.tipos import Observacion
from src.produccion.config.config import Opciones
from src.produccion.lanzamiento import ejecutar

_GUION = (0.1, 0.0, 0.0, -0.1, 0.0, 0.0)
"""Opens, waits, closes, waits: an order on every third candle."""

_MB = 1 << 20


class PoliticaCronometrada:
    """Lets the real actor think, answers the script, and looks at the clocks on some candles.

    Args:
        actor: The artefact's.
        simulador: Process of the exchange.
        hitos: Decisions, counted from 1, at which to look.
    """

    def __init__(self, actor: Politica, simulador: int, hitos: list[int]) -> None:
        self._actor = actor
        self._procesos = {"daemon": psutil.Process(), "simulator": psutil.Process(simulador)}
        self._hitos = frozenset(hitos)
        self._decisiones = 0
        self.lecturas: list[dict[str, float]] = []

    def predecir(self, observacion: Observacion) -> float:
        """The script's next action."""
        accion = _GUION[self._decisiones % len(_GUION)]
        self._decisiones += 1
        self._actor.predecir(observacion)
        if self._decisiones in self._hitos:
            self.lecturas.append(self._leer())
        return accion

    def _leer(self) -> dict[str, float]:
        lectura = {"decisions": float(self._decisiones), "wall_s": time.perf_counter()}
        for nombre, proceso in self._procesos.items():
            cpu = proceso.cpu_times()
            lectura[f"{nombre}_cpu_s"] = cpu.user + cpu.system
            lectura[f"{nombre}_rss_mb"] = proceso.memory_info().rss / _MB
        return lectura


def principal(encargo: dict[str, Any]) -> None:
    """Run one session and write what was read during it."""
    base = Path(encargo["base"])
    artefacto = leer_artefacto(base, encargo["train_id"])
    politica = PoliticaCronometrada(artefacto.actor, encargo["simulator_pid"], encargo["marks"])
    opciones = Opciones(
        train_id=artefacto.train_id,
        base=base,
        estado=Path(encargo["state"]),
        url=encargo["url"],
        velas=max(encargo["marks"]),
    )
    sesion = asyncio.run(ejecutar(opciones, politica))
    salida = {"readings": politica.lecturas, "registro": str(sesion.registro)}
    Path(encargo["output"]).write_text(json.dumps(salida), encoding="utf-8")


if __name__ == "__main__":
    principal(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
