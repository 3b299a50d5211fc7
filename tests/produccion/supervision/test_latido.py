"""A monitor outside hears of the daemon, and nothing inside waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.config.config import SeccionSupervision
from src.produccion.supervision.latido import URL_LATIDO, Latido, crear_latido

RED = True


class Monitor:
    def __init__(self) -> None:
        self.codigo = 200
        self.demora_s = 0.0
        self.pedidos: list[str] = []

    async def atender(self, peticion: web.Request) -> web.Response:
        self.pedidos.append(f"{peticion.method} {peticion.path}")
        await asyncio.sleep(self.demora_s)
        return web.Response(status=self.codigo)


@pytest.fixture
def monitor() -> Monitor:
    return Monitor()


@pytest.fixture
async def url(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    aplicacion = web.Application()
    aplicacion.router.add_route("*", "/{resto:.*}", monitor.atender)
    async with TestServer(aplicacion) as servidor:
        yield str(servidor.make_url("/ping/muy-secreto"))


async def durante(latido: Latido, segundos: float) -> None:
    tarea = asyncio.create_task(latido.correr())
    await asyncio.sleep(segundos)
    assert not tarea.done()
    tarea.cancel()
    await asyncio.gather(tarea, return_exceptions=True)


async def test_se_pide_una_y_otra_vez(monitor: Monitor, url: str, bitacora: list[dict[str, object]]):
    latido = Latido(url, cada_s=0.05, plazo_s=5, callar=lambda: False)

    await durante(latido, 1)

    assert latido.enviados >= 3
    assert set(monitor.pedidos) == {"GET /ping/muy-secreto"}
    assert bitacora == []


@pytest.mark.parametrize("cambio", [{"codigo": 500}, {"codigo": 404}, {"demora_s": 10.0}])
async def test_un_fallo_se_anota_una_vez_sin_la_direccion(
    monitor: Monitor, url: str, bitacora: list[dict[str, object]], cambio: dict[str, float]
):
    for nombre, valor in cambio.items():
        setattr(monitor, nombre, valor)

    await durante(Latido(url, cada_s=0.02, plazo_s=0.1, callar=lambda: False), 0.8)

    assert len(monitor.pedidos) >= 2
    (evento,) = bitacora
    assert evento["event"] == "latido_fallido"
    assert evento["anfitrion"] == "127.0.0.1"
    assert "secreto" not in str(evento)


async def test_un_monitor_que_no_esta_no_tira_nada(bitacora: list[dict[str, object]]):
    await durante(Latido("http://127.0.0.1:1/muy-secreto", cada_s=0.02, plazo_s=1, callar=lambda: False), 0.3)

    (evento,) = bitacora
    assert "secreto" not in str(evento)


async def test_tras_volver_se_anota_el_siguiente_fallo(
    monitor: Monitor, url: str, bitacora: list[dict[str, object]]
):
    latido = Latido(url, cada_s=0.02, plazo_s=5, callar=lambda: False)
    for codigo in (500, 200, 500):
        monitor.codigo = codigo
        await durante(latido, 0.4)

    assert [evento["codigo"] for evento in bitacora] == [500, 500]


async def test_un_demonio_atascado_calla(monitor: Monitor, url: str):
    await durante(Latido(url, cada_s=0.02, plazo_s=5, callar=lambda: True), 0.2)

    assert monitor.pedidos == []


def test_sin_direccion_no_hay_latido():
    assert crear_latido(SeccionSupervision(), lambda: False, {}) is None


@pytest.mark.parametrize(
    ("escrita", "entorno", "anfitrion"),
    [
        ("https://uno.example/x", {}, "uno.example"),
        ("https://uno.example/x", {URL_LATIDO: "https://dos.example/x"}, "dos.example"),
        (None, {URL_LATIDO: "https://dos.example/x"}, "dos.example"),
    ],
)
def test_el_entorno_va_delante_de_los_ajustes(escrita: str | None, entorno: dict[str, str], anfitrion: str):
    ajustes = SeccionSupervision(heartbeat_url=None if escrita is None else SecretStr(escrita))

    latido = crear_latido(ajustes, lambda: False, entorno)

    assert latido is not None
    assert latido.anfitrion == anfitrion


@pytest.mark.parametrize("url", ["muy-secreto", "ftp://h/muy-secreto", "https:///muy-secreto"])
def test_una_direccion_inutil_se_rechaza_sin_decirla(url: str):
    with pytest.raises(ConfiguracionInvalida, match=r"supervision\.heartbeat_url") as fallo:
        crear_latido(SeccionSupervision(), lambda: False, {URL_LATIDO: url})

    assert "secreto" not in str(fallo.value)


def test_la_direccion_no_se_imprime():
    assert "secreto" not in repr(SeccionSupervision(heartbeat_url=SecretStr("https://h/muy-secreto")))
