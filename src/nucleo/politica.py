"""The trained actor's forward pass, so that decisions are equal everywhere and need no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from src.nucleo.errores import ArtefactoInvalido
from src.nucleo.tipos import Matriz, Observacion


class Politica(Protocol):
    """Whatever turns an observation into an action."""

    def predecir(self, observacion: Observacion) -> float:
        """The deterministic action in [−1, 1]."""
        ...


class ActorNumpy:
    """A SAC actor: ReLU layers, then the mean squashed by tanh; float64 inside, float32 answer.

    Args:
        capas: (weights (out, in), bias (out,)) of each layer, the last one being the mean's.
    Raises:
        ArtefactoInvalido: Shapes do not chain, a weight is not finite, or the last layer has more than
            one output.
    """

    def __init__(self, capas: Sequence[tuple[Matriz, Matriz]]) -> None:
        _verificar(capas)
        self._ocultas = [_contiguas(w, b) for w, b in capas[:-1]]
        self._media = _contiguas(*capas[-1])
        self.entradas = int(capas[0][0].shape[1])
        self._entrada: Matriz = np.empty(self.entradas, dtype=np.float64)

    @classmethod
    def desde_arreglos(cls, arreglos: Mapping[str, npt.NDArray[np.floating]]) -> ActorNumpy:
        """Build from the arrays of ``actor.npz``: ``w0, b0, w1, b1, …``."""
        total = sum(1 for nombre in arreglos if nombre.startswith("w"))
        if total == 0 or {f"{letra}{i}" for i in range(total) for letra in "wb"} != set(arreglos):
            raise ArtefactoInvalido(f"actor.npz holds {sorted(arreglos)}; expected w0, b0, w1, b1, …")
        return cls([_contiguas(arreglos[f"w{i}"], arreglos[f"b{i}"]) for i in range(total)])

    def predecir(self, observacion: Observacion) -> float:
        """The deterministic action in [−1, 1].

        Raises:
            ArtefactoInvalido: The observation has another size than the actor was trained on.
        """
        market, portfolio = observacion
        if market.size + portfolio.size != self.entradas:
            raise ArtefactoInvalido(
                f"the observation has {market.size + portfolio.size} numbers,"
                f" the actor expects {self.entradas}"
            )
        x = self._entrada
        x[: market.size] = market.ravel()
        x[market.size :] = portfolio
        for pesos, sesgo in self._ocultas:
            x = pesos @ x
            x += sesgo
            np.maximum(x, 0.0, out=x)
        pesos, sesgo = self._media
        return float(np.float32(np.tanh(pesos @ x + sesgo)[0]))


def _contiguas(pesos: npt.ArrayLike, sesgo: npt.ArrayLike) -> tuple[Matriz, Matriz]:
    return (
        np.ascontiguousarray(pesos, dtype=np.float64),
        np.ascontiguousarray(sesgo, dtype=np.float64),
    )


def _verificar(capas: Sequence[tuple[Matriz, Matriz]]) -> None:
    anterior: int | None = None
    for indice, (pesos, sesgo) in enumerate(capas):
        if pesos.ndim != 2 or sesgo.shape != (pesos.shape[0],) or anterior not in (None, pesos.shape[1]):
            raise ArtefactoInvalido(f"layer {indice} of the actor has shapes {pesos.shape} and {sesgo.shape}")
        if not (np.isfinite(pesos).all() and np.isfinite(sesgo).all()):
            raise ArtefactoInvalido(f"layer {indice} of the actor holds a weight that is not finite")
        anterior = int(pesos.shape[0])
    if anterior != 1:
        raise ArtefactoInvalido(f"the actor answers {anterior} values; one action is expected")
