"""The resident stop refused, lost, forgotten, stuck or half done: the position is protected or flat."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.nucleo.errores import EmergenciaDrawdown
from src.nucleo.registro import Resultado, StatusFila
from tests.extremo.fallas.banco import Ensayo, Fila, sin, un_ensayo_que_no_espera

COLOCACIONES = {
    "4130": '{kind: stop_4130, at: {call: "POST /fapi/v1/algoOrder", nth: 2}}',
    "lost": '{kind: lose_answer, at: {call: "POST /fapi/v1/algoOrder", nth: 2}}',
    "not-sent": '{kind: lose_request, at: {call: "POST /fapi/v1/algoOrder", nth: 2}}',
    "1007": '{kind: error_1007, at: {call: "POST /fapi/v1/algoOrder", nth: 3}}',
    "503": '{kind: http_503_unavailable, at: {call: "POST /fapi/v1/algoOrder", nth: 1}}',
    "cancel-lost": '{kind: lose_answer, at: {call: "DELETE /fapi/v1/algoOrder", nth: 1}}',
}
OLVIDADO = "{kind: stop_dropped, at: {step: 10}}"
SIN_STOP = '{kind: stop_4130, at: {call: "POST /fapi/v1/algoOrder"}, times: 3}'
CAIDA = "{kind: price_jump, at: {step: 8}, percent: -12}"
SUBIDA = "{kind: price_jump, at: {step: 8}, percent: 12}"
CON_OBJETIVO = {
    "tipo": "fija",
    "stop": {"modo": "porcentaje", "valor": 5.0},
    "objetivo": {"modo": "porcentaje", "valor": 6.0},
}
ATASCADO, EXPIRADO = "{kind: stop_stuck}", "{kind: stop_child_expired}"
A_MEDIAS, AL_REVES = "{kind: stop_child_partial}", "{kind: algo_reorder}"
SORDO = "{kind: stop_ignored, times: always}"
A_MANO = {
    "between": "{kind: closed_by_hand, at: {step: 10}}",
    "replacing": '{kind: closed_by_hand, at: {call: "POST /fapi/v1/algoOrder", nth: 2, stage: after}}',
}
LIQUIDADA = {
    "between": "{kind: liquidated, at: {step: 10}}",
    "replacing": '{kind: liquidated, at: {call: "POST /fapi/v1/algoOrder", nth: 2, stage: after}}',
}
DERRUMBE = "{kind: price_jump, at: {step: 4}, percent: -30}"
DESPLOME = "{kind: price_jump, at: {step: 8}, percent: -30}"


@pytest.mark.parametrize("falla", COLOCACIONES.values(), ids=COLOCACIONES)
def test_un_stop_que_no_se_deja_poner_a_la_primera(tmp_path: Path, limpias: list[Fila], falla: str):
    ensayo = Ensayo(tmp_path, [falla]).correr()
    assert sum(ensayo.veces.values()) == 1
    assert ensayo.violaciones() == []
    assert sin(ensayo.filas) == sin(limpias)


def test_un_stop_que_la_bolsa_olvida_se_pone_otra_vez(tmp_path: Path, limpias: list[Fila]):
    ensayo = Ensayo(tmp_path, [OLVIDADO]).correr()
    assert ensayo.veces == {"stop_dropped": 1}
    assert "stop_perdido" in ensayo.bitacora
    assert ensayo.violaciones() == []
    assert sin(ensayo.filas) == sin(limpias)


def test_sin_stop_posible_no_se_queda_ninguna_posicion(tmp_path: Path):
    """What was opened is closed again as soon as its stop has been refused for good."""
    ensayo = Ensayo(tmp_path, [SIN_STOP]).correr()
    assert ensayo.veces == {"stop_4130": 3}
    assert "posicion_sin_stop" in ensayo.bitacora
    (cerrada,) = ensayo.de_status(StatusFila.PROTECCION)
    assert (cerrada["paso"], cerrada["operacion"]) == ("1", "cerrar_long")
    assert ensayo.violaciones() == []


def test_el_mercado_salta_por_encima_del_stop(tmp_path: Path):
    ensayo = Ensayo(tmp_path, [CAIDA]).correr()
    assert ensayo.veces == {"price_jump": 1}
    assert len(ensayo.de_status(StatusFila.PROTECCION)) == 1
    assert ensayo.violaciones() == []


@pytest.mark.parametrize("falla", A_MANO.values(), ids=A_MANO)
def test_una_posicion_que_alguien_cierra_a_mano(tmp_path: Path, falla: str):
    """It is booked as what it is, and no stop is left behind; while a stop is replaced as well."""
    ensayo = Ensayo(tmp_path, [falla]).correr()
    assert ensayo.veces == {"closed_by_hand": 1}
    assert len(ensayo.de_status(StatusFila.MANUAL)) == 1
    assert ensayo.violaciones() == []


@pytest.mark.parametrize("falla", LIQUIDADA.values(), ids=LIQUIDADA)
def test_una_posicion_que_la_bolsa_liquida(tmp_path: Path, falla: str):
    """It is booked with the fee of a liquidation, no stop is left behind, and the session goes on."""
    ensayo = Ensayo(tmp_path, [falla]).correr()
    assert ensayo.veces == {"liquidated": 1}
    (fila,) = ensayo.de_status(StatusFila.LIQUIDACION)
    assert float(fila["comision"]) > 0.0
    assert ensayo.error is None
    assert ensayo.violaciones() == []


@pytest.mark.parametrize("falla", [EXPIRADO, A_MEDIAS], ids=["expired", "partial"])
def test_la_orden_del_stop_no_cierra_la_posicion(tmp_path: Path, falla: str):
    """The daemon closes what its stop has left open."""
    ensayo = Ensayo(tmp_path, [falla, CAIDA]).correr()
    assert len(ensayo.veces) == 2
    assert "posicion_sin_stop" in ensayo.bitacora
    assert ensayo.de_status(StatusFila.PROTECCION)[-1]["posicion_abierta"] == "false"
    assert ensayo.violaciones() == []


@pytest.mark.parametrize("falla", [EXPIRADO, A_MEDIAS], ids=["expired", "partial"])
def test_la_orden_del_objetivo_no_cierra_la_posicion(tmp_path: Path, falla: str):
    """The daemon closes what its target has left open."""
    ensayo = Ensayo(tmp_path, [falla, SUBIDA], artefacto={"entorno__proteccion": CON_OBJETIVO}).correr()
    assert len(ensayo.veces) == 2
    disparadas = {a["orderType"] for a in ensayo.libros["algo_orders"] if a["algoStatus"] == "FINISHED"}
    assert disparadas == {"TAKE_PROFIT_MARKET"}
    assert ensayo.de_status(StatusFila.PROTECCION)[-1]["posicion_abierta"] == "false"
    assert ensayo.violaciones() == []


def test_un_stop_atascado(tmp_path: Path):
    """The daemon closes the position, and enters no more while that stop may still do something."""
    ensayo = Ensayo(tmp_path, [ATASCADO, CAIDA]).correr()
    assert ensayo.veces == {"price_jump": 1, "stop_stuck": 1}
    assert ensayo.posicion == 0.0
    assert len(ensayo.de_status(StatusFila.PROTECCION)) == 1
    assert [algo["algoStatus"] for algo in ensayo.libros["open_algo_orders"]] == ["TRIGGERING"]
    assert {v.invariante for v in ensayo.violaciones()} <= {"never without a stop"}
    despues = [fila for fila in ensayo.filas if int(fila["paso"]) > 3 and fila["operacion"] != "mantener"]
    assert {fila["resultado"] for fila in despues} == {Resultado.RECHAZADA}
    assert all("a stop of a former operation lives" in fila["error"] for fila in despues)


def test_un_stop_que_la_bolsa_no_dispara(tmp_path: Path):
    """The daemon closes what the exchange should have closed, long before the drawdown limit."""
    ensayo = Ensayo(tmp_path, [SORDO, DESPLOME]).correr()
    assert ensayo.veces["stop_ignored"] >= 1
    assert ensayo.error is None
    assert "posicion_sin_stop" in ensayo.bitacora
    (cerrada,) = ensayo.de_status(StatusFila.PROTECCION)
    assert (cerrada["paso"], cerrada["operacion"]) == ("3", "cerrar_long")
    assert cerrada["posicion_abierta"] == "false"
    assert ensayo.violaciones() == []


def test_un_stop_que_la_bolsa_no_dispara_y_el_limite_se_alcanza(tmp_path: Path):
    """What closes the position is the stop that failed it; the agent is latched all the same."""
    ensayo = Ensayo(tmp_path, [SORDO, DERRUMBE]).correr()
    assert ensayo.veces["stop_ignored"] >= 1
    assert isinstance(ensayo.error, EmergenciaDrawdown)
    assert [fila["operacion"] for fila in ensayo.de_status(StatusFila.PROTECCION)] == ["cerrar_long"]
    assert ensayo.posicion == 0.0
    assert ensayo.violaciones() == []


def test_el_fill_del_stop_se_cuenta_antes_que_su_disparo(tmp_path: Path):
    caida = '{kind: price_jump, at: {call: "POST /fapi/v1/algoOrder", stage: after}, percent: -25}'
    ensayo = un_ensayo_que_no_espera(tmp_path, AL_REVES, caida).correr()
    assert ensayo.veces == {"algo_reorder": 1, "price_jump": 1}
    assert len(ensayo.de_status(StatusFila.PROTECCION)) == 1
    assert ensayo.violaciones(sin_esperar=True) == []
