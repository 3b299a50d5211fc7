"""Whatever is written into the texts of a request, it is data: refused or harmless, and never a defect."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from sqlalchemy import Engine, select

from src.produccion.almacen.conexion import leer
from src.produccion.almacen.esquema import commands, users
from src.produccion.almacen.inquilinos import leer_config
from src.produccion.api.identificacion import Rol
from src.produccion.api.usuarios import anadir_usuario
from tests.produccion.api.banco import AJUSTE, SIN_MAS_BASES, Api

RED = True

MALAS = [
    "' OR 1=1 --",
    '"; DROP TABLE users; --',
    "%' UNION SELECT password_hash FROM users --",
    "*bold* _md_ [x](http://x) `c`",
    "a\0b",
    "a\x1b[2J\x1b]0;b\x07",
    "ñ😀\u202e",
    "../../etc/passwd",
    "1" * 40 + "." + "3" * 40,
    "NaN",
    "x" * 5_000,
]
ORDEN = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.010"}
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
        *(
            ("/api/v1/orders/create", ORDEN | {campo: mala})
            for campo in (*ORDEN, "stop", "user_id", "account_id")
        ),
        (f"/api/v1/orders/{quote(mala, safe='')}/cancel", None),
        *(("/api/v1/stop", {campo: mala}) for campo in ("symbol", "user_id", "account_id", "reason")),
    ]
    modo = {"mode": "HALTED", "reason": "x"}
    puestos = [
        *(("/api/v1/risk/mode", modo | {campo: mala}) for campo in ("mode", "reason", "symbol", "user_id")),
        ("/api/v1/tenant-config", {"trading_paused_reason": mala}),
    ]

    estados = [(await con_mercado.pedir("POST", ruta, cuerpo, ficha)).estado for ruta, cuerpo in pedidos]
    estados += [(await con_mercado.pedir("PUT", ruta, cuerpo, ficha)).estado for ruta, cuerpo in puestos]

    assert set(estados) <= {200, 400, 401, 404, 422, 503}, estados
    with leer(motor) as conexion:
        assert conexion.execute(select(users.c.username)).scalars().all() == ["jefa"]
        assert leer_config(conexion, "default").trading_paused_reason in (None, mala)
        assert set(conexion.execute(select(commands.c.user_id)).scalars()) <= {"User_1", mala}


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


TEXTOS = [
    ("POST", "/guardian", AJUSTE, ("action", "user_id", "account_id", "level_metadata.level_name")),
    ("POST", "/guardian", AJUSTE, ("level_metadata.previous_level",)),
    ("POST", "/api/v1/positions/BTCUSDT/close", {}, ("user_id", "account_id")),
    ("POST", "/api/v1/forceexit", {}, ("user_id", "account_id")),
    ("POST", "/api/v1/stopentry", {}, ("reason",)),
    ("POST", "/api/v1/orders/create", ORDEN, ("user_id", "account_id")),
    ("POST", "/api/v1/stop", {}, ("user_id", "account_id", "reason")),
    ("POST", "/api/v1/breakers/a:b:C:spread/reset", {}, ("reason",)),
    ("PUT", "/api/v1/risk/mode", {"mode": "HALTED", "reason": "x"}, ("reason", "user_id", "account_id")),
    ("PUT", "/api/v1/tenant-config", {}, ("trading_paused_reason",)),
    ("POST", "/api/v1/token/login", {"password": "x"}, ("username",)),
]


@SIN_MAS_BASES
@pytest.mark.parametrize(
    ("metodo", "ruta", "cuerpo", "campo"),
    [(metodo, ruta, cuerpo, campo) for metodo, ruta, cuerpo, campos in TEXTOS for campo in campos],
)
async def test_lo_que_manda_en_una_terminal_no_es_texto(
    api: Api, metodo: str, ruta: str, cuerpo: dict[str, object], campo: str
):
    """A text is shown to others: what clears their screen, or writes over what it says, does not come in."""
    ficha = api.ficha("jefa", Rol.ADMIN)

    for mala in "\x1b\r\x7f\x9b":
        respuesta = await api.pedir(metodo, ruta, cuerpo | _en(campo, f"a{mala}[2Jb"), ficha)

        assert respuesta.estado == 422, (mala, respuesta.cuerpo)
        assert respuesta.cuerpo["detail"].startswith(f"{campo}: "), respuesta.cuerpo
        assert f"take out the control character U+{ord(mala):04X}" in respuesta.cuerpo["detail"]


@SIN_MAS_BASES
async def test_un_texto_puede_tener_varias_lineas(api: Api):
    ficha = api.ficha()

    respuesta = await api.pedir("POST", "/api/v1/stopentry", {"reason": "news:\n\tthe book is thin"}, ficha)

    assert (respuesta.estado, respuesta.cuerpo["trading_paused_reason"]) == (200, "news:\n\tthe book is thin")


@SIN_MAS_BASES
async def test_una_contrasena_puede_tener_lo_que_sea(api: Api):
    """It is shown to nobody, and one that was set before is still good."""
    anadir_usuario(api.entorno.almacen, "eva", Rol.OPERADOR, "default", "clave \x1b larga")

    respuesta = await api.pedir(
        "POST", "/api/v1/token/login", {"username": "eva", "password": "clave \x1b larga"}
    )

    assert respuesta.estado == 200


def _en(campo: str, valor: str) -> dict[str, object]:
    fuera, punto, dentro = campo.partition(".")
    return {fuera: {dentro: valor} if punto else valor}
