"""The same weights in Stable-Baselines3."""

from __future__ import annotations

import numpy as np
import torch
from stable_baselines3 import SAC
from torch import nn

from bench.entorno import datos_de
from bench.taller import Taller
from src.entrenamiento.agente import construir_agente
from src.entrenamiento.entorno import EntornoTrading
from src.nucleo.politica import ActorNumpy
from src.nucleo.tipos import Observacion

_TOLERANCIA = 1e-4


def modelo_gemelo(taller: Taller) -> SAC:
    """A SAC agent with the workshop's actor, on one CPU thread.

    Raises:
        RuntimeError: It does not decide as the NumPy actor does.
    """
    torch.set_num_threads(1)
    modelo = construir_agente(taller.configuracion, EntornoTrading(datos_de(taller), taller.configuracion, 0))
    actor = modelo.policy.actor
    lineales = [modulo for modulo in actor.latent_pi if isinstance(modulo, nn.Linear)]
    with torch.no_grad():
        for indice, capa in enumerate((*lineales, actor.mu)):
            capa.weight.copy_(torch.from_numpy(taller.actor[f"w{indice}"]))
            capa.bias.copy_(torch.from_numpy(taller.actor[f"b{indice}"]))
    _comparar(modelo, taller)
    return modelo


def _comparar(modelo: SAC, taller: Taller) -> None:
    ventana = taller.escalados[-taller.configuracion.entorno.window_size :]
    observacion = Observacion(ventana, np.array([1.0, 0.0, 0.0], dtype=np.float32))
    suya, _ = modelo.predict(observacion._asdict(), deterministic=True)
    propia = ActorNumpy.desde_arreglos(taller.actor).predecir(observacion)
    if abs(float(suya[0]) - propia) > _TOLERANCIA:
        raise RuntimeError(f"the same weights answer {float(suya[0])} in SB3 and {propia} in NumPy")
