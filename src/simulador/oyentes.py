"""Listen keys: one per account, alive for 60 real minutes after the last sign of life."""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256

VIDA_S = 3_600.0


class Oyentes:
    """Active listen keys.

    Args:
        monotono: Real seconds; keep-alives are about real connections, not about the market.
    """

    def __init__(self, monotono: Callable[[], float] = time.monotonic) -> None:
        self._monotono = monotono
        self._por_clave: dict[str, str] = {}  # API key -> listen key
        self._vence_s: dict[str, float] = {}  # listen key -> end of life
        self._creadas = 0

    def abrir(self, clave: str) -> str:
        """The account's active key, extended; a new one when it has none."""
        actual = self._por_clave.get(clave)
        if actual is None:
            self._creadas += 1
            actual = sha256(f"{clave}:{self._creadas}".encode()).hexdigest()
            self._por_clave[clave] = actual
        self._vence_s[actual] = self._monotono() + VIDA_S
        return actual

    def prolongar(self, clave: str) -> str | None:
        """Extend the account's key; ``None`` when it has none."""
        actual = self._por_clave.get(clave)
        if actual is not None:
            self._vence_s[actual] = self._monotono() + VIDA_S
        return actual

    def cerrar(self, clave: str) -> str | None:
        """End the account's key; ``None`` when it has none."""
        actual = self._por_clave.pop(clave, None)
        if actual is not None:
            del self._vence_s[actual]
        return actual

    def titular(self, oyente: str) -> str | None:
        """API key behind a listen key."""
        for clave, actual in self._por_clave.items():
            if actual == oyente:
                return clave
        return None

    def vencidas(self) -> list[tuple[str, str]]:
        """End the keys whose time is over: (API key, listen key) of each."""
        ahora = self._monotono()
        idas = [(c, o) for c, o in self._por_clave.items() if ahora >= self._vence_s[o]]
        for clave, _ in idas:
            self.cerrar(clave)
        return idas
