"""Messages of the sockets to typed events."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from src.nucleo.errores import LecturaFallida
from src.nucleo.tipos import LadoOrden, Vela
from src.produccion.puertos import (
    EstadoAlgo,
    EstadoOrden,
    EventoCuenta,
    EventoFin,
    EventoMargen,
    EventoMark,
    EventoMercado,
    EventoOrden,
    EventoStop,
    EventoUsuario,
    EventoVela,
    RespuestaOrden,
    StopBolsa,
    Transaccion,
)


class ClaveVencida(NamedTuple):
    """The listen key has expired: the socket stays open and says nothing more."""

    instante_ms: int


def leer_evento(texto: str | bytes) -> EventoMercado | None:
    """Translate a message of the market; kinds that nobody uses are ``None``.

    Raises:
        LecturaFallida: It cannot be read; what it said must be read by REST.
    """
    try:
        crudo: dict[str, Any] = orjson.loads(texto)
        return _evento_mercado(crudo.get("data", crudo))
    except (ValueError, KeyError, TypeError, AttributeError) as fallo:
        raise LecturaFallida(f"unreadable message {texto[:100]!r}: {fallo!r}") from fallo


def leer_evento_usuario(texto: str | bytes) -> EventoUsuario | ClaveVencida | None:
    """Translate a message of the user stream; kinds that nobody uses are ``None``.

    Raises:
        LecturaFallida: It cannot be read; the account must be read by REST.
    """
    try:
        crudo: dict[str, Any] = orjson.loads(texto)
        return _evento_usuario(crudo.get("data", crudo))
    except (ValueError, KeyError, TypeError, AttributeError) as fallo:
        raise LecturaFallida(f"unreadable message of the user stream: {fallo!r}") from fallo


def _evento_mercado(dato: dict[str, Any]) -> EventoMercado | None:
    match dato.get("e"):
        case "kline":
            k = dato["k"]
            vela = Vela(
                int(k["t"]), float(k["o"]), float(k["h"]), float(k["l"]), float(k["c"]), float(k["v"])
            )
            return EventoVela(vela, bool(k["x"]), int(dato["E"]))
        case "markPriceUpdate":
            return EventoMark(float(dato["p"]), int(dato["E"]))
        case "simEnd":
            return EventoFin(int(dato["E"]))
        case _:
            return None


def _evento_usuario(dato: dict[str, Any]) -> EventoUsuario | ClaveVencida | None:
    match dato.get("e"):
        case "ORDER_TRADE_UPDATE":
            o = dato["o"]
            return EventoOrden(_orden(o), int(dato["E"]), str(o["s"]), _fill(o))
        case "ALGO_UPDATE":
            return EventoStop(_stop(dato["o"]), int(dato["E"]))
        case "ACCOUNT_UPDATE" | "ACCOUNT_CONFIG_UPDATE":
            return EventoCuenta(int(dato["E"]))
        case "MARGIN_CALL":
            return EventoMargen(int(dato["E"]))
        case "listenKeyExpired":
            return ClaveVencida(int(dato["E"]))
        case _:
            return None


def _orden(o: dict[str, Any]) -> RespuestaOrden:
    precio = float(o["ap"])
    return RespuestaOrden(
        str(o["c"]), int(o["i"]), EstadoOrden(o["X"]), float(o["z"]), precio if precio > 0 else None
    )


def _fill(o: dict[str, Any]) -> Transaccion | None:
    """The fill of an order's event; those of a new, cancelled or expired order have none."""
    if o["x"] != "TRADE":
        return None
    cantidad = float(o["l"])
    return Transaccion(
        int(o["t"]),
        int(o["i"]),
        cantidad if o["S"] == LadoOrden.BUY else -cantidad,
        float(o["L"]),
        float(o.get("n") or 0.0),
        float(o["rp"]),
        int(o["T"]),
        listada=False,
    )


def _stop(o: dict[str, Any]) -> StopBolsa:
    return StopBolsa(
        str(o["caid"]),
        int(o["aid"]),
        EstadoAlgo(o["X"]),
        str(o["o"]),
        LadoOrden(o["S"]),
        float(o["tp"] or 0.0),
        None if o["cp"] else float(o["q"]),
        int(o.get("ai") or 0) or None,
    )
