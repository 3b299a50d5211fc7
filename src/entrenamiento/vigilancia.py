"""What watches a training while it runs: progress, TensorBoard, checkpoints, and the wish to stop."""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text
from stable_baselines3.common.callbacks import BaseCallback

_PASOS_RECIENTES = 1_000
_PASOS_ENTRE_REGISTROS = 500
_PASOS_ENTRE_REFRESCOS = 20


class Detencion(Exception):
    """Someone asked the training to stop; model, memory and environment agree at this point."""


class Interruptor:
    """Remembers that someone pressed Ctrl+C; a second time interrupts at once."""

    def __init__(self) -> None:
        self.pedido = False

    def pedir(self) -> None:
        """Ask the training to stop at the next consistent point."""
        self.pedido = True

    @contextmanager
    def escuchar(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM as such a wish while inside; only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        senales = (signal.SIGINT, signal.SIGTERM)
        anteriores = [signal.getsignal(senal) for senal in senales]

        def atender(_senal: int, _marco: FrameType | None) -> None:
            if self.pedido:
                raise KeyboardInterrupt
            self.pedir()

        for senal in senales:
            signal.signal(senal, atender)
        try:
            yield
        finally:
            for senal, anterior in zip(senales, anteriores, strict=True):
                signal.signal(senal, anterior)


class Progreso(Protocol):
    """Shows how a training goes."""

    def avanzar(self, pasos: int, recompensa: float, episodio: float | None) -> None:
        """Take the steps done so far, the recent mean reward per step, and the last episodes' mean return."""
        ...


class ProgresoMudo:
    """Shows nothing."""

    def avanzar(self, pasos: int, recompensa: float, episodio: float | None) -> None:
        """Ignore it."""


class BarraProgreso:
    """A Rich bar with reward and time left."""

    def __init__(self, barra: Progress, total: int, hechos: int) -> None:
        self._barra = barra
        self._tarea = barra.add_task("training", total=total, completed=hechos, detalle="")

    def avanzar(self, pasos: int, recompensa: float, episodio: float | None) -> None:
        """Redraw."""
        detalle = f"reward/step {recompensa:+.4f}"
        if episodio is not None:
            detalle += f"  episode {episodio:+.2f}"
        self._barra.update(self._tarea, completed=pasos, detalle=detalle)


class _Tiempo(TimeRemainingColumn):
    """Time left, and once finished the time it took."""

    def render(self, task: Task) -> Text:
        return Text("in " if task.finished else "ETA ").append_text(super().render(task))


@contextmanager
def mostrar_progreso(consola: Console, total: int, hechos: int = 0) -> Iterator[BarraProgreso]:
    """A progress bar for a training of ``total`` steps of which ``hechos`` are done."""
    columnas = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detalle]}"),
        _Tiempo(elapsed_when_finished=True),
    )
    with Progress(*columnas, console=consola) as barra:
        yield BarraProgreso(barra, total, hechos)


class Vigilante(BaseCallback):
    """Reports progress, writes TensorBoard scalars, keeps checkpoints, and stops when asked.

    Args:
        progreso: Where to show it.
        interruptor: Who says when to stop.
        guardar: Writes a checkpoint.
        cada: Steps between checkpoints; 0 writes none.
        visitadas: Share of the training rows visited so far.
    """

    def __init__(
        self,
        progreso: Progreso,
        interruptor: Interruptor,
        guardar: Callable[[], object],
        cada: int,
        visitadas: Callable[[], float],
    ) -> None:
        super().__init__()
        self._progreso, self._interruptor = progreso, interruptor
        self._guardar, self._cada, self._visitadas = guardar, cada, visitadas
        self._recompensas: deque[float] = deque(maxlen=_PASOS_RECIENTES)
        self._guardado_en = 0

    def _on_training_start(self) -> None:
        self._guardado_en = self.num_timesteps

    def _on_rollout_start(self) -> None:
        """Between rollouts a checkpoint is complete; within one, the last transition is not stored yet."""
        if self._interruptor.pedido:
            raise Detencion
        if self._cada and self.num_timesteps - self._guardado_en >= self._cada:
            self._guardar()
            self._guardado_en = self.num_timesteps

    def _on_step(self) -> bool:
        self._recompensas.append(float(self.locals["rewards"][0]))
        if self.num_timesteps % _PASOS_ENTRE_REFRESCOS == 0:
            self._progreso.avanzar(self.num_timesteps, self._recompensa_reciente(), self._episodio())
        if self.num_timesteps % _PASOS_ENTRE_REGISTROS == 0:
            self.logger.record("rollout/reward_per_step", self._recompensa_reciente())
            self.logger.record("rollout/rows_visited", self._visitadas())
            self.logger.dump(self.num_timesteps)
        return True

    def _on_training_end(self) -> None:
        self._progreso.avanzar(self.num_timesteps, self._recompensa_reciente(), self._episodio())

    def _recompensa_reciente(self) -> float:
        return sum(self._recompensas) / len(self._recompensas) if self._recompensas else 0.0

    def _episodio(self) -> float | None:
        """Mean return of the last finished episodes."""
        episodios: deque[dict[str, Any]] = self.model.ep_info_buffer or deque()
        return sum(e["r"] for e in episodios) / len(episodios) if episodios else None
