"""What the store knows of a tenant, as the API tells it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, update

from src.produccion.almacen.demonios import DemonioNuevo, presentarse
from src.produccion.almacen.esquema import ahora_bd, alerts, daemons, operations, positions, trades
from src.produccion.api.identificacion import Rol
from tests.produccion.api.banco import Api
from tests.produccion.api.bolsa_publica import BolsaPublica
from tests.produccion.api.poblacion import poblar

RED = True


async def leer(api: Api, ruta: str, ficha: str) -> Any:
    respuesta = await api.pedir("GET", ruta, ficha=ficha)
    assert respuesta.estado == 200, (ruta, respuesta)
    return respuesta.cuerpo


@pytest.fixture
def ficha(con_mercado: Api, motor: Engine) -> str:
    poblar(motor, "default", "User_1", "sim-1")
    return con_mercado.ficha("ana", Rol.ADMIN)


async def test_una_posicion_tiene_los_trece_campos_de_la_semilla_y_de_cuando_es(con_mercado: Api, ficha: str):
    """The long is worth what the bid, 89245.00, fetches."""
    cuerpo = await leer(con_mercado, "/api/portfolio/positions/", ficha)

    assert cuerpo == {
        "positions": [
            {
                "operation_id": "sim-1:BTCUSDT:1700000000000",
                "symbol": "BTCUSDT",
                "side": "BUY",
                "quantity": "0.00033000",
                "entry_price": "88837.92",
                "current_price": "89245.00",
                "unrealized_pnl": "0.13",
                "unrealized_pnl_percent": "0.46",
                "stop_loss": "87061.16",
                "take_profit": "92391.44",
                "distance_to_stop_percent": "-2.45",
                "distance_to_target_percent": "3.53",
                "status": "OPEN",
                "daemon_alive": True,
                "agent_time": 1_700_000_000.0,
            }
        ]
    }


@pytest.mark.parametrize("ruta", ["/api/portfolio/positions/", "/api/v1/positions"])
async def test_una_posicion_cuyo_demonio_no_vive_no_pasa_por_actual(
    con_mercado: Api, motor: Engine, ficha: str, ruta: str
):
    """The one of another symbol of the account, or of another tenant, tells nothing of it."""
    poblar(motor, "default", "User_1", "sim-1", "DOGEUSDT")
    presentarse(motor, DemonioNuevo("sim-1", "BTCUSDT", 11, "aqui", client_id="otros"))
    with motor.begin() as conexion:
        conexion.execute(
            update(daemons).where(daemons.c.symbol == "DOGEUSDT").values(heartbeat_ms=ahora_bd() - 10_001)
        )
        conexion.execute(
            update(positions).where(positions.c.symbol == "DOGEUSDT").values(updated_at_ms=1_700_000_060_000)
        )
    de_otros = await leer(con_mercado, ruta, ficha)

    presentarse(motor, DemonioNuevo("sim-1", "BTCUSDT", 12, "aqui"))
    propias = await leer(con_mercado, ruta, ficha)

    def dichas(cuerpo: Any) -> list[tuple[Any, ...]]:
        campos = ("symbol", "daemon_alive", "agent_time")
        return [tuple(una[campo] for campo in campos) for una in cuerpo["positions"]]

    callada = ("DOGEUSDT", False, 1_700_000_060.0)
    assert dichas(de_otros) == [("BTCUSDT", False, 1_700_000_000.0), callada]
    assert dichas(propias) == [("BTCUSDT", True, 1_700_000_000.0), callada]


async def test_sin_precio_no_hay_ganancia_ni_distancia(con_mercado: Api, ficha: str, bolsa: BolsaPublica):
    bolsa.fallos["ticker/bookTicker"] = (503, "down", {})

    (una,) = (await leer(con_mercado, "/api/v1/positions", ficha))["positions"]

    desconocidos = (
        "current_price",
        "unrealized_pnl",
        "unrealized_pnl_percent",
        "distance_to_stop_percent",
        "value",
    )
    assert [una[campo] for campo in desconocidos] == [None] * 5
    assert (una["entry_price"], una["agent_price"], una["level"]) == ("88837.92", "89000.00", "initial")


async def test_el_precio_de_otra_bolsa_no_dice_lo_que_vale_una_cuenta(con_mercado: Api, motor: Engine):
    poblar(motor, "default", "User_1", "live-1")

    (una,) = (await leer(con_mercado, "/api/v1/positions", con_mercado.ficha()))["positions"]

    assert (una["account_id"], una["current_price"], una["unrealized_pnl"]) == ("live-1", None, None)


async def test_una_posicion_sin_proteccion_se_ve_igual(con_mercado: Api, motor: Engine, ficha: str):
    """Its agent has no stop, so the store has no operation of it; a short is bought back at the ask."""
    with motor.begin() as conexion:
        conexion.execute(
            update(positions).values(symbol="DOGEUSDT", quantity=Decimal(-100), entry_price=Decimal("0.09"))
        )

    posiciones = (await leer(con_mercado, "/api/v1/positions?symbol=DOGEUSDT", ficha))["positions"]

    (una,) = posiciones
    assert (una["side"], una["quantity"], una["stop_loss"]) == ("SELL", "100.00000000", None)
    assert (una["current_price"], una["unrealized_pnl"], una["entry_price"]) == ("0.08124", "0.88", "0.09")


async def test_el_saldo_es_el_ultimo_que_dijo_su_agente(con_mercado: Api, ficha: str):
    cuerpo = await leer(con_mercado, "/api/account/balance/", ficha)

    assert (cuerpo["balance"], cuerpo["environment"]) == ("1010.50", "sim")
    (cuenta,) = cuerpo["accounts"]
    assert cuenta["equity"] == "1011.00"


async def test_de_una_cuenta_se_dice_tambien_lo_que_vale_a_los_precios_de_ahora(con_mercado: Api, ficha: str):
    (cuenta,) = (await leer(con_mercado, "/api/v1/balance", ficha))["accounts"]

    assert (cuenta["balance"], cuenta["unrealized_pnl"]) == ("1010.50", "0.13")
    assert (cuenta["patrimony"], cuenta["equity"]) == ("1010.63", "1011.00")


async def test_el_patrimonio_es_saldo_y_ganancia(con_mercado: Api, ficha: str):
    cuerpo = await leer(con_mercado, "/api/portfolio/patrimony/", ficha)

    assert {campo: cuerpo[campo] for campo in cuerpo if campo != "accounts"} == {
        "patrimony": "1010.63",
        "balance": "1010.50",
        "unrealized_pnl": "0.13",
        "positions_value": "29.45",
        "available": "981.05",
        "exposure_percent": "2.91",
        "environment": "sim",
    }


async def test_dinero_de_dos_bolsas_no_se_suma(con_mercado: Api, motor: Engine, ficha: str):
    poblar(motor, "default", "User_2", "live-2", "DOGEUSDT")

    ambas = await leer(con_mercado, "/api/account/balance", ficha)
    una = await leer(con_mercado, "/api/account/balance?environment=live", ficha)

    assert (ambas["balance"], len(ambas["accounts"])) == (None, 2)
    assert (una["balance"], [c["account_id"] for c in una["accounts"]]) == ("1010.50", ["live-2"])


async def test_de_varios_agentes_en_una_cuenta_no_se_sabe_de_quien_es_el_saldo(
    con_mercado: Api, motor: Engine, ficha: str
):
    """They may share the wallet or have a ledger each; adding up would count it twice."""
    poblar(motor, "default", "User_1", "sim-1", "DOGEUSDT")

    cuerpo = await leer(con_mercado, "/api/v1/balance", ficha)

    (cuenta,) = cuerpo["accounts"]
    assert (cuenta["balance"], cuenta["available"], cuenta["positions_value"]) == (None, None, "29.45")
    assert [agente["symbol"] for agente in cuerpo["agents"]] == ["BTCUSDT", "DOGEUSDT"]


async def test_lo_ganado_es_por_operacion_y_neto(con_mercado: Api, ficha: str):
    (uno,) = (await leer(con_mercado, "/api/v1/performance", ficha))["performance"]

    assert uno == {
        "account_id": "sim-1",
        "environment": "sim",
        "symbol": "BTCUSDT",
        "fills": 5,
        "closed_operations": 2,
        "winning_operations": 1,
        "win_rate_percent": "50.00",
        "realized_pnl": "6.00",
        "commission": "1.25",
        "net_pnl": "4.75",
        "profit_factor": "2.11",
        "average_pnl": "2.50",
        "best_pnl": "9.50",
        "worst_pnl": "-4.50",
    }


async def test_los_dias_van_del_ultimo_al_primero(con_mercado: Api, ficha: str):
    dias = (await leer(con_mercado, "/api/v1/daily", ficha))["daily"]
    ultimo = (await leer(con_mercado, "/api/v1/daily?days=1", ficha))["daily"]

    assert [(d["date"], d["fills"], d["closing_fills"], d["net_pnl"]) for d in dias] == [
        ("2023-11-15", 1, 0, "-0.25"),
        ("2023-11-14", 4, 2, "5.00"),
    ]
    assert ultimo == dias[:1]


@pytest.mark.parametrize(
    ("ruta", "lista", "clave"),
    [
        ("/api/v1/trades", "trades", "id"),
        ("/api/v1/orders", "orders", "id"),
        ("/api/v1/history/balance", "balances", "id"),
        ("/api/v1/history/trades", "trades", "id"),
    ],
)
async def test_una_lista_se_recorre_entera_de_pagina_en_pagina(
    con_mercado: Api, ficha: str, ruta: str, lista: str, clave: str
):
    enteras = (await leer(con_mercado, ruta, ficha))[lista]
    vistas: list[Any] = []
    while True:
        antes = f"&before={vistas[-1][clave]}" if vistas else ""
        pagina = (await leer(con_mercado, f"{ruta}?limit=2{antes}", ficha))[lista]
        if not pagina:
            break
        assert len(pagina) <= 2
        vistas += pagina

    assert vistas == enteras
    assert len(enteras) > 1


async def test_las_ordenes_del_mismo_instante_no_se_pierden_entre_paginas(
    con_mercado: Api, motor: Engine, ficha: str
):
    with motor.begin() as conexion:
        conexion.execute(update(trades).values(executed_at_ms=1))
        for tabla in ("orders", "stop_orders"):
            conexion.exec_driver_sql(f"UPDATE {tabla} SET created_at_ms = 5")

    primera = (await leer(con_mercado, "/api/v1/orders?limit=1", ficha))["orders"]
    resto = (await leer(con_mercado, f"/api/v1/orders?before={primera[0]['id']}", ficha))["orders"]

    assert [o["id"] for o in primera + resto] == [f"tm-default-{cual}" for cual in ("stop", 2, 1, 0)]


async def test_lo_que_impide_abrir_esta_todo_en_un_sitio(con_mercado: Api, ficha: str):
    candados = (await leer(con_mercado, "/api/v1/locks", ficha))["locks"]

    assert [(c["kind"], c["symbol"], c["name"], c["reason"]) for c in candados] == [
        ("tenant_paused", None, None, "by default"),
        ("risk_mode", "BTCUSDT", "REDUCING", "set by de-default: thin market"),
        (
            "circuit_breaker",
            "BTCUSDT",
            "stop_execution",
            "3 executions failed in a row; 300 s to cool down",
        ),
        ("circuit_breaker", "BTCUSDT", "spread", "the book of default is thin"),
        ("latch", "BTCUSDT", None, "drawdown of default"),
    ]
    assert all(c["text"] and c["how_to_remove"] for c in candados)


async def test_el_estado_cuenta_demonios_y_frenos(con_mercado: Api, ficha: str):
    await leer(con_mercado, "/api/v1/positions", ficha)
    estado = await leer(con_mercado, "/api/v1/system/status", ficha)

    assert (estado["status"], estado["open_positions"], estado["open_breakers"], estado["latches"]) == (
        "ok",
        1,
        2,
        1,
    )
    assert estado["locks"] == (await leer(con_mercado, "/api/v1/locks", ficha))["locks"]
    assert [(d["account_id"], d["alive"]) for d in estado["daemons"]] == [("sim-1", True)]
    (bolsa,) = estado["exchanges"]
    assert (bolsa["exchange"], bolsa["status"], bolsa["latency_ms"]) == ("binance", "degraded", 812.5)
    assert (bolsa["account_id"], bolsa["error_rate"], bolsa["checked_at"]) == ("sim-1", None, 1_700_000_000.0)
    assert estado["markets"][0]["price_requests"] == 1


async def test_un_modelo_es_el_de_su_agente(con_mercado: Api, ficha: str):
    (uno,) = (await leer(con_mercado, "/api/v1/model", ficha))["models"]

    assert (uno["train_id"], uno["symbol"], uno["alive"]) == ("train_default", "BTCUSDT", True)


async def test_el_guardian_dice_que_toma_cada_cuenta_y_como_van_sus_stops(con_mercado: Api, ficha: str):
    cuentas = {c["user_id"]: c for c in (await leer(con_mercado, "/api/v1/guardian", ficha))["accounts"]}

    assert set(cuentas) == {"User_1", "User_2", "Medias", "Apagada"}
    assert (cuentas["Medias"]["use_guardian_half"], cuentas["Apagada"]["use_guardian"]) == (True, False)
    (operacion,) = cuentas["User_1"]["operations"]
    assert (operacion["stop"], operacion["level"]) == ("87061.16", "initial")


async def test_los_ajustes_no_ensenan_secretos_ni_cuentas_ajenas(con_mercado: Api, ficha: str):
    ajustes = await leer(con_mercado, "/api/v1/show_config", ficha)

    assert set(ajustes["accounts"]) == {"User_1", "User_2", "Medias", "Apagada"}
    assert ajustes["default_environment"] == "sim"


@pytest.mark.parametrize("rol", [Rol.LECTOR, Rol.OPERADOR, Rol.SERVICIO])
async def test_la_auditoria_es_de_administradores(con_mercado: Api, ficha: str, rol: Rol):
    (asiento,) = (await leer(con_mercado, "/api/v1/audit", ficha))["audit"]

    assert (asiento["action"], asiento["status"], asiento["outcome"]) == ("tenant.config", None, None)
    assert (
        await con_mercado.pedir("GET", "/api/v1/audit", ficha=con_mercado.ficha("otro", rol))
    ).estado == 403


SIN_FILAS: dict[str, Callable[[Any], bool]] = {
    "/api/v1/positions": lambda c: c == {"positions": []},
    "/api/v1/balance": lambda c: c == {"accounts": [], "agents": []},
    "/api/v1/performance": lambda c: c == {"performance": []},
    "/api/account/balance": lambda c: c["balance"] is None,
    "/api/portfolio/patrimony": lambda c: c["patrimony"] is None and c["available"] is None,
    "/stats": lambda c: c == {"open_positions": 0, "daemons_alive": 0, "environments": [], "commands": {}},
}


@pytest.mark.parametrize("ruta", SIN_FILAS)
async def test_de_un_almacen_vacio_no_se_inventan_ceros(con_mercado: Api, ruta: str):
    assert SIN_FILAS[ruta](await leer(con_mercado, ruta, con_mercado.ficha()))


async def test_sin_demonio_lo_que_queda_abierto_o_enclavado_no_esta_bien(con_mercado: Api, ficha: str):
    """Its row is gone, or was never there; what it left behind says so."""
    with con_mercado.entorno.almacen.begin() as conexion:
        conexion.execute(daemons.delete())
    solo = await leer(con_mercado, "/api/v1/system/status", ficha)
    with con_mercado.entorno.almacen.begin() as conexion:
        conexion.execute(alerts.delete().where(alerts.c.kind == "LATCHED"))
        conexion.execute(operations.delete())
        conexion.execute(positions.delete())
    nada = await leer(con_mercado, "/api/v1/system/status", ficha)

    assert (solo["status"], solo["daemons"], solo["open_positions"], solo["latches"]) == (
        "degraded",
        [],
        1,
        1,
    )
    (falta,) = solo["problems"]
    assert (falta["account_id"], falta["symbol"]) == ("sim-1", "BTCUSDT")
    assert falta["text"] == "a position is open, a latch is closed and no daemon is alive"
    assert nada["problems"] == []
    assert (nada["status"], nada["daemons"], nada["open_positions"], nada["latches"]) == ("ok", [], 0, 0)
