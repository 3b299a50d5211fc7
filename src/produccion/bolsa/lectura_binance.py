"""Binance's JSON to the project's types: dicts die here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from src.datos.mercado_bolsa import mercado_de_bolsa
from src.nucleo.errores import LecturaFallida, SimboloNoAdmitido
from src.nucleo.tipos import EstadoCuenta, LadoOrden, Posicion, Vela
from src.produccion.puertos import (
    ClaseIngreso,
    CuentaBolsa,
    EstadoAlgo,
    EstadoOrden,
    InfoSimbolo,
    Ingreso,
    OrdenViva,
    PrecioBidAsk,
    RespuestaOrden,
    StopBolsa,
    Transaccion,
)

_DE_ORDENES = frozenset({"REALIZED_PNL", "COMMISSION"})
_TRASPASOS = ("TRANSFER", "_SWAP_DEPOSIT", "_SWAP_WITHDRAW")  # how their names end
_CON_SU_NOMBRE = frozenset(clase.value for clase in (ClaseIngreso.FUNDING_FEE, ClaseIngreso.INSURANCE_CLEAR))


def leer_vela(fila: Sequence[Any]) -> Vela:
    """One row of ``klines``."""
    return Vela(int(fila[0]), float(fila[1]), float(fila[2]), float(fila[3]), float(fila[4]), float(fila[5]))


def leer_cuenta(crudo: Mapping[str, Any], simbolo: str, activo: str) -> CuentaBolsa:
    """``v2/account``: one atomic snapshot with wallet, entry price, leverage and margin type."""
    fondos = _buscar(crudo["assets"], "asset", activo)
    fila = _buscar(crudo["positions"], "symbol", simbolo)
    if fondos is None or fila is None:
        raise LecturaFallida(f"the account answer has no row for {activo if fondos is None else simbolo}")
    cantidad = float(fila["positionAmt"])
    posicion = Posicion(cantidad, float(fila["entryPrice"])) if cantidad != 0 else None
    return CuentaBolsa(
        EstadoCuenta(float(fondos["walletBalance"]), posicion),
        float(fondos["availableBalance"]),
        int(fila["leverage"]),
        bool(fila["isolated"]),
    )


def leer_orden(crudo: Mapping[str, Any]) -> RespuestaOrden:
    """An order as POST, GET or DELETE answers it; ``avgPrice`` is optional."""
    precio = float(crudo.get("avgPrice") or 0.0)
    return RespuestaOrden(
        str(crudo["clientOrderId"]),
        int(crudo["orderId"]),
        EstadoOrden(crudo["status"]),
        float(crudo["executedQty"]),
        precio if precio > 0 else None,
    )


def leer_orden_viva(crudo: Mapping[str, Any]) -> OrdenViva:
    """One row of ``openOrders``."""
    return OrdenViva(
        str(crudo["clientOrderId"]),
        int(crudo["orderId"]),
        LadoOrden(crudo["side"]),
        float(crudo["origQty"]),
        float(crudo["executedQty"]),
        bool(crudo["reduceOnly"]),
    )


def leer_stop(crudo: Mapping[str, Any]) -> StopBolsa:
    """A conditional order as the algo service answers it.

    Only a query names the order that it became; a trailing one has no trigger before it is activated.
    """
    return StopBolsa(
        str(crudo["clientAlgoId"]),
        int(crudo["algoId"]),
        EstadoAlgo(crudo["algoStatus"]),
        str(crudo["orderType"]),
        LadoOrden(crudo["side"]),
        float(crudo["triggerPrice"] or 0.0),
        None if crudo["closePosition"] else float(crudo["quantity"]),
        int(crudo.get("actualOrderId") or 0) or None,
    )


def comprobar_cancelacion(crudo: Mapping[str, Any]) -> None:
    """The algo service's answer to a cancellation; its code is a text.

    Raises:
        ValueError: It does not say that it was done.
    """
    if str(crudo["code"]) != "200":
        raise ValueError(f"cancellation answered with code {crudo['code']}")


def leer_bidask(crudo: Mapping[str, Any]) -> PrecioBidAsk:
    """One row of ``ticker/bookTicker``."""
    return PrecioBidAsk(float(crudo["bidPrice"]), float(crudo["askPrice"]), int(crudo["time"]))


def leer_transaccion(crudo: Mapping[str, Any]) -> Transaccion:
    """One row of ``userTrades``."""
    signo = 1.0 if crudo["side"] == "BUY" else -1.0
    return Transaccion(
        int(crudo["id"]),
        int(crudo["orderId"]),
        signo * float(crudo["qty"]),
        float(crudo["price"]),
        float(crudo["commission"]),
        float(crudo["realizedPnl"]),
        int(crudo["time"]),
    )


def leer_ingreso(crudo: Mapping[str, Any], simbolo: str) -> Ingreso:
    """One row of ``income``; of another symbol than ``simbolo`` it is `ClaseIngreso.AJENO`."""
    clase = _clase_de(str(crudo["incomeType"]))
    if crudo["symbol"] not in ("", simbolo):
        clase = ClaseIngreso.AJENO
    return Ingreso(clase, float(crudo["income"]), int(crudo["time"]), int(crudo["tranId"]))


def _clase_de(nombre: str) -> ClaseIngreso:
    if nombre in _DE_ORDENES:
        return ClaseIngreso.DE_ORDENES
    if nombre.endswith(_TRASPASOS):
        return ClaseIngreso.TRANSFER
    return ClaseIngreso(nombre) if nombre in _CON_SU_NOMBRE else ClaseIngreso.OTRO


def leer_simbolo(
    info: Mapping[str, Any], simbolo: str, tramos: Any, comision: Mapping[str, Any], funding: Sequence[Any]
) -> InfoSimbolo:
    """Everything published about a symbol, as a `Mercado`."""
    mercado = mercado_de_bolsa(simbolo, info, funding, tramos, comision)
    return InfoSimbolo(mercado=mercado, estado=estado_de(info, simbolo))


def estado_de(info: Mapping[str, Any], simbolo: str) -> str:
    """The symbol's status in ``exchangeInfo``.

    Raises:
        SimboloNoAdmitido: The exchange does not list it.
    """
    fila = _buscar(info["symbols"], "symbol", simbolo)
    if fila is None:
        raise SimboloNoAdmitido(f"symbol {simbolo!r} is not listed by this exchange")
    return str(fila["status"])


def _buscar(filas: Iterable[Mapping[str, Any]], clave: str, valor: str) -> Mapping[str, Any] | None:
    return next((fila for fila in filas if fila.get(clave) == valor), None)
