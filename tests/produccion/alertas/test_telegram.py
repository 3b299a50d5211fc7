from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from src.nucleo.alertas import Mensaje, Nivel
from src.nucleo.errores import AvisoRechazado, AvisoSinEntregar, CanalOcupado
from src.produccion.alertas.telegram import BotTelegram, CanalTelegram, textos_de
from tests.produccion.alertas.apoyo import EVA
from tests.produccion.alertas.bot_api import FICHA, BotApi, leer_markdown, un_bot

RED = True

FEO = "-2.5% (BTC_USDT) [x](http://a.b) `c` *d* ~e~ >f #g +h =i |j {k} l! \\m"


def un_mensaje(cuerpo: str = FEO, titulo: str = "ERROR large_loss") -> Mensaje:
    return Mensaje(titulo, cuerpo, Nivel.ERROR)


@asynccontextmanager
async def un_canal(
    bot: BotApi, chat_id: int = 7, ficha: str = FICHA, plazo_s: float = 5.0
) -> AsyncIterator[CanalTelegram]:
    async with aiohttp.ClientSession() as sesion:
        yield CanalTelegram(EVA, BotTelegram(sesion, ficha, bot.url, plazo_s), chat_id, 0.0)


async def test_lo_que_se_dice_es_lo_que_se_ve():
    async with un_bot() as bot, un_canal(bot) as canal:
        await canal.enviar(un_mensaje())

    assert bot.dichos[7] == [f"ERROR large_loss\n{FEO}"]
    assert bot.sin_markdown == []


@pytest.mark.parametrize("cuerpo", ["x" * 10_000, "🧭" * 5_000, "." * 10_000, "\x00\ud800", ""])
def test_nada_es_demasiado_largo_ni_ilegible(cuerpo: str):
    markdown, llano = textos_de(un_mensaje(cuerpo, cuerpo))

    assert leer_markdown(markdown) == llano
    assert 0 < len(llano.strip().encode("utf-16-le")) // 2 <= 4_096


@pytest.mark.parametrize(
    ("fallo", "error"),
    [
        ("429", CanalOcupado),
        ("500", AvisoSinEntregar),
        ("502", AvisoSinEntregar),
        ("403", AvisoRechazado),
        ("cut", AvisoSinEntregar),
        ("lost", AvisoSinEntregar),
        ("hang", AvisoSinEntregar),
    ],
)
async def test_cada_fallo_dice_que_se_puede_hacer(fallo: str, error: type[AvisoSinEntregar]):
    async with un_bot() as bot, un_canal(bot, plazo_s=0.2) as canal:
        bot.fallos = [fallo]
        with pytest.raises(error) as visto:
            await canal.enviar(un_mensaje())
        assert type(visto.value) is error
        assert FICHA not in str(visto.value)
        if isinstance(visto.value, CanalOcupado):
            assert visto.value.espera_s == 1.0


async def test_sin_nadie_que_escuche_no_se_ensena_la_ficha():
    async with un_bot() as bot:
        pass
    async with un_canal(bot) as canal:
        with pytest.raises(AvisoSinEntregar, match="not reached") as visto:
            await canal.enviar(un_mensaje())
    assert visto.value.__cause__ is None


@pytest.mark.parametrize(("chat_id", "ficha", "motivo"), [(9, FICHA, "not found"), (7, "x", "Unauthorized")])
async def test_un_chat_o_una_ficha_que_no_son_se_dicen(chat_id: int, ficha: str, motivo: str):
    async with un_bot() as bot, un_canal(bot, chat_id, ficha) as canal:
        with pytest.raises(AvisoRechazado, match=motivo):
            await canal.enviar(un_mensaje())


async def test_un_markdown_ilegible_se_dice_llano(bitacora: list[dict[str, object]]):
    async with un_bot() as bot, aiohttp.ClientSession() as sesion:
        await BotTelegram(sesion, FICHA, bot.url, 5.0).decir(7, "1.5", "1.5")

    assert bot.sin_markdown == bot.dichos[7] == ["1.5"]
    assert [e["event"] for e in bitacora] == ["markdown_rechazado"]
