"""The fills that the user stream has told: what the exchange's lists may not show yet."""

from __future__ import annotations

from collections.abc import Mapping

from src.produccion.puertos import Transaccion

_CUANTOS = 500


class FillsOidos:
    """The newest of one symbol, each once, by trade id."""

    def __init__(self) -> None:
        self._filas: dict[int, Transaccion] = {}
        self._ids_cliente: dict[int, str] = {}  # by trade id as well

    def oir(self, fill: Transaccion, id_cliente: str) -> None:
        """Keep what an event told of an order's fill."""
        self._filas[fill.id], self._ids_cliente[fill.id] = fill, id_cliente
        if len(self._filas) > _CUANTOS:
            primero = next(iter(self._filas))
            del self._filas[primero], self._ids_cliente[primero]

    def de_orden(self, id_orden: int) -> dict[int, Transaccion]:
        """Those of one order, by trade id."""
        return {clave: fila for clave, fila in self._filas.items() if fila.id_orden == id_orden}

    def desde(self, id_fill: int) -> dict[int, Transaccion]:
        """Those from a trade id on, by trade id."""
        return {clave: fila for clave, fila in self._filas.items() if clave >= id_fill}

    def id_cliente_de(self, fill: Transaccion) -> str | None:
        """The client id of a fill's order, as it was told; ``None`` when it was not."""
        return self._ids_cliente.get(fill.id)


def en_orden(filas: Mapping[int, Transaccion]) -> tuple[Transaccion, ...]:
    """Fills by trade id, oldest first."""
    return tuple(filas[clave] for clave in sorted(filas))
