"""Who may ask for what: tokens, roles, log-in, limits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, select, update

from src.produccion.almacen.conexion import leer
from src.produccion.almacen.esquema import api_tokens, users
from src.produccion.api.acceso import Entorno
from src.produccion.api.encargos import Encargo, Encargos
from src.produccion.api.identificacion import Rol
from src.produccion.api.portero import FALLOS_POR_USUARIO, Portero
from src.produccion.api.usuarios import anadir_usuario, cambiar_contrasena, habilitar, revocar_fichas
from tests.produccion.api.banco import AJUSTE, CERRAR_TODO, CUENTAS, SIN_MAS_BASES, Api, DemonioFalso, una_api

RED = True

CONTRASENA = "correct horse battery"
INGRESO = {"username": "ana", "password": CONTRASENA}
LOGIN = "/api/v1/token/login"

Demonios = Callable[..., DemonioFalso]


async def probar(api: Api, ficha: str | None) -> int:
    """The status of a look at a command that does not exist: 404 for whoever is let in."""
    return (await api.pedir("GET", "/api/v1/commands/nada", ficha=ficha)).estado


async def test_la_salud_no_pide_ficha(api: Api):
    respuesta = await api.pedir("GET", "/health")

    assert (respuesta.estado, respuesta.cuerpo) == (200, {"status": "ok", "store": "ok"})


@SIN_MAS_BASES
@pytest.mark.parametrize(
    ("metodo", "ruta", "cuerpo"),
    [
        ("POST", "/guardian", AJUSTE),
        ("POST", "/guardian/", AJUSTE),
        ("POST", "/guardian", {}),
        ("GET", "/api/v1/commands/x", None),
        ("POST", "/api/v1/token/logout", None),
        ("GET", "/openapi.json", None),
    ],
)
@pytest.mark.parametrize("ficha", [None, "", "tml_inventada", "a.b.c", "ñandú"])
async def test_todo_lo_demas_pide_una_ficha_buena(
    api: Api, metodo: str, ruta: str, cuerpo: object, ficha: str | None
):
    respuesta = await api.pedir(metodo, ruta, cuerpo, ficha)

    assert (respuesta.estado, respuesta.tipo) == (401, "application/problem+json")
    assert respuesta.cabeceras["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("rol", "estado"), [(Rol.LECTOR, 403), (Rol.OPERADOR, 503), (Rol.ADMIN, 503), (Rol.SERVICIO, 503)]
)
async def test_un_lector_mira_y_no_toca(api: Api, rol: Rol, estado: int):
    """503 is as far as it goes without a daemon."""
    ficha = api.ficha("quien", rol)

    assert (await api.guardian(CERRAR_TODO, ficha)).estado == estado
    assert await probar(api, ficha) == 404


async def test_las_fichas_dejan_de_valer(api: Api):
    almacen = api.entorno.almacen
    revocada, ausente, vieja, buena = (api.ficha(n) for n in ("ana", "berta", "carla", "dora"))
    revocar_fichas(almacen, "ana")
    habilitar(almacen, "berta", si=False)
    with almacen.begin() as conexion:
        conexion.execute(update(api_tokens).where(api_tokens.c.username == "carla").values(expires_at_ms=1))

    assert [await probar(api, f) for f in (revocada, ausente, vieja, buena)] == [401, 401, 401, 404]


async def test_de_una_ficha_solo_se_guarda_la_huella(api: Api):
    ficha = api.ficha()

    with leer(api.entorno.almacen) as conexion:
        (fila,) = conexion.execute(select(api_tokens)).all()
    assert ficha not in str(fila)
    assert len(fila.token_hash) == 64


async def test_se_entra_con_usuario_y_contrasena(api: Api, demonio: Demonios):
    demonio("User_1")
    anadir_usuario(api.entorno.almacen, "ana", Rol.OPERADOR, "default", CONTRASENA)

    entrada = await api.pedir("POST", LOGIN, INGRESO)

    assert entrada.estado == 200
    assert entrada.cabeceras["Cache-Control"] == "no-store"
    ficha = entrada.cuerpo["access_token"]
    assert entrada.cuerpo["refresh_token"].startswith("tmr_")
    assert 1.7e9 < entrada.cuerpo["expires_at"] < entrada.cuerpo["refresh_expires_at"]
    assert {campo: entrada.cuerpo[campo] for campo in ("token_type", "role", "client_id", "csrf_token")} == {
        "token_type": "bearer",
        "role": "operator",
        "client_id": "default",
        "csrf_token": None,
    }
    assert (await api.guardian(AJUSTE, ficha)).estado == 200


async def test_al_salir_la_ficha_deja_de_valer(api: Api):
    anadir_usuario(api.entorno.almacen, "ana", Rol.LECTOR, "default", CONTRASENA)
    una, otra = [(await api.pedir("POST", LOGIN, INGRESO)).cuerpo["access_token"] for _ in range(2)]

    assert (await api.pedir("POST", "/api/v1/token/logout", ficha=una)).estado == 204

    assert (await probar(api, una), await probar(api, otra)) == (401, 404)


async def test_una_contrasena_nueva_echa_a_quien_entro_con_la_vieja(api: Api):
    almacen = api.entorno.almacen
    programa = api.ficha("ana")
    cambiar_contrasena(almacen, "ana", CONTRASENA)
    entrada = (await api.pedir("POST", LOGIN, INGRESO)).cuerpo["access_token"]

    cambiar_contrasena(almacen, "ana", CONTRASENA[::-1])

    assert (await probar(api, entrada), await probar(api, programa)) == (401, 404)
    assert (await api.pedir("POST", LOGIN, INGRESO)).estado == 401


async def test_no_se_dice_que_es_lo_que_esta_mal(api: Api):
    almacen = api.entorno.almacen
    anadir_usuario(almacen, "ana", Rol.OPERADOR, "default", CONTRASENA)
    anadir_usuario(almacen, "fuera", Rol.OPERADOR, "default", CONTRASENA)
    anadir_usuario(almacen, "robot", Rol.SERVICIO, "default", None)
    habilitar(almacen, "fuera", si=False)

    respuestas = [
        await api.pedir("POST", LOGIN, {"username": nombre, "password": contrasena})
        for nombre, contrasena in (
            ("ana", "otra cosa larga"),
            ("nadie", CONTRASENA),
            ("fuera", CONTRASENA),
            ("robot", CONTRASENA),
            ("robot", "!"),
            ("ana", ""),
        )
    ]

    assert {(r.estado, r.cuerpo["detail"]) for r in respuestas} == {(401, "user or password is wrong")}


@SIN_MAS_BASES
@pytest.mark.parametrize(
    "cuerpo",
    [{"username": "ana"}, {"username": "ana", "password": "x" * 1_025}, INGRESO | {"admin": True}, []],
)
async def test_un_ingreso_a_medias_se_rechaza_sin_repetir_nada(api: Api, cuerpo: object):
    respuesta = await api.pedir("POST", LOGIN, cuerpo)

    assert respuesta.estado == 422
    assert CONTRASENA not in str(respuesta.cuerpo)
    assert "xxx" not in str(respuesta.cuerpo)


async def test_tras_varios_fallos_nadie_entra_ni_con_la_buena(api: Api):
    anadir_usuario(api.entorno.almacen, "ana", Rol.OPERADOR, "default", CONTRASENA)
    for _ in range(FALLOS_POR_USUARIO):
        assert (await api.pedir("POST", LOGIN, INGRESO | {"password": "mala mala mala"})).estado == 401

    respuesta = await api.pedir("POST", LOGIN, INGRESO)

    assert (respuesta.estado, respuesta.tipo) == (429, "application/problem+json")
    assert 0 < int(respuesta.cabeceras["Retry-After"]) <= 900


async def test_pasado_el_plazo_se_puede_entrar(motor: Engine):
    ahora_s = 0.0
    entorno = Entorno(
        almacen=motor, cuentas=CUENTAS, encargos=Encargos(motor), portero=Portero(lambda: ahora_s)
    )
    anadir_usuario(motor, "ana", Rol.OPERADOR, "default", CONTRASENA)
    async with una_api(entorno) as api:
        for _ in range(FALLOS_POR_USUARIO):
            await api.pedir("POST", LOGIN, INGRESO | {"password": "mala mala mala"})
        cerrado = (await api.pedir("POST", LOGIN, INGRESO)).estado
        ahora_s = 900.0
        abierto = (await api.pedir("POST", LOGIN, INGRESO)).estado

    assert (cerrado, abierto) == (429, 200)


async def test_un_cuerpo_enorme_no_se_lee(api: Api):
    enorme = b'{"symbol": "' + b"X" * 70_000 + b'"}'

    async def a_trozos() -> AsyncIterator[bytes]:
        for i in range(0, len(enorme), 10_000):
            yield enorme[i : i + 10_000]

    ficha = api.ficha()
    anunciado = await api.guardian(enorme, ficha)
    sin_anunciar = await api.pedir("POST", "/guardian", ficha=ficha, data=a_trozos())

    for respuesta in (anunciado, sin_anunciar):
        assert (respuesta.estado, respuesta.tipo) == (413, "application/problem+json")


@SIN_MAS_BASES
@pytest.mark.parametrize(("metodo", "ruta", "estado"), [("GET", "/nada", 404), ("GET", "/guardian", 405)])
async def test_lo_que_no_existe_es_un_problema_tambien(api: Api, metodo: str, ruta: str, estado: int):
    respuesta = await api.pedir(metodo, ruta)

    assert (respuesta.estado, respuesta.tipo) == (estado, "application/problem+json")


@SIN_MAS_BASES
async def test_un_cuerpo_que_no_se_dice_json_pide_que_se_diga(api: Api):
    ficha = api.ficha()

    respuesta = await api.pedir(
        "POST", "/guardian", headers={"Authorization": f"Bearer {ficha}"}, data={"symbol": "BTCUSDT"}
    )

    assert (respuesta.estado, respuesta.tipo) == (415, "application/problem+json")
    assert "Content-Type: application/json" in respuesta.cuerpo["detail"]


@SIN_MAS_BASES
async def test_la_descripcion_trae_ejemplos_y_errores(api: Api):
    descripcion = (await api.pedir("GET", "/openapi.json", ficha=api.ficha())).cuerpo

    assert set(descripcion["paths"]) >= {
        "/health",
        "/metrics",
        "/guardian",
        "/api/v1/token/login",
        "/api/v1/token/logout",
        "/api/v1/commands/{command_id}",
    }
    guardian = descripcion["paths"]["/guardian"]["post"]
    ejemplos = guardian["requestBody"]["content"]["application/json"]["examples"]
    assert ejemplos["adjust"]["value"]["level_metadata"]["level_name"] == "break_even"
    assert {"200", "207", "400", "401", "403", "409", "422", "503", "504"} <= set(guardian["responses"])
    assert guardian["security"] == [{"HTTPBearer": []}, {"APIKeyCookie": []}]


async def test_sin_almacen_se_dice(bitacora: list[dict[str, Any]]):
    motor = create_engine("postgresql+psycopg://root:muy-secreto@127.0.0.1:1/nada")
    entorno = Entorno(almacen=motor, cuentas=CUENTAS, encargos=Encargos(motor))
    async with una_api(entorno) as api:
        salud = await api.pedir("GET", "/health")
        pedida = await api.guardian(AJUSTE, "tml_cualquiera")

    assert (salud.estado, salud.cuerpo) == (503, {"status": "degraded", "store": "down"})
    assert (pedida.estado, pedida.tipo) == (503, "application/problem+json")
    assert "the shared store cannot be reached" in pedida.cuerpo["detail"]
    assert "muy-secreto" not in str(bitacora) + str(pedida.cuerpo)


async def test_una_contrasena_guardada_que_no_se_entiende_no_deja_entrar(api: Api, motor: Engine):
    with motor.begin() as conexion:
        anadir = {"username": "raro", "password_hash": "no es una", "role": "viewer", "client_id": "x"}
        conexion.execute(users.insert().values(anadir | {"created_at_ms": 1, "disabled": False}))

    respuesta = await api.pedir("POST", LOGIN, {"username": "raro", "password": "una cualquiera"})

    assert respuesta.estado == 401


@SIN_MAS_BASES
async def test_un_defecto_no_se_cuenta_fuera(motor: Engine):
    class Roto(Encargos):
        async def es_repetido(self, encargo: Encargo) -> bool:
            raise RuntimeError("muy-secreto")

    async with una_api(Entorno(almacen=motor, cuentas=CUENTAS, encargos=Roto(motor))) as api:
        respuesta = await api.guardian(AJUSTE, api.ficha())

    assert (respuesta.estado, respuesta.tipo) == (500, "application/problem+json")
    assert "muy-secreto" not in str(respuesta.cuerpo)


async def test_nada_secreto_llega_a_la_bitacora(api: Api, demonio: Demonios, bitacora: list[dict[str, Any]]):
    demonio("User_1")
    anadir_usuario(api.entorno.almacen, "berta", Rol.OPERADOR, "default", CONTRASENA)
    ficha = api.ficha()

    await api.guardian(AJUSTE, ficha)
    entrada = await api.pedir("POST", LOGIN, {"username": "berta", "password": CONTRASENA})
    await api.pedir("POST", LOGIN, {"username": CONTRASENA, "password": "berta"})
    await api.guardian(AJUSTE, ficha + "x")

    texto = str(bitacora)
    assert "guardian_pedido" in texto
    assert "ingreso_fallido" in texto
    for secreto in (ficha, CONTRASENA, entrada.cuerpo["access_token"]):
        assert secreto not in texto
