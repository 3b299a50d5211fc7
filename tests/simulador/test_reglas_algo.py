"""Each refusal of a conditional order and its code."""

from __future__ import annotations

import pytest

from src.simulador.algos import EstadoAlgo
from src.simulador.fallos_api import ErrorApi
from tests.simulador.banco import el_titular, ordenar, una_simulacion
from tests.simulador.banco_algo import proteger

STOP = {"triggerPrice": "19000", "quantity": "0.1"}
CIERRE = {"triggerPrice": "19000", "closePosition": "true"}
LIMITE = STOP | {"type": "STOP", "price": "18990"}
ARRASTRE = {"type": "TRAILING_STOP_MARKET", "callbackRate": "1", "quantity": "0.1"}


@pytest.mark.parametrize(
    ("campos", "codigo"),
    [
        (STOP | {"algoType": "VP"}, -1130),
        (STOP | {"algoType": ""}, -1102),
        (STOP | {"side": "HOLD"}, -1117),
        (STOP | {"side": ""}, -1102),
        (STOP | {"type": "MARKET"}, -1116),
        (STOP | {"type": "LIMIT"}, -1116),
        (STOP | {"type": ""}, -1102),
        (STOP | {"positionSide": "LONG"}, -4061),
        (STOP | {"workingType": "LAST"}, -1128),
        (STOP | {"reduceOnly": "quizas"}, -1130),
        (STOP | {"clientAlgoId": "a" * 37}, -4015),
        (STOP | {"clientAlgoId": "con espacio"}, -4015),
        (STOP | {"triggerPrice": ""}, -1102),
        (STOP | {"triggerPrice": "0"}, -4006),
        (STOP | {"triggerPrice": "-1"}, -4006),
        (STOP | {"triggerPrice": "19000.05"}, -4014),
        (STOP | {"triggerPrice": "19000.001"}, -1111),
        (STOP | {"side": "BUY", "triggerPrice": "1000000.1"}, -4007),
        (STOP | {"triggerPrice": "199.9"}, -4013),
        (STOP | {"quantity": ""}, -1102),
        (STOP | {"quantity": "0"}, -4003),
        (STOP | {"quantity": "0.0001"}, -1111),
        (STOP | {"quantity": "121"}, -4005),
        (STOP | {"quantity": "0.002"}, -4164),
        (CIERRE | {"quantity": "0.1"}, -4137),
        (CIERRE | {"reduceOnly": "true"}, -1106),
        (CIERRE | {"type": "STOP", "price": "18990"}, -4136),
        (CIERRE | {"type": "TRAILING_STOP_MARKET", "callbackRate": "1"}, -4136),
        (CIERRE, -4509),
        (LIMITE | {"price": ""}, -1102),
        (LIMITE | {"price": "18990.05"}, -4014),
        (LIMITE | {"timeInForce": "DAY"}, -1115),
        (LIMITE | {"timeInForce": "GTD"}, -1102),
        (LIMITE | {"quantity": "1001"}, -4005),
        (ARRASTRE | {"callbackRate": ""}, -1102),
        (ARRASTRE | {"callbackRate": "0.09"}, -2007),
        (ARRASTRE | {"callbackRate": "10.1"}, -2007),
        (ARRASTRE | {"activatePrice": "20100.05"}, -4014),
    ],
)
def test_cada_regla_responde_con_su_codigo(campos: dict[str, str], codigo: int):
    simulacion = una_simulacion()

    with pytest.raises(ErrorApi) as fallo:
        proteger(simulacion, **campos)

    assert fallo.value.codigo == codigo
    assert el_titular(simulacion).algos.todos() == []


@pytest.mark.parametrize(
    ("tipo", "lado", "cruzado", "espera"),
    [
        ("STOP_MARKET", "SELL", "20000", "19999.9"),
        ("STOP_MARKET", "BUY", "20000", "20000.1"),
        ("TAKE_PROFIT_MARKET", "SELL", "20000", "20000.1"),
        ("TAKE_PROFIT_MARKET", "BUY", "20000", "19999.9"),
        ("STOP", "SELL", "20000", "19999.9"),
        ("TAKE_PROFIT", "BUY", "20000", "19999.9"),
    ],
)
def test_un_gatillo_ya_alcanzado_se_rechaza(tipo: str, lado: str, cruzado: str, espera: str):
    simulacion = una_simulacion()
    campos = {"type": tipo, "side": lado, "quantity": "0.1", "price": "20000"}

    with pytest.raises(ErrorApi) as fallo:
        proteger(simulacion, **campos, triggerPrice=cruzado)
    assert fallo.value.codigo == -2021

    assert proteger(simulacion, **campos, triggerPrice=espera).estado is EstadoAlgo.NEW


@pytest.mark.parametrize(
    ("lado", "cruzada", "espera"), [("SELL", "20000", "20000.1"), ("BUY", "20000", "19999.9")]
)
def test_una_activacion_ya_alcanzada_se_rechaza(lado: str, cruzada: str, espera: str):
    simulacion = una_simulacion()

    with pytest.raises(ErrorApi) as fallo:
        proteger(simulacion, **ARRASTRE, side=lado, activatePrice=cruzada)
    assert fallo.value.codigo == -2021

    assert proteger(simulacion, **ARRASTRE, side=lado, activatePrice=espera).extremo is None


def test_un_segundo_cierre_del_mismo_tipo_y_sentido_se_rechaza_y_uno_de_cantidad_no():
    simulacion = una_simulacion()
    ordenar(simulacion, quantity="0.1")
    proteger(simulacion, **CIERRE)

    with pytest.raises(ErrorApi) as fallo:
        proteger(simulacion, closePosition="true", triggerPrice="18500")
    assert fallo.value.codigo == -4130

    proteger(simulacion, quantity="0.1", reduceOnly="true", triggerPrice="18500")
    proteger(simulacion, type="TAKE_PROFIT_MARKET", closePosition="true", triggerPrice="21000")


def test_un_cierre_del_lado_de_la_posicion_se_rechaza():
    simulacion = una_simulacion()
    ordenar(simulacion, quantity="0.1")

    with pytest.raises(ErrorApi) as fallo:
        proteger(simulacion, side="BUY", closePosition="true", triggerPrice="21000")

    assert fallo.value.codigo == -4509


def test_el_id_de_uno_abierto_no_se_repite_y_el_de_uno_cancelado_si():
    simulacion = una_simulacion()
    primero = proteger(simulacion, **STOP, clientAlgoId="uno")

    with pytest.raises(ErrorApi) as fallo:
        proteger(simulacion, **STOP, clientAlgoId="uno")
    assert fallo.value.codigo == -4116

    simulacion.motor.cancelar_algo(el_titular(simulacion), primero, simulacion.reloj.ahora_ms())
    proteger(simulacion, **STOP, clientAlgoId="uno")


def test_caben_doscientos_abiertos_por_cuenta():
    simulacion = una_simulacion()
    for _ in range(200):
        proteger(simulacion, **STOP)

    with pytest.raises(ErrorApi) as fallo:
        proteger(simulacion, **STOP)

    assert fallo.value.codigo == -4045


def test_ni_el_margen_ni_la_posicion_se_miran_al_colocar():
    """100 BTC at 20,000 with a wallet of 10,000, and a reduce-only order with nothing to reduce."""
    simulacion = una_simulacion()

    assert proteger(simulacion, quantity="100", triggerPrice="19000").estado is EstadoAlgo.NEW
    reductora = proteger(simulacion, quantity="0.001", triggerPrice="19000", reduceOnly="true")
    assert reductora.estado is EstadoAlgo.NEW


def test_lo_que_espera_un_gatillo_no_estorba_a_una_orden_reductora():
    simulacion = una_simulacion()
    ordenar(simulacion, quantity="0.1")
    proteger(simulacion, quantity="0.1", reduceOnly="true", triggerPrice="19000")

    assert ordenar(simulacion, side="SELL", quantity="0.1", reduceOnly="true").ejecutada
