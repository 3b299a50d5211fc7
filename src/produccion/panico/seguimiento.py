"""What the position on one symbol should be, by the answers to orders and the fills that are listed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from src.produccion.ordenes.contraste import Contraste

_FIRME_S = 5.0

Clave = tuple[str, str]  # order id and position side


class Seguimiento:
    """Tells readings of the positions that lag behind from those that can be acted on."""

    def __init__(self) -> None:
        self._contrastes: dict[str, Contraste] = {}
        self._contestado: dict[Clave, Decimal] = {}
        self._listado: dict[Clave, dict[int, Decimal]] = {}
        self.desde_id: int | None = None
        """The first fill that counts; ``None`` until the list has been read once."""

    @property
    def a_ciegas(self) -> bool:
        """Whether nothing but readings says what is held: no fill since the beginning is known."""
        return not self._contestado and not self._listado

    def tomar_respuesta(self, hecha: Mapping[str, Any], lado: str, signo: int) -> None:
        """Learn what an order's own answer says of what it executed."""
        clave = str(hecha.get("orderId", "")), lado
        self._contestado[clave] = signo * Decimal(str(hecha.get("executedQty", "0")))

    def tomar_lista(self, filas: Iterable[Mapping[str, Any]]) -> None:
        """Learn the fills that are listed; what the first list contains is of before."""
        filas = list(filas)
        if self.desde_id is None:
            self.desde_id = max((int(fila["id"]) for fila in filas), default=-1) + 1
            return
        for fila in filas:
            clave = str(fila["orderId"]), str(fila.get("positionSide", "BOTH"))
            signo = 1 if fila["side"] == "BUY" else -1
            self._listado.setdefault(clave, {})[int(fila["id"])] = signo * Decimal(str(fila["qty"]))

    def valen(self, posiciones: Mapping[str, Decimal], ahora_s: float) -> bool:
        """Whether a reading of the positions, by position side, can be acted on."""
        lados = {"BOTH"} | posiciones.keys() | self._contrastes.keys()
        cada_una = [
            self._contrastes.setdefault(lado, Contraste(retraso_s=_FIRME_S)).vale(
                float(posiciones.get(lado, 0)), float(self._neto(lado)), ahora_s
            )
            for lado in sorted(lados)
        ]
        return all(cada_una)

    def firme(self, ahora_s: float) -> bool:
        """Whether every reading has agreed for as long as one may lag behind."""
        return all(contraste.firme(ahora_s) for contraste in self._contrastes.values())

    def _neto(self, lado: str) -> Decimal:
        claves = {clave for clave in self._contestado.keys() | self._listado.keys() if clave[1] == lado}
        return sum((self._ejecutado(clave) for clave in claves), Decimal(0))

    def _ejecutado(self, clave: Clave) -> Decimal:
        """Of one order; the answer and the list may each be behind the other."""
        listado = sum(self._listado.get(clave, {}).values(), Decimal(0))
        return max(self._contestado.get(clave, Decimal(0)), listado, key=abs)
