"""The control routes: what they arm, tell and refuse."""

from __future__ import annotations

import pytest

from src.simulador.ordenes import RECUERDA
from tests.simulador.banco import el_titular, ordenar, una_simulacion
from tests.simulador.fallas.banco import Bolsa


async def test_lo_armado_y_lo_ocurrido_se_cuentan(bolsa: Bolsa):
    uno = await bolsa.armar("reject", {"call": "POST /fapi/v1/order", "nth": 2}, code=-2019, times=2)
    for _ in range(2):
        await bolsa.comprar()

    estado = await bolsa.cliente.sim("GET", "faults")

    (armada,) = estado["armed"]
    assert (armada["id"], armada["kind"], armada["seen"], armada["fired"]) == (uno, "reject", 2, 1)
    assert armada["at"] == {"call": "POST /fapi/v1/order", "nth": 2, "every": 1, "stage": "before"}
    assert estado["fired"]["by_kind"] == {"reject": 1}
    assert estado["fired"]["log"] == [
        {"id": uno, "kind": "reject", "step": 0, "at": "POST /fapi/v1/order #2", "account": "simulador"}
    ]


async def test_se_arma_un_guion_entero(bolsa: Bolsa):
    contestado = await bolsa.cliente.sim(
        "POST",
        "faults",
        faults=[{"kind": "burst", "at": {"step": 5}}],
        random={"faults": [{"kind": "lose_answer", "probability": 0.5}]},
    )
    assert contestado == {"armed": [1, 2]}
    azarosa = (await bolsa.cliente.sim("GET", "faults"))["armed"][1]
    assert (azarosa["probability"], azarosa["times"]) == (0.5, "always")


@pytest.mark.parametrize(
    ("pedido", "texto"),
    [
        ({"kind": "lose_anser"}, "kind: 'lose_anser' is not a kind of fault; did you mean 'lose_answer'?"),
        ({"faults": [{"kind": "outage", "second": 3}]}, "faults[0].second: unknown parameter of outage"),
        ({"kind": "outage", "seconds": -1}, "seconds: -1 is less than 0"),
        ({"kind": "disconnect", "account": "nadie"}, "no account has the key 'nadie'"),
        ({"kind": "price_jump", "percent": 1, "symbol": "X"}, "'X' is not traded here"),
        ({"kind": "burst", "at": {"step": 1}}, "burst at step 1 is past"),
        ({"fault": []}, "fault: unknown key; did you mean 'faults'?"),
    ],
)
async def test_lo_que_no_se_puede_armar_se_explica(bolsa: Bolsa, pedido, texto):
    bolsa.simulacion.avanzar()
    contestado = await bolsa.cliente.sim("POST", "faults", **pedido)
    assert bolsa.cliente.estado == 400
    assert texto in contestado["error"]


async def test_lo_que_no_es_json_se_explica(bolsa: Bolsa):
    assert "not JSON" in (await bolsa.cliente.pedir("POST", "/sim/v1/faults", "{"))["error"]
    assert "not JSON" in (await bolsa.cliente.pedir("POST", "/sim/v1/holds/release", "{"))["error"]
    assert "nadie" in (await bolsa.cliente.sim("GET", "books?key=nadie"))["error"]


async def test_los_libros_tienen_todo_de_la_cuenta(bolsa: Bolsa):
    await bolsa.comprar(newClientOrderId="a")
    await bolsa.poner_stop("19000", clientAlgoId="s")
    await bolsa.cliente.firmado(
        "POST",
        "/v1/order",
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        price="19500",
        quantity="0.1",
        newClientOrderId="b",
    )

    libros = await bolsa.cliente.sim("GET", "books?key=simulador")

    assert [(o["clientOrderId"], o["executedQty"]) for o in libros["orders"]] == [("a", "0.1"), ("b", "0")]
    assert [o["clientOrderId"] for o in libros["open_orders"]] == ["b"]
    assert [a["clientAlgoId"] for a in libros["open_algo_orders"]] == ["s"]
    assert [f["qty"] for f in libros["fills"]] == ["0.1"]
    assert [i["incomeType"] for i in libros["income"]] == ["TRANSFER", "COMMISSION"]
    assert libros["positions"][0]["quantity"] == "0.1"
    assert libros["wallet"] == "9999.00000000"


async def test_los_libros_desde_un_momento_callan_lo_anterior(bolsa: Bolsa):
    await bolsa.comprar(newClientOrderId="vieja")
    bolsa.simulacion.avanzar()
    ahora_ms = bolsa.simulacion.reloj.ahora_ms()
    await bolsa.comprar(newClientOrderId="nueva")

    libros = await bolsa.cliente.sim("GET", f"books?key=simulador&since={ahora_ms}")

    assert [orden["clientOrderId"] for orden in libros["orders"]] == ["nueva"]
    assert len(libros["fills"]) == 1
    assert [fila["incomeType"] for fila in libros["income"]] == ["COMMISSION"]
    assert libros["positions"][0]["quantity"] == "0.2"
    mal = await bolsa.cliente.sim("GET", "books?key=simulador&since=ayer")
    assert "since='ayer'" in mal["error"]


def test_con_control_nada_se_olvida():
    s = una_simulacion(control=True, recuerda=None)
    for i in range(RECUERDA + 5):
        ordenar(s, side="SELL" if i % 2 else "BUY", quantity="0.01")
    titular = el_titular(s)
    assert len(list(titular.libro.todas())) == RECUERDA + 5
    assert titular.cuenta.ingresos.maxlen is None
    assert el_titular(una_simulacion()).cuenta.ingresos.maxlen == 4 * RECUERDA
