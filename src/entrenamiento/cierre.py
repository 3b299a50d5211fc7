"""The end of a training: everything the artefact holds, the manifest last."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from stable_baselines3 import SAC

from src.artefactos import rutas
from src.artefactos.artefacto import Artefacto, leer_artefacto
from src.artefactos.configuracion import ConfiguracionArtefacto
from src.artefactos.escritura import escribir_actor, escribir_descripcion, escribir_escalador
from src.artefactos.manifiesto import (
    Entrenamiento,
    Manifiesto,
    OrigenDatos,
    escribir_manifiesto,
    huellas,
)
from src.entrenamiento.agente import EXCLUIDO_DEL_MODELO
from src.entrenamiento.datos import Material
from src.entrenamiento.exportar import comprobar_actor, exportar_actor
from src.entrenamiento.preprocesamiento import DatosPreparados, Tramo, esquema_de
from src.nucleo.politica import ActorNumpy

_BIBLIOTECAS = ("timonel", "numpy", "torch", "stable-baselines3", "gymnasium", "scikit-learn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desarrollo:
    """How the training went."""

    pasos: int
    interrumpido: bool
    filas_visitadas: float  # share, 0 … 1


def guardar_modelo(carpeta: Path, agente: SAC, preparados: DatosPreparados) -> ActorNumpy:
    """Write model, actor and scalers; returns the actor, checked against the model."""
    (carpeta / rutas.MODELO).parent.mkdir(parents=True, exist_ok=True)
    agente.save(carpeta / rutas.MODELO, exclude=EXCLUIDO_DEL_MODELO)
    arreglos = exportar_actor(agente)
    actor = ActorNumpy.desde_arreglos(arreglos)
    comprobar_actor(agente, actor)
    escribir_actor(carpeta / rutas.ACTOR, arreglos)
    escribir_escalador(carpeta, preparados.escalador_pickle)
    return actor


def firmar(
    carpeta: Path,
    configuracion: ConfiguracionArtefacto,
    material: Material,
    preparados: DatosPreparados,
    desarrollo: Desarrollo,
) -> Artefacto:
    """Write configuration and market, list every file in the manifest, and read the artefact back."""
    escribir_descripcion(carpeta, configuracion, material.mercado)
    train_id = carpeta.name
    manifiesto = Manifiesto(
        train_id=train_id,
        creado=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        rasgos=esquema_de(preparados, configuracion),
        datos=OrigenDatos(
            fuente=material.fuente,
            huella=material.tabla.huella(),
            velas=len(preparados.tabla),
            entrenamiento_ms=_extremos(preparados, preparados.entrenamiento),
            evaluacion_ms=_extremos(preparados, preparados.evaluacion),
            funding_registrado=material.funding_registrado,
        ),
        entrenamiento=Entrenamiento(
            semilla=configuracion.SACmodel.seed,
            pasos=desarrollo.pasos,
            interrumpido=desarrollo.interrumpido,
            filas_visitadas=desarrollo.filas_visitadas,
            proteccion=configuracion.entorno.proteccion.tipo,
            banda_muerta=configuracion.entorno.banda_muerta,
            reserva_margen=configuracion.entorno.reserva_margen,
        ),
        versiones=versiones(),
        commit_git=commit_git(),
        ficheros=huellas(carpeta),
    )
    escribir_manifiesto(carpeta, manifiesto)
    return leer_artefacto(carpeta.parent, train_id)


def versiones() -> dict[str, str]:
    """Python and the libraries that weights depend on."""
    encontradas = {"python": platform.python_version()}
    for nombre in _BIBLIOTECAS:
        try:
            encontradas[nombre] = metadata.version(nombre)
        except metadata.PackageNotFoundError:  # a checkout that is run without being installed
            encontradas[nombre] = "source"
    return encontradas


def commit_git() -> str | None:
    """The commit of the source that runs, ``-dirty`` when changed; ``None`` outside a repository."""
    raiz = Path(__file__).resolve().parents[2]
    orden = ["git", "-C", str(raiz), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        proceso = subprocess.run(orden, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return proceso.stdout.strip() or None


def _extremos(preparados: DatosPreparados, tramo: Tramo) -> tuple[int, int]:
    aperturas = preparados.tabla.apertura_ms
    return int(aperturas[tramo.primera]), int(aperturas[tramo.ultima])
