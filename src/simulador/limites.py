"""Request weights and order counts in market time, and what exceeding them costs."""

from __future__ import annotations

from dataclasses import dataclass

from src.simulador.fallos_api import ErrorApi

PESO_POR_MINUTO = 2_400
ORDENES_POR_MINUTO = 1_200
ORDENES_POR_10S = 300
MINUTO_MS = 60_000
DIEZ_SEGUNDOS_MS = 10_000
INSISTENCIAS = 10  # requests while limited that turn a 429 into a ban
VETO_MS = 120_000


class ErrorLimite(ErrorApi):
    """Too many requests or orders; ``espera_s`` is what Retry-After says."""

    def __init__(self, codigo: int, estado: int, espera_s: int, **datos: object) -> None:
        super().__init__(codigo, estado=estado, **datos)
        self.espera_s = espera_s


@dataclass(slots=True)
class _Ventana:
    """A counter over aligned windows of market time."""

    duracion_ms: int
    maximo: int
    numero: int = -1
    usado: int = 0

    def sumar(self, cuanto: int, ahora_ms: int) -> bool:
        """Count; ``False`` when the window is over its maximum."""
        numero = ahora_ms // self.duracion_ms
        if numero != self.numero:
            self.numero, self.usado = numero, 0
        self.usado += cuanto
        return self.usado <= self.maximo

    def espera_s(self, ahora_ms: int) -> int:
        """Market seconds until the next window."""
        return max(1, -(-(self.duracion_ms - ahora_ms % self.duracion_ms) // 1000))


class Limites:
    """Counters of one client."""

    def __init__(self) -> None:
        self._peso = _Ventana(MINUTO_MS, PESO_POR_MINUTO)
        self._ordenes_1m = _Ventana(MINUTO_MS, ORDENES_POR_MINUTO)
        self._ordenes_10s = _Ventana(DIEZ_SEGUNDOS_MS, ORDENES_POR_10S)
        self._insistencias = 0
        self._veto_hasta_ms = 0

    @property
    def peso_usado(self) -> int:
        """Weight of the current minute."""
        return self._peso.usado

    @property
    def ordenes_usadas(self) -> tuple[int, int]:
        """Orders of the current 10 s and minute."""
        return self._ordenes_10s.usado, self._ordenes_1m.usado

    def pesar(self, peso: int, ahora_ms: int) -> None:
        """Count a request.

        Raises:
            ErrorLimite: 429 over the limit; 418 for who insists.
        """
        if ahora_ms < self._veto_hasta_ms:
            raise self._vetado(ahora_ms)
        if self._peso.sumar(peso, ahora_ms):
            self._insistencias = 0
            return
        self._insistencias += 1
        if self._insistencias > INSISTENCIAS:
            self._insistencias = 0
            self._veto_hasta_ms = ahora_ms + VETO_MS
            raise self._vetado(ahora_ms)
        raise ErrorLimite(-1003, 429, self._peso.espera_s(ahora_ms), limite=PESO_POR_MINUTO)

    def contar_ordenes(self, cuantas: int, ahora_ms: int) -> None:
        """Count new orders.

        Raises:
            ErrorLimite: 429 over one of the two limits.
        """
        cabe_10s = self._ordenes_10s.sumar(cuantas, ahora_ms)
        cabe_1m = self._ordenes_1m.sumar(cuantas, ahora_ms)
        if not cabe_10s:
            espera = self._ordenes_10s.espera_s(ahora_ms)
            raise ErrorLimite(-1015, 429, espera, limite=ORDENES_POR_10S, intervalo="10 SECOND")
        if not cabe_1m:
            espera = self._ordenes_1m.espera_s(ahora_ms)
            raise ErrorLimite(-1015, 429, espera, limite=ORDENES_POR_MINUTO, intervalo="1 MINUTE")

    def _vetado(self, ahora_ms: int) -> ErrorLimite:
        espera = -(-(self._veto_hasta_ms - ahora_ms) // 1000)
        return ErrorLimite(-1003, 418, espera, limite=PESO_POR_MINUTO)
