"""The trailing stop within the cycle: which mark moves it when, and what a decision sees first."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from src.nucleo.errores import OrdenRechazada
from src.nucleo.stops import TipoProteccion
from src.produccion.puertos import EventoMark
from src.produccion.riesgo.puerta import Bloqueo
from tests.produccion.banco import Banco, frontera, montar
from tests.produccion.falsos_stops import Hija

FRENO = {
    "stop": {"modo": "porcentaje", "valor": 2.0},
    "objetivo": {"modo": "porcentaje", "valor": 6.0},
    "break_even_con_costos": 0.0,
}
STOP, EN_TABLAS, TABLAS, OBJETIVO = 29_400.0, 30_700.0, 30_000.0, 31_800.0

Abrir = Callable[..., Awaitable[Banco]]


@pytest.fixture
async def abrir(tmp_path: Path) -> AsyncIterator[Abrir]:
    """A long opened at 30,000 on the first candle, with levels."""
    bancos: list[Banco] = []

    async def construir(*acciones: float) -> Banco:
        banco = await montar(tmp_path / "p", *acciones, proteccion=TipoProteccion.NIVELES, freno=FRENO)
        bancos.append(banco)
        await banco.cerrar_vela(30_000.0)
        assert banco.ciclo.gatillo == STOP
        return banco

    yield construir
    for banco in bancos:
        banco.registro.cerrar()


def marcar(banco: Banco, precio: float, instante_ms: int) -> None:
    banco.bolsa.mover(precio)
    banco.ciclo.tomar_mark(EventoMark(precio, instante_ms))


async def test_un_mark_entre_velas_mueve_el_freno_enseguida(abrir: Abrir):
    banco = await abrir(0.5)

    marcar(banco, EN_TABLAS, frontera(1) + 60_000)
    assert banco.ciclo.freno_movido
    await banco.ciclo.mover_freno(frontera(1) + 60_000)

    assert not banco.ciclo.freno_movido
    assert (banco.ciclo.gatillo, banco.ciclo.stop) == (TABLAS, TABLAS)
    assert TABLAS in {s.gatillo for s in banco.bolsa.stops_vivos}


async def test_el_mark_del_cierre_mueve_el_freno_solo_tras_la_decision(abrir: Abrir):
    """The decision on a candle is made under the stop that the candle was lived under."""
    banco = await abrir(0.5)
    assert banco.datos.siguiente_cierre_ms == frontera(2)

    marcar(banco, EN_TABLAS, frontera(2))
    assert (banco.ciclo.freno_movido, banco.ciclo.gatillo) == (False, STOP)
    await banco.cerrar_vela(EN_TABLAS)

    assert banco.ciclo.gatillo == TABLAS
    assert banco.protector.freno is not None
    assert banco.protector.freno.ajustado_ms == frontera(2)
    assert banco.ciclo.protegida


async def test_sin_poder_mirar_la_bolsa_el_freno_se_mueve_al_mirar_la_cuenta(abrir: Abrir):
    banco = await abrir(0.5)
    marcar(banco, EN_TABLAS, frontera(1) + 60_000)
    banco.bolsa.listados_fallidos = 100

    await banco.ciclo.mover_freno(frontera(1) + 60_000)
    assert not banco.ciclo.protegida
    assert Bloqueo.SIN_PROTECCION in banco.control.bloqueos
    banco.bolsa.listados_fallidos = 0
    await banco.ciclo.mirar(frontera(1) + 61_000)

    assert banco.ciclo.stop == TABLAS
    assert banco.control.bloqueos == set()


async def test_un_mark_mas_alla_del_freno_no_lo_mueve(abrir: Abrir):
    banco = await abrir(0.5)
    marcar(banco, STOP - 1.0, frontera(1) + 60_000)

    assert banco.ciclo.stop_tocado
    assert not banco.ciclo.freno_movido
    await banco.ciclo.mirar(frontera(1) + 61_000)
    assert [fila["status"] for fila in banco.filas] == ["ok", "proteccion"]
    assert banco.bolsa.stops_vivos == []


async def test_lo_que_deja_un_objetivo_a_medias_se_cierra_y_hasta_entonces_sigue_bajo_sus_stops(abrir: Abrir):
    """The exchange refuses the first order that closes it."""
    banco = await abrir(0.5)
    nivel = banco.protector.nivel
    al_cerrar: list[set[float]] = []
    banco.bolsa.hija = Hija.MEDIA
    banco.bolsa.fallos.append(OrdenRechazada("refused (code -4131)", codigo=-4131))
    banco.bolsa.al_enviar = lambda: al_cerrar.append({s.gatillo for s in banco.bolsa.stops_vivos})
    marcar(banco, OBJETIVO, frontera(1) + 60_000)

    await banco.ciclo.mirar(frontera(1) + 61_000)

    assert al_cerrar == [{nivel, STOP}] * 2
    assert [fila["status"] for fila in banco.filas] == ["ok", "proteccion", "proteccion"]
    assert [fila["operacion"] for fila in banco.filas][1:] == ["reducir_long", "cerrar_long"]
    assert banco.bolsa.estado.posicion is None
    assert banco.bolsa.stops_vivos == []
    assert "a stop or target was triggered" in str(banco.diario.ultimo("PROTECTION_LOST")["reason"])


async def test_con_el_inquilino_en_pausa_se_sale_y_no_se_entra(abrir: Abrir):
    banco = await abrir(0.5, -0.5, 0.5, 0.5)
    banco.ciclo.no_abrir(Bloqueo.INQUILINO)

    await banco.cerrar_vela(30_000.0)
    assert banco.bolsa.estado.posicion is None
    await banco.cerrar_vela(30_000.0)
    assert banco.bolsa.estado.posicion is None
    assert banco.filas[-1]["error"] == "entries_blocked: the tenant has paused trading"

    banco.ciclo.no_abrir(Bloqueo.INQUILINO, activo=False)
    await banco.cerrar_vela(30_000.0)
    assert banco.bolsa.estado.posicion is not None
