"""Orders of people: closing, pausing, a tenant's limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, select

from src.nucleo.guardian import AccionGuardian
from src.produccion.almacen.conexion import leer
from src.produccion.almacen.demonios import despedirse
from src.produccion.almacen.esquema import audit_log, commands
from src.produccion.almacen.inquilinos import leer_config
from src.produccion.almacen.mandos import MandoGuardado
from src.produccion.api.acceso import Entorno
from src.produccion.api.encargos import Encargos
from src.produccion.api.identificacion import Rol
from src.produccion.mandos import Desenlace, solicitud_de
from src.produccion.monitor.reglas import leer_reglas
from tests.produccion.api.banco import CUENTAS, HECHO, PLAZOS, SIN_MAS_BASES, Api, DemonioFalso, una_api
from tests.produccion.api.poblacion import poblar

RED = True

Demonios = Callable[..., DemonioFalso]
CERRAR = "/api/v1/positions/BTCUSDT/close"
CERRADA = HECHO._replace(mensaje="Position closed")
SIN_BOLSA = Desenlace(exito=False, mensaje="nothing was sent for it", clase="exchange_connection")
PLANA = Desenlace(exito=False, mensaje="No open position to close")


async def test_cerrar_pide_un_cierre_al_demonio_y_espera_lo_que_dice(api: Api, demonio: Demonios):
    vivo = demonio("User_1", responder=lambda _m: CERRADA)

    respuesta = await api.pedir("POST", CERRAR + "/", {"user_id": "User_1"}, api.ficha())

    assert respuesta.estado == 200
    (mando,) = vivo.tomados
    assert (mando.requested_by, solicitud_de(mando).accion) == ("ana", AccionGuardian.CERRAR)
    assert respuesta.cuerpo == {
        "success": True,
        "results": [
            {
                "user_id": "User_1",
                "symbol": "BTCUSDT",
                "command_id": mando.id,
                "status": 200,
                "success": True,
                "message": "Position closed",
                "error": None,
            }
        ],
    }


async def test_quien_no_espera_recibe_el_nombre_del_mando(api: Api, demonio: Demonios):
    demonio("User_1", toma=False)
    ficha = api.ficha()

    respuesta = await api.pedir(
        "POST",
        CERRAR,
        headers={"Authorization": f"Bearer {ficha}", "Prefer": "respond-async"},
    )

    assert (respuesta.estado, respuesta.cuerpo["success"]) == (202, None)
    (fila,) = respuesta.cuerpo["results"]
    mando = await api.pedir("GET", f"/api/v1/commands/{fila['command_id']}", ficha=ficha)
    assert (mando.cuerpo["status"], mando.cuerpo["account_id"]) == ("PENDING", "sim-User_1")


@SIN_MAS_BASES
async def test_lo_que_no_acaba_a_tiempo_es_un_202_y_no_un_fallo(motor: Engine, demonio: Demonios):
    demonio("User_1", responder=lambda _m: None)
    encargos = Encargos(motor, PLAZOS._replace(acabar_s=2.0))
    async with una_api(Entorno(almacen=motor, cuentas=CUENTAS, encargos=encargos)) as api:
        respuesta = await api.pedir("POST", CERRAR, {}, api.ficha())

    (fila,) = respuesta.cuerpo["results"]
    assert (respuesta.estado, fila["status"], fila["success"], fila["error"]) == (202, 202, None, None)


async def test_sin_nombre_se_cierra_en_todas_y_quien_ya_estaba_fuera_no_es_un_fallo(
    api: Api, demonio: Demonios
):
    demonio("User_1", responder=lambda _m: CERRADA)
    demonio("User_2", responder=lambda _m: PLANA)
    demonio("Ajena", client_id="otros")

    respuesta = await api.pedir("POST", CERRAR, {}, api.ficha())

    assert (respuesta.estado, respuesta.cuerpo["success"]) == (200, True)
    assert {f["user_id"]: f["message"] for f in respuesta.cuerpo["results"]} == {
        "User_1": "Position closed",
        "User_2": "No open position to close",
    }


async def test_cerrar_lo_que_nadie_tiene_no_es_un_exito(api: Api, demonio: Demonios):
    ficha = api.ficha()
    nadie = await api.pedir("POST", CERRAR, {}, ficha)
    demonio("User_1", responder=lambda _m: PLANA)
    plana = await api.pedir("POST", CERRAR, {}, ficha)

    assert (nadie.estado, nadie.cuerpo["detail"]) == (404, "there is no open position of BTCUSDT")
    assert (plana.estado, plana.cuerpo["success"], plana.tipo) == (409, False, "application/problem+json")


async def test_una_operacion_sin_demonio_se_dice_y_no_se_da_por_cerrada(api: Api, motor: Engine):
    poblar(motor, "default", "User_1", "sim-1")
    despedirse(motor, "sim-1", "BTCUSDT")

    respuesta = await api.pedir("POST", CERRAR, {}, api.ficha())

    assert (respuesta.estado, respuesta.cuerpo["success"]) == (503, False)
    assert "no daemon trades BTCUSDT for User_1; nothing was done" in respuesta.cuerpo["detail"]


async def test_una_bolsa_que_no_contesta_no_es_una_negativa(api: Api, demonio: Demonios):
    demonio("User_1", responder=lambda _m: SIN_BOLSA)

    respuesta = await api.pedir("POST", CERRAR, {}, api.ficha())

    assert (respuesta.estado, respuesta.cuerpo["success"]) == (502, False)
    assert respuesta.cuerpo["detail"] == "nothing was sent for it"


async def test_un_fallo_entre_varias_es_un_207(api: Api, demonio: Demonios):
    demonio("User_1", responder=lambda _m: CERRADA)
    demonio("User_2", responder=lambda _m: Desenlace(exito=False, mensaje="the exchange is down"))

    respuesta = await api.pedir("POST", CERRAR, {}, api.ficha())

    assert (respuesta.estado, respuesta.cuerpo["success"]) == (207, False)
    assert [f["success"] for f in respuesta.cuerpo["results"]] == [True, False]


async def test_repetir_un_cierre_con_su_clave_da_la_primera_respuesta(
    api: Api, demonio: Demonios, motor: Engine
):
    vivo = demonio("User_1", responder=lambda _m: CERRADA)
    ficha = api.ficha()

    primera = await api.pedir("POST", CERRAR, {}, ficha, "clave-1")
    vivo.parar()
    otra = demonio("User_2", responder=lambda _m: CERRADA)
    segunda = await api.pedir("POST", CERRAR, {}, ficha, "clave-1")
    distinta = await api.pedir("POST", "/api/v1/positions/ETHUSDT/close", {}, ficha, "clave-1")

    assert (segunda.estado, segunda.cuerpo) == (primera.estado, primera.cuerpo) != (404, None)
    assert (len(vivo.tomados), otra.tomados, distinta.estado) == (1, [], 422)


async def test_forceexit_cierra_todo_lo_abierto_y_nada_ajeno(api: Api, demonio: Demonios, motor: Engine):
    poblar(motor, "default", "User_1", "sim-User_1")
    poblar(motor, "default", "User_2", "sim-User_2", "DOGEUSDT")
    poblar(motor, "otros", "Ajena", "sim-Ajena", "XRPUSDT")
    hechos: list[MandoGuardado] = []

    def cerrar(mando: MandoGuardado) -> Desenlace:
        hechos.append(mando)
        return CERRADA

    demonio("User_1", responder=cerrar)
    demonio("User_2", responder=cerrar, simbolo="DOGEUSDT")
    demonio("Ajena", responder=cerrar, simbolo="XRPUSDT", client_id="otros")

    respuesta = await api.pedir("POST", "/api/v1/forceexit", {}, api.ficha())

    assert respuesta.estado == 200
    assert [(f["symbol"], f["user_id"]) for f in respuesta.cuerpo["results"]] == [
        ("BTCUSDT", "User_1"),
        ("DOGEUSDT", "User_2"),
    ]
    pedidos = [(m.symbol, m.user_id) for m in hechos if m.requested_by == "ana"]
    assert sorted(pedidos) == [("BTCUSDT", "User_1"), ("DOGEUSDT", "User_2")]


async def test_stopentry_pausa_al_inquilino_y_start_lo_deja_seguir(api: Api, motor: Engine):
    ficha = api.ficha()

    pausada = await api.pedir("POST", "/api/v1/stopentry", {"reason": "news"}, ficha)
    with leer(motor) as conexion:
        propias, ajenas = leer_reglas(conexion, "default"), leer_reglas(conexion, "otros")
    seguida = await api.pedir("POST", "/api/v1/start", None, ficha)

    assert (pausada.cuerpo["trading_enabled"], pausada.cuerpo["trading_paused_reason"]) == (False, "news")
    assert (propias.opera, propias.motivo_pausa, ajenas.opera) == (False, "news", True)
    assert (seguida.cuerpo["trading_enabled"], seguida.cuerpo["trading_paused_reason"]) == (True, None)
    with leer(motor) as conexion:
        assert leer_reglas(conexion, "default").opera
        asientos = conexion.execute(select(audit_log.c.action).order_by(audit_log.c.id)).scalars().all()
    assert asientos == ["tenant.stopentry", "tenant.start"]


async def test_los_limites_se_cambian_uno_a_uno_y_solo_los_propios(api: Api, motor: Engine):
    ficha = api.ficha("jefa", Rol.ADMIN)
    antes = (await api.pedir("GET", "/api/v1/tenant-config", ficha=ficha)).cuerpo

    cambiada = await api.pedir("PUT", "/api/v1/tenant-config", {"max_slippage_pct": 2.5}, ficha)

    assert (antes["max_slippage_pct"], antes["updated_at"]) == (5.0, None)
    assert cambiada.cuerpo | {"updated_at": None} == antes | {"max_slippage_pct": 2.5}
    with leer(motor) as conexion:
        assert leer_config(conexion, "otros").max_slippage_pct == 5


@SIN_MAS_BASES
@pytest.mark.parametrize(
    "cuerpo",
    [
        {"max_slippage_pct": 0},
        {"max_slippage_pct": 101},
        {"max_slippage_pct": "NaN"},
        b'{"max_slippage_pct": NaN}',
        b'{"max_slippage_pct": 1e400}',
        {"max_executions_per_minute": 0},
        {"max_executions_per_minute": 1.5},
        {"kill": True},
        {"trading_paused_reason": "a\0b"},
        {"trading_paused_reason": "x" * 201},
    ],
)
async def test_un_limite_imposible_no_cambia_nada(api: Api, motor: Engine, cuerpo: Any):
    respuesta = await api.pedir("PUT", "/api/v1/tenant-config", cuerpo, api.ficha("jefa", Rol.ADMIN))

    assert respuesta.estado == 422
    with leer(motor) as conexion:
        assert leer_config(conexion, "default").updated_at_ms is None


@SIN_MAS_BASES
@pytest.mark.parametrize(
    ("metodo", "ruta", "quienes"),
    [
        ("POST", CERRAR, {Rol.OPERADOR, Rol.ADMIN, Rol.SERVICIO}),
        ("POST", "/api/v1/forceexit", {Rol.OPERADOR, Rol.ADMIN, Rol.SERVICIO}),
        ("POST", "/api/v1/stopentry", {Rol.OPERADOR, Rol.ADMIN, Rol.SERVICIO}),
        ("POST", "/api/v1/start", {Rol.OPERADOR, Rol.ADMIN, Rol.SERVICIO}),
        ("PUT", "/api/v1/tenant-config", {Rol.ADMIN}),
    ],
)
async def test_cada_papel_hace_lo_suyo(api: Api, metodo: str, ruta: str, quienes: set[Rol]):
    estados = {rol: (await api.pedir(metodo, ruta, {}, api.ficha(rol.name, rol))).estado for rol in Rol}

    assert {rol for rol, estado in estados.items() if estado != 403} == quienes


async def test_un_cierre_negado_por_su_papel_no_llega_a_nadie(api: Api, motor: Engine, demonio: Demonios):
    vivo = demonio("User_1")

    await api.pedir("POST", CERRAR, {}, api.ficha("mira", Rol.LECTOR))

    assert vivo.tomados == []
    with leer(motor) as conexion:
        assert conexion.execute(select(commands.c.id)).first() is None
