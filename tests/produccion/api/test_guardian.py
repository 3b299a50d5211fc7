"""``POST /guardian``, from the socket to the daemon and back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from src.nucleo.guardian import AccionGuardian, Solicitud
from src.produccion.almacen.mandos import EstadoMando, MandoGuardado, leer_mando
from src.produccion.api.acceso import Entorno
from src.produccion.api.encargos import PAUSA_S, Encargos, reloj_de_pared
from src.produccion.api.identificacion import Rol
from src.produccion.config.cuentas import leer_cuentas
from src.produccion.mandos import Desenlace, solicitud_de
from tests.produccion.api.banco import (
    AJUSTE,
    CERRAR_TODO,
    CUENTAS,
    HECHO,
    PLAZOS,
    SIN_MAS_BASES,
    Api,
    DemonioFalso,
    una_api,
)

RED = True

Demonios = Callable[..., DemonioFalso]


def rechaza(texto: str) -> Callable[[MandoGuardado], Desenlace]:
    return lambda _mando: Desenlace(exito=False, mensaje=texto)


async def test_una_cuenta_responde_los_ocho_campos_de_la_semilla(api: Api, demonio: Demonios):
    demonio("User_1")

    respuesta = await api.guardian(AJUSTE, api.ficha())

    assert (respuesta.estado, respuesta.tipo) == (200, "application/json")
    assert respuesta.cuerpo == {
        "success": True,
        "direction": "BUY",
        "stop": 45_000.0,
        "level_applied": "break_even",
        "previous_stop": 44_500.5,
        "adjustment_confirmed": True,
        "redis_updated": True,
        "timestamp": 1_728_000_000.456,
    }


async def test_el_demonio_recibe_lo_que_se_pidio(api: Api, demonio: Demonios):
    vivo = demonio("User_1")
    ahora_ms = reloj_de_pared()
    contexto = {"trigger_price": "44900.5", "timestamp": ahora_ms / 1_000, "rsi": 61}
    nivel = {"level_name": "profit_20", "level_threshold_pct": 50, "previous_level": "break_even"}

    respuesta = await api.pedir(
        "POST",
        "/guardian/",
        AJUSTE
        | {"symbol": " btcusdt", "target": 46_000, "market_context": contexto, "level_metadata": nivel},
        api.ficha(),
    )

    assert respuesta.estado == 200
    (mando,) = vivo.tomados
    assert mando.requested_by == "ana"
    assert solicitud_de(mando) == Solicitud(
        simbolo="BTCUSDT",
        accion=AccionGuardian.AJUSTAR,
        stop=45_000.0,
        objetivo=46_000.0,
        precio_disparo=44_900.5,
        instante_ms=ahora_ms,
        nivel="profit_20",
        nivel_anterior="break_even",
    )


async def test_una_solicitud_de_antes_sin_metadatos_sirve(api: Api, demonio: Demonios):
    vivo = demonio("User_1")

    assert (await api.guardian(AJUSTE, api.ficha())).estado == 200

    assert solicitud_de(vivo.tomados[0]).nivel == "manual_adjust"


@SIN_MAS_BASES
@pytest.mark.parametrize(
    ("cambio", "detalle"),
    [
        ({"user_id": None, "account_id": "sim-1"}, "'account_id' requires 'user_id' parameter"),
        ({"action": "open"}, "Invalid action. Must be: close, adjust, or half_close"),
        ({"stop": None}, "'adjust' requires 'stop' parameter"),
        ({"user_id": "Nadie"}, "Unknown user_id 'Nadie'"),
        ({"user_id": ""}, "Unknown user_id ''"),
        ({"user_id": "Ajena"}, "Unknown user_id 'Ajena'"),
        ({"user_id": "Apagada"}, "Apagada: guardian disabled"),
        (
            {"user_id": "Medias", "action": "close"},
            "Medias: 'close' refused: use_guardian_half is on, use 'half_close'",
        ),
        ({"action": "half_close"}, "User_1: 'half_close' refused: use_guardian_half is off, use 'close'"),
        ({"stop": -1}, "'stop' -1.0 must be a finite price greater than 0"),
        ({"target": 0}, "'target' 0.0 must be a finite price greater than 0"),
        ({"stop": "inf"}, "'stop' inf must be a finite price greater than 0"),
    ],
)
async def test_lo_que_no_se_puede_pedir_es_un_400_con_su_texto(
    api: Api, cambio: dict[str, Any], detalle: str
):
    respuesta = await api.guardian(AJUSTE | cambio, api.ficha())

    assert (respuesta.estado, respuesta.tipo) == (400, "application/problem+json")
    assert respuesta.cuerpo == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": detalle,
    }


@SIN_MAS_BASES
@pytest.mark.parametrize("precio", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
async def test_un_numero_que_no_es_un_precio_nombra_el_campo(api: Api, precio: bytes):
    cuerpo = b'{"symbol": "BTCUSDT", "action": "adjust", "user_id": "User_1", "stop": ' + precio + b"}"

    respuesta = await api.guardian(cuerpo, api.ficha())

    assert respuesta.estado == 400
    assert "'stop'" in respuesta.cuerpo["detail"]


@SIN_MAS_BASES
@pytest.mark.parametrize(
    ("cambio", "campo"),
    [
        ({"userid": "User_1"}, "userid"),
        ({"stop": True}, "stop"),
        ({"stop": "a lot"}, "stop"),
        ({"symbol": "BTC/USDT"}, "symbol"),
        ({"symbol": None}, "symbol"),
        ({"market_context": {"timestamp": "yesterday"}}, "market_context.timestamp"),
        ({"level_metadata": {"level_name": "x" * 65}}, "level_metadata.level_name"),
        ({"user_id": ["User_1"]}, "user_id"),
    ],
)
async def test_lo_que_no_se_entiende_es_un_422_que_nombra_el_campo(
    api: Api, cambio: dict[str, Any], campo: str
):
    respuesta = await api.guardian(AJUSTE | cambio, api.ficha())

    assert (respuesta.estado, respuesta.tipo) == (422, "application/problem+json")
    assert respuesta.cuerpo["detail"].startswith(f"{campo}: ")


@SIN_MAS_BASES
async def test_un_precio_de_disparo_nan_nombra_el_campo(api: Api):
    cuerpo = (
        b'{"symbol":"BTCUSDT","action":"close","user_id":"User_1","market_context":{"trigger_price":NaN}}'
    )

    respuesta = await api.guardian(cuerpo, api.ficha())

    assert respuesta.estado == 400
    assert "market_context.trigger_price" in respuesta.cuerpo["detail"]


@SIN_MAS_BASES
@pytest.mark.parametrize("cuerpo", [b"{", b"\xff\xfe", b""])
async def test_un_cuerpo_que_no_es_json_no_es_un_defecto(api: Api, cuerpo: bytes):
    respuesta = await api.guardian(cuerpo, api.ficha())

    assert respuesta.estado in (400, 422)
    assert respuesta.tipo == "application/problem+json"


@SIN_MAS_BASES
async def test_una_solicitud_que_dice_ser_json_y_no_lo_es_es_un_400(api: Api):
    assert (await api.guardian(b"not json", api.ficha())).estado == 400


@SIN_MAS_BASES
@pytest.mark.parametrize("edad_s", [46, -90, 1e9])
@pytest.mark.parametrize("forma", ["segundos", "milisegundos", "iso"])
async def test_una_solicitud_vieja_se_rechaza(api: Api, edad_s: float, forma: str):
    ficha = api.ficha()  # takes a while, in which what comes from the future grows older
    instante_ms = reloj_de_pared() - edad_s * 1_000
    iso = datetime.fromtimestamp(instante_ms / 1_000, UTC).isoformat()
    instante = {"segundos": instante_ms / 1_000, "milisegundos": instante_ms, "iso": iso}[forma]

    respuesta = await api.guardian(AJUSTE | {"market_context": {"timestamp": instante}}, ficha)

    assert respuesta.estado == 400
    assert "adjust may be 45 s old" in respuesta.cuerpo["detail"]


async def test_lo_que_el_demonio_rechaza_no_es_un_exito(api: Api, demonio: Demonios):
    texto = "Looser stop not allowed (current 45100, new 45000)"
    demonio("User_1", responder=rechaza(texto))

    respuesta = await api.guardian(AJUSTE, api.ficha())

    assert (respuesta.estado, respuesta.tipo) == (409, "application/problem+json")
    assert respuesta.cuerpo["success"] is False
    assert respuesta.cuerpo["detail"] == respuesta.cuerpo["error"] == texto
    assert respuesta.cuerpo["adjustment_confirmed"] is False
    assert {"direction", "stop", "level_applied", "previous_stop", "redis_updated", "timestamp"} <= set(
        respuesta.cuerpo
    )


async def test_un_exito_que_el_demonio_no_dice_no_es_un_exito(api: Api, demonio: Demonios, motor: Engine):
    demonio("User_1", responder=lambda _m: HECHO._replace(exito=False, mensaje="not confirmed"))

    respuesta = await api.guardian(AJUSTE, api.ficha())

    assert (respuesta.estado, respuesta.cuerpo["success"]) == (409, False)


async def test_sin_demonio_se_dice_y_nadie_lo_hace_despues(api: Api, demonio: Demonios, motor: Engine):
    demonio("User_2")
    demonio("User_1", simbolo="ETHUSDT")

    respuesta = await api.guardian(AJUSTE, api.ficha())

    assert respuesta.estado == 503
    assert respuesta.cuerpo["detail"].startswith("failed: no daemon")
    assert respuesta.cuerpo["success"] is False
    tarde = demonio("User_1")
    assert (await api.guardian(AJUSTE, api.ficha("otra"))).estado == 200
    assert [mando.requested_by for mando in tarde.tomados] == ["otra"]


async def test_la_cuenta_es_del_entorno_que_su_fichero_dice(api: Api, demonio: Demonios):
    """A dry run or a daemon of the testnet under the same name is not what is meant."""
    propio = demonio("User_1")
    ajenos = [demonio("User_1", entorno=entorno) for entorno in ("live", "testnet")]

    respuesta = await api.guardian(AJUSTE, api.ficha())
    propio.parar()
    sin_propio = await api.guardian(AJUSTE, api.ficha("otra"))

    assert (respuesta.estado, sin_propio.estado) == (200, 503)
    assert [mando.account_id for mando in propio.tomados] == ["sim-User_1"]
    assert [ajeno.tomados for ajeno in ajenos] == [[], []]


async def test_entre_dos_entornos_sin_fichero_no_se_elige(
    motor: Engine, demonio: Demonios, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    cuentas = leer_cuentas(entorno={})
    vivos = [demonio("default", entorno=entorno) for entorno in ("testnet", "live")]
    async with una_api(Entorno(almacen=motor, cuentas=cuentas, encargos=Encargos(motor, PLAZOS))) as api:
        ficha = api.ficha()
        dudosa = await api.guardian(AJUSTE | {"user_id": "default"}, ficha, "clave-1")
        vivos[0].parar()
        clara = await api.guardian(AJUSTE | {"user_id": "default"}, ficha, "clave-1")
        demonio("default", entorno="sim")
        repetida = await api.guardian(AJUSTE | {"user_id": "default"}, ficha, "clave-1")

    assert (dudosa.estado, clara.estado) == (409, 200)
    assert clara.cuerpo["account_id"] == "live-default"
    assert "live-default, testnet-default" in dudosa.cuerpo["detail"]
    assert [mando.account_id for mando in vivos[1].tomados] == ["live-default"]
    assert vivos[0].tomados == []
    assert (repetida.estado, repetida.cuerpo) == (clara.estado, clara.cuerpo)


async def test_un_ensayo_no_toma_lo_que_no_se_le_pide_por_su_nombre(
    motor: Engine, demonio: Demonios, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Without accounts.yaml a dry run has the user of everybody else; only its account tells it apart."""
    monkeypatch.chdir(tmp_path)
    ensayo = demonio("default", entorno="sim")
    entorno = Entorno(almacen=motor, cuentas=leer_cuentas(entorno={}), encargos=Encargos(motor, PLAZOS))
    pedido = AJUSTE | {"user_id": "default"}
    async with una_api(entorno) as api:
        ficha = api.ficha()
        solo_ensayo = await api.guardian(pedido, ficha)
        a_todos = await api.guardian(CERRAR_TODO, ficha)
        nombrado = await api.guardian(pedido | {"account_id": "sim-default"}, ficha)
        otro = await api.guardian(pedido | {"account_id": "sim-otro"}, ficha)
        vivo = demonio("default", entorno="live")
        con_vivo = await api.guardian(pedido, ficha)

    assert (solo_ensayo.estado, a_todos.estado, otro.estado) == (503, 503, 503)
    assert solo_ensayo.cuerpo["detail"].startswith("failed: no daemon trades BTCUSDT for default")
    assert "on sim-otro" in otro.cuerpo["detail"]
    assert (nombrado.estado, con_vivo.estado) == (200, 200)
    assert con_vivo.cuerpo["account_id"] == "live-default"
    assert [mando.account_id for mando in ensayo.tomados] == ["sim-default"]
    assert [mando.account_id for mando in vivo.tomados] == ["live-default"]
    assert solicitud_de(ensayo.tomados[0]).stop == 45_000.0


async def test_la_cuenta_nombrada_es_parte_de_lo_que_una_clave_pide(api: Api, demonio: Demonios):
    demonio("User_1")
    ficha = api.ficha()

    primera = await api.guardian(AJUSTE | {"account_id": "sim-User_1"}, ficha, "clave-1")
    repetida = await api.guardian(AJUSTE | {"account_id": "sim-User_1"}, ficha, "clave-1")
    otra = await api.guardian(AJUSTE | {"account_id": "live-User_1"}, ficha, "clave-1")

    assert (primera.estado, repetida.cuerpo, otra.estado) == (200, primera.cuerpo, 422)


async def test_un_mando_que_nadie_toma_vence_sin_hacerse(entorno: Entorno, motor: Engine, demonio: Demonios):
    demonio("User_1", toma=False)
    impaciente = Entorno(
        almacen=motor, cuentas=CUENTAS, encargos=Encargos(motor, PLAZOS._replace(tomar_ms=100))
    )
    async with una_api(impaciente) as api:
        respuesta = await api.guardian(AJUSTE, api.ficha())

    assert respuesta.estado == 504
    assert "did not take command" in respuesta.cuerpo["detail"]
    mando = leer_mando(motor, respuesta.cuerpo["command_id"])
    assert mando is not None
    assert mando.status is EstadoMando.EXPIRED


async def test_de_un_mando_sin_acabar_se_da_el_nombre(motor: Engine, demonio: Demonios):
    demonio("User_1", responder=lambda _mando: None)
    impaciente = Entorno(
        almacen=motor, cuentas=CUENTAS, encargos=Encargos(motor, PLAZOS._replace(acabar_s=1.0))
    )
    async with una_api(impaciente) as api:
        ficha = api.ficha()
        respuesta = await api.guardian(AJUSTE, ficha)
        mando_id = respuesta.cuerpo["command_id"]
        despues = await api.pedir("GET", f"/api/v1/commands/{mando_id}", ficha=ficha)

    assert (respuesta.estado, respuesta.cuerpo["success"]) == (504, False)
    assert f"/api/v1/commands/{mando_id}" in respuesta.cuerpo["detail"]
    assert (despues.estado, despues.cuerpo["status"]) == (200, "CLAIMED")


async def test_sin_usuario_se_hace_en_todas_las_habilitadas(api: Api, demonio: Demonios):
    """Closing leaves out the half-mode account, the disabled one and the other tenant's."""
    juntas = threading.Barrier(2, timeout=60)

    def a_la_vez(_mando: MandoGuardado) -> Desenlace:
        juntas.wait()
        return HECHO

    demonio("User_1", responder=a_la_vez)
    demonio("User_2", responder=a_la_vez)

    respuesta = await api.guardian(CERRAR_TODO, api.ficha())

    assert respuesta.estado == 200
    resumen = respuesta.cuerpo
    assert set(resumen) == {
        "action",
        "symbol",
        "total_users",
        "successful_users",
        "failed_users",
        "success_rate",
        "total_execution_time_sec",
        "results",
        "timestamp",
    }
    assert (resumen["action"], resumen["symbol"]) == ("close", "BTCUSDT")
    assert (resumen["total_users"], resumen["successful_users"], resumen["failed_users"]) == (2, 2, 0)
    assert resumen["success_rate"] == 100.0
    assert [(r["user_id"], r["success"], r["error"]) for r in resumen["results"]] == [
        ("User_1", True, None),
        ("User_2", True, None),
    ]


async def test_lo_que_falla_en_una_se_cuenta_en_el_resumen(api: Api, demonio: Demonios):
    demonio("User_1")
    demonio("Medias", responder=rechaza("No open position to adjust"))

    respuesta = await api.guardian(AJUSTE | {"user_id": None}, api.ficha())

    assert respuesta.estado == 207
    assert (respuesta.cuerpo["successful_users"], respuesta.cuerpo["failed_users"]) == (1, 2)
    assert respuesta.cuerpo["success_rate"] == 33.33
    errores = {r["user_id"]: r["error"] for r in respuesta.cuerpo["results"]}
    assert errores["User_1"] is None
    assert errores["User_2"].startswith("failed: no daemon")
    assert errores["Medias"] == "No open position to adjust"


async def test_lo_que_falla_en_todas_no_es_un_exito(api: Api):
    respuesta = await api.guardian(CERRAR_TODO, api.ficha())

    assert (respuesta.estado, respuesta.tipo) == (503, "application/problem+json")
    assert respuesta.cuerpo["successful_users"] == 0
    assert respuesta.cuerpo["detail"].startswith("failed: no daemon")


async def test_medio_cierre_a_todas_va_solo_a_las_de_medias(api: Api, demonio: Demonios):
    demonio("Medias", responder=lambda _m: HECHO._replace(mensaje="Half-close done; SL moved to BE"))

    respuesta = await api.guardian(CERRAR_TODO | {"action": "half_close"}, api.ficha())

    (resultado,) = respuesta.cuerpo["results"]
    assert (resultado["user_id"], resultado["message"]) == ("Medias", "Half-close done; SL moved to BE")


@SIN_MAS_BASES
async def test_sin_cuentas_habilitadas_es_un_400(api: Api):
    ficha = api.ficha("otro", client_id="vacio")

    respuesta = await api.guardian(CERRAR_TODO, ficha)

    assert (respuesta.estado, respuesta.cuerpo["detail"]) == (400, "No active users for close")


async def test_otro_inquilino_solo_mueve_lo_suyo(api: Api, demonio: Demonios):
    propia, ajena = demonio("User_1"), demonio("Ajena", client_id="otros")
    ficha = api.ficha("otro", Rol.ADMIN, "otros")

    una = await api.guardian(AJUSTE, ficha)
    todas = await api.guardian(CERRAR_TODO, ficha)

    assert (una.estado, una.cuerpo["detail"]) == (400, "Unknown user_id 'User_1'")
    assert [r["user_id"] for r in todas.cuerpo["results"]] == ["Ajena"]
    assert (len(propia.tomados), len(ajena.tomados)) == (0, 1)


async def test_el_mando_de_otro_inquilino_no_existe(api: Api, demonio: Demonios):
    demonio("User_1")
    hecha = await api.guardian(AJUSTE, api.ficha())
    ruta = hecha.cabeceras["Location"]

    respuesta = await api.pedir("GET", ruta, ficha=api.ficha("otro", client_id="otros"))

    assert (respuesta.estado, respuesta.tipo) == (404, "application/problem+json")


def test_las_pausas_son_las_de_la_semilla():
    assert PAUSA_S == {
        AccionGuardian.CERRAR: 0.0,
        AccionGuardian.AJUSTAR: 0.3,
        AccionGuardian.MEDIO_CIERRE: 0.5,
    }
