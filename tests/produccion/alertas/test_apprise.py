from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from src.nucleo.alertas import Mensaje, Nivel
from src.nucleo.errores import AvisoSinEntregar, ConfiguracionInvalida
from src.produccion.alertas.bandeja import Destino
from src.produccion.alertas.canales import CanalApprise

RED = True

pytest.importorskip("apprise")
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")

MAIL = Destino("apprise:mail")
MENSAJE = Mensaje("CRITICAL latched", "a_b *c*\\n", Nivel.CRITICAL)


async def un_servicio(estado: int) -> tuple[TestServer, list[dict[str, Any]]]:
    recibidos: list[dict[str, Any]] = []

    async def recibir(peticion: web.Request) -> web.Response:
        recibidos.append(await peticion.json())
        return web.Response(status=estado)

    aplicacion = web.Application()
    aplicacion.router.add_post("/{resto:.*}", recibir)
    servidor = TestServer(aplicacion)
    await servidor.start_server()
    return servidor, recibidos


async def test_un_servicio_recibe_el_mensaje_tal_cual():
    servidor, recibidos = await un_servicio(200)
    await CanalApprise(MAIL, f"json://127.0.0.1:{servidor.port}/x", 10.0).enviar(MENSAJE)
    await servidor.close()

    assert [(r["title"], r["message"], r["type"]) for r in recibidos] == [
        ("CRITICAL latched", "a_b *c*\\n", "failure")
    ]


async def test_un_servicio_que_no_lo_toma_se_dice():
    servidor, _ = await un_servicio(500)
    canal = CanalApprise(MAIL, f"json://127.0.0.1:{servidor.port}/x", 10.0)
    with pytest.raises(AvisoSinEntregar, match="did not take it"):
        await canal.enviar(MENSAJE)
    await servidor.close()
    with pytest.raises(AvisoSinEntregar):
        await canal.enviar(MENSAJE)


def test_una_direccion_que_no_es_de_nadie_se_rechaza_sin_repetirla():
    with pytest.raises(ConfiguracionInvalida, match="apprise:mail") as visto:
        CanalApprise(MAIL, "nada://clave@host", 10.0)
    assert "clave" not in str(visto.value)
