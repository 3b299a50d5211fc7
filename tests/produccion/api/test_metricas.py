"""What the API tells Prometheus: of itself to everybody, of accounts to their own tenant."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, insert, update

from src.produccion.almacen.demonios import DemonioNuevo, presentarse
from src.produccion.almacen.esquema import alerts, balance_snapshots, circuit_breaker_state, daemons
from src.produccion.metricas.catalogo import DE_LA_API
from tests.produccion.api.banco import SIN_MAS_BASES, Api

RED = True

Leido = dict[str, dict[tuple[str, ...], float]]
QUIEN = ("sim-a", "sim-a:BTCUSDT:train_x", "BTCUSDT")


async def leer(api: Api, ficha: str | None = None) -> Leido:
    """Values by metric, then by the labels' values in the order of their names."""
    leido: Leido = {}
    for familia in text_string_to_metric_families(await api.texto("/metrics", ficha)):
        for m in familia.samples:
            leido.setdefault(m.name, {})[tuple(valor for _, valor in sorted(m.labels.items()))] = m.value
    return leido


def un_demonio(motor: Engine, client_id: str = "default", equity: float = 10_250.5) -> None:
    """A daemon of the tenant that lives and has told its equity twice."""
    cuenta = f"sim-{'a' if client_id == 'default' else client_id}"
    agente = f"{cuenta}:BTCUSDT:train_x"
    presentarse(motor, DemonioNuevo(cuenta, "BTCUSDT", 1, "h", agente, client_id))
    quien = {"client_id": client_id, "user_id": "default", "account_id": cuenta, "agent_id": agente}
    with motor.begin() as conexion:
        for instante_ms, cifra in ((60_000, 1.0), (120_000, equity), (180_000, None)):
            fila = {"symbol": "BTCUSDT", "balance": 10_000, "equity": cifra, "source": "daemon"}
            conexion.execute(insert(balance_snapshots), quien | fila | {"taken_at_ms": instante_ms})


def cerrojo(motor: Engine, clase: str) -> None:
    fila = {"client_id": "default", "account_id": "sim-a", "symbol": "BTCUSDT", "level": "CRITICAL"}
    with motor.begin() as conexion:
        otros = {"kind": clase, "message": "", "payload_json": "{}", "created_at_ms": 1}
        conexion.execute(insert(alerts), fila | otros)


async def test_sin_ficha_se_ve_el_trabajo_y_ninguna_cuenta(api: Api, motor: Engine):
    un_demonio(motor)
    await api.pedir("GET", "/health")
    await api.pedir("GET", "/api/v1/commands/nada")

    leido = await leer(api)

    assert leido["timonel_api_requests_total"][("GET", "/health", "200")] == 1.0
    sin_ficha = ("GET", "/api/v1/commands/{command_id}", "401")
    assert leido["timonel_api_requests_total"][sin_ficha] == 1.0
    assert leido["timonel_api_request_seconds_count"][sin_ficha] == 1.0
    propios = {nombre for nombre in leido if nombre.startswith("timonel_")}
    assert all(nombre.startswith("timonel_api_") for nombre in propios)


async def test_con_ficha_se_ven_las_cuentas_del_inquilino_y_no_las_de_otros(api: Api, motor: Engine):
    un_demonio(motor)
    un_demonio(motor, "otros", equity=99.0)

    leido = await leer(api, api.ficha())

    assert leido["timonel_store_up"][()] == 1.0
    assert leido["timonel_daemons_alive"][()] == 1.0
    assert leido["timonel_account_equity_quote"] == {QUIEN: 10_250.5}
    assert leido["timonel_account_equity_time_seconds"] == {QUIEN: 120.0}
    assert leido["timonel_daemon_heartbeat_age_seconds"].keys() == {QUIEN}
    ajeno = await leer(api, api.ficha("eva", client_id="otros"))
    assert list(ajeno["timonel_account_equity_quote"].values()) == [99.0]


async def test_un_demonio_que_calla_no_vive(api: Api, motor: Engine):
    un_demonio(motor)
    with motor.begin() as conexion:
        conexion.execute(update(daemons).values(heartbeat_ms=daemons.c.heartbeat_ms - 60_000))

    leido = await leer(api, api.ficha())

    assert leido["timonel_daemons_alive"][()] == 0.0
    assert leido["timonel_daemon_heartbeat_age_seconds"][QUIEN] >= 60.0
    assert leido["timonel_account_equity_quote"][QUIEN] == 10_250.5


@pytest.mark.parametrize(("clases", "puesto"), [(["LATCHED"], 1.0), (["LATCHED", "UNLOCKED"], 0.0)])
async def test_un_cerrojo_se_ve_hasta_que_se_abre(api: Api, motor: Engine, clases: list[str], puesto: float):
    for clase in clases:
        cerrojo(motor, clase)

    leido = await leer(api, api.ficha())

    assert leido["timonel_account_latched"] == {("sim-a", "BTCUSDT"): puesto}


async def test_un_disyuntor_abierto_se_ve(api: Api, motor: Engine):
    with motor.begin() as conexion:
        fila = {"client_id": "default", "symbol": "BTCUSDT", "state": "OPEN"}
        conexion.execute(insert(circuit_breaker_state), fila)

    assert (await leer(api, api.ficha()))["timonel_breaker_open"] == {("", "stop_execution", "BTCUSDT"): 1.0}


async def test_todo_lo_que_se_promete_se_publica(api: Api, motor: Engine):
    un_demonio(motor)
    cerrojo(motor, "LATCHED")
    await test_un_disyuntor_abierto_se_ve(api, motor)

    leido = await leer(api, api.ficha("luz"))

    publicadas = {nombre.removesuffix("_bucket") for nombre in leido}
    assert {metrica.nombre for metrica in DE_LA_API} <= publicadas


@SIN_MAS_BASES
async def test_se_ve_cuanto_tarda_el_bucle(api: Api):
    """A process that does too much at once answers everybody late, and says so, also without a token."""
    await asyncio.sleep(0.25)  # measured every tenth of a second

    leido = await leer(api)

    assert leido["timonel_api_event_loop_delay_seconds_count"][()] >= 1.0


@SIN_MAS_BASES
async def test_una_ficha_mala_no_pasa_por_ninguna(api: Api):
    assert (await api.pedir("GET", "/metrics", ficha="tml_inventada")).estado == 401


@SIN_MAS_BASES
async def test_lo_que_no_existe_se_cuenta_junto(api: Api):
    for ruta in ("/a", "/b", "/api/v1/inventada"):
        await api.pedir("GET", ruta)
    await api.pedir("PROPFIND", "/health")

    leido = await leer(api)

    assert leido["timonel_api_requests_total"][("GET", "unmatched", "404")] == 3.0
    assert [k[0] for k in leido["timonel_api_requests_total"] if k[0] not in ("GET", "POST")] == ["other"]


@SIN_MAS_BASES
async def test_sin_almacen_se_dice_y_lo_demas_se_ve(api: Api, motor: Engine):
    ficha = api.ficha()
    await leer(api, ficha)
    with motor.begin() as conexion:
        daemons.drop(conexion)

    leido = await leer(api, ficha)

    assert leido["timonel_store_up"] == {(): 0.0}
    assert ("GET", "/metrics", "200") in leido["timonel_api_requests_total"]
