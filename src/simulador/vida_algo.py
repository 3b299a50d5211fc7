"""The life of a conditional order: its states, each told by an event, and what ends it from outside."""

from __future__ import annotations

from src.simulador import eventos
from src.simulador.algos import Algo, EstadoAlgo
from src.simulador.avisos import Avisos
from src.simulador.ordenes import Orden
from src.simulador.titular import Titular

POSICION_CERRADA = "Position closed"
FECHA_CUMPLIDA = "Good till date reached"


class VidaAlgos:
    """Moves conditional orders from state to state.

    Args:
        avisos: Takes the user events.
    """

    def __init__(self, avisos: Avisos) -> None:
        self._avisos = avisos

    def abrir(self, titular: Titular, algo: Algo) -> None:
        """Enter a new one in its account."""
        titular.algos.agregar(algo)
        self._avisar(titular, algo, algo.creado_ms)

    def pasar(
        self, titular: Titular, algo: Algo, estado: EstadoAlgo, ahora_ms: int, motivo: str = ""
    ) -> None:
        """Take an open one to its next state."""
        algo.estado = estado
        algo.motivo = motivo
        algo.actualizado_ms = ahora_ms
        if not estado.abierto:
            titular.algos.cerrar(algo)
        self._avisar(titular, algo, ahora_ms)

    def vencer(self, titular: Titular, ahora_ms: int) -> None:
        """Expire the good-till-date ones whose time is over before their trigger was met."""
        for algo in list(titular.algos.abiertos.values()):
            if algo.vence_ms and ahora_ms >= algo.vence_ms and algo.estado is EstadoAlgo.NEW:
                self.pasar(titular, algo, EstadoAlgo.EXPIRED, ahora_ms, FECHA_CUMPLIDA)

    def tras_llenado(self, titular: Titular, orden: Orden, ahora_ms: int) -> None:
        """After a fill: a filled child finishes its parent, and what has nothing left to close expires.

        Only the orders with ``closePosition`` expire, in both directions; those with a quantity, reduce-only
        or not, outlive the position and are judged when they trigger.
        """
        cantidad = titular.cuenta.posiciones[orden.simbolo].cantidad
        for algo in titular.algos.en_espera(orden.simbolo):
            if algo.cierra_posicion and algo.signo * cantidad >= 0:
                self.pasar(titular, algo, EstadoAlgo.EXPIRED, ahora_ms, POSICION_CERRADA)
        if orden.origen is not None and not orden.estado.abierta:
            self.hija_terminada(titular, orden, ahora_ms)

    def hija_terminada(self, titular: Titular, orden: Orden, ahora_ms: int) -> None:
        """Finish the parent of an order that has ended, once it has been told as TRIGGERED."""
        algo = titular.algos.abiertos.get(orden.origen.algo_id) if orden.origen is not None else None
        if algo is not None and algo.estado is EstadoAlgo.TRIGGERED:
            self.pasar(titular, algo, EstadoAlgo.FINISHED, ahora_ms)

    def _avisar(self, titular: Titular, algo: Algo, ahora_ms: int) -> None:
        if self._avisos.escucha(titular.clave):
            self._avisos.avisar(titular.clave, eventos.algo_actualizado(algo, ahora_ms))
