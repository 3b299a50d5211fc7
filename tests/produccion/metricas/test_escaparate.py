"""The metrics port over a real socket, in front of a loop that may be busy."""

from __future__ import annotations

import asyncio
import socket
import time
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.config.config import SeccionMetricas
from src.produccion.metricas import catalogo
from src.produccion.metricas.escaparate import Escaparate, Retratista
from src.produccion.metricas.muestras import Foto, Reparto, Valor
from src.produccion.metricas.pagina import con_su_edad
from src.produccion.supervision.cortesia import Cortesia

RED = True
TITULAR = ("sim-abc", "BTCUSDT", 'train "x"')


def una_foto() -> Foto:
    valores = (
        Valor(catalogo.EQUITY, 9_876.5),
        Valor(catalogo.DESNUDA, True),
        Valor(catalogo.COLA, 3, ("events",)),
        Valor(catalogo.ORDENES_ACABADAS, 2, ("filled",)),
        Valor(catalogo.COLA, 4, ("log",)),
    )
    reparto = Reparto(catalogo.TIEMPO_ORDEN, (0.1, 1.0), (1, 3, 4), 2.5)
    return Foto(time.monotonic(), valores, (reparto,))


def un_escaparate(puerto: int | None) -> Escaparate:
    return Escaparate(SeccionMetricas(port=puerto), TITULAR, Cortesia())


def leer(puerto: int | None, ruta: str = "/metrics", plazo_s: float = 20.0) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{puerto}{ruta}", timeout=plazo_s) as respuesta:
        return respuesta.read().decode()


def leer_cuando_se_pueda(puerto: int) -> str:
    for _ in range(1_000):
        try:
            return leer(puerto)
        except urllib.error.URLError:
            time.sleep(0.01)
    raise AssertionError("nobody listens")


async def pagina(puerto: int | None, ruta: str = "/metrics") -> str:
    return await asyncio.to_thread(leer, puerto, ruta)


def muestras(texto: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Value by name and by the labels after those of the daemon."""
    propias = {
        (m.name, tuple(v for k, v in m.labels.items() if k not in catalogo.TITULAR)): m.value
        for familia in text_string_to_metric_families(texto)
        for m in familia.samples
    }
    titulares = {
        tuple(m.labels[k] for k in catalogo.TITULAR)
        for familia in text_string_to_metric_families(texto)
        for m in familia.samples
        if m.name.startswith(catalogo.PREFIJO)
    }
    assert titulares == {TITULAR}
    return propias


async def test_lo_retratado_se_lee_en_la_pagina():
    escaparate = un_escaparate(0)
    escaparate.abrir()

    async with escaparate.mostrando(una_foto):
        leidas = muestras(await pagina(escaparate.puerto))

    assert leidas[("timonel_equity_quote", ())] == 9_876.5
    assert leidas[("timonel_position_naked", ())] == 1.0
    assert (leidas[("timonel_queue_depth", ("events",))], leidas[("timonel_queue_depth", ("log",))]) == (3, 4)
    assert leidas[("timonel_orders_finished_total", ("filled",))] == 2.0
    assert leidas[("timonel_order_seconds_bucket", ("0.1",))] == 1.0
    assert leidas[("timonel_order_seconds_bucket", ("+Inf",))] == 4.0
    assert leidas[("timonel_order_seconds_sum", ())] == 2.5
    assert ("process_resident_memory_bytes", ()) in leidas


async def test_mientras_el_bucle_no_contesta_vale_la_ultima_foto():
    fotos = iter([una_foto(), una_foto()])
    retratista = Retratista(asyncio.get_running_loop(), lambda: next(fotos), plazo_s=0.01)
    primera = None
    while primera is None:
        primera = await asyncio.to_thread(retratista.pedir)

    assert retratista.pedir() is primera  # asked by the loop's own thread, which is busy asking


async def test_sin_bucle_vale_la_ultima_foto():
    bucle = asyncio.new_event_loop()
    bucle.close()

    assert Retratista(bucle, una_foto).pedir() is None


def test_la_edad_de_la_foto_crece():
    vieja = una_foto()._replace(tomada_s=time.monotonic() - 60.0)

    con_edad = con_su_edad(lambda: vieja)()

    assert con_edad is not None
    assert con_edad.valores[-1].metrica is catalogo.FOTO_EDAD
    assert con_edad.valores[-1].valor >= 60.0
    assert con_su_edad(lambda: None)() is None


async def test_otra_ruta_no_existe():
    escaparate = un_escaparate(0)
    escaparate.abrir()

    async with escaparate.mostrando(una_foto):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            await pagina(escaparate.puerto, "/")


async def test_un_puerto_ocupado_se_nombra_y_se_intenta_otra_vez():
    with socket.create_server(("127.0.0.1", 0)) as ocupado:
        puerto = ocupado.getsockname()[1]
        escaparate = Escaparate(SeccionMetricas(port=puerto), TITULAR, Cortesia(), entre_intentos_s=0.01)
        with pytest.raises(ConfiguracionInvalida, match=rf"127\.0\.0\.1:{puerto}: .*in use"):
            escaparate.abrir()

    async with escaparate.mostrando(una_foto):
        assert "timonel_equity_quote" in await asyncio.to_thread(leer_cuando_se_pueda, puerto)


async def test_sin_puerto_no_se_escucha_ni_se_retrata():
    def nunca() -> Foto:
        raise AssertionError("nobody asked")

    escaparate = un_escaparate(None)
    escaparate.abrir()

    async with escaparate.mostrando(nunca):
        await asyncio.sleep(0)
        assert escaparate.puerto is None
