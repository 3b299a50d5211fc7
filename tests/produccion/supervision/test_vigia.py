"""A loop that is late is noticed, and a daemon that does not get on stops saying that it is alive."""

from __future__ import annotations

import asyncio
import time

import pytest

from src.produccion.supervision.aviso_systemd import AvisoSystemd
from src.produccion.supervision.vigia import Progreso, Vigia


class AvisoFalso(AvisoSystemd):
    def __init__(self, plazo_s: float | None = 10.0) -> None:
        super().__init__("/nowhere", plazo_s)
        self.latidos: list[float] = []

    def latir(self) -> None:
        self.latidos.append(asyncio.get_running_loop().time())


def un_vigia(aviso: AvisoSystemd | None = None, **cambios: float) -> Vigia:
    return Vigia(aviso or AvisoSystemd(), tuple, **cambios)


async def durante(vigia: Vigia, segundos: float) -> None:
    tarea = asyncio.create_task(vigia.correr())
    await asyncio.sleep(segundos)
    tarea.cancel()
    await asyncio.gather(tarea, return_exceptions=True)


async def test_un_bucle_puntual_no_se_retrasa(bitacora: list[dict[str, object]]):
    vigia = un_vigia()
    assert vigia.percentil_ms(0.99) == vigia.ultimo_ms == 0.0

    await durante(vigia, 60)

    assert vigia.maximo_ms == pytest.approx(0, abs=1e-6)
    assert vigia.retrasos == 0
    assert bitacora == []


async def retrasar(segundos: float) -> None:
    """Hold the loop up: its clock goes on while nothing runs."""
    asyncio.get_running_loop()._impaciente.ahora += segundos  # type: ignore[attr-defined]
    await asyncio.sleep(0)


async def test_un_retraso_se_avisa_con_lo_que_duro(bitacora: list[dict[str, object]]):
    vigia = un_vigia()
    tarea = asyncio.create_task(vigia.correr())
    await asyncio.sleep(1.05)
    await retrasar(0.4)
    await asyncio.sleep(1)
    tarea.cancel()

    (aviso,) = [e for e in bitacora if e["event"] == "retraso_del_bucle"]
    assert aviso["ms"] == pytest.approx(350, abs=1)
    assert vigia.maximo_ms == pytest.approx(350, abs=1)
    assert vigia.ultimo_ms == pytest.approx(0, abs=1e-6)
    assert vigia.percentil_ms(0.5) == pytest.approx(0, abs=1e-6)
    assert vigia.percentil_ms(1.0) == pytest.approx(350, abs=1)


async def test_muchos_retrasos_son_pocos_avisos_con_el_peor(bitacora: list[dict[str, object]]):
    vigia = un_vigia()
    tarea = asyncio.create_task(vigia.correr())
    for segundos in (0.5, 0.9, 0.6, 0.7):
        await asyncio.sleep(1.05)
        await retrasar(segundos)
    await asyncio.sleep(12)
    tarea.cancel()

    avisos = [e["ms"] for e in bitacora if e["event"] == "retraso_del_bucle"]
    assert len(avisos) == 2
    assert max(avisos) == pytest.approx(vigia.maximo_ms, abs=0.1)
    assert vigia.retrasos == 4


async def test_systemd_oye_a_la_mitad_de_su_plazo():
    aviso = AvisoFalso(10.0)

    await durante(un_vigia(aviso), 31)

    assert len(aviso.latidos) == 7
    assert all(
        b - a == pytest.approx(5, abs=0.11) for a, b in zip(aviso.latidos, aviso.latidos[1:], strict=False)
    )


async def test_se_vigila_lo_que_dura_un_bloque():
    aviso = AvisoFalso(10.0)

    async with un_vigia(aviso).vigilando():
        await asyncio.sleep(11)
    await asyncio.sleep(60)

    assert len(aviso.latidos) == 3
    assert len(asyncio.all_tasks()) == 1


async def test_un_trabajo_que_no_acaba_calla_al_vigia(bitacora: list[dict[str, object]]):
    progreso, aviso = Progreso(plazo_s=20), AvisoFalso(2.0)
    vigia = Vigia(aviso, progreso.atascados)

    with progreso.trabajando("consumer"):
        await durante(vigia, 60)
    callado_desde = aviso.latidos[-1]
    await durante(vigia, 5)

    assert callado_desde < 22
    assert aviso.latidos[-1] > 60
    assert [e["servicios"] for e in bitacora if e["event"] == "servicio_atascado"] == ["consumer"]


async def test_un_trabajo_largo_que_avanza_no_lo_calla():
    progreso = Progreso(plazo_s=20)
    with progreso.trabajando("consumer"):
        for _ in range(10):
            await asyncio.sleep(15)
            progreso.avanzar("consumer")
            assert progreso.atascados() == ()


async def test_esperar_al_mercado_no_es_estar_atascado():
    progreso = Progreso(plazo_s=20)
    with progreso.trabajando("consumer"):
        await asyncio.sleep(1)
    await asyncio.sleep(10_000)

    assert progreso.atascados() == ()


def test_un_bucle_de_verdad_detenido_se_mide():
    async def detenerse() -> Vigia:
        vigia = un_vigia(limite_ms=50)
        tarea = asyncio.create_task(vigia.correr())
        await asyncio.sleep(0.15)
        time.sleep(0.3)  # noqa: ASYNC251
        await asyncio.sleep(0.15)
        tarea.cancel()
        return vigia

    with asyncio.Runner() as corredor:
        vigia = corredor.run(detenerse())

    assert vigia.maximo_ms > 150
    assert vigia.retrasos >= 1
