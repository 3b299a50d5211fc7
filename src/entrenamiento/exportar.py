"""The actor's weights out of a Stable-Baselines3 model: ``python -m src.entrenamiento.exportar ARTEFACT``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

import numpy as np
from stable_baselines3 import SAC
from torch import nn

from src.artefactos import rutas
from src.artefactos.artefacto import leer_actor
from src.artefactos.escritura import escribir_actor
from src.artefactos.manifiesto import (
    escribir_manifiesto,
    huella_fichero,
    leer_manifiesto,
    verificar_huellas,
)
from src.nucleo.errores import ArtefactoInvalido, ErrorTimonel
from src.nucleo.politica import ActorNumpy
from src.nucleo.tipos import Matriz, Observacion

TOLERANCIA = 1e-6
_MUESTRAS = 256


def exportar_actor(modelo: SAC) -> dict[str, Matriz]:
    """The arrays of ``actor.npz``: ``w0, b0, …`` of the hidden layers, then of the mean.

    Raises:
        ArtefactoInvalido: The actor is not a chain of linear layers with ReLU between them.
    """
    actor = modelo.policy.actor
    capas: list[nn.Linear] = []
    for modulo in actor.latent_pi:
        if isinstance(modulo, nn.Linear):
            capas.append(modulo)
        elif not isinstance(modulo, nn.ReLU):
            raise ArtefactoInvalido(
                f"the actor has a {type(modulo).__name__} layer; only ReLU networks can be exported"
            )
    capas.append(cast(nn.Linear, actor.mu))
    arreglos: dict[str, Matriz] = {}
    for indice, capa in enumerate(capas):
        arreglos[f"w{indice}"] = capa.weight.detach().numpy().astype(np.float64)
        arreglos[f"b{indice}"] = capa.bias.detach().numpy().astype(np.float64)
    return arreglos


def comprobar_actor(modelo: SAC, actor: ActorNumpy) -> float:
    """Compare the NumPy actor with ``SAC.predict`` on random observations; returns the largest difference.

    Raises:
        ArtefactoInvalido: They differ by more than `TOLERANCIA`.
    """
    azar = np.random.default_rng(0)
    formas = {nombre: espacio.shape or () for nombre, espacio in modelo.observation_space.spaces.items()}  # type: ignore[attr-defined]
    mayor = 0.0
    for _ in range(_MUESTRAS):
        escala = azar.choice((0.1, 1.0, 3.0))
        observacion = {n: (escala * azar.standard_normal(f)).astype(np.float32) for n, f in formas.items()}
        esperada, _estado = modelo.predict(observacion, deterministic=True)
        propia = actor.predecir(Observacion(observacion["market"], observacion["portfolio"]))
        mayor = max(mayor, abs(propia - float(esperada[0])))
    if mayor > TOLERANCIA:
        raise ArtefactoInvalido(
            f"the exported actor differs from SAC.predict by {mayor:.2e}, more than {TOLERANCIA}"
        )
    return mayor


def leer_modelo(ruta: Path) -> SAC:
    """Read ``modelo.zip``; verify its hash first.

    Raises:
        ArtefactoInvalido: It is missing or corrupt.
    """
    try:
        return SAC.load(ruta, device="cpu", custom_objects={"buffer_size": 1})
    except (OSError, ValueError, KeyError, AssertionError, RuntimeError) as fallo:
        raise ArtefactoInvalido(
            f"the model {ruta} cannot be read: {fallo}; restore it or train again"
        ) from fallo


def exportar(carpeta: Path) -> float:
    """Add ``actor.npz`` to an artefact without it; returns the largest difference from ``SAC.predict``."""
    manifiesto = leer_manifiesto(carpeta)
    verificar_huellas(carpeta, manifiesto)
    modelo = leer_modelo(carpeta / rutas.MODELO)
    arreglos = exportar_actor(modelo)
    diferencia = comprobar_actor(modelo, ActorNumpy.desde_arreglos(arreglos))
    destino = carpeta / rutas.ACTOR
    escribir_actor(destino, arreglos)
    leer_actor(destino)
    ficheros = dict(sorted({**manifiesto.ficheros, rutas.ACTOR: huella_fichero(destino)}.items()))
    escribir_manifiesto(carpeta, manifiesto.model_copy(update={"ficheros": ficheros}))
    return diferencia


def principal(argumentos: list[str]) -> int:
    """Export the artefact in the given directory."""
    if len(argumentos) != 1:
        print("usage: python -m src.entrenamiento.exportar ARTEFACT_DIRECTORY", file=sys.stderr)
        return 2
    try:
        diferencia = exportar(Path(argumentos[0]))
    except ErrorTimonel as fallo:
        print(f"error: {fallo}", file=sys.stderr)
        return fallo.codigo_salida
    print(f"actor exported; largest difference from SAC.predict {diferencia:.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(principal(sys.argv[1:]))
