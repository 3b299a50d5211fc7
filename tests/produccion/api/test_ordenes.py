"""What people ask of daemons: orders, and that they end."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, select

from src.produccion.almacen.conexion import escribir, leer
from src.produccion.almacen.escritura import poner
from src.produccion.almacen.esquema import audit_log, commands, stop_orders
from src.produccion.api.identificacion import Rol
from src.produccion.mandos import Desenlace
from tests.produccion.api.banco import SIN_MAS_BASES, Api, DemonioFalso

RED = True

Demonios = Callable[..., DemonioFalso]
CREAR = "/api/v1/orders/create"
ORDEN = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.010", "stop": 29_400.5, "target": "31800"}
ABIERTA = Desenlace(exito=True, mensaje="BUY 0.01 BTCUSDT filled")
ACABA = Desenlace(exito=True, mensaje="the daemon ends after its step")


async def test_parar_pide_a_los_demonios_del_inquilino_que_acaben(api: Api, motor: Engine, demonio: Demonios):
    uno = demonio("User_1", responder=lambda _m: ACABA)
    otro = demonio("User_2", responder=lambda _m: ACABA, simbolo="ETHUSDT")
    ajeno = demonio("Ajena", client_id="otros")

    respuesta = await api.pedir("POST", "/api/v1/stop", {"reason": "maintenance"}, api.ficha())

    assert (respuesta.estado, respuesta.cuerpo["success"]) == (200, True)
    assert [(f["symbol"], f["user_id"], f["message"]) for f in respuesta.cuerpo["results"]] == [
        ("BTCUSDT", "User_1", "the daemon ends after its step"),
        ("ETHUSDT", "User_2", "the daemon ends after its step"),
    ]
    assert [(m.action, m.payload["reason"]) for m in uno.tomados + otro.tomados] == [
        ("daemon.stop", "maintenance")
    ] * 2
    assert ajeno.tomados == []
    with leer(motor) as conexion:
        c = audit_log.c
        assert conexion.execute(select(c.action, c.username, c.status)).all() == [("daemon.stop", "ana", 200)]


@pytest.mark.parametrize("campo", ["symbol", "user_id", "account_id"])
async def test_solo_acaba_el_que_se_nombra(api: Api, demonio: Demonios, campo: str):
    uno = demonio("User_1", responder=lambda _m: ACABA)
    otro = demonio("User_2", responder=lambda _m: ACABA, simbolo="ETHUSDT")
    nombre = {"symbol": "ETHUSDT", "user_id": "User_2", "account_id": "sim-User_2"}[campo]

    respuesta = await api.pedir("POST", "/api/v1/stop", {campo: nombre}, api.ficha())

    assert (respuesta.estado, uno.tomados, len(otro.tomados)) == (200, [], 1)


async def test_repetir_con_su_clave_no_para_a_quien_empezo_despues(api: Api, demonio: Demonios):
    vivo = demonio("User_1", responder=lambda _m: ACABA)
    ficha = api.ficha()

    primera = await api.pedir("POST", "/api/v1/stop", {}, ficha, "clave-1")
    segunda = await api.pedir("POST", "/api/v1/stop", {}, ficha, "clave-1")
    distinta = await api.pedir("POST", "/api/v1/stop", {"reason": "x"}, ficha, "clave-1")

    assert (segunda.estado, segunda.cuerpo) == (200, primera.cuerpo)
    assert (len(vivo.tomados), distinta.estado) == (1, 422)


@SIN_MAS_BASES
@pytest.mark.parametrize("cuerpo", [{}, {"symbol": "ETHUSDT"}, {"user_id": "Ajena"}, {"account_id": "x"}])
async def test_sin_demonio_que_parar_se_dice(api: Api, demonio: Demonios, cuerpo: dict[str, str]):
    demonio("Ajena", client_id="otros")
    demonio("Suelta", entorno="sim")  # a dry run of a user that no accounts file knows

    respuesta = await api.pedir("POST", "/api/v1/stop", cuerpo, api.ficha())

    assert (respuesta.estado, respuesta.tipo) == (503, "application/problem+json")
    assert respuesta.cuerpo["detail"].startswith("failed: no daemon trades ")
    assert "; nothing was done" in respuesta.cuerpo["detail"]
    assert "timonel live" not in respuesta.cuerpo["detail"]


@SIN_MAS_BASES
async def test_quien_solo_mira_no_para_a_nadie(api: Api, demonio: Demonios):
    vivo = demonio("User_1")

    respuesta = await api.pedir("POST", "/api/v1/stop", {}, api.ficha("mira", Rol.LECTOR))

    assert (respuesta.estado, vivo.tomados) == (403, [])


# --- orders ---


def un_stop(
    motor: Engine, nombre: str = "tm-stop", estado: str = "ACCEPTED", client_id: str = "default"
) -> None:
    """A target that waits at the exchange."""
    fila = {
        "account_id": "sim-User_1",
        "client_order_id": nombre,
        "client_id": client_id,
        "user_id": "User_1",
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "TAKE_PROFIT_MARKET",
        "status": estado,
        "trigger_price": "31800",
        "quantity": None,
        "created_at_ms": 1_728_000_000_000,
        "updated_at_ms": 1_728_000_000_000,
    }
    with escribir(motor) as conexion:
        poner(conexion, stop_orders, fila)


async def test_una_orden_llega_a_quien_opera_el_simbolo(api: Api, motor: Engine, demonio: Demonios):
    vivo = demonio("User_1", responder=lambda _m: ABIERTA)
    demonio("User_2", simbolo="ETHUSDT")

    respuesta = await api.pedir("POST", CREAR, ORDEN, api.ficha())

    assert (respuesta.estado, respuesta.cuerpo["success"]) == (200, True)
    (mando,) = vivo.tomados
    assert (mando.action, mando.account_id, mando.requested_by) == ("order.create", "sim-User_1", "ana")
    assert {campo: mando.payload[campo] for campo in ("side", "quantity", "stop", "target")} == {
        "side": "BUY",
        "quantity": "0.01",
        "stop": "29400.5",
        "target": "31800",
    }
    with leer(motor) as conexion:
        c = audit_log.c
        assert conexion.execute(select(c.action, c.target, c.status)).all() == [
            ("order.create", "BTCUSDT", 200)
        ]


async def test_entre_varias_cuentas_hay_que_decir_cual(api: Api, motor: Engine, demonio: Demonios):
    uno, otro = (demonio(quien, responder=lambda _m: ABIERTA) for quien in ("User_1", "User_2"))
    ficha = api.ficha()

    sin_decir = await api.pedir("POST", CREAR, ORDEN, ficha)
    dicha = await api.pedir("POST", CREAR, ORDEN | {"user_id": "User_2"}, ficha)

    assert sin_decir.estado == 409
    assert "is traded for User_1, User_2; name one as user_id" in sin_decir.cuerpo["detail"]
    assert (dicha.estado, uno.tomados, len(otro.tomados)) == (200, [], 1)


async def test_repetir_con_su_clave_no_abre_otra(api: Api, demonio: Demonios):
    vivo = demonio("User_1", responder=lambda _m: ABIERTA)
    ficha = api.ficha()

    primera = await api.pedir("POST", CREAR, ORDEN, ficha, "clave-1")
    segunda = await api.pedir("POST", CREAR, ORDEN | {"quantity": 0.01}, ficha, "clave-1")
    distinta = await api.pedir("POST", CREAR, ORDEN | {"quantity": 0.02}, ficha, "clave-1")

    assert (segunda.estado, segunda.cuerpo) == (200, primera.cuerpo)
    assert (len(vivo.tomados), distinta.estado) == (1, 422)


async def test_lo_que_el_demonio_niega_es_un_conflicto_con_su_motivo(api: Api, demonio: Demonios):
    demonio("User_1", responder=lambda _m: Desenlace(exito=False, mensaje="the spread breaker is open"))

    respuesta = await api.pedir("POST", CREAR, ORDEN, api.ficha())

    assert (respuesta.estado, respuesta.cuerpo["detail"]) == (409, "the spread breaker is open")


@SIN_MAS_BASES
@pytest.mark.parametrize(
    "cambio",
    [
        {"side": "LONG"},
        {"type": "LIMIT"},
        {"quantity": 0},
        {"quantity": -1},
        {"quantity": "NaN"},
        {"quantity": True},
        {"quantity": None},
        {"stop": "Infinity"},
        {"target": 0},
        {"symbol": "BTC/USDT"},
        {"user_id": "a\0b"},
        {"price": 30_000},
    ],
)
async def test_una_orden_imposible_no_llega_a_nadie(api: Api, motor: Engine, cambio: dict[str, object]):
    respuesta = await api.pedir("POST", CREAR, ORDEN | cambio, api.ficha())

    assert respuesta.estado == 422
    with leer(motor) as conexion:
        assert conexion.execute(select(commands.c.id)).first() is None


@SIN_MAS_BASES
@pytest.mark.parametrize("cuerpo", [ORDEN, ORDEN | {"user_id": "Ajena"}, ORDEN | {"symbol": "ETHUSDT"}])
async def test_sin_demonio_que_la_abra_se_dice(api: Api, demonio: Demonios, cuerpo: dict[str, object]):
    ajeno = demonio("Ajena", client_id="otros")

    respuesta = await api.pedir("POST", CREAR, cuerpo, api.ficha())

    assert respuesta.estado == 503
    assert "no daemon trades" in respuesta.cuerpo["detail"]
    assert ajeno.tomados == []


async def test_cancelar_va_a_la_cuenta_de_la_orden(api: Api, motor: Engine, demonio: Demonios):
    vivo = demonio("User_1", responder=lambda _m: Desenlace(exito=True, mensaje="cancelled"))
    un_stop(motor)
    ficha = api.ficha()

    vistas = await api.pedir("GET", "/api/v1/orders?open_only=true", ficha=ficha)
    respuesta = await api.pedir("POST", "/api/v1/orders/tm-stop/cancel", None, ficha)

    (vista,) = vistas.cuerpo["orders"]
    assert (vista["id"], vista["type"], vista["quantity"]) == ("tm-stop", "TAKE_PROFIT_MARKET", None)
    assert (vista["trigger_price"], vista["executed_quantity"]) == ("31800.00", None)
    assert (respuesta.estado, respuesta.cuerpo["results"][0]["message"]) == (200, "cancelled")
    (mando,) = vivo.tomados
    assert (mando.action, mando.payload["order"]) == ("order.cancel", "tm-stop")


async def test_lo_acabado_no_se_cancela_y_lo_de_otros_no_existe(api: Api, motor: Engine, demonio: Demonios):
    vivo = demonio("User_1")
    un_stop(motor, "tm-acabado", "CANCELED")
    un_stop(motor, "tm-ajeno", client_id="otros")
    ficha = api.ficha()

    acabado, ajeno, nada = [
        await api.pedir("POST", f"/api/v1/orders/{nombre}/cancel", None, ficha)
        for nombre in ("tm-acabado", "tm-ajeno", "tm-nada")
    ]

    assert (acabado.estado, acabado.cuerpo["detail"]) == (
        409,
        "order tm-acabado is over: CANCELED; nothing was done",
    )
    assert (ajeno.estado, nada.estado, vivo.tomados) == (404, 404, [])


@SIN_MAS_BASES
@pytest.mark.parametrize("ruta", [CREAR, "/api/v1/orders/tm-stop/cancel"])
async def test_quien_solo_mira_no_da_ordenes(api: Api, motor: Engine, demonio: Demonios, ruta: str):
    vivo = demonio("User_1")
    un_stop(motor)

    respuesta = await api.pedir("POST", ruta, ORDEN, api.ficha("mira", Rol.LECTOR))

    assert (respuesta.estado, vivo.tomados) == (403, [])
