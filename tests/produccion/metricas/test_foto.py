"""What is shown of a daemon is what is known of it, at that moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from src.nucleo.disyuntores import ClaseDisyuntor
from src.nucleo.stops import TipoProteccion
from src.nucleo.vida_orden import EstadoVida
from src.produccion.metricas import catalogo
from src.produccion.metricas.catalogo import DEL_DEMONIO, Metrica, Tipo
from src.produccion.metricas.foto import ESTADOS, FINALES, MOTIVOS, Fuentes, retratar
from src.produccion.metricas.muestras import Foto
from src.produccion.riesgo.paciencia import Paciencia
from src.produccion.riesgo.puerta import Bloqueo
from src.produccion.supervision.aviso_systemd import AvisoSystemd
from src.produccion.supervision.vigia import Progreso, Vigia
from tests.produccion.banco import Banco, montar

Montar = Callable[..., Awaitable[Banco]]


@pytest.fixture
async def banco(tmp_path: Path) -> AsyncIterator[Montar]:
    abiertos: list[Banco] = []

    async def abrir(*acciones: float, **cambios: Any) -> Banco:
        abiertos.append(await montar(tmp_path, *acciones, **cambios))
        return abiertos[-1]

    yield abrir
    for uno in abiertos:
        uno.registro.cerrar()


def unas_fuentes(banco: Banco, **cambios: Any) -> Fuentes:
    """The daemon around a cycle: two seconds after the market was last heard, something in each queue."""
    bucle = asyncio.get_running_loop()
    orquestador: Any = SimpleNamespace(
        decididas=banco.ciclo.paso,
        oidos_s={"mark_price": bucle.time() - 2.0, "kline": bucle.time() - 7.0, "account": bucle.time()},
        conexiones=3,
        en_cola=4,
        paciencia=Paciencia(5, 600.0, 60.0, bucle.time),
    )
    partes: dict[str, Any] = {
        "ciclo": banco.ciclo,
        "nucleo": banco.nucleo,
        "orquestador": orquestador,
        "vigia": Vigia(AvisoSystemd(), tuple),
        "progreso": Progreso(120.0),
        "diario": SimpleNamespace(en_cola=5),
        "escribano": SimpleNamespace(en_cola=6, perdidas=7),
        "reloj": banco.bolsa.reloj,
        "apalancamiento": 2.0,
        "drawdown_limite": 0.2,
        "equity_inicial": 10_000.0,
        "inicio_s": 1_700_000_000.0,
    }
    return Fuentes(**(partes | cambios))


def valor(foto: Foto, metrica: Metrica, *etiquetas: str) -> float:
    (uno,) = [v.valor for v in foto.valores if (v.metrica, v.etiquetas) == (metrica, etiquetas)]
    return float(uno)


def nombradas(foto: Foto) -> set[Metrica]:
    return {v.metrica for v in foto.valores} | {r.metrica for r in foto.repartos}


async def test_plana_no_hay_nada_que_proteger(banco: Montar):
    foto = retratar(unas_fuentes(await banco(0.0)))

    assert valor(foto, catalogo.POSICION) == 0.0
    assert valor(foto, catalogo.PROTEGIDA) == 1.0
    assert valor(foto, catalogo.DESNUDA) == 0.0
    assert valor(foto, catalogo.EQUITY) == valor(foto, catalogo.BALANCE)
    assert {catalogo.PRECIO_ENTRADA, catalogo.STOP}.isdisjoint(nombradas(foto))


async def test_una_posicion_con_su_stop_esta_protegida(banco: Montar):
    uno = await banco(0.5, proteccion=TipoProteccion.CATASTROFE)
    await uno.cerrar_vela(30_000.0)

    foto = retratar(unas_fuentes(uno))

    assert (valor(foto, catalogo.PROTEGIDA), valor(foto, catalogo.DESNUDA)) == (1.0, 0.0)
    assert valor(foto, catalogo.POSICION) == uno.cuenta.estado.cantidad > 0.0
    assert valor(foto, catalogo.PRECIO_ENTRADA) == uno.cuenta.estado.posicion.precio_entrada
    assert valor(foto, catalogo.STOP) == uno.ciclo.gatillo < 30_000.0
    assert valor(foto, catalogo.STOPS_VIVOS) == 1.0
    assert valor(foto, catalogo.EXPOSICION) == pytest.approx(0.5, rel=0.05)
    assert valor(foto, catalogo.ORDENES_ACABADAS, "filled") == 1.0
    assert valor(foto, catalogo.VELAS) == 1.0


async def test_una_posicion_sin_stop_esta_desnuda(banco: Montar):
    uno = await banco(0.5, proteccion=TipoProteccion.NINGUNA)
    await uno.cerrar_vela(30_000.0)

    foto = retratar(unas_fuentes(uno))

    assert (valor(foto, catalogo.PROTEGIDA), valor(foto, catalogo.DESNUDA)) == (0.0, 1.0)


async def test_la_caida_desde_el_pico_se_ve(banco: Montar):
    uno = await banco(0.0, equity_maximo=12_500.0)
    uno.ciclo.mark = 30_000.0

    foto = retratar(unas_fuentes(uno))

    equity = valor(foto, catalogo.EQUITY)
    assert valor(foto, catalogo.EQUITY_MAXIMO) == 12_500.0
    assert valor(foto, catalogo.DRAWDOWN) == pytest.approx(1.0 - equity / 12_500.0)


async def test_cada_motivo_para_no_abrir_se_ve_aunque_no_este_puesto(banco: Montar):
    uno = await banco(0.0)
    uno.ciclo.no_abrir(Bloqueo.INQUILINO)

    foto = retratar(unas_fuentes(uno))

    motivos = {v.etiquetas[0]: bool(v.valor) for v in foto.valores if v.metrica is catalogo.BLOQUEO}
    assert [motivo for motivo, puesto in motivos.items() if puesto] == ["tenant_paused"]
    assert motivos.keys() == {*MOTIVOS.values(), "drawdown", "undecided_exit"}


async def test_cada_disyuntor_encendido_se_ve(banco: Montar):
    """Closed ones too: a rule that waits for one to open must know that it is there."""
    uno = await banco(0.0)
    cuadro = uno.ciclo.control.cuadro
    assert cuadro is not None
    for _ in range(3):
        cuadro.medir(ClaseDisyuntor.SPREAD, 1e9, uno.bolsa.reloj.ahora_ms())

    foto = retratar(unas_fuentes(uno))

    vistos = {v.etiquetas[0]: v.valor for v in foto.valores if v.metrica is catalogo.DISYUNTOR_PROPIO}
    assert vistos.keys() == {clase.value for clase in cuadro.disyuntores}
    assert {clase for clase, grado in vistos.items() if grado == 1.0} == {"spread"}
    assert vistos["latency"] == 0.0


async def test_un_enclavamiento_se_ve(banco: Montar):
    uno = await banco(0.0)
    antes = valor(retratar(unas_fuentes(uno)), catalogo.ENCLAVADO)

    await uno.control.enclavar("drawdown 0.21")

    assert (antes, valor(retratar(unas_fuentes(uno)), catalogo.ENCLAVADO)) == (0.0, 1.0)


async def test_lo_que_espera_y_lo_que_calla_se_ve(banco: Montar):
    foto = retratar(unas_fuentes(await banco(0.0)))

    assert [valor(foto, catalogo.COLA, cola) for cola in ("events", "journal", "log")] == [4, 5, 6]
    assert valor(foto, catalogo.FLUJO_EDAD, "mark_price") == pytest.approx(2.0)
    assert valor(foto, catalogo.FLUJO_EDAD, "kline") == pytest.approx(7.0)


async def test_cada_vela_y_cada_orden_se_cronometran(banco: Montar):
    uno = await banco(0.5, 0.0)
    await uno.cerrar_vela(30_000.0)
    await uno.cerrar_vela(30_000.0)

    foto = retratar(unas_fuentes(uno))

    cuantas = {r.metrica: r.acumulados[-1] for r in foto.repartos}
    assert cuantas[catalogo.TIEMPO_DECISION] == cuantas[catalogo.TIEMPO_VELA] == 2
    assert cuantas[catalogo.TIEMPO_ORDEN] == 1


async def test_todo_lo_que_se_promete_se_publica(banco: Montar):
    uno = await banco(0.5, proteccion=TipoProteccion.CATASTROFE)
    await uno.cerrar_vela(30_000.0)

    foto = retratar(unas_fuentes(uno))

    assert nombradas(foto) == set(DEL_DEMONIO) - {catalogo.FOTO_EDAD}
    assert {r.metrica for r in foto.repartos} == {m for m in DEL_DEMONIO if m.tipo is Tipo.HISTOGRAM}
    assert all(len(v.etiquetas) == len(v.metrica.etiquetas) for v in foto.valores)


def test_ningun_estado_se_queda_sin_nombre():
    assert MOTIVOS.keys() == set(Bloqueo)
    assert ESTADOS.keys() | FINALES.keys() == set(EstadoVida)
