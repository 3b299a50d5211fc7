"""Who may try to log in: few failures per user and per address, then nobody for a while."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

VENTANA_S = 900.0
"""Wall seconds that failures are remembered, and that a lock-out lasts after the last one."""

FALLOS_POR_USUARIO = 5
FALLOS_POR_DIRECCION = 20
_RECORDADOS = 10_000


class _Cuenta(NamedTuple):
    fallos: int
    ultimo_s: float


class Portero:
    """Counts attempts in memory, each process its own; a restart forgets them.

    An attempt counts as failed from its beginning, so that many at once are no way round the limit.

    Args:
        ahora_s: A clock that never runs back, seconds.
    """

    def __init__(self, ahora_s: Callable[[], float] = time.monotonic) -> None:
        self._ahora_s = ahora_s
        self._cuentas: OrderedDict[tuple[str, str], _Cuenta] = OrderedDict()

    def intentar(self, usuario: str, direccion: str) -> float:
        """Count an attempt; the seconds to wait when there may be none now, 0.0 when it may go on."""
        espera_s = max(
            self._espera_s(("user", usuario), FALLOS_POR_USUARIO),
            self._espera_s(("address", direccion), FALLOS_POR_DIRECCION),
        )
        if espera_s == 0.0:
            for quien in (("user", usuario), ("address", direccion)):
                self._sumar(quien)
        return espera_s

    def acertar(self, usuario: str, direccion: str) -> None:
        """The attempt was right: the user starts afresh, the address gets its attempt back."""
        self._cuentas.pop(("user", usuario), None)
        self._restar(("address", direccion))

    def devolver(self, usuario: str, direccion: str) -> None:
        """Nobody could tell whether the attempt was right: it has not been one."""
        self._restar(("user", usuario))
        self._restar(("address", direccion))

    def __len__(self) -> int:
        """How many users and addresses are remembered."""
        return len(self._cuentas)

    def _espera_s(self, quien: tuple[str, str], limite: int) -> float:
        cuenta = self._cuentas.get(quien)
        if cuenta is None or cuenta.fallos < limite:
            return 0.0
        return max(0.0, cuenta.ultimo_s + VENTANA_S - self._ahora_s())

    def _restar(self, quien: tuple[str, str]) -> None:
        cuenta = self._cuentas.get(quien)
        if cuenta is not None:
            self._cuentas[quien] = cuenta._replace(fallos=max(0, cuenta.fallos - 1))

    def _sumar(self, quien: tuple[str, str]) -> None:
        ahora = self._ahora_s()
        antes = self._cuentas.pop(quien, None)
        vigentes = antes.fallos if antes is not None and ahora < antes.ultimo_s + VENTANA_S else 0
        self._cuentas[quien] = _Cuenta(vigentes + 1, ahora)
        while len(self._cuentas) > _RECORDADOS:
            self._cuentas.popitem(last=False)
