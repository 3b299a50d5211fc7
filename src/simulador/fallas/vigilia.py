"""How long positions have stood without live stops, on the right side of the market, behind all of them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from src.simulador.algos import Algo, EstadoAlgo, TipoAlgo
from src.simulador.numeros import CERO
from src.simulador.titular import Titular

MAX_TRAMOS = 10_000
_STOPS = frozenset({TipoAlgo.STOP, TipoAlgo.STOP_MARKET, TipoAlgo.TRAILING_STOP_MARKET})


@dataclass(slots=True)
class Desnudez:
    """One symbol of one account."""

    total_ms: int = 0  # market time
    mayor_ms: int = 0  # market time of the longest stretch
    mayor_pared_ms: float = 0.0  # wall time of the longest stretch
    veces: int = 0
    tramos: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=MAX_TRAMOS))
    _desde_ms: int | None = None
    _desde_s: float = 0.0
    _visto_ms: int = 0

    def mirar(self, desnuda: bool, ahora_ms: int, ahora_s: float) -> None:
        """The state from now on; what it was until now is counted."""
        if self._desde_ms is not None:
            self.total_ms += max(0, ahora_ms - self._visto_ms)
            self.mayor_ms = max(self.mayor_ms, ahora_ms - self._desde_ms)
            self.mayor_pared_ms = max(self.mayor_pared_ms, (ahora_s - self._desde_s) * 1_000)
            if not desnuda:
                if ahora_ms > self._desde_ms:
                    self.tramos.append((self._desde_ms, ahora_ms))
                self._desde_ms = None
        elif desnuda:
            self._desde_ms, self._desde_s = ahora_ms, ahora_s
            self.veces += 1
        self._visto_ms = ahora_ms

    def como_json(self) -> dict[str, object]:
        """What the books tell of it."""
        return {
            "total": self.total_ms,
            "longest": self.mayor_ms,
            "longest_wall": round(self.mayor_pared_ms, 3),
            "stretches": self.veces,
            "now": self._desde_ms is not None,
            "spans": [list(tramo) for tramo in self.tramos],
        }


class Vigilia:
    """Watches every account; it must be told after each request and each market step.

    Args:
        titulares: The accounts.
        ahora_ms: Market time, whatever the exchange's clock shows.
        precio_de: Mark price of a symbol.
        monotono: Real seconds.
    """

    def __init__(
        self,
        titulares: Iterable[Titular],
        ahora_ms: Callable[[], int],
        precio_de: Callable[[str], Decimal],
        monotono: Callable[[], float] = time.monotonic,
    ) -> None:
        self._titulares = tuple(titulares)
        self._ahora_ms = ahora_ms
        self._precio_de = precio_de
        self._monotono = monotono
        self._por_cuenta: dict[str, dict[str, Desnudez]] = {
            titular.clave: {simbolo: Desnudez() for simbolo in titular.cuenta.posiciones}
            for titular in self._titulares
        }

    def mirar(self) -> None:
        """Look at every position."""
        ahora_ms, ahora_s = self._ahora_ms(), self._monotono()
        for titular in self._titulares:
            for simbolo, desnudez in self._por_cuenta[titular.clave].items():
                cubierta = esta_cubierta(titular, simbolo, self._precio_de(simbolo))
                desnudez.mirar(not cubierta, ahora_ms, ahora_s)

    def de(self, clave: str) -> dict[str, Desnudez]:
        """An account's, by symbol, as of now."""
        self.mirar()
        return self._por_cuenta[clave]


def esta_cubierta(titular: Titular, simbolo: str, precio: Decimal) -> bool:
    """Whether a symbol is flat, or live stops that the price has yet to reach close all of its position."""
    cantidad = titular.cuenta.posiciones[simbolo].cantidad
    if not cantidad:
        return True
    cubierta = CERO
    for algo in titular.algos.abiertos.values():
        if algo.simbolo == simbolo and algo.signo * cantidad < 0 and _protege(algo, precio):
            if algo.cierra_posicion:
                return True
            cubierta += algo.cantidad
    return cubierta >= abs(cantidad)


def _protege(algo: Algo, precio: Decimal) -> bool:
    """Whether it waits where a loss takes the price; a trailing stop follows the price by itself."""
    if algo.tipo not in _STOPS or algo.estado is not EstadoAlgo.NEW:
        return False
    if algo.tipo is TipoAlgo.TRAILING_STOP_MARKET:
        return True
    return algo.gatillo < precio if algo.signo < 0 else algo.gatillo > precio
