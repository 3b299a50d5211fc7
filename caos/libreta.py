"""The exchange's books as they are read during a run: what it forgets is kept here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from caos.pruebas import FillBolsa, IngresoBolsa, Libros, OrdenBolsa, StopBolsa, Tramo

Cuerpo = Mapping[str, Any]


class Libreta:
    """Orders, fills and postings by id, merged from several looks."""

    def __init__(self) -> None:
        self._ordenes: dict[int, OrdenBolsa] = {}
        self._fills: dict[int, FillBolsa] = {}
        self._ingresos: dict[int, IngresoBolsa] = {}
        self._hijas: set[int] = set()
        self._ultimo: Cuerpo = {}

    @property
    def hasta_ms(self) -> int:
        """Market time of the last look; what has not changed since then is known."""
        return int(self._ultimo.get("time", 0))

    def tomar(self, libros: Cuerpo) -> None:
        """Take what ``GET /sim/v1/books`` says."""
        self._ultimo = libros
        for fila in (*libros["orders"], *libros["open_orders"]):
            self._ordenes[int(fila["orderId"])] = _orden(fila)
        for fila in libros["fills"]:
            self._fills[int(fila["id"])] = _fill(fila)
        for fila in libros["income"]:
            self._ingresos[int(fila["tranId"])] = _ingreso(fila)
        self._hijas |= {int(a["actualOrderId"]) for a in libros["algo_orders"] if a["actualOrderId"]}

    def cerrar(self, disculpas: Sequence[tuple[int, int]]) -> Libros:
        """The books as of the last look.

        Args:
            disculpas: Spans of market time, from and to, in which an injected fault left the account without
                a stop and the daemon had no chance to know.
        """
        (posicion,) = self._ultimo["positions"]
        tramos = [Tramo(desde_ms, hasta_ms) for desde_ms, hasta_ms in posicion["naked_ms"]["spans"]]
        return Libros(
            ordenes=[self._ordenes[i] for i in sorted(self._ordenes)],
            fills=[self._fills[i] for i in sorted(self._fills)],
            ingresos=[self._ingresos[i] for i in sorted(self._ingresos)],
            saldo=Decimal(self._ultimo["wallet"]),
            cantidad=Decimal(posicion["quantity"]),
            entrada=Decimal(posicion["entry"]),
            hijas=frozenset(self._hijas),
            stops_vivos=[
                StopBolsa(str(algo["clientAlgoId"]), str(algo["orderType"]), bool(algo["closePosition"]))
                for algo in self._ultimo["open_algo_orders"]
                if algo["algoStatus"] == "NEW"
            ],
            desnuda=[tramo for tramo in tramos if not _disculpado(tramo, disculpas)],
        )


def _disculpado(tramo: Tramo, disculpas: Sequence[tuple[int, int]]) -> bool:
    return any(desde <= tramo.desde_ms and tramo.hasta_ms <= hasta for desde, hasta in disculpas)


def _orden(fila: Cuerpo) -> OrdenBolsa:
    return OrdenBolsa(
        int(fila["orderId"]),
        str(fila["clientOrderId"]),
        Decimal(fila["origQty"]),
        Decimal(fila["executedQty"]),
        bool(fila["reduceOnly"]),
        int(fila["time"]),
    )


def _fill(fila: Cuerpo) -> FillBolsa:
    signo = 1 if fila["side"] == "BUY" else -1
    return FillBolsa(
        int(fila["id"]),
        int(fila["orderId"]),
        signo * Decimal(fila["qty"]),
        Decimal(fila["price"]),
        Decimal(fila["commission"]),
        Decimal(fila["realizedPnl"]),
        int(fila["time"]),
    )


def _ingreso(fila: Cuerpo) -> IngresoBolsa:
    return IngresoBolsa(str(fila["incomeType"]), Decimal(fila["income"]), int(fila["time"]))
