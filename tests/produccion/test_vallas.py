"""What the shared store holds against entries, kept in the daemon's gate."""

# ruff: noqa: F811 -- fixtures that are imported

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, select, update

from src.produccion.almacen.alimentador import Titular
from src.produccion.almacen.conexion import escribir, leer
from src.produccion.almacen.esquema import alerts, stop_events, tenant_config
from src.produccion.almacen.eventos_stop import EventoStopNuevo, FuenteStop, TipoEventoStop, anotar_evento
from src.produccion.monitor.reglas import pausar, tras_un_resultado
from src.produccion.riesgo.puerta import Bloqueo
from src.produccion.vallas import VigiaVallas
from tests.constructores import INICIO_MS
from tests.produccion.almacenes import base_postgresql, motor, url  # noqa: F401 -- fixtures
from tests.produccion.falsos import RelojFalso

RED = True

YO = Titular("sim-1", "BTCUSDT", "agente", "casa", "User_1")


class Puerta:
    """What is up, and how often a guardrail has changed."""

    def __init__(self) -> None:
        self.puestos = {Bloqueo.VALLAS_SIN_SABER}
        self.cambios = 0

    def fijar(self, bloqueo: Bloqueo, activo: bool) -> None:
        self.cambios += bloqueo is not Bloqueo.VALLAS_SIN_SABER
        (self.puestos.add if activo else self.puestos.discard)(bloqueo)


def un_vigia(**cambios: Any) -> tuple[VigiaVallas, Puerta, RelojFalso]:
    puerta, reloj = Puerta(), RelojFalso(INICIO_MS)
    return VigiaVallas(YO, reloj, puerta.fijar, **cambios), puerta, reloj


def pausa(almacen: Engine, motivo: str = "holidays", client_id: str = "casa") -> None:
    with escribir(almacen) as conexion:
        pausar(conexion, client_id, motivo, INICIO_MS)


def reanuda(almacen: Engine) -> None:
    with escribir(almacen) as conexion:
        conexion.execute(update(tenant_config).values(trading_enabled=True))


def fallos(almacen: Engine, cuantos: int, simbolo: str = "BTCUSDT") -> None:
    with escribir(almacen) as conexion:
        for _ in range(cuantos):
            tras_un_resultado(conexion, "casa", simbolo, INICIO_MS, bien=False)


def ejecuciones(almacen: Engine, cuantas: int) -> None:
    """That many exits of the tenant, a second ago."""
    with escribir(almacen) as conexion:
        for i in range(cuantas):
            enviada = TipoEventoStop.EXECUTION_SUBMITTED
            evento = EventoStopNuevo(
                f"t{i}", enviada, INICIO_MS - 1_000, "BTCUSDT", FuenteStop.CRON, client_id="casa"
            )
            anotar_evento(conexion, evento)


def escrito(almacen: Engine) -> tuple[list[str], list[str]]:
    """Types of the stop events and kinds of the alerts, in order."""
    with leer(almacen) as conexion:
        tipos = conexion.execute(select(stop_events.c.event_type).order_by(stop_events.c.event_seq))
        clases = conexion.execute(select(alerts.c.kind).order_by(alerts.c.id))
        return list(tipos.scalars()), list(clases.scalars())


async def test_sin_nada_en_contra_no_se_bloquea_nada(motor: Engine):
    vigia, puerta, _ = un_vigia()

    await vigia.mirar(motor)

    assert (puerta.puestos, puerta.cambios, escrito(motor)) == (set(), 0, ([], []))


async def test_lo_que_aun_no_se_sabe_no_esta_permitido(motor: Engine, bitacora: list[dict[str, object]]):
    vigia, puerta, _ = un_vigia()
    caido = create_engine("sqlite:////nowhere/at/all.sqlite")
    await vigia.mirar(caido)
    assert puerta.puestos == {Bloqueo.VALLAS_SIN_SABER}
    assert [e["efecto"] for e in bitacora] == ["nothing is opened until it answers"]
    pausa(motor)

    await vigia.mirar(motor)

    assert puerta.puestos == {Bloqueo.INQUILINO}
    caido.dispose()


async def test_el_inquilino_en_pausa_no_abre_hasta_que_se_le_deja(
    motor: Engine, bitacora: list[dict[str, object]]
):
    vigia, puerta, reloj = un_vigia()
    pausa(motor)

    await vigia.mirar(motor)
    await vigia.mirar(motor)

    assert (puerta.puestos, puerta.cambios) == ({Bloqueo.INQUILINO}, 1)
    assert [e["motivo"] for e in bitacora if e["event"] == "entradas_bloqueadas"] == ["holidays"]
    reanuda(motor)
    reloj.observar(INICIO_MS + 1_000)
    await vigia.mirar(motor)
    assert puerta.puestos == set()
    assert escrito(motor) == (["KILL_SWITCH"], ["entries_blocked", "entries_allowed"])


async def test_la_pausa_de_otro_inquilino_no_cuenta(motor: Engine):
    vigia, puerta, _ = un_vigia()
    pausa(motor, client_id="vecino")

    await vigia.mirar(motor)

    assert puerta.cambios == 0


async def test_el_cortacircuitos_se_abre_por_simbolo_y_se_enfria(motor: Engine):
    vigia, puerta, reloj = un_vigia()
    fallos(motor, 3, "ETHUSDT")
    fallos(motor, 2)
    await vigia.mirar(motor)
    assert puerta.puestos == set()

    fallos(motor, 1)
    await vigia.mirar(motor)

    assert puerta.puestos == {Bloqueo.CORTACIRCUITOS}
    reloj.observar(INICIO_MS + 300_000)
    await vigia.mirar(motor)
    assert puerta.puestos == set()
    assert escrito(motor)[0] == ["CIRCUIT_BREAKER"]


async def test_demasiadas_salidas_en_un_minuto_detienen_las_entradas(motor: Engine):
    vigia, puerta, _ = un_vigia()
    ejecuciones(motor, 10)

    await vigia.mirar(motor)

    assert puerta.puestos == {Bloqueo.RITMO}


@pytest.mark.parametrize(
    ("limites", "bloqueos"),
    [
        ({}, set()),
        ({"por_minuto": 3}, {Bloqueo.RITMO}),
        ({"por_hora": 3}, {Bloqueo.RITMO}),
        ({"por_minuto": 4, "por_hora": 4}, set()),
    ],
    ids=["tenant", "minute", "hour", "wider"],
)
async def test_los_limites_de_la_cuenta_detienen_antes_que_los_del_inquilino(
    motor: Engine, limites: dict[str, float], bloqueos: set[Bloqueo]
):
    """Three executions: the tenant may have ten in a minute."""
    vigia, puerta, _ = un_vigia(limites=limites)
    ejecuciones(motor, 3)

    await vigia.mirar(motor)

    assert puerta.puestos == bloqueos


async def test_los_limites_de_la_cuenta_no_ensanchan_los_del_inquilino(motor: Engine):
    vigia, puerta, _ = un_vigia(limites={"por_minuto": 100, "por_hora": 1_000})
    ejecuciones(motor, 10)

    await vigia.mirar(motor)

    assert puerta.puestos == {Bloqueo.RITMO}


async def test_con_el_almacen_caido_vale_lo_ultimo_que_se_supo(
    motor: Engine, bitacora: list[dict[str, object]]
):
    vigia, puerta, _ = un_vigia()
    pausa(motor)
    await vigia.mirar(motor)
    caido = create_engine("sqlite:////nowhere/at/all.sqlite")

    await vigia.mirar(caido)
    await vigia.mirar(caido)

    assert puerta.puestos == {Bloqueo.INQUILINO}
    assert [e["event"] for e in bitacora].count("vallas_sin_almacen") == 1
    reanuda(motor)
    await vigia.mirar(motor)
    assert puerta.puestos == set()
    caido.dispose()


async def test_mira_una_y_otra_vez_hasta_que_se_le_manda_parar(motor: Engine):
    vigia, puerta, _ = un_vigia(entre_miradas_s=0.01)
    tarea = asyncio.create_task(vigia.correr(motor))
    pausa(motor)

    async with asyncio.timeout(30):
        while puerta.puestos != {Bloqueo.INQUILINO}:  # noqa: ASYNC110 -- another thread brings it about
            await asyncio.sleep(0.01)

    assert puerta.puestos == {Bloqueo.INQUILINO}
    tarea.cancel()
    await asyncio.gather(tarea, return_exceptions=True)
