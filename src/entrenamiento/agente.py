"""The SAC agent: built from the YAML, seeded, reproducible."""

from __future__ import annotations

from typing import Any, cast

import torch
from stable_baselines3 import SAC
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.monitor import Monitor

from src.artefactos.configuracion import ConfiguracionArtefacto
from src.entrenamiento.entorno import EntornoTrading
from src.entrenamiento.memoria import FilaEnInfo, MemoriaFilas

EXCLUIDO_DEL_MODELO = ("replay_buffer_class", "replay_buffer_kwargs")
"""What `modelo.zip` leaves out, so that plain Stable-Baselines3 reads it and it holds no candles."""


def fijar_determinismo(hilos: int) -> None:
    """Make equal seeds give equal weights: deterministic kernels, a fixed number of threads."""
    torch.set_num_threads(hilos)
    torch.use_deterministic_algorithms(True)


def envolver(entorno: EntornoTrading) -> Monitor[Any, Any]:
    """The environment as the agent trains in it."""
    return Monitor(FilaEnInfo(entorno))


def construir_agente(configuracion: ConfiguracionArtefacto, entorno: EntornoTrading) -> SAC:
    """A fresh agent of the configuration in an environment."""
    sac, red = configuracion.SACmodel, configuracion.policy_kwargs
    fijar_determinismo(sac.torch_threads)
    return SAC(
        sac.policy,
        envolver(entorno),
        learning_rate=float(sac.learning_rate),
        buffer_size=capacidad(configuracion),
        learning_starts=sac.learning_starts,
        batch_size=sac.batch_size,
        tau=sac.tau,
        gamma=sac.gamma,
        ent_coef=sac.ent_coef,
        train_freq=sac.train_freq,
        gradient_steps=sac.gradient_steps,
        replay_buffer_class=cast(type[ReplayBuffer], MemoriaFilas),
        replay_buffer_kwargs=argumentos_memoria(entorno),
        policy_kwargs={
            "net_arch": {"pi": list(red.net_arch.pi), "qf": list(red.net_arch.qf)},
            "log_std_init": red.log_std_init,
            "n_critics": red.n_critics,
        },
        verbose=0,
        seed=sac.seed,
        device="cpu",
    )


def capacidad(configuracion: ConfiguracionArtefacto) -> int:
    """Transitions to allocate: never more than the run takes."""
    return min(configuracion.SACmodel.buffer_size, configuracion.entorno.total_timesteps)


def argumentos_memoria(entorno: EntornoTrading) -> dict[str, Any]:
    """What the replay buffer needs to rebuild windows."""
    return {"rasgos": entorno.datos.rasgos_escalados}
