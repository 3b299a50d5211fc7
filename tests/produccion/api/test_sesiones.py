"""Staying logged in: refresh tokens that work once, cookies with their CSRF token, the end of a session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from src.produccion.almacen.conexion import leer
from src.produccion.almacen.esquema import refresh_tokens, sessions, users
from src.produccion.api.acceso import CABECERA_CSRF
from src.produccion.api.firma import Acceso, Firmante
from src.produccion.api.identificacion import Rol
from src.produccion.api.portero import FALLOS_POR_USUARIO
from src.produccion.api.usuarios import anadir_usuario, cambiar_contrasena, habilitar, revocar_fichas
from tests.produccion.api.banco import AJUSTE, SIN_MAS_BASES, Api, DemonioFalso, Respuesta

RED = True

CONTRASENA = "correct horse battery"
LOGIN, REFRESH, LOGOUT = (f"/api/v1/token/{que}" for que in ("login", "refresh", "logout"))


async def entrar(api: Api, nombre: str = "ana", rol: Rol = Rol.OPERADOR, **otros: Any) -> dict[str, Any]:
    anadir_usuario(api.entorno.almacen, nombre, rol, "default", CONTRASENA)
    respuesta = await api.pedir("POST", LOGIN, {"username": nombre, "password": CONTRASENA, **otros})
    assert respuesta.estado == 200, respuesta
    return respuesta.cuerpo


async def renovar(api: Api, refresco: str) -> Respuesta:
    return await api.pedir("POST", REFRESH, {"refresh_token": refresco})


async def vale(api: Api, ficha: str) -> bool:
    return (await api.pedir("GET", "/api/v1/commands/nada", ficha=ficha)).estado == 404


async def test_un_refresco_da_el_siguiente_y_la_sesion_sigue(api: Api):
    entrada = await entrar(api)

    segunda = (await renovar(api, entrada["refresh_token"])).cuerpo
    tercera = (await renovar(api, segunda["refresh_token"])).cuerpo

    fichas = [una["access_token"] for una in (entrada, segunda, tercera)]
    assert [await vale(api, ficha) for ficha in fichas] == [True] * 3
    assert len({entrada["refresh_token"], segunda["refresh_token"], tercera["refresh_token"]}) == 3


async def test_un_refresco_usado_que_vuelve_acaba_con_la_sesion_de_ambos(
    api: Api, bitacora: list[dict[str, object]]
):
    entrada = await entrar(api)
    segunda = (await renovar(api, entrada["refresh_token"])).cuerpo

    repetido = await renovar(api, entrada["refresh_token"])

    assert repetido.estado == 401
    assert (await renovar(api, segunda["refresh_token"])).estado == 401
    assert not await vale(api, segunda["access_token"])
    assert "refresco_repetido" in [evento["event"] for evento in bitacora]
    with leer(api.entorno.almacen) as conexion:
        assert (
            conexion.execute(select(sessions.c.revoked_reason)).scalar() == "a used refresh token came back"
        )


@SIN_MAS_BASES
async def test_un_almacen_que_no_contesta_no_cierra_a_quien_acierta(api: Api):
    """Five log-ins during an outage, and the sixth is right: nobody has failed."""
    anadir_usuario(api.entorno.almacen, "ana", Rol.OPERADOR, "default", CONTRASENA)
    bien = {"username": "ana", "password": CONTRASENA}
    with api.entorno.almacen.begin() as conexion:
        conexion.exec_driver_sql("ALTER TABLE sessions RENAME TO fuera")
    caidas = [await api.pedir("POST", LOGIN, bien) for _ in range(FALLOS_POR_USUARIO + 1)]
    with api.entorno.almacen.begin() as conexion:
        conexion.exec_driver_sql("ALTER TABLE fuera RENAME TO sessions")

    assert {una.estado for una in caidas} == {503}
    assert (await api.pedir("POST", LOGIN, bien)).estado == 200


async def test_de_dos_que_renuevan_a_la_vez_gana_uno(api: Api):
    refresco = (await entrar(api))["refresh_token"]

    respuestas = await asyncio.gather(*(renovar(api, refresco) for _ in range(6)))

    assert sorted(r.estado for r in respuestas) == [200, 401, 401, 401, 401, 401]


async def test_una_sesion_robada_no_toca_las_demas(api: Api):
    una = await entrar(api)
    otra = (await api.pedir("POST", LOGIN, {"username": "ana", "password": CONTRASENA})).cuerpo
    await renovar(api, una["refresh_token"])
    await renovar(api, una["refresh_token"])

    assert await vale(api, otra["access_token"])
    assert (await renovar(api, otra["refresh_token"])).estado == 200


@pytest.mark.parametrize("columna", ["refresh", "session"])
async def test_lo_vencido_no_se_renueva(api: Api, columna: str):
    entrada = await entrar(api)
    tabla = refresh_tokens if columna == "refresh" else sessions
    with api.entorno.almacen.begin() as conexion:
        conexion.execute(update(tabla).values(expires_at_ms=1))

    assert (await renovar(api, entrada["refresh_token"])).estado == 401


Fin = Callable[[Api], None]


@pytest.mark.parametrize(
    "acabar",
    [
        lambda api: cambiar_contrasena(api.entorno.almacen, "ana", CONTRASENA[::-1]),
        lambda api: habilitar(api.entorno.almacen, "ana", si=False),
        lambda api: revocar_fichas(api.entorno.almacen, "ana"),
    ],
    ids=["passwd", "disable", "revoke"],
)
async def test_quien_manda_en_los_usuarios_acaba_sesiones_en_el_acto(api: Api, acabar: Fin):
    entrada = await entrar(api)
    assert await vale(api, entrada["access_token"])

    acabar(api)

    assert not await vale(api, entrada["access_token"])
    assert (await renovar(api, entrada["refresh_token"])).estado == 401


async def test_al_salir_acaba_la_sesion_entera(api: Api):
    entrada = await entrar(api)

    assert (await api.pedir("POST", LOGOUT, ficha=entrada["access_token"])).estado == 204

    assert not await vale(api, entrada["access_token"])
    assert (await renovar(api, entrada["refresh_token"])).estado == 401


async def test_una_ficha_firmada_para_otro_inquilino_no_es_de_nadie(api: Api):
    """Whoever has the secret and lies about the tenant is still compared with the store."""
    entrada = await entrar(api)
    sesion = api.entorno.firmante.leer(entrada["access_token"], api.entorno.ahora_ms())
    assert sesion is not None
    ajena, _ = api.entorno.firmante.firmar(
        Acceso("ana", "otros", sesion.sesion), "admin", api.entorno.ahora_ms()
    )
    falsa, _ = Firmante.de_una_vez().firmar(sesion, "admin", api.entorno.ahora_ms())
    vieja, _ = api.entorno.firmante.firmar(sesion, "admin", api.entorno.ahora_ms() - 901_000)

    assert [await vale(api, ficha) for ficha in (ajena, falsa, vieja)] == [False] * 3


async def test_el_papel_es_el_del_almacen_y_no_el_de_la_ficha(api: Api):
    entrada = await entrar(api, rol=Rol.ADMIN)
    with api.entorno.almacen.begin() as conexion:
        conexion.execute(update(users).values(role="viewer"))

    assert (await api.guardian(AJUSTE, entrada["access_token"])).estado == 403


async def test_un_refresco_guarda_solo_su_huella(api: Api):
    refresco = (await entrar(api))["refresh_token"]

    with leer(api.entorno.almacen) as conexion:
        (fila,) = conexion.execute(select(refresh_tokens)).all()
    assert refresco not in str(fila)


class Navegador:
    """Keeps the cookies of an answer, as a browser does."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.galletas: dict[str, str] = {}
        self.puestas: dict[str, str] = {}

    async def pedir(self, metodo: str, ruta: str, cuerpo: object = None, **cabeceras: str) -> Respuesta:
        galleta = "; ".join(f"{nombre}={valor}" for nombre, valor in self.galletas.items())
        respuesta = await self._api.pedir(
            metodo,
            ruta,
            cuerpo,
            headers={"Content-Type": "application/json", "Cookie": galleta, **cabeceras},
        )
        for linea in respuesta.cabeceras.getall("Set-Cookie", []):
            nombre, _, resto = linea.partition("=")
            self.puestas[nombre] = linea
            self.galletas[nombre] = resto.partition(";")[0].strip('"')
        return respuesta


@pytest.fixture
async def navegador(api: Api) -> Navegador:
    anadir_usuario(api.entorno.almacen, "ana", Rol.OPERADOR, "default", CONTRASENA)
    uno = Navegador(api)
    credenciales = {"username": "ana", "password": CONTRASENA, "cookie": True}
    entrada = await uno.pedir("POST", LOGIN, credenciales)
    assert (entrada.estado, entrada.cuerpo["access_token"], entrada.cuerpo["refresh_token"]) == (
        200,
        None,
        None,
    )
    assert entrada.cuerpo["csrf_token"] == uno.galletas["timonel_csrf"]
    return uno


async def test_un_navegador_guarda_las_fichas_donde_ningun_guion_las_lee(navegador: Navegador):
    for nombre in ("timonel_access", "timonel_refresh"):
        assert "HttpOnly" in navegador.puestas[nombre]
    assert all("SameSite=strict" in linea for linea in navegador.puestas.values())
    assert "Path=/api/v1/token" in navegador.puestas["timonel_refresh"]
    assert "HttpOnly" not in navegador.puestas["timonel_csrf"]


async def test_un_navegador_mira_sin_mas_y_actua_con_la_prueba_de_su_pagina(
    navegador: Navegador, demonio: Callable[..., DemonioFalso]
):
    vivo = demonio("User_1")
    csrf = navegador.galletas["timonel_csrf"]

    assert (await navegador.pedir("GET", "/api/v1/commands/nada")).estado == 404
    sin = await navegador.pedir("POST", "/guardian", AJUSTE)
    falsa = await navegador.pedir("POST", "/guardian", AJUSTE, **{CABECERA_CSRF: "0" * 64})
    assert (sin.estado, falsa.estado, len(vivo.tomados)) == (403, 403, 0)

    assert (await navegador.pedir("POST", "/guardian", AJUSTE, **{CABECERA_CSRF: csrf})).estado == 200


async def test_la_ficha_de_un_programa_no_sirve_de_galleta(api: Api, navegador: Navegador):
    """It belongs to no session, so no page could prove that it is ours."""
    navegador.galletas = {"timonel_access": api.ficha("robot", Rol.SERVICIO)}

    assert (await navegador.pedir("POST", "/guardian", AJUSTE)).estado == 401


async def test_un_navegador_renueva_y_sale_con_sus_galletas(navegador: Navegador):
    csrf = {CABECERA_CSRF: navegador.galletas["timonel_csrf"]}
    primero = navegador.galletas["timonel_refresh"]

    assert (await navegador.pedir("POST", REFRESH)).estado == 403
    assert (await navegador.pedir("POST", REFRESH, **csrf)).estado == 200
    assert navegador.galletas["timonel_refresh"] != primero

    assert (await navegador.pedir("POST", LOGOUT)).estado == 403
    assert (await navegador.pedir("POST", LOGOUT, **csrf)).estado == 204
    assert navegador.galletas == {"timonel_access": "", "timonel_refresh": "", "timonel_csrf": ""}
