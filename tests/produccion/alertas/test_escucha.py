from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from sqlalchemy import Engine, select

from src.nucleo.errores import AlmacenCaido
from src.produccion.alertas import actos, respuestas
from src.produccion.alertas.actos import Plazos
from src.produccion.alertas.escucha import Oyente, leer_recado
from src.produccion.alertas.ordenes import Confirmaciones
from src.produccion.alertas.telegram import BotTelegram
from src.produccion.almacen.conexion import escribir, leer
from src.produccion.almacen.demonios import DemonioNuevo, presentarse, vivos
from src.produccion.almacen.esquema import alerts, audit_log, commands
from src.produccion.almacen.mandos import MandoGuardado
from src.produccion.almacen.operaciones import LadoOperacion, OperacionGuardada, guardar_operacion
from src.produccion.config.alertas import Permiso, SeccionChat
from src.produccion.mandos import Desenlace, OidorMandos, Ritmo
from src.produccion.monitor.libro import Libro
from src.produccion.monitor.reglas import leer_reglas
from tests.produccion.alertas.bot_api import FICHA, BotApi, un_bot

RED = True

CODIGO = "271828"
EVA = SeccionChat(name="eva", chat_id=7, commands=Permiso.TODO)
GRUPO = SeccionChat(name="desk", chat_id=-5, commands=Permiso.TODO, users=(7,))
LECTORA = SeccionChat(name="ana", chat_id=8, commands=Permiso.LEER)
SORDO = SeccionChat(name="sordo", chat_id=9)
PLAZOS = Plazos(tomar_ms=1_500, acabar_s=10.0, mirar_s=0.02)


@pytest.fixture
def libro(motor: Engine) -> Iterator[Libro]:
    libro = Libro(motor)
    yield libro
    libro.apagar()


async def hasta(condicion: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condicion():
            await asyncio.to_thread(time.sleep, 0.01)


@asynccontextmanager
async def un_oyente(libro: Libro) -> AsyncIterator[BotApi]:
    async with un_bot() as bot, aiohttp.ClientSession() as sesion:
        bot.chats |= {-5, 8, 9}
        cliente = BotTelegram(sesion, FICHA, bot.url, 5.0)
        oyente = Oyente(
            cliente, (EVA, GRUPO, LECTORA, SORDO), libro, 5, PLAZOS, Confirmaciones(lambda: CODIGO)
        )
        tarea = asyncio.create_task(oyente.correr())
        try:
            yield bot
        finally:
            tarea.cancel()
            await asyncio.gather(tarea, return_exceptions=True)


async def preguntar(bot: BotApi, texto: str, chat: int = 7, **mas: Any) -> str:
    antes = len(bot.dichos[chat])
    bot.escribe(texto, chat, **mas)
    await hasta(lambda: len(bot.dichos[chat]) > antes)
    return bot.ultimo(chat)


@asynccontextmanager
async def un_demonio(
    motor: Engine,
    desenlace: Desenlace,
    simbolo: str = "BTCUSDT",
    client_id: str = "default",
    cuenta: str = "live-1",
) -> AsyncIterator[list[MandoGuardado]]:
    atendidos: list[MandoGuardado] = []

    async def atender(mando: MandoGuardado) -> Desenlace:
        atendidos.append(mando)
        return desenlace

    demonio = DemonioNuevo(cuenta, simbolo, 1, "aqui", client_id=client_id)
    oidor = OidorMandos(motor, demonio, atender, Ritmo(0.02, 0.5, 5.0))
    tarea = asyncio.create_task(oidor.correr())
    try:
        await hasta(lambda: any((d.account_id, d.symbol) == (cuenta, simbolo) for d in vivos(motor)))
        yield atendidos
    finally:
        tarea.cancel()
        await asyncio.gather(tarea, return_exceptions=True)


def mandos(motor: Engine) -> list[tuple[str, str, str]]:
    with leer(motor) as conexion:
        c = commands.c
        return [
            tuple(f) for f in conexion.execute(select(c.action, c.status, c.requested_by).order_by(c.seq))
        ]


def opera(motor: Engine) -> bool:
    with leer(motor) as conexion:
        return leer_reglas(conexion, "default").opera


async def test_las_preguntas_se_contestan_desde_el_almacen(libro: Libro):
    async with un_oyente(libro) as bot:
        assert await preguntar(bot, "/status") == "no open positions\n"
        assert "nothing has been filled" in await preguntar(bot, "/profit@timonel_bot")
        assert await preguntar(bot, "/locks", chat=8) == "nothing is locked\n"
        assert "/forceexit [symbol] [account] close positions at market" in await preguntar(bot, "/help")
        assert "no such command" in await preguntar(bot, "/markdown_*[x](y)")
    assert bot.sin_markdown == []


async def test_a_quien_no_esta_en_la_lista_no_se_le_contesta_y_se_dice_una_vez(
    libro: Libro, bitacora: list[dict[str, Any]]
):
    async with un_oyente(libro) as bot:
        for _ in range(2):
            bot.escribe("/status", chat=66)
            bot.escribe("/status", chat=9)
            bot.escribe("/status", chat=-5, quien=8)
        await preguntar(bot, "/status")

    assert {chat for chat, dichos in bot.dichos.items() if dichos} == {7}
    ignorados = [(e["chat"], e["usuario"]) for e in bitacora if e["event"] == "chat_ignorado"]
    assert ignorados == [(66, 7), (9, 7), (-5, 8)]


async def test_sin_confirmar_no_pasa_nada(motor: Engine, libro: Libro):
    async with un_oyente(libro) as bot:
        assert f"send {CODIGO} within 60 s" in await preguntar(bot, "/stopentry")
        assert "wrong or too late" in await preguntar(bot, "000000")
        assert "wrong or too late" in await preguntar(bot, CODIGO)

    assert opera(motor)
    assert mandos(motor) == []


async def test_parar_las_entradas_y_dejarlas_otra_vez(motor: Engine, libro: Libro):
    async with un_oyente(libro) as bot:
        await preguntar(bot, "/stopentry")
        assert "entries are paused" in await preguntar(bot, CODIGO)
        assert not opera(motor)
        assert "asked by telegram:eva:7" in await preguntar(bot, "/locks")
        await preguntar(bot, "/startentry", chat=-5)
        assert await preguntar(bot, CODIGO, chat=-5) == "entries are let again\n"
        assert opera(motor)

    assert mandos(motor) == [
        ("tenant.pause", "DONE", "telegram:eva:7"),
        ("tenant.resume", "DONE", "telegram:desk:7"),
    ]
    with leer(motor) as conexion:
        clases = list(conexion.execute(select(alerts.c.kind).order_by(alerts.c.id)).scalars())
    assert clases == ["trading_paused", "trading_resumed"]


async def test_cerrar_pide_a_cada_demonio_del_inquilino_lo_suyo(motor: Engine, libro: Libro):
    hecho = Desenlace(exito=True, mensaje="Position closed")
    async with (
        un_oyente(libro) as bot,
        un_demonio(motor, hecho) as atendidos,
        un_demonio(motor, Desenlace(exito=False, mensaje="No open position"), "ETHUSDT") as otros,
        un_demonio(motor, hecho, "XRPUSDT", client_id="ajeno") as ajenos,
    ):
        await preguntar(bot, "/forceexit")
        respuesta = await preguntar(bot, CODIGO)

        assert respuesta.splitlines() == [
            "BTCUSDT (live-1): Position closed",
            "ETHUSDT (live-1): NOT closed: No open position",
        ]
        await preguntar(bot, "/forceexit btcusdt")
        assert (await preguntar(bot, CODIGO)).splitlines() == ["BTCUSDT (live-1): Position closed"]

    assert [mando.action for mando in atendidos] == ["guardian.close"] * 2
    assert atendidos[0].requested_by == "telegram:eva:7"
    assert (len(otros), len(ajenos)) == (1, 0)


async def test_un_ensayo_solo_se_pide_por_su_cuenta(motor: Engine, libro: Libro):
    """What is confirmed says whose position it is; a dry run beside it is left alone until it is named."""
    hecho = Desenlace(exito=True, mensaje="Position closed")
    async with (
        un_oyente(libro) as bot,
        un_demonio(motor, hecho) as reales,
        un_demonio(motor, hecho, cuenta="sim-1") as ensayos,
    ):
        fuera = "BTCUSDT (sim-1): left out: a dry run is asked only by its account, /forceexit BTCUSDT sim-1"
        assert (await preguntar(bot, "/forceexit")).splitlines() == [
            "/forceexit: close positions at market",
            "live: BTCUSDT on live-1",
            fuera,
            f"send {CODIGO} within 60 s to confirm",
        ]
        assert (await preguntar(bot, CODIGO)).splitlines() == ["BTCUSDT (live-1): Position closed", fuera]
        assert (len(reales), len(ensayos)) == (1, 0)

        assert "sim: BTCUSDT on sim-1" in await preguntar(bot, "/forceexit BTCUSDT Sim-1")
        assert (await preguntar(bot, CODIGO)).splitlines() == ["BTCUSDT (sim-1): Position closed"]
        assert "sim: BTCUSDT on sim-1" in await preguntar(bot, "/stop sim-1")
        await preguntar(bot, CODIGO)
        assert "live: BTCUSDT on live-1\nsim: BTCUSDT on sim-1" in await preguntar(bot, "/stopentry")

    assert (len(reales), len(ensayos)) == (1, 2)


async def test_lo_que_cambia_algo_deja_un_asiento_y_lo_que_pregunta_ninguno(motor: Engine, libro: Libro):
    """Who, from which chat, what, and what came of it; a code that was never sent is nothing yet."""
    async with un_oyente(libro) as bot, un_demonio(motor, Desenlace(exito=False, mensaje="No open position")):
        await preguntar(bot, "/status")
        await preguntar(bot, "/startentry")
        await preguntar(bot, "/stopentry", chat=-5)
        await preguntar(bot, CODIGO, chat=-5)
        await preguntar(bot, "/forceexit btcusdt live-1")
        await preguntar(bot, CODIGO)

    with leer(motor) as conexion:
        una, otra = conexion.execute(select(audit_log).order_by(audit_log.c.id)).all()
    assert (una.client_id, una.username, una.role, una.address) == (
        "default",
        "-5/7",
        "chat",
        "telegram:desk",
    )
    assert (una.action, una.target, una.status) == ("telegram.stopentry", None, 200)
    assert (otra.username, otra.address, otra.action) == ("7/7", "telegram:eva", "telegram.forceexit")
    assert (otra.target, otra.request_json, otra.status) == ("BTCUSDT", '{"account_id":"live-1"}', 409)
    assert otra.outcome_json == '{"message":"BTCUSDT (live-1): NOT closed: No open position"}'


async def test_sin_nadie_a_quien_pedir_no_hay_codigo(motor: Engine, libro: Libro):
    with escribir(motor) as conexion:
        for cuenta in ("live-1", "sim-1"):
            una = OperacionGuardada(f"o-{cuenta}", cuenta, "ADAUSDT", LadoOperacion.BUY, 5, "0.5", 1)
            guardar_operacion(conexion, una)
    presentarse(motor, DemonioNuevo("sim-1", "BTCUSDT", 1, "aqui"))
    async with un_oyente(libro) as bot:
        assert (await preguntar(bot, "/forceexit")).splitlines() == [
            "no daemon trades that",
            "ADAUSDT (live-1): no daemon trades it; close it at the exchange",
            "BTCUSDT (sim-1): left out: a dry run is asked only by its account, /forceexit BTCUSDT sim-1",
            "nothing was done",
        ]
        assert (await preguntar(bot, "/stop live-9")).splitlines() == [
            "no daemon trades that",
            "nothing was done",
        ]
    assert mandos(motor) == []


async def test_parar_pide_a_cada_demonio_que_acabe_y_solo_con_su_codigo(motor: Engine, libro: Libro):
    acaba = Desenlace(exito=True, mensaje="the daemon ends after its step")
    async with (
        un_oyente(libro) as bot,
        un_demonio(motor, acaba) as atendidos,
        un_demonio(motor, Desenlace(exito=False, mensaje="no"), "ETHUSDT") as otros,
        un_demonio(motor, acaba, "XRPUSDT", client_id="ajeno") as ajenos,
    ):
        assert f"send {CODIGO} within 60 s" in await preguntar(bot, "/stop")
        assert (len(atendidos), len(otros)) == (0, 0)
        respuesta = await preguntar(bot, CODIGO)

        assert respuesta.splitlines() == [
            "BTCUSDT (live-1): the daemon ends after its step",
            "ETHUSDT (live-1): NOT stopped: no",
        ]
        await preguntar(bot, "/stop btcusdt")
        await preguntar(bot, CODIGO)

    assert [(m.action, m.requested_by) for m in atendidos] == [("daemon.stop", "telegram:eva:7")] * 2
    assert (len(otros), ajenos) == (1, [])


async def test_un_demonio_callado_y_una_posicion_sin_demonio_se_dicen(motor: Engine, libro: Libro):
    presentarse(motor, DemonioNuevo("live-1", "BTCUSDT", 1, "aqui"))
    with escribir(motor) as conexion:
        guardar_operacion(
            conexion, OperacionGuardada("o", "live-1", "ADAUSDT", LadoOperacion.BUY, 5, "0.5", 1)
        )
    async with un_oyente(libro) as bot:
        await preguntar(bot, "/forceexit")
        respuesta = (await preguntar(bot, CODIGO)).splitlines()

    assert "did not take the command in time" in respuesta[0]
    assert respuesta[1] == "ADAUSDT (live-1): no daemon trades it; close it at the exchange"
    assert [estado for _, estado, _ in mandos(motor)] == ["EXPIRED"]


async def test_quien_solo_lee_no_cambia_nada_ni_lo_que_se_pidio_hace_rato(motor: Engine, libro: Libro):
    async with un_oyente(libro) as bot:
        assert await preguntar(bot, "/forceexit", chat=8) == "this chat may only read\n"
        assert await preguntar(bot, "/stop", chat=8) == "this chat may only read\n"
        assert "while nobody listened" in await preguntar(bot, "/stopentry", hace_s=500)
        await preguntar(bot, "/stopentry")
        assert "too late" in await preguntar(bot, CODIGO, hace_s=500)

    assert opera(motor)


async def test_lo_oido_no_se_oye_otra_vez_tras_reiniciar(libro: Libro):
    async with un_oyente(libro) as bot:
        ultimo = bot.escribe("/status")
        await hasta(lambda: len(bot.dichos[7]) == 1)
    assert bot.confirmadas == ultimo + 1


async def test_con_el_almacen_caido_se_contesta_lo_que_se_sabe(motor: Engine):
    class Caido(Libro):
        async def _fuera(self, hacer):  # type: ignore[no-untyped-def]
            raise AlmacenCaido("gone")

    libro = Caido(motor)
    async with un_oyente(libro) as bot:
        assert await preguntar(bot, "/status") == "the shared store does not answer; ask again\n"
        assert await preguntar(bot, "/stopentry") == "the shared store does not answer; ask again\n"
    libro.apagar()


async def test_un_almacen_que_cae_antes_del_codigo_deja_en_duda_lo_hecho(motor: Engine):
    class Cae(Libro):
        async def escribiendo(self, hacer):  # type: ignore[no-untyped-def]
            raise AlmacenCaido("gone")

    libro = Cae(motor)
    async with un_oyente(libro) as bot:
        await preguntar(bot, "/stopentry")
        assert "whether it was done is unknown" in await preguntar(bot, CODIGO)
    libro.apagar()


async def test_un_defecto_se_dice_y_no_acaba_con_la_escucha(
    libro: Libro, bitacora: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
):
    """Listening and delivery are one group of tasks: what ends one ends the other."""

    def defectuosa(*_: object) -> str:
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr(respuestas, "ganancia", defectuosa)
    monkeypatch.setattr(actos, "pausar_entradas", defectuosa)
    monkeypatch.setattr(actos, "pedir", defectuosa)
    async with un_oyente(libro) as bot, un_demonio(libro.motor, Desenlace(exito=True, mensaje="x")):
        assert "met a defect of Timonel" in await preguntar(bot, "/profit")
        for orden in ("/stopentry", "/forceexit"):
            await preguntar(bot, orden)
            dicho = await preguntar(bot, CODIGO)
            assert dicho == (
                "that met a defect of Timonel; whether it was done is unknown: look with /status\n"
            )
        assert await preguntar(bot, "/status") == "no open positions\n"

    defectos = [e for e in bitacora if e["event"] == "orden_defectuosa"]
    assert [e["orden"] for e in defectos] == ["profit", "stopentry", "forceexit"]
    assert all(e["exc_info"] for e in defectos)


async def test_otro_que_escucha_y_telegram_caido_se_dicen_y_se_sigue(
    bitacora: list[dict[str, Any]], libro: Libro
):
    async with un_oyente(libro) as bot, aiohttp.ClientSession() as sesion:
        await hasta(lambda: bot.escuchas == 1)
        await BotTelegram(sesion, FICHA, bot.url, 5.0).novedades(None, 0)
        await hasta(lambda: any(e["event"] == "telegram_no_escucha" for e in bitacora))
    assert "Conflict" in next(str(e["motivo"]) for e in bitacora if e["event"] == "telegram_no_escucha")


@pytest.mark.parametrize(
    "crudo",
    [
        {},
        {"update_id": 1},
        {"update_id": 1, "message": None},
        {"update_id": 1, "message": {"chat": {"id": 7}, "from": {"id": 7}, "date": 1}},
        {"update_id": 1, "message": {"chat": {"id": 7}, "from": {"id": 7}, "date": 1, "text": ["x"]}},
        {"update_id": 1, "message": {"chat": {"id": "x"}, "from": {"id": 7}, "date": 1, "text": "x"}},
        {"update_id": "1", "message": {"chat": {"id": 7}, "from": {"id": 7}, "date": 1, "text": "x"}},
    ],
)
def test_lo_que_no_es_un_texto_de_alguien_no_es_un_recado(crudo: dict[str, Any]):
    assert leer_recado(crudo) is None
