"""Faults of triggered stops, as the engine asks for them."""

from __future__ import annotations

from src.simulador.algos import Algo
from src.simulador.fallas.armario import Armario
from src.simulador.fallas.clases import Clase
from src.simulador.titular import Titular
from src.simulador.trastornos import Disparo

_MODOS = {
    Clase.STOP_STUCK: Disparo.ATASCADO,
    Clase.STOP_CHILD_EXPIRED: Disparo.HIJA_EXPIRADA,
    Clase.STOP_CHILD_PARTIAL: Disparo.HIJA_PARCIAL,
}


class Gatillos:
    """Answers the engine from the armed faults."""

    def __init__(self, armario: Armario) -> None:
        self._armario = armario

    def ignora_disparo(self, titular: Titular, algo: Algo) -> bool:
        """Whether a trigger that was met has no effect."""
        return self._toca((Clase.STOP_IGNORED,), titular, algo) is not None

    def al_disparar(self, titular: Titular, algo: Algo) -> Disparo:
        """What becomes of an order that triggers."""
        clase = self._toca(tuple(_MODOS), titular, algo)
        return Disparo.NORMAL if clase is None else _MODOS[clase]

    def hija_primero(self, titular: Titular, algo: Algo) -> bool:
        """Whether the child is told before its parent's trigger."""
        return self._toca((Clase.ALGO_REORDER,), titular, algo) is not None

    def _toca(self, clases: tuple[Clase, ...], titular: Titular, algo: Algo) -> Clase | None:
        return self._armario.en_gatillo(clases, titular.clave, algo.id_cliente)
