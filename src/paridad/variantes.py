"""Artefacts of the same training under other rules, so that one model serves every run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from src.artefactos import rutas
from src.artefactos.artefacto import Artefacto, leer_artefacto
from src.artefactos.configuracion import leer_configuracion
from src.artefactos.escritura import escribir_descripcion
from src.artefactos.manifiesto import escribir_manifiesto, huellas


def derivar(origen: Artefacto, nombre: str, cambios: Mapping[str, Any]) -> Artefacto:
    """Write a copy of an artefact with other configuration values, and read it back.

    Args:
        origen: The trained one.
        nombre: Appended to its identifier.
        cambios: Values by dotted key.
    """
    train_id = f"{origen.train_id}_{nombre}"
    carpeta = origen.ruta.with_name(train_id)
    shutil.copytree(origen.ruta, carpeta, ignore=shutil.ignore_patterns(rutas.PRODUCCION, rutas.CHECKPOINTS))
    configuracion = leer_configuracion(carpeta / rutas.CONFIGURACION, cambios)
    escribir_descripcion(carpeta, configuracion, origen.mercado)
    escribir_manifiesto(
        carpeta, origen.manifiesto.model_copy(update={"train_id": train_id, "ficheros": huellas(carpeta)})
    )
    return leer_artefacto(Path(carpeta.parent), train_id)
