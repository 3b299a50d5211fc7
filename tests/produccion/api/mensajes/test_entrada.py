"""Who may open a socket, and when it has to close."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from sqlalchemy import Engine, update

from src.produccion.almacen.esquema import api_tokens, sessions
from src.produccion.api.acceso import GALLETA_ACCESO
from src.produccion.api.firma import Acceso
from src.produccion.api.identificacion import Rol
from src.produccion.api.mensajes.contrato import Cierre, LimitesMensajes
from src.produccion.api.sesiones import abrir_sesion, cerrar_sesion
from src.produccion.api.usuarios import Usuario, anadir_usuario, habilitar, revocar_fichas
from tests.produccion.api.banco import SIN_MAS_BASES, Api
from tests.produccion.api.mensajes.escucha import RUTA, escuchando, rechazo
from tests.produccion.api.mensajes.sucesos import almacen_caido

RED = True
CONTRASENA = "correct horse battery"


LIMITES = LimitesMensajes(
    sondeo_s=0.03, credenciales_s=0.05, latido_s=0.1, mensajes_por_minuto=5, por_inquilino=2
)


@pytest.fixture
def limites() -> LimitesMensajes:
    return LIMITES


class Sesion:
    """A log-in of a browser."""

    def __init__(self, api: Api, hace_ms: int = 0) -> None:
        entorno = api.entorno
        anadir_usuario(entorno.almacen, "ana", Rol.LECTOR, "default", None)
        usuario = Usuario("ana", Rol.LECTOR, "default", False, 0)
        self.id = abrir_sesion(entorno.almacen, usuario).sesion
        acceso = Acceso("ana", "default", self.id)
        self.ficha, _ = entorno.firmante.firmar(acceso, "viewer", entorno.ahora_ms() - hace_ms)
        self.csrf = entorno.firmante.csrf(self.id)
        self.origen = api.url

    def cabeceras(self, **otras: str) -> dict[str, str]:
        return {"Cookie": f"{GALLETA_ACCESO}={self.ficha}", "Origin": self.origen} | otras


@SIN_MAS_BASES
async def test_sin_ficha_buena_no_se_entra(api: Api):
    sesion = Sesion(api, hace_ms=900_001)

    assert [await rechazo(api, ficha) for ficha in (None, "tml_inventada", "a.b.c", sesion.ficha)] == [
        401
    ] * 4
    assert await rechazo(api, headers=sesion.cabeceras()) == 401


@SIN_MAS_BASES
async def test_una_ficha_en_la_direccion_no_sirve_ni_se_apunta(
    api: Api, bitacora: list[dict[str, object]], caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    ficha = api.ficha()

    assert await rechazo(api, campos=f"?token={ficha}") == 422
    assert await rechazo(api, ficha, f"?access_token={ficha}") == 422
    assert ficha not in f"{bitacora} {caplog.text}"


async def test_una_sesion_y_una_ficha_de_programa_entran_por_la_cabecera(api: Api):
    for ficha in (Sesion(api).ficha, api.ficha("robot", Rol.SERVICIO)):
        async with escuchando(api, ficha) as una:
            await una.pedir("alerts")
            await una.hasta("subscribed")


@SIN_MAS_BASES
async def test_una_galleta_necesita_una_pagina_de_casa(api: Api):
    sesion = Sesion(api)
    puerto = api.url.rpartition(":")[2]
    ajenos = [
        "http://evil.example",
        f"https://127.0.0.1:{puerto}",
        "http://127.0.0.1:1",
        f"http://127.0.0.1.evil.example:{puerto}",
        "null",
        "",
    ]
    malas = [await rechazo(api, headers=sesion.cabeceras(Origin=origen)) for origen in ajenos]
    sin_origen = {k: v for k, v in sesion.cabeceras().items() if k != "Origin"}

    assert malas == [403] * len(ajenos)
    assert await rechazo(api, headers=sin_origen) == 403


@SIN_MAS_BASES
async def test_un_intermediario_con_tls_dice_de_donde_es_la_pagina(api: Api):
    sesion = Sesion(api)
    host = api.url.removeprefix("http://")
    por_tls = {"X-Forwarded-Proto": "https", "Origin": f"https://{host}"}
    async with escuchando(api, headers=sesion.cabeceras(**por_tls)) as una:
        await una.pedir("alerts", csrf_token=sesion.csrf)
        await una.hasta("subscribed")


@SIN_MAS_BASES
async def test_una_galleta_prueba_de_quien_es_la_pagina_con_el_subprotocolo(api: Api):
    sesion = Sesion(api)
    buenos, malos = ("timonel.v1", f"timonel.csrf.{sesion.csrf}"), ("timonel.v1", "timonel.csrf.00")
    async with escuchando(api, headers=sesion.cabeceras(), protocols=buenos) as una:
        assert una.socket.protocol == "timonel.v1"
        await una.pedir("alerts")
        await una.hasta("subscribed")

    assert await rechazo(api, headers=sesion.cabeceras(), protocols=malos) == 403


@SIN_MAS_BASES
@pytest.mark.parametrize("primero", [{"subscribe": ["alerts"]}, {"csrf_token": "00"}, "nonsense", b"\0"])
async def test_una_galleta_sin_su_csrf_se_cierra_sin_contar_nada(api: Api, primero: Any):
    async with escuchando(api, None, "?subscribe=alerts", headers=Sesion(api).cabeceras()) as una:
        await una.decir(primero)

        assert await una.cierre() == Cierre.CSRF
    assert una.de("snapshot") == []


@SIN_MAS_BASES
async def test_una_galleta_prueba_de_quien_es_la_pagina_con_el_primer_mensaje(api: Api):
    sesion = Sesion(api)
    async with escuchando(api, None, "?subscribe=alerts", headers=sesion.cabeceras()) as una:
        await una.decir({"csrf_token": sesion.csrf})

        assert (await una.hasta("subscribed"))["payload"]["channels"] == ["alerts"]


@SIN_MAS_BASES
async def test_un_navegador_entra_con_lo_que_le_dio_el_ingreso(api: Api):
    anadir_usuario(api.entorno.almacen, "ana", Rol.LECTOR, "default", CONTRASENA)
    ingreso = {"username": "ana", "password": CONTRASENA, "cookie": True}
    dado = await api.pedir("POST", "/api/v1/token/login", ingreso)
    galletas = [una.split(";")[0] for una in dado.cabeceras.getall("Set-Cookie")]  # type: ignore[attr-defined]
    cabeceras = {"Cookie": "; ".join(galletas), "Origin": api.url}
    async with escuchando(api, headers=cabeceras) as una:
        await una.pedir("alerts", csrf_token=dado.cuerpo["csrf_token"])
        await una.hasta("subscribed")
        await api.pedir(
            "POST", "/api/v1/token/logout", headers=cabeceras | {"X-CSRF-Token": dado.cuerpo["csrf_token"]}
        )

        assert await una.cierre() == Cierre.FICHA


@SIN_MAS_BASES
async def test_una_ficha_de_programa_no_sirve_de_galleta(api: Api):
    cabeceras = {"Cookie": f"{GALLETA_ACCESO}={api.ficha()}", "Origin": api.url}

    assert await rechazo(api, headers=cabeceras) == 401


@pytest.mark.parametrize("fin", ["logout", "expired session", "disabled user", "expired token"])
async def test_una_sesion_que_acaba_cierra_su_socket(api: Api, motor: Engine, reloj: Any, fin: str):
    sesion = Sesion(api)
    async with escuchando(api, sesion.ficha) as una:
        await una.pedir("alerts")
        await una.hasta("subscribed")
        match fin:
            case "logout":
                cerrar_sesion(motor, sesion.id)
            case "expired session":
                with motor.begin() as conexion:
                    conexion.execute(update(sessions).values(expires_at_ms=1))
            case "disabled user":
                habilitar(motor, "ana", si=False)
            case "expired token":
                reloj.adelanto_ms = 900_000

        assert await una.cierre() == Cierre.FICHA


@pytest.mark.parametrize("fin", ["revoked", "expired"])
async def test_una_ficha_de_programa_que_acaba_cierra_su_socket_y_los_demas_siguen(
    api: Api, motor: Engine, fin: str
):
    ficha, otra = api.ficha("robot", Rol.SERVICIO), Sesion(api).ficha
    async with escuchando(api, ficha) as una, escuchando(api, otra) as sigue:
        for cada in (una, sigue):
            await cada.pedir("alerts")
            await cada.hasta("subscribed")
        if fin == "revoked":
            revocar_fichas(motor, "robot")
        else:
            with motor.begin() as conexion:
                conexion.execute(update(api_tokens).values(expires_at_ms=1))

        assert await una.cierre() == Cierre.FICHA
        await sigue.hasta("heartbeat")


@SIN_MAS_BASES
@pytest.mark.parametrize("limites", [LIMITES._replace(ocioso_s=0.2)])
@pytest.mark.parametrize("campos", ["", "?subscribe=alerts"])
async def test_quien_no_quiere_nada_no_se_queda(api: Api, campos: str):
    async with escuchando(api, api.ficha(), campos) as una:
        if campos:
            await una.hasta("heartbeat")
            await una.pedir()

        assert await una.cierre() == Cierre.OCIOSO


@SIN_MAS_BASES
async def test_lo_que_no_se_entiende_se_dice_y_lo_demasiado_se_corta(api: Api):
    async with escuchando(api, api.ficha()) as una:
        for malo in (
            "nonsense",
            b"\0",
            {"subscribe": ["secrets"]},
            {"subscribe": ["prices"], "environment": "live"},
        ):
            await una.decir(malo)
        detalles = [(await una.hasta("error"))["payload"]["detail"] for _ in range(4)]
        for _ in range(2):
            await una.decir("[]")

        assert await una.cierre() == Cierre.PARLANCHIN
    assert detalles[0] == detalles[1] == "the message is not JSON text"
    assert detalles[2].startswith("subscribe.0: Input should be 'prices'")
    assert "secrets" not in detalles[2]
    assert detalles[3] == "environment: there is no market data of 'live'"


@SIN_MAS_BASES
async def test_un_mensaje_enorme_cierra_el_socket(api: Api):
    async with escuchando(api, api.ficha()) as una:
        await una.decir("x" * 17_000)

        assert await una.cierre() == 1009


@SIN_MAS_BASES
async def test_un_inquilino_no_pasa_de_sus_sockets(api: Api):
    ficha = api.ficha()
    async with escuchando(api, ficha), escuchando(api, ficha):
        assert await rechazo(api, ficha) == 429
        async with escuchando(api, api.ficha("eva", Rol.OPERADOR, "otros")) as otra:
            await otra.pedir("alerts")
            await otra.hasta("subscribed")
    async with escuchando(api, ficha) as una:
        await una.pedir("alerts")
        await una.hasta("subscribed")


@SIN_MAS_BASES
async def test_un_almacen_caido_no_deja_entrar(api: Api, motor: Engine):
    ficha = api.ficha()
    with almacen_caido(motor):
        assert await rechazo(api, ficha) == 503


@SIN_MAS_BASES
async def test_lo_que_no_es_un_socket_no_existe_ahi(api: Api):
    assert (await api.pedir("GET", RUTA, ficha=api.ficha())).estado == 404
