"""A replay buffer of row numbers instead of windows: a hundredth of the memory, the same samples."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from numpy.lib.stride_tricks import sliding_window_view
from stable_baselines3.common.buffers import BaseBuffer
from stable_baselines3.common.type_aliases import DictReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from src.entrenamiento.entorno import EntornoTrading, ObservacionGym
from src.nucleo.tipos import MatrizF32

FILA = "fila"
Arreglos = dict[str, npt.NDArray[Any]]


class FilaEnInfo(gym.Wrapper[ObservacionGym, MatrizF32, ObservacionGym, MatrizF32]):
    """Tells the buffer which candle an observation ends with."""

    def __init__(self, entorno: EntornoTrading) -> None:
        super().__init__(entorno)
        self.entorno = entorno

    def step(self, action: MatrizF32) -> tuple[ObservacionGym, Any, bool, bool, dict[str, Any]]:
        """As the environment's, with the row observed after the step in ``info``."""
        observacion, recompensa, terminated, truncated, info = self.entorno.step(action)
        return observacion, recompensa, terminated, truncated, {**info, FILA: self.entorno.fila}


class MemoriaFilas(BaseBuffer):
    """Transitions of one environment, whose windows are rebuilt from the features when sampled.

    Args:
        rasgos: Scaled features of all rows; shape (rows, features).
        buffer_size: Transitions kept; the oldest give way.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Dict,
        action_space: spaces.Space[Any],
        device: torch.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
        *,
        rasgos: MatrizF32,
    ) -> None:
        super().__init__(buffer_size, observation_space, action_space, device, n_envs=n_envs)
        ventana = observation_space["market"].shape
        assert ventana is not None
        assert n_envs == 1
        assert not optimize_memory_usage
        self._largo = int(ventana[0])
        self._ventanas = sliding_window_view(rasgos, self._largo, axis=0).transpose(0, 2, 1)
        self.filas = np.zeros(buffer_size, dtype=np.int64)  # row observed after the step
        self.portafolios = np.zeros((buffer_size, 2, 3), dtype=np.float32)  # before and after it
        self.acciones = np.zeros((buffer_size, 1), dtype=np.float32)
        self.recompensas = np.zeros((buffer_size, 1), dtype=np.float32)
        self.finales = np.zeros((buffer_size, 1), dtype=np.float32)  # terminated, not truncated

    def add(
        self,
        obs: ObservacionGym,
        next_obs: ObservacionGym,
        action: npt.NDArray[Any],
        reward: npt.NDArray[Any],
        done: npt.NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:
        """Store one transition; its row comes in ``infos``."""
        i, info = self.pos, infos[0]
        self.filas[i] = info[FILA]
        self.portafolios[i, 0] = obs["portfolio"][0]
        self.portafolios[i, 1] = next_obs["portfolio"][0]
        self.acciones[i] = action[0]
        self.recompensas[i] = reward[0]
        self.finales[i] = float(done[0] and not info.get("TimeLimit.truncated", False))
        self.pos += 1
        if self.pos == self.buffer_size:
            self.full, self.pos = True, 0

    def _get_samples(  # type: ignore[override]
        self, batch_inds: npt.NDArray[Any], env: VecNormalize | None = None
    ) -> DictReplayBufferSamples:
        primeras = self.filas[batch_inds] - self._largo  # first row of the window before the step
        antes, despues = (
            {
                "market": self.to_torch(self._ventanas[primeras + paso]),
                "portfolio": self.to_torch(self.portafolios[batch_inds, paso]),
            }
            for paso in (0, 1)
        )
        return DictReplayBufferSamples(
            observations=antes,
            actions=self.to_torch(self.acciones[batch_inds]),
            next_observations=despues,
            dones=self.to_torch(self.finales[batch_inds]),
            rewards=self.to_torch(self.recompensas[batch_inds]),
        )

    _ARREGLOS = ("filas", "portafolios", "acciones", "recompensas", "finales")

    def volcar(self) -> Arreglos:
        """What is stored, oldest first."""
        orden = np.arange(self.pos)
        if self.full:
            orden = np.concatenate((np.arange(self.pos, self.buffer_size), orden))
        return {nombre: getattr(self, nombre)[orden] for nombre in self._ARREGLOS}

    def restaurar(self, arreglos: Arreglos, posicion: int) -> None:
        """Take back what `volcar` gave.

        Args:
            arreglos: Transitions, oldest first; the newest are kept when they do not all fit.
            posicion: ``pos`` at that time; kept when capacity is the same, so that sampling goes on alike.
        """
        guardadas = len(arreglos["filas"])
        total = min(guardadas, self.buffer_size)
        self.full = total == self.buffer_size
        self.pos = posicion if self.full and posicion < self.buffer_size else total % self.buffer_size
        destino = (self.pos + np.arange(total)) % self.buffer_size if self.full else np.arange(total)
        for nombre in self._ARREGLOS:
            getattr(self, nombre)[destino] = arreglos[nombre][guardadas - total :]
