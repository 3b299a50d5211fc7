"""Breakers and risk modes over HTTP: what is shown, who is asked, and what is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, select

from src.nucleo.disyuntores import ClaseDisyuntor
from src.nucleo.riesgo import ModoRiesgo
from src.produccion.almacen.conexion import leer
from src.produccion.almacen.demonios import despedirse
from src.produccion.almacen.disyuntores import listar_disyuntores
from src.produccion.almacen.esquema import audit_log, breakers, commands
from src.produccion.almacen.mandos import MandoGuardado
from src.produccion.almacen.mandos_riesgo import PeticionCierre, leer_cierre, leer_modo
from src.produccion.api.identificacion import Rol
from src.produccion.mandos import Desenlace
from src.produccion.mesa_riesgo import DesenlaceRiesgo
from tests.produccion.api.banco import SIN_MAS_BASES, Api, DemonioFalso
from tests.produccion.api.poblacion import INICIO_MS, poblar

RED = True

Demonios = Callable[..., DemonioFalso]
SPREAD = "sim-User_1:binance:BTCUSDT:spread"
REINICIAR = f"/api/v1/breakers/{SPREAD}/reset"
MODO = "/api/v1/risk/mode"
PARAR = {"mode": "HALTED", "reason": "news"}
CERRADO = {"symbol": "BTCUSDT", "kind": "spread", "state": "CLOSED", "previous_state": "OPEN"}


def cierra(_mando: MandoGuardado) -> Any:
    return DesenlaceRiesgo(True, INICIO_MS, CERRADO, "the spread breaker is closed")


def cambia(mando: MandoGuardado) -> Any:
    campos = {"mode": mando.payload["mode"], "previous_mode": "ACTIVE"}
    return DesenlaceRiesgo(True, INICIO_MS, campos, f"risk mode {mando.payload['mode']}")


@pytest.fixture
def con_disyuntores(motor: Engine) -> None:
    """Breakers of an account, no daemon, and no command that waits."""
    poblar(motor, "default", "User_1", "sim-User_1")
    despedirse(motor, "sim-User_1", "BTCUSDT")
    with motor.begin() as conexion:
        conexion.execute(delete(commands))


async def test_cada_disyuntor_dice_como_esta_y_como_se_cierra(api: Api, motor: Engine):
    poblar(motor, "default", "User_1", "sim-User_1")

    todos = (await api.pedir("GET", "/api/v1/breakers", ficha=api.ficha())).cuerpo["breakers"]

    ejecuciones, spread = todos
    assert spread == {
        "id": SPREAD,
        "account_id": "sim-User_1",
        "exchange": "binance",
        "symbol": "BTCUSDT",
        "kind": "spread",
        "state": "OPEN",
        "blocks_entries": True,
        "value": 31.5,
        "limit": 20.0,
        "unit": "bps",
        "failures": 3,
        "reason": "the book of default is thin",
        "by": "daemon",
        "since": INICIO_MS / 1_000,
        "opened_at": INICIO_MS / 1_000,
        "until": INICIO_MS / 1_000 + 60,
        "how_to_close": "healthy samples close it; by hand: timonel breakers reset spread --symbol BTCUSDT"
        " --account sim-User_1 --reason WHY",
    }
    assert (ejecuciones["id"], ejecuciones["account_id"]) == ("::BTCUSDT:stop_execution", None)
    assert (ejecuciones["state"], ejecuciones["until"]) == ("OPEN", ejecuciones["opened_at"] + 300)


async def test_se_eligen_por_simbolo(api: Api, motor: Engine):
    poblar(motor, "default", "User_1", "sim-User_1")
    poblar(motor, "default", "User_1", "sim-User_1", "DOGEUSDT")
    ficha = api.ficha()

    de_doge = (await api.pedir("GET", "/api/v1/breakers?symbol=DOGEUSDT", ficha=ficha)).cuerpo["breakers"]
    historia = (await api.pedir("GET", "/api/v1/history/circuit-breakers?kind=spread", ficha=ficha)).cuerpo

    assert {uno["symbol"] for uno in de_doge} == {"DOGEUSDT"}
    assert len(de_doge) == 2
    assert historia == {"circuit_breakers": []}


@pytest.mark.usefixtures("con_disyuntores")
async def test_reiniciar_pide_al_demonio_que_cierre_y_espera_lo_que_dice(
    api: Api, motor: Engine, demonio: Demonios
):
    vivo = demonio("User_1", responder=cierra)

    respuesta = await api.pedir("POST", REINICIAR, {"reason": " the book is back "}, api.ficha())

    (mando,) = vivo.tomados
    assert leer_cierre(mando.payload) == PeticionCierre(ClaseDisyuntor.SPREAD, "the book is back")
    assert (mando.requested_by, mando.account_id) == ("ana", "sim-User_1")
    assert (respuesta.estado, respuesta.cuerpo["success"]) == (200, True)
    assert respuesta.cuerpo["results"] == [
        {
            "account_id": "sim-User_1",
            "user_id": "User_1",
            "symbol": "BTCUSDT",
            "command_id": mando.id,
            "status": 200,
            "success": True,
            "message": "the spread breaker is closed",
            "error": None,
            "kind": "spread",
            "state": "CLOSED",
            "previous_state": "OPEN",
        }
    ]
    with leer(motor) as conexion:
        (asiento,) = conexion.execute(select(audit_log).where(audit_log.c.username == "ana")).mappings()
    assert (asiento["action"], asiento["target"], asiento["status"]) == ("breaker.reset", SPREAD, 200)


@pytest.mark.usefixtures("con_disyuntores")
async def test_lo_que_el_demonio_niega_es_un_409(api: Api, demonio: Demonios):
    demonio("User_1", responder=lambda _m: Desenlace(exito=False, mensaje="it is closed already"))

    respuesta = await api.pedir("POST", REINICIAR, {"reason": "x"}, api.ficha())

    assert (respuesta.estado, respuesta.tipo) == (409, "application/problem+json")
    assert (respuesta.cuerpo["success"], respuesta.cuerpo["detail"]) == (False, "it is closed already")


@pytest.mark.usefixtures("con_disyuntores")
async def test_sin_demonio_no_se_cierra_nada(api: Api):
    ficha = api.ficha()

    nadie = await api.pedir("POST", REINICIAR, {"reason": "x"}, ficha)
    ninguno = await api.pedir(
        "POST", "/api/v1/breakers/x:binance:BTCUSDT:spread/reset", {"reason": "x"}, ficha
    )
    de_nada = await api.pedir("POST", "/api/v1/breakers/tiempo/reset", {"reason": "x"}, ficha)

    assert (nadie.estado, nadie.cuerpo["detail"]) == (
        503,
        "failed: no daemon trades BTCUSDT on sim-User_1; nothing was done; start one: `timonel live`",
    )
    assert (ninguno.estado, de_nada.estado) == (404, 404)


@SIN_MAS_BASES
@pytest.mark.usefixtures("con_disyuntores")
@pytest.mark.parametrize(
    ("cuerpo", "estado"),
    [
        (None, 422),
        ({}, 422),
        ({"reason": ""}, 422),
        ({"reason": "  "}, 400),
        ({"reason": "x" * 501}, 422),
        ({"reason": "a\0b"}, 422),
        ({"reason": "x", "force": True}, 422),
    ],
)
async def test_sin_motivo_no_se_pide_nada(api: Api, demonio: Demonios, cuerpo: Any, estado: int):
    vivo = demonio("User_1")

    respuestas = [
        await api.pedir("POST", REINICIAR, cuerpo, api.ficha()),
        await api.pedir(
            "PUT", MODO, None if cuerpo is None else cuerpo | {"mode": "HALTED"}, api.ficha("eva")
        ),
    ]

    assert ([r.estado for r in respuestas], vivo.tomados) == ([estado] * 2, [])


@pytest.mark.usefixtures("con_disyuntores")
async def test_repetir_con_la_clave_da_la_primera_respuesta(api: Api, demonio: Demonios):
    vivo = demonio("User_1", responder=cierra)
    ficha = api.ficha()

    primera = await api.pedir("POST", REINICIAR, {"reason": "x"}, ficha, "k")
    vivo.parar()
    segunda = await api.pedir("POST", REINICIAR, {"reason": "x"}, ficha, "k")
    otro_motivo = await api.pedir("POST", REINICIAR, {"reason": "y"}, ficha, "k")
    otra_cosa = await api.pedir("PUT", MODO, PARAR, ficha, "k")

    assert (primera.estado, segunda.cuerpo) == (200, primera.cuerpo)
    assert (otro_motivo.estado, otra_cosa.estado, len(vivo.tomados)) == (422, 422, 1)


@pytest.mark.usefixtures("con_disyuntores")
async def test_quien_no_espera_recibe_el_nombre_del_mando(api: Api, demonio: Demonios):
    demonio("User_1", toma=False)
    cabeceras = {"Authorization": f"Bearer {api.ficha()}", "Prefer": "respond-async"}

    respuestas = [
        await api.pedir("POST", REINICIAR, headers=cabeceras, json={"reason": "x"}, data=None),
        await api.pedir("PUT", MODO, headers=cabeceras, json=PARAR, data=None),
    ]

    for respuesta in respuestas:
        (fila,) = respuesta.cuerpo["results"]
        assert (respuesta.estado, respuesta.cuerpo["success"], fila["success"]) == (202, None, None)
        mando = await api.pedir("GET", f"/api/v1/commands/{fila['command_id']}", headers=cabeceras)
        assert mando.cuerpo["status"] == "PENDING"


@pytest.mark.usefixtures("con_disyuntores")
async def test_el_de_ejecuciones_se_cierra_sin_demonio_y_una_vez(api: Api, motor: Engine):
    ruta, ficha = "/api/v1/breakers/::BTCUSDT:stop_execution/reset", api.ficha()

    primera = await api.pedir("POST", ruta, {"reason": "new key"}, ficha, "k")
    repetida = await api.pedir("POST", ruta, {"reason": "new key"}, ficha, "k")
    otra = await api.pedir("POST", ruta, {"reason": "new key"}, ficha)

    (fila,) = primera.cuerpo["results"]
    assert (primera.estado, repetida.cuerpo, otra.estado) == (200, primera.cuerpo, 409)
    assert (fila["account_id"], fila["state"], fila["user_id"]) == (None, "CLOSED", None)
    (cerrado,) = [d for d in listar_disyuntores(motor) if d.kind is ClaseDisyuntor.STOP_EXECUTION]
    assert cerrado.state == "CLOSED"
    historia = (await api.pedir("GET", "/api/v1/history/circuit-breakers", ficha=ficha)).cuerpo
    assert [(c["state"], c["by"], c["reason"]) for c in historia["circuit_breakers"]] == [
        ("CLOSED", "ana", "new key"),
        ("OPEN", None, None),
    ]


async def test_el_modo_se_pone_a_todos_los_demonios_vivos_del_inquilino(api: Api, demonio: Demonios):
    propios = [
        demonio("User_1", responder=cambia),
        demonio("User_2", responder=cambia),
        demonio("User_2", responder=cambia, simbolo="DOGEUSDT"),
    ]
    ajeno = demonio("Ajena", client_id="otros")

    respuesta = await api.pedir("PUT", MODO, PARAR, api.ficha(), "k")

    assert (respuesta.estado, respuesta.cuerpo["success"]) == (200, True)
    assert [(f["account_id"], f["symbol"], f["mode"]) for f in respuesta.cuerpo["results"]] == [
        ("sim-User_1", "BTCUSDT", "HALTED"),
        ("sim-User_2", "BTCUSDT", "HALTED"),
        ("sim-User_2", "DOGEUSDT", "HALTED"),
    ]
    mandos = [mando for vivo in propios for mando in vivo.tomados]
    assert [leer_modo(m.payload) for m in mandos] == [(ModoRiesgo.HALTED, "news")] * 3
    assert ajeno.tomados == []


@pytest.mark.parametrize(
    ("alcance", "esperados"),
    [
        ({"symbol": "dogeusdt"}, ["User_2 DOGEUSDT"]),
        ({"account_id": "sim-User_1"}, ["User_1 BTCUSDT"]),
        ({"user_id": "User_2"}, ["User_2 BTCUSDT", "User_2 DOGEUSDT"]),
        ({"user_id": "User_2", "symbol": "BTCUSDT"}, ["User_2 BTCUSDT"]),
    ],
)
async def test_o_solo_a_los_que_se_nombran(
    api: Api, demonio: Demonios, alcance: dict[str, str], esperados: list[str]
):
    for quien, simbolo in (("User_1", "BTCUSDT"), ("User_2", "BTCUSDT"), ("User_2", "DOGEUSDT")):
        demonio(quien, responder=cambia, simbolo=simbolo)

    respuesta = await api.pedir("PUT", MODO, PARAR | alcance, api.ficha())

    assert [f"{f['user_id']} {f['symbol']}" for f in respuesta.cuerpo["results"]] == esperados


async def test_una_clave_vale_para_todas_las_cuentas_de_un_usuario(api: Api, demonio: Demonios):
    """The same user and symbol on two accounts: both are told, and a repeat tells neither again."""
    vivos = [demonio("User_1", responder=cambia), demonio("User_1", responder=cambia, entorno="testnet")]
    ficha = api.ficha()

    primera = await api.pedir("PUT", MODO, PARAR, ficha, "k")
    segunda = await api.pedir("PUT", MODO, PARAR, ficha, "k")
    otro_alcance = await api.pedir("PUT", MODO, PARAR | {"symbol": "BTCUSDT"}, ficha, "k")
    otra_accion = await api.pedir("POST", "/api/v1/breakers/a:b:C:spread/reset", {"reason": "x"}, ficha, "k")

    assert (primera.estado, segunda.cuerpo, len(primera.cuerpo["results"])) == (200, primera.cuerpo, 2)
    assert ([len(vivo.tomados) for vivo in vivos], otro_alcance.estado) == ([1, 1], 422)
    assert otra_accion.estado == 422


async def test_un_fallo_entre_varios_es_un_207(api: Api, demonio: Demonios):
    demonio("User_1", responder=cambia)
    demonio("User_2", responder=lambda _m: Desenlace(exito=False, mensaje="the disk is full"))

    respuesta = await api.pedir("PUT", MODO, PARAR, api.ficha())

    assert (respuesta.estado, respuesta.cuerpo["success"]) == (207, False)
    assert [(f["mode"], f["error"]) for f in respuesta.cuerpo["results"]] == [
        ("HALTED", None),
        (None, "the disk is full"),
    ]


async def test_sin_nadie_que_obedezca_no_es_un_exito(api: Api, motor: Engine):
    poblar(motor, "default", "User_1", "sim-User_1")
    despedirse(motor, "sim-User_1", "BTCUSDT")
    ficha = api.ficha()

    estados = [
        (await api.pedir("PUT", MODO, PARAR | alcance, ficha)).estado
        for alcance in ({}, {"account_id": "sim-User_1"}, {"account_id": "sim-otra"})
    ]

    assert estados == [503, 503, 404]


async def test_los_modos_se_ven_tambien_donde_nadie_los_puso(api: Api, motor: Engine, demonio: Demonios):
    poblar(motor, "default", "User_1", "sim-1")
    demonio("User_2")
    ficha = api.ficha()

    modos = (await api.pedir("GET", MODO, ficha=ficha)).cuerpo["modes"]

    assert [(m["account_id"], m["mode"], m["by"], m["alive"]) for m in modos] == [
        ("sim-1", "REDUCING", "de-default", True),
        ("sim-User_2", "ACTIVE", None, True),
    ]
    assert modos[1]["since"] is None
    de_uno = (await api.pedir("GET", f"{MODO}?account_id=sim-1", ficha=ficha)).cuerpo["modes"]
    assert [m["account_id"] for m in de_uno] == ["sim-1"]


@SIN_MAS_BASES
@pytest.mark.parametrize(
    ("metodo", "ruta", "cuerpo"), [("POST", REINICIAR, {"reason": "x"}), ("PUT", MODO, PARAR)]
)
async def test_un_lector_solo_mira(api: Api, metodo: str, ruta: str, cuerpo: object):
    estados = {rol: (await api.pedir(metodo, ruta, cuerpo, api.ficha(rol.name, rol))).estado for rol in Rol}

    assert {rol for rol, estado in estados.items() if estado == 403} == {Rol.LECTOR}


@SIN_MAS_BASES
async def test_un_disyuntor_que_solo_muestra_un_limite_detiene_y_no_tiene_plazo(api: Api, motor: Engine):
    fila = {"client_id": "default", "account_id": "a", "exchange": "binance", "symbol": "BTCUSDT"}
    with motor.begin() as conexion:
        conexion.execute(
            insert(breakers).values(
                fila | {"kind": "drawdown", "state": "OPEN", "opened_at_ms": 1, "updated_at_ms": 1}
            )
        )
    ficha = api.ficha()

    (uno,) = (await api.pedir("GET", "/api/v1/breakers", ficha=ficha)).cuerpo["breakers"]
    (candado,) = (await api.pedir("GET", "/api/v1/locks", ficha=ficha)).cuerpo["locks"]

    assert (uno["until"], uno["blocks_entries"], candado["name"]) == (None, True, "drawdown")
    assert "reset" not in candado["how_to_remove"]
