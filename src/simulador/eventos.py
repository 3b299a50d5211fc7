"""User data events and public stream messages, as bytes ready for a socket."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import orjson

from src.nucleo.intervalos import cierre_de
from src.simulador.algos import Algo
from src.simulador.cuenta import Cuenta, PosicionSimbolo
from src.simulador.numeros import CERO, redondear, texto, texto_corto, texto_de_float
from src.simulador.ordenes import Operada, Orden
from src.simulador.plaza import Plaza
from src.simulador.serie import OPERACIONES_POR_VELA


def orden_actualizada(
    orden: Orden, ejecucion: str, tiempo_ms: int, activo: str, operada: Operada | None = None
) -> bytes:
    """ORDER_TRADE_UPDATE.

    Args:
        orden: After what happened.
        ejecucion: Binance's execution type ``x``.
        tiempo_ms: Market time.
        activo: Asset of the commission.
        operada: The fill, when there is one.
    """
    origen = orden.origen
    datos: dict[str, Any] = {
        "s": orden.simbolo,
        "c": orden.id_cliente,
        "S": orden.lado.value,
        "o": orden.tipo.value,
        "f": orden.vigencia.value,
        "q": texto(orden.cantidad),
        "p": texto(orden.precio),
        "ap": texto(orden.precio_medio),
        "sp": texto(origen.gatillo) if origen else "0",
        "x": ejecucion,
        "X": orden.estado.value,
        "i": orden.id,
        "l": texto(operada.cantidad) if operada else "0",
        "z": texto(orden.ejecutada),
        "L": texto(operada.precio) if operada else "0",
        "N": activo,
        "n": texto(operada.comision) if operada else "0",
        "T": tiempo_ms,
        "t": operada.id if operada else 0,
        "b": "0",
        "a": "0",
        "m": operada.maker if operada else False,
        "R": orden.solo_reduce,
        "wt": origen.tipo_precio if origen else "CONTRACT_PRICE",
        "ot": origen.tipo if origen else orden.tipo.value,
        "ps": "BOTH",
        "cp": origen.cierra_posicion if origen else False,
        "rp": texto(operada.realizado) if operada else "0",
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": "EXPIRE_MAKER",
        "pm": "NONE",
        "gtd": orden.vence_ms,
    }
    return orjson.dumps({"e": "ORDER_TRADE_UPDATE", "E": tiempo_ms, "T": tiempo_ms, "o": datos})


def algo_actualizado(algo: Algo, tiempo_ms: int) -> bytes:
    """ALGO_UPDATE, after what happened."""
    hija = algo.hija
    datos: dict[str, Any] = {
        "caid": algo.id_cliente,
        "aid": algo.id,
        "at": "CONDITIONAL",
        "o": algo.tipo.value,
        "s": algo.simbolo,
        "S": algo.lado.value,
        "ps": "BOTH",
        "f": algo.vigencia.value,
        "q": texto(algo.cantidad),
        "X": algo.estado.value,
        "ai": str(hija.id) if hija else "",
        "ap": texto(hija.precio_medio) if hija else "0",
        "aq": texto(hija.ejecutada) if hija else "0",
        "act": hija.tipo.value if hija else "0",
        "tp": texto(algo.gatillo),
        "p": texto(algo.precio),
        "V": "EXPIRE_MAKER",
        "wt": algo.tipo_precio.value,
        "pm": "NONE",
        "cp": algo.cierra_posicion,
        "pP": algo.protege_precio,
        "R": algo.solo_reduce,
        "tt": algo.disparado_ms,
        "gtd": algo.vence_ms,
        "rm": algo.motivo,
    }
    return orjson.dumps({"e": "ALGO_UPDATE", "E": tiempo_ms, "T": tiempo_ms, "o": datos})


def operacion_breve(orden: Orden, operada: Operada) -> bytes:
    """TRADE_LITE."""
    return orjson.dumps(
        {
            "e": "TRADE_LITE",
            "E": operada.tiempo_ms,
            "T": operada.tiempo_ms,
            "s": orden.simbolo,
            "q": texto(orden.cantidad),
            "p": texto(orden.precio),
            "m": operada.maker,
            "c": orden.id_cliente,
            "S": orden.lado.value,
            "L": texto(operada.precio),
            "l": texto(operada.cantidad),
            "t": operada.id,
            "i": orden.id,
        }
    )


def cuenta_actualizada(
    cuenta: Cuenta,
    motivo: str,
    tiempo_ms: int,
    posiciones: Sequence[tuple[PosicionSimbolo, Decimal]],
    cambio: Decimal = CERO,
) -> bytes:
    """ACCOUNT_UPDATE.

    Args:
        cuenta: After the change.
        motivo: Binance's reason ``m``.
        tiempo_ms: Market time.
        posiciones: Positions that changed, with their mark prices.
        cambio: Change of the balance other than profit and commission.
    """
    balance = {
        "a": cuenta.activo,
        "wb": texto(cuenta.saldo),
        "cw": texto(cuenta.saldo_cruzado()),
        "bc": texto(cambio),
    }
    filas = [_posicion(posicion, mark) for posicion, mark in posiciones]
    return orjson.dumps(
        {
            "e": "ACCOUNT_UPDATE",
            "E": tiempo_ms,
            "T": tiempo_ms,
            "a": {"m": motivo, "B": [balance], "P": filas},
        }
    )


def _posicion(posicion: PosicionSimbolo, mark: Decimal) -> dict[str, Any]:
    return {
        "s": posicion.contrato.simbolo,
        "pa": texto(posicion.cantidad),
        "ep": texto(posicion.entrada),
        "bep": texto(posicion.entrada),
        "cr": texto(posicion.realizado_acumulado),
        "up": texto(redondear(posicion.no_realizado(mark))),
        "mt": "isolated" if posicion.aislada else "cross",
        "iw": texto(posicion.cartera_aislada),
        "ps": "BOTH",
        "ma": posicion.contrato.activo_margen,
    }


def configuracion_actualizada(simbolo: str, apalancamiento: int, tiempo_ms: int) -> bytes:
    """ACCOUNT_CONFIG_UPDATE after a change of leverage."""
    return orjson.dumps(
        {
            "e": "ACCOUNT_CONFIG_UPDATE",
            "E": tiempo_ms,
            "T": tiempo_ms,
            "ac": {"s": simbolo, "l": apalancamiento},
        }
    )


def clave_vencida(clave: str, tiempo_ms: int) -> bytes:
    """The listenKeyExpired event."""
    return orjson.dumps({"e": "listenKeyExpired", "E": tiempo_ms, "listenKey": clave})


def vela(plaza: Plaza, tiempo_ms: int, cerrada: bool) -> bytes:
    """Candle message of ``<symbol>@kline_<interval>``."""
    cuerpo = _cuerpo_vela(plaza, cerrada, f'"s":"{plaza.simbolo}",')
    return f'{{"e":"kline","E":{tiempo_ms},"s":"{plaza.simbolo}","k":{cuerpo}}}'.encode()


def vela_continua(plaza: Plaza, tiempo_ms: int, cerrada: bool) -> bytes:
    """Candle message of ``<pair>_perpetual@continuousKline_<interval>``."""
    return (
        f'{{"e":"continuous_kline","E":{tiempo_ms},"ps":"{plaza.simbolo}","ct":"PERPETUAL",'
        f'"k":{_cuerpo_vela(plaza, cerrada, "")}}}'
    ).encode()


def _cuerpo_vela(plaza: Plaza, cerrada: bool, simbolo: str) -> str:
    c, serie = plaza.curso, plaza.serie
    d = serie.decimales
    operaciones = OPERACIONES_POR_VELA if c.volume else 0
    primera = plaza.cerradas * OPERACIONES_POR_VELA
    return (
        f'{{"t":{c.apertura_ms},"T":{cierre_de(c.apertura_ms, serie.intervalo)},{simbolo}'
        f'"i":"{serie.intervalo}","f":{primera},"L":{primera + operaciones},'
        f'"o":"{texto_de_float(c.open, d)}","c":"{texto_de_float(c.close, d)}",'
        f'"h":"{texto_de_float(c.high, d)}","l":"{texto_de_float(c.low, d)}",'
        f'"v":"{texto_de_float(c.volume, 3)}","n":{operaciones},"x":{"true" if cerrada else "false"},'
        f'"q":"{c.volume * c.close:.8f}","V":"{texto_de_float(c.volume / 2, 3)}",'
        f'"Q":"{c.volume * c.close / 2:.8f}","B":"0"}}'
    )


def marca(plaza: Plaza, tiempo_ms: int, siguiente_funding_ms: int) -> bytes:
    """Mark price message."""
    precio = texto(plaza.precio)
    tasa = texto(plaza.tasa_en(siguiente_funding_ms))
    return (
        f'{{"e":"markPriceUpdate","E":{tiempo_ms},"s":"{plaza.simbolo}","p":"{precio}","ap":"{precio}",'
        f'"i":"{precio}","P":"{precio}","r":"{tasa}","T":{siguiente_funding_ms}}}'
    ).encode()


def mejor_precio(plaza: Plaza, tiempo_ms: int) -> bytes:
    """Best bid and ask message."""
    cantidad = texto_corto(plaza.contrato.filtros.cantidad_max)
    return (
        f'{{"e":"bookTicker","u":{plaza.operacion},"E":{tiempo_ms},"T":{tiempo_ms},"s":"{plaza.simbolo}",'
        f'"b":"{texto(plaza.venta)}","B":"{cantidad}","a":"{texto(plaza.compra)}","A":"{cantidad}"}}'
    ).encode()


def operacion_publica(plaza: Plaza, tiempo_ms: int) -> bytes:
    """Aggregate trade message: one trade per market step, at its price."""
    n = plaza.operacion
    return (
        f'{{"e":"aggTrade","E":{tiempo_ms},"s":"{plaza.simbolo}","a":{n},"p":"{texto(plaza.precio)}",'
        f'"q":"{texto(plaza.contrato.filtros.paso)}","nq":"{texto(plaza.contrato.filtros.paso)}",'
        f'"f":{n},"l":{n},"T":{tiempo_ms},"m":false}}'
    ).encode()


def fin(tiempo_ms: int) -> bytes:
    """The simulator's own event: the candles have run out."""
    return f'{{"e":"simEnd","E":{tiempo_ms}}}'.encode()
