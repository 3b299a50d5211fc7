"""Commands that have daemons do something, against a served API."""

# ruff: noqa: F811 -- fixtures that are imported

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from src.produccion.mandos import Desenlace
from tests.cli.test_operar import (  # noqa: F401 -- fixtures
    _sin_bitacora,
    demonio,
    dentro,
    fichero,
    orden,
    servida,
)
from tests.produccion.api.api_en_hilo import Servida
from tests.produccion.api.banco import DemonioFalso

Demonio = Callable[..., DemonioFalso]
HECHO = Desenlace(exito=True, mensaje="done")


@pytest.fixture
def vivo(dentro: Servida, demonio: Demonio) -> DemonioFalso:
    """It does whatever ana asks."""
    return demonio(lambda m: HECHO if m.requested_by == "ana" else None)


def pedidos(vivo: DemonioFalso) -> list[tuple[str, dict[str, object]]]:
    return [(m.action, m.payload) for m in vivo.tomados if m.requested_by == "ana"]


def test_parar_dice_lo_que_dijo_cada_demonio(vivo: DemonioFalso):
    resultado = orden("stop --symbol btcusdt --user User_1 --reason maintenance")

    assert (resultado.exit_code, resultado.stdout) == (0, "User_1 BTCUSDT: done\n")
    ((accion, contenido),) = pedidos(vivo)
    assert (accion, contenido["reason"]) == ("daemon.stop", "maintenance")


def test_una_orden_se_da_y_repetida_con_su_clave_no_es_otra(vivo: DemonioFalso):
    texto = "order create btcusdt buy 0.010 --stop 29400 --target 31800 --user User_1 --key k1"

    resultados = [orden(texto), orden(texto + " --json")]

    assert [r.exit_code for r in resultados] == [0, 0]
    assert json.loads(resultados[1].stdout)["success"] is True
    ((accion, contenido),) = pedidos(vivo)
    assert (accion, contenido["side"], contenido["quantity"]) == ("order.create", "BUY", "0.01")
    assert (contenido["stop"], contenido["target"]) == ("29400", "31800")


def test_cancelar_una_orden_abierta(vivo: DemonioFalso):
    resultado = orden("order cancel tm-default-stop")

    assert (resultado.exit_code, resultado.stdout) == (0, "User_1 BTCUSDT: done\n")
    ((accion, contenido),) = pedidos(vivo)
    assert (accion, contenido["order"]) == ("order.cancel", "tm-default-stop")


@pytest.mark.parametrize(
    ("texto", "codigo", "dicho"),
    [
        ("order create BTCUSDT long 0.01", 2, "side"),
        ("order create BTCUSDT buy x", 2, "quantity"),
        ("order create NADAUSDT buy 1", 6, "no daemon trades NADAUSDT"),
        ("order cancel tm-nada", 2, "there is no order 'tm-nada'"),
        ("order cancel tm-default-0", 1, "is over: FILLED"),
        ("stop --symbol NADAUSDT", 6, "no daemon trades NADAUSDT"),
    ],
)
def test_cada_fallo_tiene_su_codigo(dentro: Servida, texto: str, codigo: int, dicho: str):
    resultado = orden(texto)

    assert (resultado.exit_code, dicho in resultado.stderr) == (codigo, True), resultado.output
