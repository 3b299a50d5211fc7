"""The means to go on with an interrupted training exactly where it stopped."""

from __future__ import annotations

import pickle
import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from src.artefactos.configuracion import ConfiguracionArtefacto
from src.entrenamiento.agente import (
    EXCLUIDO_DEL_MODELO,
    argumentos_memoria,
    capacidad,
    envolver,
    fijar_determinismo,
)
from src.entrenamiento.entorno import EntornoTrading
from src.entrenamiento.memoria import MemoriaFilas
from src.nucleo.errores import ArtefactoInvalido

_PREFIJO = "paso_"
_MODELO = "modelo.zip"
_MEMORIA = "memoria.npz"
_ESTADO = "estado.pkl"
_FIJOS_ENTORNO = frozenset(
    {"datos", "configuracion", "_mercado", "_rasgos", "observation_space", "action_space"}
)
_FIJOS_MONITOR = frozenset({"env", "results_writer"})


@dataclass(frozen=True, slots=True)
class Punto:
    """Where a training stands, besides the model's weights and its memory."""

    azar_python: Any
    azar_numpy: Any
    azar_torch: torch.Tensor
    azar_acciones: Any
    entorno: dict[str, Any]
    monitor: dict[str, Any]
    posicion_memoria: int


def guardar(carpeta: Path, agente: SAC, entorno: EntornoTrading) -> Path:
    """Write a checkpoint of this step, then forget the older ones.

    Args:
        carpeta: The artefact's directory of checkpoints.
        agente: Between two rollouts, when model, memory and environment agree.
        entorno: The one the agent trains in.
    """
    destino = carpeta / f"{_PREFIJO}{agente.num_timesteps:010d}"
    provisional = carpeta / f".{destino.name}"
    shutil.rmtree(provisional, ignore_errors=True)
    provisional.mkdir(parents=True)
    agente.save(provisional / _MODELO, exclude=EXCLUIDO_DEL_MODELO)
    memoria = cast(MemoriaFilas, agente.replay_buffer)
    np.savez(provisional / _MEMORIA, allow_pickle=False, **memoria.volcar())
    (provisional / _ESTADO).write_bytes(pickle.dumps(_punto(agente, entorno, memoria.pos)))
    shutil.rmtree(destino, ignore_errors=True)
    provisional.rename(destino)
    for viejo in carpeta.glob(f"{_PREFIJO}*"):
        if viejo != destino:
            shutil.rmtree(viejo)
    return destino


def ultimo(carpeta: Path) -> Path:
    """The newest checkpoint of a directory.

    Raises:
        ArtefactoInvalido: There is none.
    """
    candidatos = sorted(carpeta.glob(f"{_PREFIJO}*"))
    if not candidatos:
        raise ArtefactoInvalido(
            f"{carpeta} holds no checkpoint to resume from; a finished training keeps none: train anew"
        )
    return candidatos[-1]


def retomar(punto: Path, configuracion: ConfiguracionArtefacto, entorno: EntornoTrading) -> SAC:
    """The agent of a checkpoint, ready to go on learning in a fresh environment over the same data.

    Raises:
        ArtefactoInvalido: The checkpoint cannot be read.
    """
    fijar_determinismo(configuracion.SACmodel.torch_threads)
    monitor = envolver(entorno)
    try:
        agente = SAC.load(
            punto / _MODELO,
            env=monitor,
            device="cpu",
            force_reset=False,
            replay_buffer_class=MemoriaFilas,
            replay_buffer_kwargs=argumentos_memoria(entorno),
            buffer_size=capacidad(configuracion),
        )
        with np.load(punto / _MEMORIA, allow_pickle=False) as arreglos:
            guardadas = {nombre: arreglos[nombre] for nombre in arreglos.files}
        estado = cast(Punto, pickle.loads((punto / _ESTADO).read_bytes()))
    except (OSError, ValueError, EOFError, pickle.UnpicklingError) as fallo:
        raise ArtefactoInvalido(f"the checkpoint {punto} cannot be read: {fallo}; train anew") from fallo
    cast(MemoriaFilas, agente.replay_buffer).restaurar(guardadas, estado.posicion_memoria)
    _reponer(estado, agente, monitor, entorno)
    return agente


def _punto(agente: SAC, entorno: EntornoTrading, posicion: int) -> Punto:
    monitor = _monitor_de(agente)
    return Punto(
        azar_python=random.getstate(),
        azar_numpy=np.random.get_state(),
        azar_torch=torch.get_rng_state(),
        azar_acciones=agente.action_space.np_random.bit_generator.state,
        entorno=_vivo(entorno),
        monitor={k: v for k, v in vars(monitor).items() if k not in _FIJOS_MONITOR},
        posicion_memoria=posicion,
    )


def _vivo(entorno: EntornoTrading) -> dict[str, Any]:
    """The environment's attributes without what it computes of the data, row by row."""
    filas = len(entorno.datos.tabla)
    return {
        nombre: valor
        for nombre, valor in vars(entorno).items()
        if nombre not in _FIJOS_ENTORNO and not (isinstance(valor, list) and len(valor) == filas)
    }


def _reponer(estado: Punto, agente: SAC, monitor: Monitor[Any, Any], entorno: EntornoTrading) -> None:
    vars(entorno).update(estado.entorno)
    vars(monitor).update(estado.monitor)
    agente.action_space.np_random.bit_generator.state = estado.azar_acciones
    random.setstate(estado.azar_python)
    np.random.set_state(estado.azar_numpy)
    torch.set_rng_state(estado.azar_torch)


def _monitor_de(agente: SAC) -> Monitor[Any, Any]:
    vectorial = agente.get_env()
    return cast(Monitor[Any, Any], cast(DummyVecEnv, vectorial).envs[0])
