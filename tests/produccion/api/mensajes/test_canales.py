"""What each channel tells, to whom, and what comes back after a reconnect."""

from __future__ import annotations

import orjson
import pytest
from sqlalchemy import Engine

from src.produccion.almacen.demonios import despedirse
from src.produccion.api.identificacion import Rol
from tests.produccion.api.banco import Api
from tests.produccion.api.bolsa_publica import BolsaPublica
from tests.produccion.api.mensajes.escucha import Escucha, escuchando
from tests.produccion.api.mensajes.sucesos import alertar, disparar_stop, mover_disyuntor, mover_orden
from tests.produccion.api.poblacion import poblar

RED = True
CANALES = ("prices", "positions", "orders", "breakers", "alerts", "logs")


async def test_lo_que_pasa_llega_a_quien_lo_pidio(api: Api, motor: Engine):
    async with escuchando(api, api.ficha()) as una:
        await una.pedir("alerts", "breakers", "orders")
        await una.hasta("subscribed")
        for _ in range(3):
            await una.hasta("snapshot")

        alertar(motor, "too close")
        mover_disyuntor(motor, "slow")
        mover_orden(motor, "tm-1")
        token = disparar_stop(motor)

        assert (await una.hasta("alert"))["payload"]["message"] == "too close"
        assert (await una.hasta("breaker"))["payload"]["reason"] == "slow"
        assert (await una.hasta("order"))["payload"]["id"] == "tm-1"
        assert (await una.hasta("stop"))["payload"]["execution_token"] == token
    ids = [mensaje["id"] for mensaje in una.vistos]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


async def test_quien_vuelve_recibe_lo_que_se_perdio_y_nada_mas(api: Api, motor: Engine):
    ficha = api.ficha()
    alertar(motor, "before")
    async with escuchando(api, ficha) as una:
        await una.pedir("alerts", "orders", "logs")
        await una.hasta("snapshot", lambda m: m["channel"] == "orders")
        alertar(motor, "seen")
        visto = await una.hasta("log")

    alertar(motor, "missed")
    mover_orden(motor, "tm-missed")
    token = disparar_stop(motor)
    alertar(motor, "missed too")
    async with escuchando(api, ficha) as otra:
        await otra.pedir("alerts", "orders", "logs", last_event_id=visto["id"])
        await otra.hasta("stop")
        alertar(motor, "live")
        await otra.hasta("log", lambda m: m["payload"]["message"] == "live")

    esperadas = ["missed", "missed too", "live"]
    assert [suscrito["resumed"] for suscrito in otra.de("subscribed")] == [True]
    assert [alerta["message"] for alerta in otra.de("alert")] == esperadas
    assert [alerta["message"] for alerta in otra.de("log")] == esperadas
    assert [orden["id"] for orden in otra.de("order")] == ["tm-missed"]
    assert [stop["execution_token"] for stop in otra.de("stop")] == [token]
    assert otra.de("snapshot") == otra.de("gap") == []
    assert min(mensaje["id"] for mensaje in otra.vistos) > visto["id"]


async def test_se_sigue_desde_en_medio_de_lo_perdido(api: Api, motor: Engine):
    """Whoever is cut off again while it is told what it missed goes on from there."""
    ficha = api.ficha()
    async with escuchando(api, ficha) as una:
        await una.pedir("alerts", "breakers")
        await una.hasta("snapshot")
        inicio = await una.hasta("snapshot")
    for i in range(4):
        alertar(motor, str(i))
        mover_disyuntor(motor, str(i))
    vistas: list[str] = []
    desde = inicio["id"]
    for _ in range(8):
        async with escuchando(api, ficha) as otra:
            await otra.pedir("alerts", "breakers", last_event_id=desde)
            await otra.hasta("subscribed")
            mensaje = await otra.siguiente()
            desde = mensaje["id"]
            vistas.append(
                f"{mensaje['type']} {mensaje['payload'].get('message', mensaje['payload'].get('reason'))}"
            )

    assert sorted(vistas) == sorted([f"{que} {i}" for que in ("alert", "breaker") for i in range(4)])


async def test_lo_que_es_demasiado_o_no_se_conoce_es_un_hueco_con_su_foto(api: Api, motor: Engine):
    ficha = api.ficha()
    async with escuchando(api, ficha) as una:
        await una.pedir("alerts")
        inicio = (await una.hasta("snapshot"))["id"]
    for i in range(api.entorno.mensajes.perdidos + 1):
        alertar(motor, str(i))
    numero, _, donde = inicio.partition("-")
    del_futuro = f"{numero}-a999999.{donde.partition('.')[2]}"
    for desde, motivo in ((inicio, "too_many"), ("nonsense", "unknown_id"), (del_futuro, "unknown_id")):
        async with escuchando(api, ficha) as otra:
            await otra.pedir("alerts", last_event_id=desde)
            hueco = await otra.hasta("gap")
            foto = await otra.siguiente()
        assert hueco["payload"] == {"channel": "alerts", "reason": motivo}
        assert (foto["type"], foto["channel"]) == ("snapshot", "alerts")
        assert foto["payload"]["alerts"][0]["message"] == str(api.entorno.mensajes.perdidos)


async def test_solo_se_cuentan_los_simbolos_pedidos_y_lo_que_es_de_todos(api: Api, motor: Engine):
    async with escuchando(api, api.ficha()) as una:
        await una.pedir("alerts", symbols=["ETHUSDT"])
        await una.hasta("snapshot")
        alertar(motor, "other", symbol="BTCUSDT")
        alertar(motor, "mine", symbol="ETHUSDT")
        alertar(motor, "all", symbol=None)
        await una.hasta("alert", lambda m: m["payload"]["message"] == "all")

    assert [alerta["message"] for alerta in una.de("alert")] == ["mine", "all"]


@pytest.mark.parametrize("canal", CANALES)
async def test_nadie_se_entera_de_lo_de_otro_inquilino(con_mercado: Api, motor: Engine, canal: str):
    """Snapshot, what happens, and what was missed: none of it is the other tenant's."""
    poblar(motor, "otros", "Ajena", "sim-ajena", "DOGEUSDT")
    poblar(motor, "default", "User_1", "sim-1")
    ficha, ajena = con_mercado.ficha(), con_mercado.ficha("eva", Rol.ADMIN, "otros")

    def mover_todo(client_id: str, symbol: str) -> None:
        alertar(motor, f"alert of {client_id}", client_id, symbol)
        mover_disyuntor(motor, f"breaker of {client_id}", client_id, symbol)
        mover_orden(motor, f"tm-{client_id}", client_id, symbol)
        disparar_stop(motor, client_id, symbol)

    async with escuchando(con_mercado, ajena) as otra:
        await otra.pedir("positions")
        inicio = (await otra.hasta("subscribed"))["id"]
    mover_todo("otros", "DOGEUSDT")
    async with escuchando(con_mercado, ficha) as una, escuchando(con_mercado, ajena) as suya:
        await una.pedir(canal, "alerts", last_event_id=inicio)
        await suya.pedir(canal, "alerts", last_event_id=inicio)
        await una.hasta("subscribed")
        await suya.hasta("subscribed")
        mover_todo("otros", "DOGEUSDT")
        mover_todo("default", "BTCUSDT")
        alertar(motor, "end", "default", None)
        alertar(motor, "end", "otros", None)
        tipo = {"prices": "snapshot", "positions": "positions"}.get(canal)
        for cada in (una, suya):
            fines = {"alert", *([] if tipo is None else [tipo])}
            while fines:
                mensaje = await cada.siguiente()
                if mensaje["type"] != "alert" or mensaje["payload"]["message"] == "end":
                    fines.discard(mensaje["type"])

    def dicho(escucha: Escucha) -> str:
        return orjson.dumps([m["payload"] for m in escucha.vistos]).decode()

    assert [marca for marca in ("otros", "Ajena", "sim-ajena", "DOGEUSDT") if marca in dicho(una)] == []
    assert "DOGEUSDT" in dicho(suya)
    assert "BTCUSDT" not in dicho(suya)


async def test_los_precios_empiezan_con_una_foto_y_siguen_si_cambian(con_mercado: Api, bolsa: BolsaPublica):
    async with escuchando(con_mercado, con_mercado.ficha()) as una:
        await una.pedir("prices", symbols=["BTCUSDT", "NADAUSDT"])
        foto = (await una.hasta("snapshot"))["payload"]["prices"]
        bolsa.precios["BTCUSDT"] = ("90000.00", "90001.00", "90000.50")
        precio = (await una.hasta("price"))["payload"]

    assert [(p["symbol"], p["bid"]) for p in foto] == [("BTCUSDT", "89245.00"), ("NADAUSDT", None)]
    assert precio == {
        "symbol": "BTCUSDT",
        "environment": "sim",
        "bid": "90000.00",
        "ask": "90001.00",
        "last": "90000.50",
        "timestamp": 1_700_000_000,
    }


async def test_la_bolsa_se_lee_una_vez_para_todos_y_solo_si_alguien_escucha(
    con_mercado: Api, bolsa: BolsaPublica
):
    ficha = con_mercado.ficha()
    async with escuchando(con_mercado, ficha) as callada:
        await callada.pedir("alerts")
        await callada.hasta("snapshot")
        assert bolsa.vistas["ticker/bookTicker"] == 0
        async with escuchando(con_mercado, ficha) as una, escuchando(con_mercado, ficha) as otra:
            for cada in (una, otra):
                await cada.pedir("prices", symbols=["BTCUSDT"])
                await cada.hasta("snapshot")
            assert bolsa.vistas["ticker/bookTicker"] == 1


async def test_una_bolsa_caida_se_dice_y_tambien_que_ha_vuelto(con_mercado: Api, bolsa: BolsaPublica):
    bolsa.fallos["ticker/bookTicker"] = (500, {}, {})
    async with escuchando(con_mercado, con_mercado.ficha()) as una:
        await una.pedir("prices", symbols=["BTCUSDT"])
        assert (await una.hasta("status"))["payload"] == {"store": "ok", "exchange": "down"}
        del bolsa.fallos["ticker/bookTicker"]
        assert (await una.hasta("status"))["payload"] == {"store": "ok", "exchange": "ok"}
        await una.hasta("snapshot", lambda m: m["channel"] == "prices")


async def test_las_posiciones_se_cuentan_enteras_y_al_cambiar(
    con_mercado: Api, motor: Engine, bolsa: BolsaPublica
):
    poblar(motor, "default", "User_1", "sim-1")
    async with escuchando(con_mercado, con_mercado.ficha()) as una:
        await una.pedir("positions")
        primera = (await una.hasta("positions"))["payload"]["positions"]
        bolsa.precios["BTCUSDT"] = ("90000.00", "90001.00", "90000.50")
        segunda = (await una.hasta("positions"))["payload"]["positions"]

    assert [(p["symbol"], p["current_price"]) for p in primera] == [("BTCUSDT", "89245.00")]
    assert [(p["symbol"], p["current_price"]) for p in segunda] == [("BTCUSDT", "90000.00")]


async def test_una_posicion_que_se_queda_sin_demonio_se_dice(con_mercado: Api, motor: Engine):
    poblar(motor, "default", "User_1", "sim-1")
    async with escuchando(con_mercado, con_mercado.ficha()) as una:
        await una.pedir("positions")
        primera = (await una.hasta("positions"))["payload"]["positions"]
        despedirse(motor, "sim-1", "BTCUSDT")
        segunda = (await una.hasta("positions"))["payload"]["positions"]

    assert [p["daemon_alive"] for p in (*primera, *segunda)] == [True, False]


async def test_la_direccion_puede_pedir_lo_mismo_que_un_mensaje(api: Api, motor: Engine):
    async with escuchando(api, api.ficha(), "?subscribe=alerts,logs&symbols=BTCUSDT") as una:
        suscrito = (await una.hasta("subscribed"))["payload"]

    assert suscrito == {
        "channels": ["alerts", "logs"],
        "symbols": ["BTCUSDT"],
        "environment": None,
        "resumed": False,
    }
