"""Watches that the daemon itself keeps going: the event loop's delay, and work that does not end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog

from src.produccion.metricas.histograma import Histograma
from src.produccion.supervision.aviso_systemd import AvisoSystemd

RETRASO_MAXIMO_MS = 250.0

_PERIODO_S = 0.1
_MEDIDAS = 3_000  # five minutes of them
_ENTRE_AVISOS_S = 10.0

log = structlog.get_logger(__name__)


class Progreso:
    """Whether the essential services get on with what they have begun.

    A service that waits for the market is not stuck; one that has been at the same piece of work for longer
    than the limit is.

    Args:
        plazo_s: Wall seconds that a piece of work may take without saying that it gets on.
    """

    def __init__(self, plazo_s: float) -> None:
        self._plazo_s = plazo_s
        self._desde: dict[str, float] = {}

    @contextmanager
    def trabajando(self, servicio: str) -> Iterator[None]:
        """A piece of work of a service, for the length of the block."""
        self.avanzar(servicio)
        try:
            yield
        finally:
            self._desde.pop(servicio, None)

    def avanzar(self, servicio: str) -> None:
        """The work in progress gets on, for example tries again to close a position."""
        self._desde[servicio] = asyncio.get_running_loop().time()

    def seguir(self) -> None:
        """Whatever is in progress gets on."""
        for servicio in self._desde:
            self.avanzar(servicio)

    def atascados(self) -> tuple[str, ...]:
        """Services whose work does not end."""
        limite = asyncio.get_running_loop().time() - self._plazo_s
        return tuple(servicio for servicio, desde in self._desde.items() if desde < limite)


class Vigia:
    """Measures how late the event loop wakes a sleeper, and passes its sign of life on to systemd.

    Args:
        aviso: The service manager.
        atascados: Names the essential services that do not get on; while there are any, systemd hears nothing
            and ends by restarting the daemon.
        limite_ms: A delay beyond which a warning is logged, at most one in ten seconds.
    """

    def __init__(
        self,
        aviso: AvisoSystemd,
        atascados: Callable[[], tuple[str, ...]],
        limite_ms: float = RETRASO_MAXIMO_MS,
    ) -> None:
        self._aviso = aviso
        self._atascados = atascados
        self._limite_ms = limite_ms
        self._medidas: deque[float] = deque(maxlen=_MEDIDAS)
        self.retraso_s = Histograma()
        """Every delay since the start."""
        self.maximo_ms = 0.0
        """The longest delay since the start."""
        self.retrasos = 0
        """Delays beyond the limit since the start."""
        self.tareas_maximo = 0
        """The most tasks that the event loop had at once, as sampled."""
        self._peor_sin_avisar_ms = 0.0
        self._proximo_aviso_s = 0.0
        self._proximo_latido_s = 0.0
        self._atascado = False

    @property
    def ultimo_ms(self) -> float:
        """The newest delay."""
        return self._medidas[-1] if self._medidas else 0.0

    def percentil_ms(self, fraccion: float) -> float:
        """The delay that a share of the newest ones does not exceed; 0 before the first."""
        if not self._medidas:
            return 0.0
        ordenadas = sorted(self._medidas)
        return ordenadas[min(len(ordenadas) - 1, int(fraccion * len(ordenadas)))]

    def campos(self) -> dict[str, float | int]:
        """The figures by name, for the log."""
        return {
            "retraso_maximo_ms": round(self.maximo_ms, 1),
            "retraso_p99_ms": round(self.percentil_ms(0.99), 1),
            "retrasos": self.retrasos,
            "tareas": len(asyncio.all_tasks()),
            "tareas_maximo": self.tareas_maximo,
        }

    @asynccontextmanager
    async def vigilando(self) -> AsyncIterator[None]:
        """Measure for the length of the block: closing a position after a fault is to be watched too."""
        tarea = asyncio.create_task(self.correr(), name="vigia")
        try:
            yield
        finally:
            tarea.cancel()
            await asyncio.gather(tarea, return_exceptions=True)

    async def correr(self) -> None:
        """Measure for ever."""
        reloj = asyncio.get_running_loop().time
        while True:
            previsto = reloj() + _PERIODO_S
            await asyncio.sleep(_PERIODO_S)
            ahora = reloj()
            self._medir(max(0.0, ahora - previsto) * 1_000, ahora)
            self._latir(ahora)
            self.tareas_maximo = max(self.tareas_maximo, len(asyncio.all_tasks()))

    def _medir(self, retraso_ms: float, ahora: float) -> None:
        self._medidas.append(retraso_ms)
        self.retraso_s.observar(retraso_ms / 1_000)
        self.maximo_ms = max(self.maximo_ms, retraso_ms)
        if retraso_ms > self._limite_ms:
            self.retrasos += 1
            self._peor_sin_avisar_ms = max(self._peor_sin_avisar_ms, retraso_ms)
        if self._peor_sin_avisar_ms and ahora >= self._proximo_aviso_s:
            log.warning("retraso_del_bucle", ms=round(self._peor_sin_avisar_ms, 1), retrasos=self.retrasos)
            self._peor_sin_avisar_ms = 0.0
            self._proximo_aviso_s = ahora + _ENTRE_AVISOS_S

    def _latir(self, ahora: float) -> None:
        atascados = self._atascados()
        if atascados and not self._atascado:
            log.critical("servicio_atascado", servicios=", ".join(atascados))
        self._atascado = bool(atascados)
        cada_s = self._aviso.cada_s
        if cada_s is not None and not atascados and ahora >= self._proximo_latido_s:
            self._aviso.latir()
            self._proximo_latido_s = ahora + cada_s
