"""The daemon and another monitor close a position whose stop did not trigger: once between them."""

# ruff: noqa: F811 -- fixtures that are imported

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event

from src.nucleo.errores import LecturaFallida
from src.nucleo.stops import TipoProteccion
from src.produccion.almacen.alimentador import Titular
from src.produccion.almacen.operaciones import OperacionGuardada
from src.produccion.almacen.reclamos import ResultadoReclamo, soltar_reclamo, tomar_reclamo
from src.produccion.cierre_reclamado import CierreReclamado, Plazos
from src.produccion.monitor.libro import vigilada_de
from src.produccion.monitor.tipos import Final
from src.produccion.supervision.cortesia import Cortesia
from tests.produccion.almacenes import base_postgresql, motor, url  # noqa: F401 -- fixtures
from tests.produccion.banco import Banco, frontera, montar
from tests.produccion.monitor import fabrica as f

RED = True

YO = Titular(f.CUENTA, "BTCUSDT")
DEPRISA = Plazos(otro_s=1.0, pausa_s=0.01)


@asynccontextmanager
async def ignorada(tmp_path: Path, almacen: Engine, **plazos: Any) -> AsyncIterator[Banco]:
    """A long whose stop is overdue: the next look at the account gives it up."""
    banco = await montar(tmp_path / "p", 0.9, proteccion=TipoProteccion.CATASTROFE, fraccion_liquidacion=0.1)
    compartido = CierreReclamado(almacen, YO, banco.bolsa, "daemon", Cortesia(), DEPRISA._replace(**plazos))
    try:
        await banco.cerrar_vela(30_000.0)
        banco.ciclo.compartido = compartido
        assert banco.protector.nivel is not None
        banco.ciclo.mark = banco.bolsa.mark = banco.protector.nivel - 1.0
        await banco.ciclo.mirar(frontera(1) + 1_000)
        banco.bolsa.reloj.instante_ms += 3_001
        yield banco
    finally:
        await compartido.cerrar()
        banco.registro.cerrar()


def guardada(almacen: Engine, banco: Banco) -> OperacionGuardada:
    """The operation as the store has it, with the stop that is overdue."""
    puesto = banco.ciclo.operacion
    assert puesto is not None
    operacion = f.una_operacion(
        opened_at_ms=puesto.operacion,
        quantity=puesto.posicion.cantidad,
        average_entry_price=puesto.posicion.precio_entrada,
        stop_price=puesto.nivel,
        initial_stop_price=puesto.nivel,
        target_price=None,
        resident_stop=True,
    )
    f.guardar(almacen, operacion)
    return operacion


def salidas(banco: Banco) -> int:
    return sum(orden.solo_reduce for orden in banco.bolsa.aceptadas)


def dichos(bitacora: list[dict[str, object]], que: str) -> int:
    return [e["event"] for e in bitacora].count(que)


async def reclamado(almacen: Engine, token: str, quien: str = "otro") -> ResultadoReclamo:
    return (await asyncio.to_thread(tomar_reclamo, almacen, token, quien, "tm-x")).resultado


async def hasta(se_cumple: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not se_cumple():  # noqa: ASYNC110 -- a thread brings it about
            await asyncio.sleep(0.01)


async def test_el_demonio_reclama_cierra_y_da_el_reclamo_por_hecho(tmp_path: Path, motor: Engine):
    async with ignorada(tmp_path, motor) as banco:
        token = guardada(motor, banco).stop_execution_token
        assert token is not None

        await banco.ciclo.mirar(frontera(1) + 4_000)

        assert banco.bolsa.estado.posicion is None
        assert [fila["status"] for fila in banco.filas] == ["ok", "proteccion"]
        visto: list[ResultadoReclamo] = []
        async with asyncio.timeout(30):
            while ResultadoReclamo.TERMINADO not in visto:
                visto.append(await reclamado(motor, token))


@pytest.mark.parametrize("primero", ["demonio", "cron"])
async def test_el_demonio_y_el_cron_a_la_vez_hacen_una_sola_ejecucion(
    tmp_path: Path, motor: Engine, bitacora: list[dict[str, object]], primero: str
):
    async with ignorada(tmp_path, motor) as banco:
        operacion = guardada(motor, banco)
        disparada = f.disparada(vigilada_de(operacion), precio=float(operacion.stop_price or 0) - 1.0)
        cron = f.un_ejecutor(motor, banco.bolsa, "cron")
        tareas = [banco.ciclo.mirar(frontera(1) + 4_000), cron.ejecutar(disparada)]
        if primero == "cron":
            tareas.reverse()

        hechas = await asyncio.gather(*tareas, return_exceptions=True)

        assert salidas(banco) == 1
        assert banco.bolsa.estado.posicion is None
        assert dichos(bitacora, "Duplicate execution prevented") <= 1
        for hecha in hechas:
            if isinstance(hecha, BaseException):
                assert isinstance(hecha, LecturaFallida)
        ejecutadas = [h for h in hechas if getattr(h, "final", None) is Final.EXECUTED]
        suyas = f.tipos(motor, operacion.stop_execution_token).count("EXECUTED")
        assert suyas == len(ejecutadas)
        await banco.ciclo.mirar(frontera(1) + 5_000)
        assert suyas <= 1
        assert [fila["status"] for fila in banco.filas].count("proteccion") == 1


async def test_si_otro_la_esta_cerrando_se_le_deja(
    tmp_path: Path, motor: Engine, bitacora: list[dict[str, object]]
):
    async with ignorada(tmp_path, motor, otro_s=30.0) as banco:
        token = guardada(motor, banco).stop_execution_token
        assert token is not None
        assert await reclamado(motor, token) is ResultadoReclamo.NUEVO
        cantidad = banco.bolsa.estado.cantidad

        mirada = asyncio.create_task(banco.ciclo.mirar(frontera(1) + 4_000))
        await hasta(lambda: dichos(bitacora, "Duplicate execution prevented") == 1)
        banco.bolsa.operar(-cantidad)

        await mirada
        assert salidas(banco) == 0
        assert (banco.filas[-1]["operacion"], banco.filas[-1]["status"]) == ("cerrar_long", "manual")
        assert banco.cuenta.estado == banco.bolsa.estado
        assert banco.bolsa.stops_vivos == []


async def test_si_otro_la_reclama_y_no_la_cierra_la_cierra_el_demonio(
    tmp_path: Path, motor: Engine, bitacora: list[dict[str, object]]
):
    async with ignorada(tmp_path, motor, otro_s=0.05) as banco:
        token = guardada(motor, banco).stop_execution_token
        assert token is not None
        assert await reclamado(motor, token) is ResultadoReclamo.NUEVO

        await banco.ciclo.mirar(frontera(1) + 4_000)

        assert banco.bolsa.estado.posicion is None
        assert dichos(bitacora, "cierre_ajeno_sin_efecto") == 1


async def test_un_reclamo_que_vencio_es_del_demonio(tmp_path: Path, motor: Engine):
    async with ignorada(tmp_path, motor) as banco:
        token = guardada(motor, banco).stop_execution_token
        assert token is not None
        otro = await asyncio.to_thread(tomar_reclamo, motor, token, "otro", "tm-x")
        await asyncio.to_thread(soltar_reclamo, motor, otro, hecho=False)

        await banco.ciclo.mirar(frontera(1) + 4_000)

        assert salidas(banco) == 1


async def test_con_el_almacen_caido_se_cierra_igual(tmp_path: Path, bitacora: list[dict[str, object]]):
    caido = create_engine("sqlite:////nowhere/at/all.sqlite")
    async with ignorada(tmp_path, caido) as banco:
        await banco.ciclo.mirar(frontera(1) + 4_000)

        assert banco.bolsa.estado.posicion is None
        assert dichos(bitacora, "reclamo_fallido") == 1
    caido.dispose()


async def test_un_defecto_al_reclamar_no_retiene_la_salida(tmp_path: Path, bitacora: list[dict[str, object]]):
    def romperse(*_: object) -> None:
        raise ValueError("what is stored cannot be read")

    almacen = create_engine("sqlite://")
    event.listen(almacen, "before_cursor_execute", romperse)
    async with ignorada(tmp_path, almacen) as banco:
        await banco.ciclo.mirar(frontera(1) + 4_000)

        assert banco.bolsa.estado.posicion is None
        assert dichos(bitacora, "reclamo_fallido") == 1
    almacen.dispose()


async def test_un_almacen_que_no_contesta_no_hace_esperar(
    tmp_path: Path, motor: Engine, bitacora: list[dict[str, object]]
):
    async with ignorada(tmp_path, motor, almacen_s=0.0) as banco:
        guardada(motor, banco)

        await banco.ciclo.mirar(frontera(1) + 4_000)

        assert banco.bolsa.estado.posicion is None
        assert dichos(bitacora, "reclamo_sin_respuesta") == 1


async def test_un_almacen_colgado_no_impide_acabar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Neither the service that shares the claims nor, later, the process."""
    seguir = threading.Event()
    monkeypatch.setattr(CierreReclamado, "_tomar", lambda *_: seguir.wait(60.0))
    antes = set(threading.enumerate())
    caido = create_engine("sqlite:////nowhere/at/all.sqlite")
    async with ignorada(tmp_path, caido, almacen_s=0.01, acabar_s=0.01) as banco:
        await banco.ciclo.mirar(frontera(1) + 4_000)

    assert banco.bolsa.estado.posicion is None
    nuevos = set(threading.enumerate()) - antes
    assert nuevos
    assert all(hilo.daemon for hilo in nuevos)
    seguir.set()
    caido.dispose()


async def test_de_una_operacion_que_el_almacen_no_conoce_no_se_espera_nada(tmp_path: Path, motor: Engine):
    async with ignorada(tmp_path, motor) as banco:
        await banco.ciclo.mirar(frontera(1) + 4_000)

        assert banco.bolsa.estado.posicion is None
