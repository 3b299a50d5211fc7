"""Breakers and risk modes in a whole cycle: they hold entries, never an exit, and outlive the daemon."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from src.nucleo.disyuntores import ClaseDisyuntor
from src.nucleo.errores import EmergenciaDrawdown, EmergenciaOperacional
from src.nucleo.riesgo import ModoRiesgo
from src.nucleo.stops import TipoProteccion
from src.produccion.puertos import EventoMark
from src.produccion.riesgo.cuadro import Cuadro
from src.produccion.riesgo.enclavamiento import Razon
from tests.constructores import HORA_MS
from tests.produccion.banco import Banco, montar

Abrir = Callable[..., Awaitable[Banco]]

MEDIBLES = [c for c in ClaseDisyuntor if c not in (ClaseDisyuntor.STOP_EXECUTION, ClaseDisyuntor.DRAWDOWN)]
PEOR = 1e9  # beyond every limit
STOP = {"stop": {"modo": "porcentaje", "valor": 2.0}}


@pytest.fixture
async def abrir(tmp_path: Path) -> AsyncIterator[Abrir]:
    """Build a bench on the test's directory; its files are closed at the end."""
    bancos: list[Banco] = []

    async def construir(*acciones: float, desde: Banco | None = None, **cambios: Any) -> Banco:
        nuevo = montar(tmp_path / "produccion", *acciones, **cambios) if desde is None else desde.volver()
        bancos.append(await nuevo)
        return bancos[-1]

    yield construir
    for banco in bancos:
        banco.registro.cerrar()


def cuadro(banco: Banco) -> Cuadro:
    assert banco.control.cuadro is not None
    return banco.control.cuadro


def medir(banco: Banco, clase: ClaseDisyuntor, valor: float, veces: int = 3) -> None:
    for _ in range(veces):
        cuadro(banco).medir(clase, valor, banco.bolsa.reloj.ahora_ms())


def operaciones(banco: Banco) -> list[tuple[str, str]]:
    return [(fila["operacion"], fila["resultado"]) for fila in banco.filas]


@pytest.mark.parametrize("clase", MEDIBLES)
async def test_abierto_no_se_entra_y_cerrado_se_entra(abrir: Abrir, clase: ClaseDisyuntor):
    banco = await abrir(0.5, 0.5)
    medir(banco, clase, PEOR)

    await banco.cerrar_vela(30_000.0)
    medir(banco, clase, 0.0)  # the hour was cool-down enough
    await banco.cerrar_vela(30_000.0)

    assert operaciones(banco) == [("abrir_long", "rechazada"), ("abrir_long", "ejecutada")]
    nombre = clase.value.replace("_", " ")
    assert banco.filas[0]["error"] == f"entries_blocked: the {nombre} breaker is open"


@pytest.mark.parametrize("clase", MEDIBLES)
async def test_abierto_se_sale_igual(abrir: Abrir, clase: ClaseDisyuntor):
    banco = await abrir(0.5, -0.5)
    await banco.cerrar_vela(30_000.0)
    medir(banco, clase, PEOR)

    await banco.cerrar_vela(30_000.0)

    assert operaciones(banco)[-1] == ("cerrar_long", "ejecutada")
    assert banco.cuenta.estado.posicion is None


async def test_con_todos_abiertos_la_emergencia_cierra(abrir: Abrir):
    banco = await abrir(0.5)
    await banco.cerrar_vela(30_000.0)
    for clase in MEDIBLES:
        medir(banco, clase, PEOR)

    with pytest.raises(EmergenciaDrawdown):
        await banco.ciclo.emergencia(Razon.DRAWDOWN, banco.bolsa.reloj.ahora_ms(), "test")

    assert banco.cuenta.estado.posicion is None


async def test_con_todos_abiertos_y_el_modo_parado_el_stop_se_sigue_moviendo(abrir: Abrir):
    freno = STOP | {"objetivo": {"modo": "porcentaje", "valor": 4.0}}
    banco = await abrir(0.5, proteccion=TipoProteccion.NIVELES, freno=freno)
    await banco.cerrar_vela(30_000.0)
    antes = banco.ciclo.gatillo
    for clase in MEDIBLES:
        medir(banco, clase, PEOR)
    await banco.control.cambiar_modo(ModoRiesgo.HALTED, "test", "ana")

    instante_ms = banco.bolsa.reloj.ahora_ms() + 1_000
    banco.bolsa.mover(30_600.0)
    banco.ciclo.tomar_mark(EventoMark(30_600.0, instante_ms))
    await banco.ciclo.mover_freno(instante_ms)

    assert antes is not None
    assert banco.ciclo.stop is not None
    assert banco.ciclo.stop > antes


async def test_tras_un_reinicio_sigue_abierto(abrir: Abrir):
    banco = await abrir(0.5, 0.5)
    await banco.cerrar_vela(30_000.0 - 1.0)
    medir(banco, ClaseDisyuntor.VOLATILITY, PEOR)

    otro = await abrir(desde=banco)

    assert cuadro(otro).abiertos == (ClaseDisyuntor.VOLATILITY,)
    assert {str(b) for b in otro.control.bloqueos} == {"the volatility breaker is open"}
    cuadro(otro).enfriar(otro.bolsa.reloj.ahora_ms() + HORA_MS)
    medir(otro, ClaseDisyuntor.VOLATILITY, 0.0)
    assert otro.control.bloqueos == set()


class TestModo:
    async def test_reduciendo_no_se_abre_ni_se_aumenta_y_se_sale(self, abrir: Abrir):
        banco = await abrir(0.3, 0.9, -0.5, 0.5)
        await banco.cerrar_vela(30_000.0)
        await banco.control.cambiar_modo(ModoRiesgo.REDUCING, "thin market", "ana")

        for _ in range(3):
            await banco.cerrar_vela(30_000.0)

        assert operaciones(banco)[1:] == [
            ("aumentar_long", "rechazada"),
            ("cerrar_long", "ejecutada"),
            ("abrir_long", "rechazada"),
        ]
        assert banco.filas[1]["error"].endswith("risk mode REDUCING: nothing is opened or increased")

    async def test_parado_tampoco_sale_el_agente(self, abrir: Abrir):
        banco = await abrir(0.5, -0.5)
        await banco.cerrar_vela(30_000.0)
        await banco.control.cambiar_modo(ModoRiesgo.HALTED, "look first", "ana")

        await banco.cerrar_vela(30_000.0)

        assert operaciones(banco)[-1] == ("cerrar_long", "rechazada")
        assert banco.cuenta.estado.posicion is not None

    async def test_parado_la_emergencia_cierra(self, abrir: Abrir):
        banco = await abrir(0.5)
        await banco.cerrar_vela(30_000.0)
        await banco.control.cambiar_modo(ModoRiesgo.HALTED, "look first", "ana")

        with pytest.raises(EmergenciaOperacional):
            await banco.ciclo.emergencia(Razon.OPERACIONAL, banco.bolsa.reloj.ahora_ms(), "test")

        assert banco.cuenta.estado.posicion is None

    async def test_el_modo_sobrevive_al_reinicio_y_al_desenclavar(self, abrir: Abrir):
        banco = await abrir(0.5)
        await banco.control.cambiar_modo(ModoRiesgo.REDUCING, "thin market", "ana")
        banco.diario.anotar_luego("risk", "UNLOCKED", 0, {"reason": "checked", "by": "ana", "at": 0})

        otro = await abrir(desde=banco)

        assert otro.control.modo is ModoRiesgo.REDUCING
        assert banco.diario.ultimo("RISK_MODE") == {
            "mode": "REDUCING",
            "reason": "thin market",
            "by": "ana",
        }

    async def test_sin_diario_lo_que_quita_vale_y_lo_que_devuelve_no(self, abrir: Abrir):
        banco = await abrir(0.5)
        banco.diario.roto = True
        with pytest.raises(EmergenciaOperacional):
            await banco.control.cambiar_modo(ModoRiesgo.HALTED, "look first", "ana")
        assert banco.control.modo is ModoRiesgo.HALTED

        with pytest.raises(EmergenciaOperacional):
            await banco.control.cambiar_modo(ModoRiesgo.ACTIVE, "all right", "ana")
        with pytest.raises(EmergenciaOperacional):
            await banco.control.cambiar_modo(ModoRiesgo.REDUCING, "half right", "ana")

        assert banco.control.modo is ModoRiesgo.HALTED


async def test_la_perdida_del_dia_es_el_escalon(abrir: Abrir):
    """The breaker opens on the very candle whose entry the tier refuses, and holds nothing by itself."""
    banco = await abrir(0.5, 0.5, 0.9, escalones=True)
    await banco.cerrar_vela(30_000.0)
    assert cuadro(banco).abiertos == ()
    await banco.cerrar_vela(27_900.0)
    assert cuadro(banco).abiertos == (ClaseDisyuntor.DRAWDOWN,)
    assert banco.control.bloqueos == set()

    await banco.cerrar_vela(27_900.0)

    assert "daily loss" in banco.filas[-1]["error"]
    abierto = banco.diario.ultimo("BREAKER_OPENED")
    assert (abierto["kind"], abierto["limit"]) == ("drawdown", pytest.approx(0.05))
