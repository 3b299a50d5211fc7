"""Counting occasions: the same scenario gives the same faults at the same places."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.simulador.fallas.armario import Armario, Llamada
from src.simulador.fallas.lectura import leer_guion
from src.simulador.fallas.valores import GuionInvalido

ORDEN = Llamada("POST", "/fapi/v1/order", {"side": "BUY"}, "una")


def un_armario(*fallas: Any, azar: Any = None, seed: int = 0) -> Armario:
    """With these faults armed."""
    guion = {"seed": seed, "faults": list(fallas)} | ({"random": azar} if azar else {})
    armario = Armario()
    armario.armar(leer_guion(guion).fallas)
    return armario


def lugares(armario: Armario, llamadas: int, llamada: Llamada = ORDEN) -> list[int]:
    """Numbers of the calls that a fault struck."""
    return [n for n in range(1, llamadas + 1) if armario.en_llamada(llamada)]


def test_la_enesima_y_las_que_siguen():
    at = {"call": "POST *", "nth": 3, "every": 2}
    assert lugares(un_armario({"kind": "http_500", "at": at, "times": 3}), 20) == [3, 5, 7]
    assert lugares(un_armario({"kind": "http_500", "at": at, "times": "always"}), 8) == [3, 5, 7]


def test_solo_cuenta_lo_que_coincide():
    at = {"call": "POST /fapi/v1/order", "nth": 2, "where": {"side": "SELL"}, "account": "una"}
    armario = un_armario({"kind": "http_500", "at": at})
    venta = ORDEN._replace(valores={"side": "SELL"})
    assert lugares(armario, 5) == []
    assert lugares(armario, 5, venta._replace(clave="otra")) == []
    assert lugares(armario, 5, venta._replace(metodo="GET")) == []
    assert lugares(armario, 5, venta) == [2]


def test_los_pasos_y_las_velas_son_los_del_mercado():
    armario = un_armario(
        {"kind": "burst", "at": {"step": 4}},
        {"kind": "outage", "at": {"candle": "each", "every": 2}, "times": 2},
    )
    vistos = [
        (paso, disparada.lugar)
        for paso in range(1, 13)
        for disparada in armario.en_paso(paso, paso // 2 if paso % 2 == 0 else None)
    ]
    assert vistos == [(4, "step 4"), (4, "candle 2"), (8, "candle 4")]


def test_se_puede_contar_desde_que_se_arma_o_desde_el_principio():
    armario = un_armario()
    lugares(armario, 5)
    for count in ("armed", "start"):
        at = {"call": "POST *", "nth": 7, "count": count}
        armario.armar(leer_guion({"faults": [{"kind": "http_500", "at": at}]}).fallas)
    assert lugares(armario, 9) == [2, 7]


def test_lo_pasado_no_se_arma_y_no_deja_nada_a_medias():
    armario = un_armario()
    for paso in range(1, 4):
        armario.en_paso(paso, paso)
    lugares(armario, 5)
    buena = {"kind": "burst", "at": {"step": 9}}
    for at in ({"step": 3}, {"candle": 2}, {"call": "POST *", "nth": 5, "count": "start"}):
        with pytest.raises(GuionInvalido, match="is past"):
            armario.armar(leer_guion({"faults": [buena, {"kind": "burst", "at": at}]}).fallas)
    assert armario.armadas == ()
    relativa = leer_guion({"faults": [{"kind": "burst", "at": {"step": 1, "count": "armed"}}]}).fallas
    assert armario.armar(relativa) == [1]
    assert [d.lugar for d in armario.en_paso(4, None)] == ["step 4"]


def un_azar(probabilidad: float, **campos: Any) -> dict[str, Any]:
    return {"faults": [{"kind": "http_500", "probability": probabilidad, "at": {"call": "*"}}], **campos}


@given(semilla=st.integers(0, 2**32), probabilidad=st.floats(0, 1))
def test_la_misma_semilla_da_las_mismas_fallas(semilla, probabilidad):
    azar = un_azar(probabilidad, seed=semilla)
    assert lugares(un_armario(azar=azar), 50) == lugares(un_armario(azar=azar), 50)


def test_otra_semilla_da_otras_y_la_frecuencia_es_la_pedida():
    uno, otro = (lugares(un_armario(azar=un_azar(0.2), seed=s), 1_000) for s in (1, 2))
    assert uno != otro
    assert 150 < len(uno) < 250


def test_otras_llamadas_no_cambian_la_suerte_de_una():
    """Reads come when they come; the luck of the n-th order is its own."""
    sola = lugares(un_armario(azar=un_azar(0.3)), 100)
    armario = un_armario(azar=un_azar(0.3))
    mezclada = []
    for n in range(1, 101):
        armario.en_llamada(ORDEN._replace(metodo="GET"))
        if armario.en_llamada(ORDEN):
            mezclada.append(n)
    assert mezclada == sola


def test_el_azar_espera_a_sus_pasos():
    armario = un_armario(azar=un_azar(1.0, from_step=2, until_step=3))
    vistos = []
    for paso in range(1, 6):
        armario.en_paso(paso, None)
        vistos.append(bool(armario.en_llamada(ORDEN)))
    assert vistos == [False, True, True, False, False]
