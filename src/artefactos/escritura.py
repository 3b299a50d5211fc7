"""The files of an artefact that need no training library to write."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from src.artefactos import rutas
from src.artefactos.configuracion import ConfiguracionArtefacto
from src.artefactos.manifiesto import escribir_atomico
from src.artefactos.mercado_json import mercado_a_json
from src.nucleo.tipos import Mercado

_FECHA_FIJA = (1980, 1, 1, 0, 0, 0)


def escribir_actor(ruta: Path, arreglos: Mapping[str, npt.NDArray[np.floating]]) -> None:
    """Write ``actor.npz`` so that equal weights give equal bytes."""
    ruta.parent.mkdir(parents=True, exist_ok=True)
    memoria = io.BytesIO()
    with zipfile.ZipFile(memoria, "w", zipfile.ZIP_STORED) as archivo:
        for nombre, arreglo in arreglos.items():
            with archivo.open(zipfile.ZipInfo(f"{nombre}.npy", _FECHA_FIJA), "w") as fichero:
                np.lib.format.write_array(fichero, np.ascontiguousarray(arreglo), allow_pickle=False)
    escribir_atomico(ruta, memoria.getvalue())


def escribir_escalador(carpeta: Path, contenido: bytes) -> None:
    """Write the pickled scaler of the training span, and its byte-equal copy for the evaluation."""
    for nombre in (rutas.ESCALADOR_ENTRENAMIENTO, rutas.ESCALADOR_EVALUACION):
        escribir_atomico(carpeta / nombre, contenido)


def escribir_descripcion(carpeta: Path, configuracion: ConfiguracionArtefacto, mercado: Mercado) -> None:
    """Write ``config_metadata.yaml`` and ``mercado.json``."""
    escribir_atomico(carpeta / rutas.CONFIGURACION, configuracion.a_yaml().encode())
    escribir_atomico(carpeta / rutas.MERCADO, mercado_a_json(mercado).encode())
