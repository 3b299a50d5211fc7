"""A small agent, trained in seconds, for runs that need an artefact rather than a good one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from src.artefactos.artefacto import Artefacto
from src.artefactos.configuracion import interpretar_configuracion
from src.datos.continuidad import inferir_intervalo
from src.datos.velas import TablaVelas, escribir_velas

_CONFIGURACION = {
    "entorno.total_timesteps": 2_000,
    "SACmodel.learning_starts": 200,
    "SACmodel.batch_size": 64,
    "policy_kwargs.net_arch.pi": [64, 64],
    "policy_kwargs.net_arch.qf": [64, 64],
}


def entrenar_pequeno(
    tabla: TablaVelas, carpeta: Path, consola: Console, otros: Mapping[str, Any] | None = None
) -> Artefacto:
    """Train on candles.

    Args:
        tabla: At least some 2,000 candles.
        carpeta: For data and artefact.
        consola: Gets the progress.
        otros: Further configuration values, by dotted key.
    """
    from src.entrenamiento.datos import Fuente
    from src.entrenamiento.plan import Peticion, planear
    from src.entrenamiento.sesion import entrenar

    ruta = carpeta / "train.csv.gz"
    escribir_velas(tabla, ruta)
    cambios = {
        **_CONFIGURACION,
        "data_downloader.interval": inferir_intervalo(tabla),
        "Output.base_dir": str(carpeta / "entrenamientos"),
        **(otros or {}),
    }
    configuracion = interpretar_configuracion("", "parity", cambios)
    return entrenar(planear(configuracion, Peticion(fuente=Fuente(fichero=ruta))), consola).artefacto
