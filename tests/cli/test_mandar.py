"""Commands that have daemons do something, against a served API."""

# ruff: noqa: F811 -- fixtures that are imported

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from src.cli import mandar
from src.cli.cliente_api import _de_estado
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


def test_una_cantidad_negativa_se_rechaza_por_lo_que_es():
    """It is no option, and no way to say the side."""
    resultado = orden("order create btcusdt sell -0.010")

    assert resultado.exit_code == 2
    assert "-0.010 is not above 0" in resultado.stderr


def test_una_opcion_mal_escrita_no_da_ninguna_orden():
    resultado = orden("order create btcusdt buy 0.010 --stpo 29400")

    assert (resultado.exit_code, "--stpo" in resultado.stderr) == (2, True)


def test_una_orden_se_da_y_repetida_con_su_clave_no_es_otra(vivo: DemonioFalso):
    texto = "order create btcusdt buy 0.010 --stop 29400 --target 31800 --user User_1 --key k1"

    resultados = [orden(texto), orden(texto + " --json")]

    assert [r.exit_code for r in resultados] == [0, 0]
    assert json.loads(resultados[1].stdout)["success"] is True
    ((accion, contenido),) = pedidos(vivo)
    assert (accion, contenido["side"], contenido["quantity"]) == ("order.create", "BUY", "0.01")
    assert (contenido["stop"], contenido["target"]) == ("29400", "31800")


@pytest.mark.parametrize("llega", [True, False])
def test_una_orden_hecha_espera_un_poco_a_que_el_almacen_la_muestre(
    vivo: DemonioFalso, dentro: Servida, monkeypatch: pytest.MonkeyPatch, llega: bool
):
    """The store is fed from the journal: a look right after the answer found nothing."""
    monkeypatch.setattr(mandar, "_VERLA_S", 30.0 if llega else 0.2)
    with dentro.almacen.begin() as conexion:
        for tabla in ("operations", "positions"):
            conexion.exec_driver_sql(f"UPDATE {tabla} SET symbol = 'XUSDT'")
    pausas: list[float] = []

    def esperar(segundos: float) -> None:
        pausas.append(segundos)
        if llega and len(pausas) == 2:
            with dentro.almacen.begin() as conexion:
                conexion.exec_driver_sql("UPDATE operations SET symbol = 'BTCUSDT'")

    monkeypatch.setattr(mandar.time, "sleep", esperar)

    resultado = orden("order create BTCUSDT buy 0.010 --user User_1")

    assert (resultado.exit_code, "does not show the position yet" in resultado.stderr) == (0, not llega)
    assert len(pausas) == 2 if llega else pausas


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


@pytest.mark.parametrize("opcion", ["--account-id", "--account"])
def test_un_ensayo_se_cierra_por_el_nombre_de_su_cuenta(dentro: Servida, opcion: str):
    """No accounts file knows the user: without the name the answer says how to give it."""
    ensayo = DemonioFalso(dentro.almacen, "Suelta", lambda _m: HECHO, simbolo="ETHUSDT")
    ensayo.start()
    try:
        sin_nombre = orden("close ETHUSDT")
        con_nombre = orden(f"close ETHUSDT {opcion} sim-Suelta")
    finally:
        ensayo.parar()

    assert sin_nombre.exit_code == 6
    assert "(a dry run is asked only by its account_id: sim-Suelta)" in " ".join(sin_nombre.stderr.split())
    assert (con_nombre.exit_code, con_nombre.stdout) == (0, "Suelta ETHUSDT: done\n")


def test_sin_ensayo_que_viva_no_se_habla_de_ensayos(dentro: Servida):
    assert "dry run" not in orden("stop --symbol NADAUSDT").stderr


@pytest.mark.parametrize(
    ("estado", "cuerpo", "codigo"),
    [
        (504, b'{"detail": "will not be carried out", "success": false}', 6),
        (504, b'{"detail": "who knows", "success": null}', 8),
        (504, b"a proxy gave up", 8),
        (429, b'{"detail": "locked out"}', 7),
        (409, b'{"detail": "No open position to close", "success": false}', 1),
    ],
)
def test_el_codigo_dice_si_se_hizo_algo(estado: int, cuerpo: bytes, codigo: int):
    assert _de_estado(estado, cuerpo).codigo_salida == codigo
