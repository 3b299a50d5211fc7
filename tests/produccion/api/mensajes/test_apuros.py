"""Slow clients, a store that is down or late, and the end of the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from sqlalchemy import Engine, delete, event, insert

from src.produccion.almacen.esquema import alerts
from src.produccion.api.acceso import Entorno
from src.produccion.api.mensajes import lectura
from src.produccion.api.mensajes.contrato import Cierre
from src.produccion.api.mercados import Mercados, Plaza
from src.produccion.bolsa.publico import Cotizacion, MercadoPublico
from src.produccion.config.config import Modo
from tests.produccion.api.banco import SIN_MAS_BASES, Api, una_api
from tests.produccion.api.mensajes.escucha import PLAZO_S, escuchando
from tests.produccion.api.mensajes.sucesos import (
    INICIO_MS,
    alertar,
    almacen_caido,
    mover_disyuntor,
    mover_orden,
)

RED = True
CORTADO = 1006
"""Where not even the close code could be sent in time."""

GRANDE = "x" * 200_000


@pytest.fixture
async def estrecha(entorno: Entorno) -> AsyncIterator[Api]:
    """The API with short queues."""
    async with una_api(replace(entorno, mensajes=entorno.mensajes._replace(cola=10))) as suya:
        yield suya


@SIN_MAS_BASES
async def test_quien_no_lee_se_queda_fuera_y_vuelve_sin_perder_nada(estrecha: Api, motor: Engine):
    ficha = estrecha.ficha()
    async with escuchando(estrecha, ficha, estrecho=True) as lenta, escuchando(estrecha, ficha) as viva:
        for cada in (lenta, viva):
            await cada.pedir("alerts")
            desde = (await cada.hasta("snapshot"))["id"]
        for i in range(50):
            alertar(motor, f"{i} {GRANDE}")
            await viva.hasta("alert")  # the others are told all the same
        assert await lenta.cierre() in (Cierre.LENTO, CORTADO)
        vistas = [alerta["message"].split()[0] for alerta in lenta.de("alert")]
        desde = lenta.vistos[-1]["id"]
    assert 0 < len(vistas) < 50

    async with escuchando(estrecha, ficha) as otra:
        await otra.pedir("alerts", last_event_id=desde)
        while len(vistas) < 50:
            vistas.append((await otra.hasta("alert"))["payload"]["message"].split()[0])
    assert vistas == [str(i) for i in range(50)]


async def test_un_almacen_caido_se_dice_y_al_volver_no_falta_nada(api: Api, motor: Engine):
    async with escuchando(api, api.ficha()) as una:
        await una.pedir("alerts")
        await una.hasta("snapshot")
        with almacen_caido(motor):
            assert (await una.hasta("status"))["payload"] == {"store": "down", "exchange": None}
        alertar(motor, "after")
        assert (await una.hasta("status"))["payload"] == {"store": "ok", "exchange": None}
        if not una.de("alert"):
            await una.hasta("alert")

    assert [alerta["message"] for alerta in una.de("alert")] == ["after"]


async def test_quien_pide_con_el_almacen_caido_recibe_al_volver(api: Api, motor: Engine):
    async with escuchando(api, api.ficha()) as una:
        await una.pedir("logs")
        await una.hasta("snapshot")
        with almacen_caido(motor):
            await una.hasta("status")
            await una.pedir("alerts", "breakers")
            await una.hasta("heartbeat")
        suscrito = (await una.hasta("subscribed"))["payload"]

    assert suscrito["channels"] == ["alerts", "breakers"]


async def test_una_fila_que_se_ve_despues_que_otra_mayor_no_se_pierde(api: Api, motor: Engine):
    if motor.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    ficha = api.ficha()
    fila = {"client_id": "default", "level": "INFO", "kind": "startup", "payload_json": "{}"}
    async with escuchando(api, ficha) as una:
        await una.pedir("alerts")
        await una.hasta("snapshot")
        tardia = motor.connect()
        tardia.execute(insert(alerts).values(**fila, message="late", created_at_ms=INICIO_MS))
        alertar(motor, "early")
        desde = (await una.hasta("alert"))["id"]
        tardia.commit()
        tardia.close()
        await una.hasta("alert")
        alertar(motor, "last")
        await una.hasta("alert")
    async with escuchando(api, ficha) as otra:
        await otra.pedir("alerts", last_event_id=desde)
        await otra.hasta("alert", lambda m: m["payload"]["message"] == "last")

    assert [alerta["message"] for alerta in una.de("alert")] == ["early", "late", "last"]
    assert sorted(alerta["message"] for alerta in otra.de("alert")) == ["last", "late"]


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_una_fila_que_se_ve_muy_por_debajo_de_otras_no_se_pierde(api: Api, motor: Engine):
    """Another tenant's daemon may write hundreds of rows at once while one of ours is at it."""
    fila = {"level": "INFO", "kind": "startup", "payload_json": "{}", "created_at_ms": INICIO_MS}
    async with escuchando(api, api.ficha()) as una:
        await una.pedir("alerts")
        await una.hasta("snapshot")
        tardia = motor.connect()
        tardia.execute(insert(alerts).values(**fila, client_id="default", message="late"))
        with motor.begin() as conexion:
            de_otro = [{**fila, "client_id": "otros", "message": str(i)} for i in range(1_000)]
            conexion.execute(insert(alerts), de_otro)
        alertar(motor, "early")
        await una.hasta("alert")
        tardia.commit()
        tardia.close()

        assert (await una.hasta("alert"))["payload"]["message"] == "late"
    assert una.de("gap") == []


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_lo_que_es_demasiado_para_mirarlo_entero_es_un_hueco_con_su_foto(
    api: Api, motor: Engine, monkeypatch: pytest.MonkeyPatch
):
    """Nobody can say which of so many numbers are still to come: whoever listens is told so."""
    monkeypatch.setattr(lectura, "_MIRADOS", 100)
    ficha = api.ficha()
    async with escuchando(api, ficha) as una, escuchando(api, ficha) as otra:
        await una.pedir("alerts", "logs")
        await otra.pedir("breakers")
        for cada in (una, una, otra):
            await cada.hasta("snapshot")
        tardia = motor.connect()
        fila = {"client_id": "default", "level": "INFO", "kind": "startup", "payload_json": "{}"}
        tardia.execute(insert(alerts).values(**fila, message="late", created_at_ms=INICIO_MS))
        with motor.begin() as conexion:
            filas = [{**fila, "message": str(i), "created_at_ms": INICIO_MS} for i in range(150)]
            conexion.execute(insert(alerts), filas)
        huecos = [(await una.hasta("gap"))["payload"], (await una.hasta("snapshot"))["payload"]]
        huecos += [(await una.hasta("gap"))["payload"], (await una.hasta("snapshot"))["payload"]]
        tardia.commit()
        tardia.close()
        alertar(motor, "last")
        await una.hasta("log")
        mover_disyuntor(motor, "last")
        await otra.hasta("breaker")

    assert [huecos[0], huecos[2]] == [{"channel": c, "reason": "too_many"} for c in ("alerts", "logs")]
    assert huecos[1]["alerts"][0]["message"] == huecos[3]["logs"][0]["message"] == "149"
    assert [alerta["message"] for alerta in una.de("alert")] == ["last"]
    assert otra.de("gap") == []


@SIN_MAS_BASES
async def test_una_fila_se_lee_una_vez_para_todos_los_sockets_del_inquilino(api: Api, motor: Engine):
    ficha = api.ficha()
    lecturas: list[str] = []

    def apuntar(_c: object, _cur: object, orden: str, *_: object) -> None:
        if orden.startswith("SELECT alerts.id, "):
            lecturas.append(orden)

    async with AsyncExitStack() as pila:
        sockets = [await pila.enter_async_context(escuchando(api, ficha)) for _ in range(12)]
        for cada in sockets:
            await cada.pedir("alerts")
        for cada in sockets:
            await cada.hasta("snapshot")
        event.listen(motor, "before_cursor_execute", apuntar)
        alertar(motor, "once")
        for cada in sockets:
            await cada.hasta("alert")
        event.remove(motor, "before_cursor_execute", apuntar)

    assert len(lecturas) == 1
    assert {cada.vistos[-1]["payload"]["message"] for cada in sockets} == {"once"}


async def test_una_avalancha_llega_entera_y_en_su_orden(api: Api, motor: Engine):
    """More rows than one reading takes."""
    fila = {"client_id": "default", "level": "INFO", "kind": "startup", "payload_json": "{}"}
    async with escuchando(api, api.ficha()) as una:
        await una.pedir("alerts")
        await una.hasta("snapshot")
        with motor.begin() as conexion:
            filas = [{**fila, "message": str(i), "created_at_ms": INICIO_MS} for i in range(1_100)]
            conexion.execute(insert(alerts), filas)
        await una.hasta("alert", lambda m: m["payload"]["message"] == "1099")

    assert [alerta["message"] for alerta in una.de("alert")] == [str(i) for i in range(1_100)]


async def test_un_almacen_que_retrocede_manda_volver(api: Api, motor: Engine):
    ficha = api.ficha()
    alertar(motor, "first")
    async with escuchando(api, ficha) as una:
        await una.pedir("alerts")
        desde = (await una.hasta("snapshot"))["id"]
        with motor.begin() as conexion:
            conexion.execute(delete(alerts))

        assert await una.cierre() == Cierre.OTRO_ALMACEN
    async with escuchando(api, ficha) as otra:
        await otra.pedir("alerts", last_event_id=desde)
        assert (await otra.hasta("gap"))["payload"]["reason"] == "unknown_id"


async def test_otro_proceso_sigue_donde_lo_dejo_el_anterior(entorno: Entorno, motor: Engine):
    async with una_api(entorno) as api:
        ficha = api.ficha()
        async with escuchando(api, ficha) as una:
            await una.pedir("alerts", "orders")
            await una.hasta("snapshot")
            desde = (await una.hasta("snapshot"))["id"]
    alertar(motor, "meanwhile")
    mover_orden(motor, "tm-meanwhile")
    async with una_api(replace(entorno)) as api, escuchando(api, ficha) as otra:
        await otra.pedir("alerts", "orders", last_event_id=desde)
        await otra.hasta("order")

    assert [alerta["message"] for alerta in otra.de("alert")] == ["meanwhile"]
    assert otra.vistos[0]["id"] > desde


class PlazaRota(Plaza):
    """One with a defect."""

    async def cotizaciones(self) -> Mapping[str, Cotizacion]:
        raise ZeroDivisionError


@SIN_MAS_BASES
async def test_un_defecto_acaba_con_quienes_lo_tenian_y_se_apunta(
    entorno: Entorno, motor: Engine, bitacora: list[dict[str, object]]
):
    mercados = Mercados({Modo.SIMULADO: PlazaRota(MercadoPublico("http://127.0.0.1:1"))}, Modo.SIMULADO)
    async with una_api(replace(entorno, mercados=mercados)) as api:
        ficha = api.ficha()
        async with escuchando(api, ficha) as una, escuchando(api, ficha) as otra:
            await otra.pedir("alerts")
            await una.pedir("prices")

            assert await una.cierre() == Cierre.DEFECTO
            alertar(motor, "still here")
            await otra.hasta("alert")
    assert "mensajes_interrumpidos" in {evento["event"] for evento in bitacora}


@SIN_MAS_BASES
async def test_la_api_acaba_con_sockets_abiertos_y_se_lo_dice(entorno: Entorno):
    async with AsyncExitStack() as clientes:
        async with una_api(entorno) as api:
            una = await clientes.enter_async_context(escuchando(api, api.ficha()))
            await una.pedir("alerts")
            await una.hasta("snapshot")
        async with asyncio.timeout(5):
            assert await una.cierre() == 1012


@SIN_MAS_BASES
async def test_sin_sockets_nadie_lee(api: Api, motor: Engine):
    async with escuchando(api, api.ficha()) as una:
        await una.pedir("alerts", "positions")
        await una.hasta("snapshot")
    lecturas: list[str] = []

    def apuntar(_c: object, _cur: object, orden: str, *_: object) -> None:
        lecturas.append(orden)

    event.listen(motor, "before_cursor_execute", apuntar)
    async with asyncio.timeout(PLAZO_S):
        while True:
            lecturas.clear()
            await asyncio.sleep(0.3)  # ten times as long as they wait between two looks
            if not lecturas:
                break
    event.remove(motor, "before_cursor_execute", apuntar)
