"""Tells a reading of the position that lags behind from one that can be acted on; needs nothing else."""

from __future__ import annotations

from math import isclose

RETRASO_S = 10.0
"""How long a reading that contradicts what is known is taken for an old one."""

_TOLERANCIA = 1e-9


class Contraste:
    """What a position should be: what is known of it, or its first reading, and what was filled since.

    An old reading shows what the position once was. One that shows what it never was is news, except that
    being flat always has to last: nothing is done any more once it is believed.

    Args:
        conocida: Signed quantity that the account is known to have; ``None`` believes the first reading.
        retraso_s: How long a contradiction has to last until it is believed.
    """

    def __init__(self, conocida: float | None = None, retraso_s: float = RETRASO_S) -> None:
        self._retraso_s = retraso_s
        self._conocida = conocida
        self._base: float | None = None  # what was read, less what was filled by then
        self._neto = 0.0
        self._antes: list[float] = []
        self._rara: float | None = None  # the reading that contradicts, and since when
        self._rara_s = 0.0
        self._desde_s = 0.0

    def vale(self, cantidad: float, neto: float, ahora_s: float) -> bool:
        """Whether a reading can be acted on.

        Args:
            cantidad: Signed quantity that was read.
            neto: Signed sum of all that is known to have been filled since the first reading.
            ahora_s: Wall time.
        """
        base = self._empezar(cantidad, neto, ahora_s) if self._base is None else self._base
        if neto != self._neto:
            self._neto, self._desde_s = neto, ahora_s
            self._antes.append(base + neto)
        if _igual(cantidad, base + neto):
            self._rara = None
            return True
        self._desde_s = ahora_s
        if self._rara is None or not _igual(cantidad, self._rara):
            self._rara, self._rara_s = cantidad, ahora_s
        nueva = not _igual(cantidad, 0.0) and not any(_igual(cantidad, antes) for antes in self._antes)
        if nueva or ahora_s - self._rara_s >= self._retraso_s:
            self.creer(cantidad, neto, ahora_s)
            return True
        return False

    def firme(self, ahora_s: float) -> bool:
        """Whether every reading has agreed for as long as one may lag behind."""
        return ahora_s - self._desde_s >= self._retraso_s

    def creer(self, cantidad: float, neto: float, ahora_s: float) -> None:
        """Take a reading for what the position is, as `vale` does; something else has confirmed it."""
        self._base, self._neto, self._rara, self._desde_s = cantidad - neto, neto, None, ahora_s
        self._antes.append(cantidad)

    def _empezar(self, cantidad: float, neto: float, ahora_s: float) -> float:
        self.creer(cantidad if self._conocida is None else self._conocida, neto, ahora_s)
        return self._antes[-1] - neto


def _igual(una: float, otra: float) -> bool:
    return isclose(una, otra, rel_tol=_TOLERANCIA, abs_tol=_TOLERANCIA)
