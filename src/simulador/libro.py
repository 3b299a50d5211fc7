"""An account's orders and fills: the open ones, and a bounded memory of the rest."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import takewhile

from src.simulador.ordenes import RECUERDA, EstadoOrden, Operada, Orden


class Libro:
    """Orders of one account; closed ones are forgotten oldest first.

    Args:
        recuerda: Ended orders that are remembered, and twice as many fills; ``None`` for all.
    """

    def __init__(self, recuerda: int | None = RECUERDA) -> None:
        self._max_cerradas = recuerda
        self._max_operadas = None if recuerda is None else 2 * recuerda
        self.abiertas: dict[int, Orden] = {}
        self._operadas: deque[Operada] = deque()
        self._por_orden: dict[int, list[Operada]] = {}
        self._ids_abiertos: dict[str, int] = {}
        self._cerradas: dict[int, Orden] = {}
        self._ids_cerrados: dict[str, int] = {}

    def esta_abierto(self, id_cliente: str) -> bool:
        """Whether an open order has this client id."""
        return id_cliente in self._ids_abiertos

    def agregar(self, orden: Orden) -> None:
        """Keep an order according to its status."""
        if orden.estado is EstadoOrden.NEW:
            self.abiertas[orden.id] = orden
            self._ids_abiertos[orden.id_cliente] = orden.id
        else:
            self._recordar(orden)

    def cerrar(self, orden: Orden) -> None:
        """Move an open order that is no longer NEW to the past."""
        del self.abiertas[orden.id]
        del self._ids_abiertos[orden.id_cliente]
        self._recordar(orden)

    def anotar(self, operada: Operada) -> None:
        """Keep a fill; the oldest is forgotten beyond the limit."""
        if len(self._operadas) == self._max_operadas:
            vieja = self._operadas.popleft()
            self._por_orden[vieja.orden_id].remove(vieja)
            if not self._por_orden[vieja.orden_id]:
                del self._por_orden[vieja.orden_id]
        self._operadas.append(operada)
        self._por_orden.setdefault(operada.orden_id, []).append(operada)

    def operadas(self, orden_id: int | None = None, desde_id: int = 0) -> list[Operada]:
        """Fills by ascending id: of one order or of all, from an id on."""
        if orden_id is not None:
            return [fila for fila in self._por_orden.get(orden_id, ()) if fila.id >= desde_id]
        recientes = takewhile(lambda fila: fila.id >= desde_id, reversed(self._operadas))
        return list(recientes)[::-1]

    def abierta(self, orden_id: int | None, id_cliente: str | None) -> Orden | None:
        """An open order by id, or else by client id."""
        if orden_id is None:
            orden_id = self._ids_abiertos.get(id_cliente or "")
        return self.abiertas.get(orden_id) if orden_id is not None else None

    def buscar(self, orden_id: int | None, id_cliente: str | None) -> Orden | None:
        """Any remembered order by id, or else the latest with a client id."""
        abierta = self.abierta(orden_id, id_cliente)
        if abierta is not None:
            return abierta
        if orden_id is None:
            orden_id = self._ids_cerrados.get(id_cliente or "")
        return self._cerradas.get(orden_id) if orden_id is not None else None

    def todas(self) -> Iterator[Orden]:
        """Every remembered order by ascending id."""
        return iter(sorted((*self._cerradas.values(), *self.abiertas.values()), key=lambda orden: orden.id))

    def _recordar(self, orden: Orden) -> None:
        self._cerradas[orden.id] = orden
        self._ids_cerrados[orden.id_cliente] = orden.id
        if self._max_cerradas is not None and len(self._cerradas) > self._max_cerradas:
            vieja = self._cerradas.pop(next(iter(self._cerradas)))
            if self._ids_cerrados.get(vieja.id_cliente) == vieja.id:
                del self._ids_cerrados[vieja.id_cliente]
