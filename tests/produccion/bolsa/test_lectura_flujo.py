"""Messages of the sockets to typed events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from src.nucleo.errores import LecturaFallida
from src.nucleo.tipos import LadoOrden, Vela
from src.produccion.bolsa.lectura_flujo import ClaveVencida, leer_evento, leer_evento_usuario
from src.produccion.puertos import (
    EstadoAlgo,
    EstadoOrden,
    EventoCuenta,
    EventoFin,
    EventoMargen,
    EventoMark,
    EventoMercado,
    EventoStop,
    EventoVela,
    RespuestaOrden,
    StopBolsa,
    Transaccion,
)
from tests.produccion.servidor_ws import KLINE, MARK

ORDEN: dict[str, Any] = {
    "s": "BTCUSDT",
    "c": "tm-A",
    "S": "BUY",
    "o": "MARKET",
    "ap": "30000.5",
    "x": "TRADE",
    "X": "PARTIALLY_FILLED",
    "i": 7,
    "z": "0.002",
    "l": "0.001",
    "L": "30000.6",
    "N": "USDT",
    "n": "0.015",
    "rp": "-0.25",
    "t": 41,
    "T": 690,
}
ALGO: dict[str, Any] = {
    "caid": "tm-S",
    "aid": 21,
    "at": "CONDITIONAL",
    "o": "STOP_MARKET",
    "s": "BTCUSDT",
    "S": "SELL",
    "q": "0",
    "X": "NEW",
    "ai": "",
    "tp": "25000.1",
    "wt": "MARK_PRICE",
    "cp": True,
}


@pytest.mark.parametrize(
    ("mensaje", "evento"),
    [
        (KLINE, EventoVela(Vela(0, 1.0, 3.0, 0.5, 2.0, 10.0), True, 1_000)),
        (
            KLINE | {"k": KLINE["k"] | {"x": False}},
            EventoVela(Vela(0, 1.0, 3.0, 0.5, 2.0, 10.0), False, 1_000),
        ),
        (MARK, EventoMark(30_000.5, 2_000)),
        ({"e": "simEnd", "E": 3_000}, EventoFin(3_000)),
        ({"e": "aggTrade", "E": 4_000}, None),
        ({"result": None, "id": 1}, None),
        ({"e": "somethingNew"}, None),
    ],
)
def test_cada_mensaje_del_mercado_es_un_evento_o_nada(mensaje: dict[str, Any], evento: EventoMercado | None):
    assert leer_evento(json.dumps(mensaje)) == evento
    assert leer_evento(json.dumps({"stream": "s", "data": mensaje})) == evento


def de_usuario(tipo: str, **cuerpo: Any) -> Any:
    return leer_evento_usuario(json.dumps({"e": tipo, "E": 700, **cuerpo}))


def test_una_orden_dice_como_esta():
    evento = de_usuario("ORDER_TRADE_UPDATE", o=ORDEN)

    assert evento.respuesta == RespuestaOrden("tm-A", 7, EstadoOrden.PARTIALLY_FILLED, 0.002, 30_000.5)
    assert (evento.instante_ms, evento.simbolo) == (700, "BTCUSDT")


@pytest.mark.parametrize(("lado", "signo"), [("BUY", 1.0), ("SELL", -1.0)])
def test_una_orden_trae_el_fill_del_que_habla(lado: str, signo: float):
    evento = de_usuario("ORDER_TRADE_UPDATE", o=ORDEN | {"S": lado})

    assert evento.fill == Transaccion(41, 7, signo * 0.001, 30_000.6, 0.015, -0.25, 690, listada=False)


def test_una_orden_sin_ejecutar_no_tiene_precio_medio_ni_fill():
    """Nor has its event an asset that a commission was paid in."""
    vacia = {clave: valor for clave, valor in ORDEN.items() if clave not in ("N", "n")}
    evento = de_usuario(
        "ORDER_TRADE_UPDATE", o=vacia | {"x": "NEW", "X": "NEW", "z": "0", "ap": "0.00", "l": "0", "t": 0}
    )

    assert evento.respuesta.precio_medio is None
    assert evento.fill is None


def test_un_stop_que_cierra_la_posicion_no_tiene_cantidad():
    assert de_usuario("ALGO_UPDATE", o=ALGO) == EventoStop(
        StopBolsa("tm-S", 21, EstadoAlgo.NEW, "STOP_MARKET", LadoOrden.SELL, 25_000.1, None, None), 700
    )


def test_un_stop_disparado_nombra_la_orden_que_es_ahora():
    evento = de_usuario("ALGO_UPDATE", o=ALGO | {"X": "TRIGGERED", "ai": "99", "cp": False, "q": "0.010"})

    assert (evento.stop.estado, evento.stop.id_orden, evento.stop.cantidad) == (
        EstadoAlgo.TRIGGERED,
        99,
        0.01,
    )


@pytest.mark.parametrize("estado", list(EstadoAlgo))
def test_todo_estado_de_un_stop_se_entiende(estado: EstadoAlgo):
    assert de_usuario("ALGO_UPDATE", o=ALGO | {"X": estado.value}).stop.estado is estado


@pytest.mark.parametrize(
    ("tipo", "evento"),
    [
        ("ACCOUNT_UPDATE", EventoCuenta(700)),
        ("ACCOUNT_CONFIG_UPDATE", EventoCuenta(700)),
        ("MARGIN_CALL", EventoMargen(700)),
        ("listenKeyExpired", ClaveVencida(700)),
        ("TRADE_LITE", None),
        ("somethingNew", None),
    ],
)
def test_lo_demas_es_novedad_o_nada(tipo: str, evento: object):
    assert de_usuario(tipo) == evento


@pytest.mark.parametrize(
    "texto",
    [
        "{not json",
        "[]",
        '{"e": "ACCOUNT_UPDATE", "E": null}',
        '{"e": "ORDER_TRADE_UPDATE", "E": 1, "o": {}}',
        '{"e": "ALGO_UPDATE", "E": 1, "o": {"caid": "x"}}',
    ],
)
def test_lo_que_no_se_entiende_se_dice(texto: str):
    with pytest.raises(LecturaFallida, match="unreadable"):
        leer_evento_usuario(texto)
