"""Each refusal and its code."""

from __future__ import annotations

import pytest

from src.simulador.fallos_api import ErrorApi
from tests.simulador.banco import el_titular, ordenar, una_simulacion

LIMITE = {"type": "LIMIT", "price": "20000", "quantity": "0.1"}


@pytest.mark.parametrize(
    ("campos", "codigo"),
    [
        ({"quantity": "0"}, -4003),
        ({"quantity": "-1"}, -4003),
        ({"quantity": "0.0001"}, -1111),
        ({"quantity": "0.10001"}, -1111),
        ({"quantity": "121"}, -4005),
        ({"quantity": "0.002"}, -4164),
        ({"quantity": "NaN"}, -1102),
        ({"quantity": "mucho"}, -1102),
        ({"quantity": ""}, -1102),
        ({"quantity": "100"}, -2027),
        ({"quantity": "11"}, -2019),
        ({"quantity": "0.1", "side": "HOLD"}, -1117),
        ({"quantity": "0.1", "type": "PEGGED"}, -1116),
        ({"quantity": "0.1", "type": "LIQUIDATION"}, -1116),
        ({"quantity": "0.1", "type": "STOP_MARKET"}, -4120),
        ({"quantity": "0.1", "type": "TRAILING_STOP_MARKET"}, -4120),
        ({"quantity": "0.1", "reduceOnly": "true"}, -2022),
        ({"quantity": "0.1", "reduceOnly": "quizas"}, -1130),
        ({"quantity": "0.1", "positionSide": "LONG"}, -4061),
        ({"quantity": "0.1", "newClientOrderId": "a" * 37}, -4015),
        ({"quantity": "0.1", "newClientOrderId": "con espacio"}, -4015),
        (LIMITE | {"price": "20000.05"}, -4014),
        (LIMITE | {"price": "20000.001"}, -1111),
        (LIMITE | {"price": "0"}, -4001),
        (LIMITE | {"price": "1000000.1"}, -4002),
        (LIMITE | {"price": "199.9"}, -4013),
        ({"quantity": "1e9"}, -4005),
        ({"quantity": "1e70"}, -1102),
        ({"quantity": "1e-30"}, -1111),
        (LIMITE | {"price": "21000.1"}, -4016),
        (LIMITE | {"side": "SELL", "price": "18999.9"}, -4024),
        (LIMITE | {"timeInForce": "DAY"}, -1115),
        (LIMITE | {"quantity": "1001"}, -4005),
    ],
)
def test_cada_regla_responde_con_su_codigo(campos: dict[str, str], codigo: int):
    simulacion = una_simulacion()

    with pytest.raises(ErrorApi) as fallo:
        ordenar(simulacion, **campos)

    assert fallo.value.codigo == codigo
    assert el_titular(simulacion).cuenta.saldo == 10_000


def test_un_paso_que_no_es_potencia_de_diez_tiene_su_codigo():
    from dataclasses import replace
    from decimal import Decimal

    from src.simulador.contrato import Contrato
    from src.simulador.peticion import Parametros
    from src.simulador.reglas import leer_pedido
    from tests.simulador.banco import un_mercado

    filtros = replace(un_mercado().filtros, paso=Decimal("0.005"), paso_mercado=Decimal("0.005"))
    contrato = Contrato.de_mercado(un_mercado(filtros=filtros))
    with pytest.raises(ErrorApi) as fallo:
        leer_pedido(
            Parametros({"side": "BUY", "type": "MARKET", "quantity": "0.007"}), contrato, modo_cobertura=False
        )
    assert fallo.value.codigo == -4023


def test_el_id_de_una_orden_abierta_no_se_repite_y_el_de_una_cerrada_si():
    simulacion = una_simulacion()
    ordenar(simulacion, type="LIMIT", price="19500", quantity="0.1", newClientOrderId="uno")
    with pytest.raises(ErrorApi) as fallo:
        ordenar(simulacion, quantity="0.1", newClientOrderId="uno")
    assert fallo.value.codigo == -4116

    ordenar(simulacion, quantity="0.1", newClientOrderId="dos")
    ordenar(simulacion, quantity="0.1", newClientOrderId="dos")


def test_reducir_junto_a_reductoras_en_reposo_que_ya_cubren_todo():
    simulacion = una_simulacion()
    ordenar(simulacion, quantity="0.1")
    ordenar(simulacion, side="SELL", type="LIMIT", price="20500", quantity="0.1", reduceOnly="true")

    with pytest.raises(ErrorApi) as fallo:
        ordenar(simulacion, side="SELL", quantity="0.1", reduceOnly="true")

    assert fallo.value.codigo == -4118


def test_reducir_hacia_el_mismo_lado_se_rechaza():
    simulacion = una_simulacion()
    ordenar(simulacion, quantity="0.1")

    with pytest.raises(ErrorApi) as fallo:
        ordenar(simulacion, quantity="0.1", reduceOnly="true")

    assert fallo.value.codigo == -2022


def test_no_caben_mas_ordenes_abiertas_que_las_permitidas():
    simulacion = una_simulacion(saldo="1000000")
    for _ in range(200):
        ordenar(simulacion, type="LIMIT", price="19500", quantity="0.01")

    with pytest.raises(ErrorApi) as fallo:
        ordenar(simulacion, type="LIMIT", price="19500", quantity="0.01")

    assert fallo.value.codigo == -4025
