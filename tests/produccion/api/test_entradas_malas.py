"""Whatever is written into the texts of a request, it is data: refused or harmless, and never a defect."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from sqlalchemy import Engine, select

from src.produccion.almacen.conexion import leer
from src.produccion.almacen.esquema import commands, users
from src.produccion.almacen.inquilinos import leer_config
from src.produccion.api.identificacion import Rol
from tests.produccion.api.banco import AJUSTE, Api

RED = True

MALAS = [
    "' OR 1=1 --",
    '"; DROP TABLE users; --',
    "%' UNION SELECT password_hash FROM users --",
    "*bold* _md_ [x](http://x) `c`",
    "a\0b",
    "ñ😀\u202e",
    "../../etc/passwd",
    "1" * 40 + "." + "3" * 40,
    "NaN",
    "x" * 5_000,
]
RUTAS = [
    "/api/v1/orders?symbol={}",
    "/api/v1/orders?before={}",
    "/api/v1/trades?account_id={}",
    "/api/v1/trades?before={}",
    "/api/v1/trades?limit={}",
    "/api/v1/performance?since={}",
    "/api/v1/market-data?symbols={}",
    "/api/v1/candles/BTCUSDT?interval={}",
    "/api/market/price/{}",
    "/api/v1/commands/{}",
    "/api/v1/breakers?symbol={}",
    "/api/v1/history/circuit-breakers?kind={}",
    "/api/v1/risk/mode?account_id={}",
    "/api/portfolio/patrimony?environment={}",
]


@pytest.mark.parametrize("ruta", RUTAS)
async def test_en_una_direccion_se_rechaza(con_mercado: Api, ruta: str):
    ficha = con_mercado.ficha()

    estados = {
        mala[:20]: (await con_mercado.pedir("GET", ruta.format(quote(mala, safe="")), ficha=ficha)).estado
        for mala in MALAS
    }

    assert set(estados.values()) <= {200, 404, 422}, estados
    assert 422 in estados.values() or 404 in estados.values()


@pytest.mark.parametrize("mala", MALAS, ids=range(len(MALAS)))
async def test_en_un_cuerpo_es_solo_texto(con_mercado: Api, motor: Engine, mala: str):
    ficha = con_mercado.ficha("jefa", Rol.ADMIN)
    pedidos = [
        ("/guardian", AJUSTE | {"user_id": mala}),
        ("/guardian", AJUSTE | {"action": mala}),
        ("/guardian", AJUSTE | {"symbol": mala}),
        ("/guardian", AJUSTE | {"stop": mala}),
        ("/guardian", AJUSTE | {"level_metadata": {"level_name": mala}, "user_id": "Apagada"}),
        ("/api/v1/positions/BTCUSDT/close", {"user_id": mala}),
        ("/api/v1/forceexit", {"symbol": mala}),
        ("/api/v1/token/login", {"username": mala, "password": mala}),
        ("/api/v1/token/refresh", {"refresh_token": mala}),
        ("/api/v1/stopentry", {"reason": mala}),
        (f"/api/v1/breakers/{quote(mala, safe='')}/reset", {"reason": mala}),
        ("/api/v1/breakers/a:b:C:spread/reset", {"reason": mala}),
    ]
    modo = {"mode": "HALTED", "reason": "x"}
    modos = [modo | {campo: mala} for campo in ("mode", "reason", "symbol", "user_id")]

    estados = [(await con_mercado.pedir("POST", ruta, cuerpo, ficha)).estado for ruta, cuerpo in pedidos]
    estados += [(await con_mercado.pedir("PUT", "/api/v1/risk/mode", uno, ficha)).estado for uno in modos]

    assert set(estados) <= {200, 400, 401, 404, 422, 503}, estados
    with leer(motor) as conexion:
        assert conexion.execute(select(users.c.username)).scalars().all() == ["jefa"]
        assert leer_config(conexion, "default").trading_paused_reason in (None, mala)
        assert set(conexion.execute(select(commands.c.user_id)).scalars()) <= {"User_1"}


@pytest.mark.parametrize(
    ("cuerpo", "tipo", "estados"),
    [
        (b"{" * 10, "application/json", {400}),
        (b"x=1", "application/x-www-form-urlencoded", {415}),
        (b"\xff\xfe", "application/json", {400}),
        (b'{"symbol": "' + b"X" * 70_000 + b'"}', "application/json", {413}),
        (b'{"symbol": "BTCUSDT", "action": "adjust", "stop": NaN}', "application/json", {400}),
        (b'{"symbol": "BTCUSDT", "action": "adjust", "stop": 1e999}', "application/json", {400}),
        (
            b'{"symbol": "BTCUSDT", "action": "adjust", "stop": ' + b"9" * 400 + b"}",
            "application/json",
            {400, 422},
        ),
        (b'{"symbol": "BTCUSDT", "action": "\\ud800"}', "application/json", {422}),
    ],
    ids=range(8),
)
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_un_cuerpo_imposible_se_dice(api: Api, cuerpo: bytes, tipo: str, estados: set[int]):
    ficha = api.ficha()

    respuesta = await api.pedir(
        "POST", "/guardian", data=cuerpo, headers={"Content-Type": tipo, "Authorization": f"Bearer {ficha}"}
    )

    assert (respuesta.estado in estados, respuesta.tipo) == (True, "application/problem+json"), respuesta


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("ruta", "cuerpo"),
    [
        ("/api/v1/token/login", b'{"username": "ana", "password": "\\udfff"}'),
        ("/api/v1/token/login", b'{"username": "\\ud800", "password": "x"}'),
        ("/api/v1/token/refresh", b'{"refresh_token": "\\ud800"}'),
        ("/api/v1/stopentry", b'{"reason": "\\ud800"}'),
        ("/api/v1/positions/BTCUSDT/close", b'{"user_id": "\\ud800"}'),
    ],
)
async def test_medio_caracter_no_es_un_defecto(api: Api, ruta: str, cuerpo: bytes):
    assert (await api.pedir("POST", ruta, cuerpo, api.ficha())).estado == 422
