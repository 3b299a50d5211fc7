from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import Engine, select

from src.nucleo.alertas import Nivel, Regla
from src.nucleo.errores import AlmacenCaido, AvisoRechazado, AvisoSinEntregar, CanalOcupado
from src.produccion.alertas.bandeja import Destino
from src.produccion.alertas.canales import Canal
from src.produccion.alertas.repartidor import Repartidor, Ritmo
from src.produccion.alertas.silencio import avisar_silencios
from src.produccion.alertas.telegram import BotTelegram, CanalTelegram
from src.produccion.almacen.conexion import abrir_almacen, escribir, leer
from src.produccion.almacen.demonios import DemonioNuevo, presentarse
from src.produccion.almacen.esquema import alerts, daemons
from src.produccion.monitor.libro import Libro
from tests.produccion.alertas.apoyo import EVA, CanalFalso, adelantar, avisar, filas
from tests.produccion.alertas.bot_api import FICHA, un_bot

RED = True

RITMO = Ritmo(mirar_s=0.02, regla=Regla(por_clase=100))
MAIL = Destino("apprise:mail")


@pytest.fixture
def libro(motor: Engine) -> Iterator[Libro]:
    libro = Libro(motor)
    yield libro
    libro.apagar()


async def hasta(condicion: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condicion():
            await asyncio.to_thread(time.sleep, 0.01)


async def correr_hasta(libro: Libro, canales: list[Canal], condicion: Callable[[], bool]) -> None:
    repartidor = Repartidor(libro, canales, RITMO)
    tarea = asyncio.create_task(repartidor.correr())
    try:
        await hasta(condicion)
    finally:
        repartidor.terminar()
        await tarea


async def test_lo_que_se_avisa_mientras_corre_llega_a_todos(motor: Engine, libro: Libro):
    eva, mail = CanalFalso(), CanalFalso(destino=MAIL)
    repartidor = Repartidor(libro, (eva, mail), RITMO)
    tarea = asyncio.create_task(repartidor.correr())

    avisar(motor, "uno", "dos")
    await hasta(lambda: len(eva.dichos) == len(mail.dichos) == 2)
    avisar(motor, "tres")
    await hasta(lambda: len(eva.dichos) == len(mail.dichos) == 3)
    repartidor.terminar()
    await tarea

    assert eva.dichos == mail.dichos == ["uno", "dos", "tres"]
    assert all(fila["outcome"] == "SENT" for fila in filas(motor))


async def test_un_canal_colgado_no_detiene_a_los_demas(motor: Engine, libro: Libro):
    class Colgado(CanalFalso):
        async def enviar(self, mensaje: object) -> None:
            self.intentos += 1
            await asyncio.Event().wait()

    colgado, mail = Colgado(), CanalFalso(destino=MAIL)
    tarea = asyncio.create_task(Repartidor(libro, (colgado, mail), RITMO).correr())
    avisar(motor, *(str(i) for i in range(5)))

    await hasta(lambda: len(mail.dichos) == 5 and colgado.intentos > 0)

    assert colgado.intentos == 1
    tarea.cancel()
    await asyncio.gather(tarea, return_exceptions=True)


async def test_lo_que_no_llego_se_intenta_de_nuevo(motor: Engine, libro: Libro):
    canal = CanalFalso(CanalOcupado("wait", espera_s=0.1), CanalOcupado("wait", espera_s=0.1))
    avisar(motor, "uno", "dos")

    await correr_hasta(libro, [canal], lambda: len(canal.dichos) == 2)

    assert canal.intentos == 4
    assert sorted(canal.dichos) == ["dos", "uno"]


async def test_una_vez_entrega_lo_que_puede_y_dice_si_queda_algo(motor: Engine, libro: Libro):
    canal, mail = CanalFalso(AvisoSinEntregar("no answer")), CanalFalso(destino=MAIL)
    avisar(motor, "uno", "dos")

    assert not await Repartidor(libro, (canal, mail), RITMO).una_vez()
    assert (canal.intentos, mail.dichos) == (1, ["uno", "dos"])
    assert filas(motor)[0]["last_error"] == "no answer"

    adelantar(motor, 2_001)
    assert await Repartidor(libro, (canal, mail), RITMO).una_vez()
    assert (canal.dichos, mail.dichos) == (["uno", "dos"], ["uno", "dos"])


async def test_un_mensaje_que_se_rechaza_no_detiene_a_los_siguientes(motor: Engine, libro: Libro):
    canal = CanalFalso(AvisoRechazado("too odd"))
    avisar(motor, "raro", "dos")

    assert not await Repartidor(libro, (canal,), RITMO).una_vez()

    assert canal.dichos == ["dos"]
    assert [(fila["outcome"], fila["last_error"]) for fila in filas(motor)] == [
        (None, "too odd"),
        ("SENT", None),
    ]


@pytest.mark.parametrize(("nivel", "final"), [(Nivel.ERROR, "FAILED"), (Nivel.CRITICAL, None)])
async def test_a_lo_rechazado_se_renuncia_si_no_es_critico(
    motor: Engine, libro: Libro, nivel: Nivel, final: str | None
):
    canal = CanalFalso(*(AvisoRechazado("blocked") for _ in range(9)))
    avisar(motor, "uno", nivel=nivel)

    for _ in range(6):
        await Repartidor(libro, (canal,), RITMO).una_vez()
        adelantar(motor, 300_001)

    assert filas(motor)[0]["outcome"] == final
    assert canal.intentos == (6 if final is None else 5)


async def test_con_el_almacen_caido_se_espera_y_se_sigue(tmp_path: Path, bitacora: list[dict[str, object]]):
    class LibroCaido(Libro):
        caidas = 3

        async def llamando(self, hacer):  # type: ignore[no-untyped-def]
            if self.caidas:
                self.caidas -= 1
                raise AlmacenCaido("gone")
            return await super().llamando(hacer)

    motor = abrir_almacen(f"sqlite:///{tmp_path / 'x.sqlite'}", tmp_path)
    libro, canal = LibroCaido(motor), CanalFalso()
    avisar(motor, "uno")
    try:
        await correr_hasta(libro, [canal], lambda: canal.dichos == ["uno"])
    finally:
        libro.apagar()
        motor.dispose()

    assert [e["event"] for e in bitacora].count("almacen_no_responde") == 1
    assert "almacen_recuperado" in [e["event"] for e in bitacora]


@pytest.mark.parametrize(("caidas", "se_dice"), [(0, True), (10**6, False)])
async def test_un_demonio_callado_se_dice_si_no_fue_el_almacen_el_que_falto(
    tmp_path: Path, caidas: int, se_dice: bool
):
    """While the store is away daemons cannot give signs of life: their silence says nothing."""

    class LibroQueFalta(Libro):
        async def llamando(self, hacer):  # type: ignore[no-untyped-def]
            nonlocal caidas
            if caidas and getattr(hacer, "func", None) is not avisar_silencios:
                caidas -= 1
                raise AlmacenCaido("gone")
            return await super().llamando(hacer)

    motor = abrir_almacen(f"sqlite:///{tmp_path / 'x.sqlite'}", tmp_path)
    presentarse(motor, DemonioNuevo("sim-1", "BTCUSDT", 1, "casa"))
    with escribir(motor) as conexion:
        conexion.execute(daemons.update().values(heartbeat_ms=1))
    libro, canal = LibroQueFalta(motor), CanalFalso()
    repartidor = Repartidor(libro, (canal,), RITMO._replace(silencio_s=0.3))
    tarea = asyncio.create_task(repartidor.correr())
    try:
        if se_dice:
            await hasta(lambda: len(canal.dichos) == 1)
        else:
            await asyncio.sleep(1.0)
        with leer(motor) as conexion:
            assert len(conexion.execute(select(alerts)).all()) == se_dice
    finally:
        repartidor.terminar()
        await tarea
        libro.apagar()
        motor.dispose()


async def test_por_telegram_llega_todo_una_vez_pase_lo_que_pase(motor: Engine, libro: Libro):
    """Whatever Telegram certainly did not take comes once; only a lost answer may bring a message twice."""
    async with un_bot() as bot, aiohttp.ClientSession() as sesion:
        bot.fallos = ["429", "", "500", "", "cut", "", "502", "hang"]
        canal = CanalTelegram(EVA, BotTelegram(sesion, FICHA, bot.url, 0.3), 7, 0.0)
        avisar(motor, *(f"n.{i}" for i in range(10)))
        repartidor = Repartidor(libro, (canal,), RITMO)
        for _ in range(12):
            await repartidor.una_vez()
            adelantar(motor, 61_000)

        assert sorted(dicho.split("\n")[1] for dicho in bot.dichos[7]) == [f"n.{i}" for i in range(10)]
        assert bot.fallos == []

        bot.fallos = ["lost"]
        avisar(motor, "perdida")
        for _ in range(2):
            await repartidor.una_vez()
            adelantar(motor, 61_000)

        dos = [dicho for dicho in bot.dichos[7] if "perdida" in dicho]
        assert len(dos) == 2
        assert dos[0] == dos[1]
