"""The account's socket against a local server that closes, expires keys and talks nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from src.nucleo.errores import LecturaFallida
from src.produccion.bolsa.flujo_cuenta import FlujoCuenta
from src.produccion.bolsa.flujos import AjustesFlujos
from src.produccion.puertos import EventoCuenta, EventoMargen, EventoOrden, EventoStop
from tests.produccion.bolsa.test_lectura_flujo import ALGO, ORDEN
from tests.produccion.falsos import OyenteFalso, RelojFalso
from tests.produccion.servidor_ws import Servidor, dice, envia, tomar, un_servidor

RED = True


class LlaveFalsa:
    """Gives numbered keys, a new one after each expiry; fails as often as it is told."""

    def __init__(self, fallos: int = 0) -> None:
        self.pedidas = 0
        self.numero = 1
        self.fallos = fallos

    async def clave_escucha(self) -> str:
        self.pedidas += 1
        if self.fallos > 0:
            self.fallos -= 1
            raise LecturaFallida("no answer from the exchange")
        return f"clave{self.numero}"


@pytest.fixture
async def servidor() -> AsyncIterator[Servidor]:
    async with un_servidor() as suyo:
        yield suyo


@pytest.fixture
async def sesion() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as abierta:
        yield abierta


def cuenta(
    servidor: Servidor, sesion: aiohttp.ClientSession, llave: LlaveFalsa | None = None, **ajustes: Any
) -> FlujoCuenta:
    return FlujoCuenta(
        sesion, servidor.base, llave or LlaveFalsa(), RelojFalso(500), AjustesFlujos(**ajustes)
    )


def un(tipo: str, **cuerpo: Any) -> dict[str, Any]:
    return {"e": tipo, "E": 700, **cuerpo}


async def test_la_cuenta_se_escucha_con_su_clave(servidor: Servidor, sesion: aiohttp.ClientSession):
    servidor.guiones = [
        envia(
            un("ORDER_TRADE_UPDATE", o=ORDEN),
            un("TRADE_LITE"),
            un("ACCOUNT_UPDATE"),
            un("ALGO_UPDATE", o=ALGO),
            un("MARGIN_CALL"),
            combinado=False,
        )
    ]

    eventos = await tomar(cuenta(servidor, sesion).eventos(), 5)

    assert [type(e) for e in eventos] == [EventoCuenta, EventoOrden, EventoCuenta, EventoStop, EventoMargen]
    assert [e.instante_ms for e in eventos] == [500, 700, 700, 700, 700]
    assert servidor.conexiones == ["/private/ws?listenKey=clave1"]


async def test_una_rafaga_no_pierde_nada(servidor: Servidor, sesion: aiohttp.ClientSession):
    servidor.guiones = [envia(*[un("ACCOUNT_UPDATE") | {"E": i} for i in range(600, 1_400)], combinado=False)]

    eventos = await tomar(cuenta(servidor, sesion).eventos(), 801)

    assert [e.instante_ms for e in eventos[1:]] == list(range(600, 1_400))


async def test_un_cierre_se_reconecta_y_es_novedad(servidor: Servidor, sesion: aiohttp.ClientSession):
    servidor.guiones = [envia(calla=False), envia()]

    assert await tomar(cuenta(servidor, sesion).eventos(), 2) == [EventoCuenta(500)] * 2


async def test_quien_oye_sabe_que_cae_y_que_vuelve(servidor: Servidor, sesion: aiohttp.ClientSession):
    servidor.guiones = [envia(calla=False), envia()]
    oyente = OyenteFalso()
    flujo = FlujoCuenta(sesion, servidor.base, LlaveFalsa(fallos=1), RelojFalso(500), AjustesFlujos(), oyente)

    await tomar(flujo.eventos(), 2)

    assert oyente.oidos == ["cae", "vuelve", "cae", "vuelve"]


async def test_una_clave_vencida_se_pide_de_nuevo(servidor: Servidor, sesion: aiohttp.ClientSession):
    """The exchange keeps the socket open and silent after this event."""
    llave = LlaveFalsa()

    async def vence(socket: web.WebSocketResponse) -> None:
        llave.numero = 2
        await envia(un("listenKeyExpired"), combinado=False)(socket)

    servidor.guiones = [vence, envia()]

    eventos = await tomar(cuenta(servidor, sesion, llave).eventos(), 2)

    assert [type(e) for e in eventos] == [EventoCuenta, EventoCuenta]
    assert servidor.conexiones[-1].endswith("clave2")


async def test_sin_clave_se_sigue_intentando(servidor: Servidor, sesion: aiohttp.ClientSession):
    servidor.guiones = [envia()]

    assert len(await tomar(cuenta(servidor, sesion, LlaveFalsa(fallos=1)).eventos(), 1)) == 1


async def test_la_clave_se_prolonga_aunque_la_cuenta_calle(servidor: Servidor, sesion: aiohttp.ClientSession):
    servidor.guiones = [envia()]
    llave = LlaveFalsa()

    with pytest.raises(TimeoutError):
        await tomar(cuenta(servidor, sesion, llave, prolongar_s=0.1).eventos(), 2, 0.55)
    assert llave.pedidas >= 4
    assert len(servidor.conexiones) == 1


async def test_la_clave_se_prolonga_aunque_la_cuenta_no_calle(
    servidor: Servidor, sesion: aiohttp.ClientSession
):
    servidor.guiones = [envia(*[un("ACCOUNT_UPDATE")] * 50, combinado=False, cada_s=0.01)]
    llave = LlaveFalsa()

    await tomar(cuenta(servidor, sesion, llave, prolongar_s=0.1).eventos(), 50)
    assert llave.pedidas >= 3


async def test_una_clave_que_no_se_pudo_prolongar_se_reconecta(
    servidor: Servidor, sesion: aiohttp.ClientSession
):
    servidor.guiones = [envia()]
    llave = LlaveFalsa()
    eventos = cuenta(servidor, sesion, llave, prolongar_s=0.1).eventos()

    await anext(eventos)
    llave.fallos = 1
    assert await asyncio.wait_for(anext(eventos), 5) == EventoCuenta(500)
    await eventos.aclose()  # type: ignore[attr-defined]
    assert len(servidor.conexiones) == 2


async def test_otra_clave_al_prolongar_es_que_la_de_antes_habia_vencido(
    servidor: Servidor, sesion: aiohttp.ClientSession
):
    servidor.guiones = [envia()]
    llave = LlaveFalsa()
    eventos = cuenta(servidor, sesion, llave, prolongar_s=0.1).eventos()

    await anext(eventos)
    llave.numero = 2
    await asyncio.wait_for(anext(eventos), 5)
    await eventos.aclose()  # type: ignore[attr-defined]
    assert servidor.conexiones[-1].endswith("clave2")


async def test_la_renovacion_abre_antes_de_cerrar_y_es_novedad(
    servidor: Servidor, sesion: aiohttp.ClientSession, bitacora: list[dict[str, Any]]
):
    abiertas: list[int] = []

    async def nuevo(socket: web.WebSocketResponse) -> None:
        abiertas.append(servidor.abiertas)
        await envia(un("ACCOUNT_UPDATE"), combinado=False)(socket)

    servidor.guiones = [envia(*[un("MARGIN_CALL")] * 20, combinado=False, cada_s=0.05), nuevo]

    eventos = await tomar(cuenta(servidor, sesion, renovar_s=0.3).eventos(), 23)

    assert abiertas == [2]
    assert [type(e) for e in eventos[-2:]] == [EventoCuenta, EventoCuenta]
    assert sum(isinstance(e, EventoMargen) for e in eventos) == 20
    assert [e["event"] for e in bitacora] == ["flujo_renovado"]


@pytest.mark.parametrize("texto", ["{not json", "[]", '{"e": "ACCOUNT_UPDATE", "E": null}'])
async def test_un_aviso_ilegible_es_novedad(servidor: Servidor, sesion: aiohttp.ClientSession, texto: str):
    servidor.guiones = [dice(texto), envia()]

    eventos = await tomar(cuenta(servidor, sesion).eventos(), 2)

    assert [type(e) for e in eventos] == [EventoCuenta] * 2
