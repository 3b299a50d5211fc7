"""From the exchange to a chat and back: daemon, store, `timonel alerts` and a bot, as real processes."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.extremo.procesos import entorno, esperar, un_simulador
from tests.extremo.test_guardian import QUIETO
from tests.extremo.test_ventanilla import EN_TIEMPO, un_agente
from tests.produccion.alertas.bot_api import FICHA, BotApi, un_bot


class BotAparte:
    """A bot that is served by a thread of its own; what its chats show outlives its server."""

    def __init__(self) -> None:
        self.bot = BotApi()
        self._hilo: threading.Thread | None = None

    def empezar(self) -> None:
        """Listen, on the same port as before."""
        listo = threading.Event()
        self._hilo = threading.Thread(target=lambda: asyncio.run(self._servir(listo)))
        self._hilo.start()
        assert listo.wait(10)

    def parar(self) -> None:
        """Be gone: whoever connects is refused."""
        if self._hilo is not None:
            self._bucle.call_soon_threadsafe(self._fin.set)
            self._hilo.join()
            self._hilo = None

    async def _servir(self, listo: threading.Event) -> None:
        self._bucle, self._fin = asyncio.get_running_loop(), asyncio.Event()
        async with un_bot(int(self.bot.url.rpartition(":")[2] or 0), self.bot):
            listo.set()
            await self._fin.wait()


@contextmanager
def un_bot_aparte() -> Iterator[BotApi]:
    """A bot that listens all the time."""
    aparte = BotAparte()
    aparte.empezar()
    try:
        yield aparte.bot
    finally:
        aparte.parar()


@contextmanager
def una_oficina(
    bot: BotApi, carpeta: Path, estado: Path, **variables: str
) -> Iterator[subprocess.Popen[bytes]]:
    """`timonel alerts`, for one chat that may do everything."""
    chat = {"name": "eva", "chat_id": 7, "commands": "all"}
    telegram = {"api_url": bot.url, "gap_s": 0, "long_poll_s": 1, "chats": [chat]}
    ajustes = carpeta / "avisos.yaml"
    ajustes.write_text(yaml.safe_dump({"alerts": {"poll_s": 0.1, "telegram": telegram}}))
    orden = [
        sys.executable,
        "-m",
        "src.cli.app",
        "alerts",
        "--config",
        str(ajustes),
        "--state-dir",
        str(estado),
    ]
    with subprocess.Popen(orden, env=entorno(TIMONEL_TELEGRAM_TOKEN=FICHA, **variables)) as proceso:
        try:
            yield proceso
        finally:
            proceso.send_signal(signal.SIGTERM)
            assert proceso.wait(20) == 0


def preguntar(bot: BotApi, texto: str) -> str:
    """What the bot answers; its answers have no number of an alert."""
    antes = len(respuestas(bot))
    bot.escribe(texto)
    esperar(lambda: len(respuestas(bot)) > antes)
    return respuestas(bot)[-1]


def respuestas(bot: BotApi) -> list[str]:
    return [dicho for dicho in bot.dichos[7] if " · #" not in dicho]


def avisos(bot: BotApi) -> list[str]:
    return [dicho.split()[1] for dicho in bot.dichos[7] if " · #" in dicho]


@pytest.mark.timeout(180)
def test_una_posicion_se_avisa_y_se_cierra_desde_el_chat(tmp_path: Path):
    with un_bot_aparte() as bot, un_simulador(tmp_path, QUIETO, *EN_TIEMPO) as bolsa:
        agente = un_agente(tmp_path, bolsa)
        with una_oficina(bot, tmp_path, tmp_path / "estado"):
            with agente.corriendo() as demonio:
                esperar(lambda: "position_opened" in avisos(bot), demonio)
                esperar(lambda: "BTCUSDT long" in preguntar(bot, "/status"), demonio)
                assert bolsa.posicion > 0.0

                solo = preguntar(bot, "/forceexit")
                assert "send" not in solo
                orden = "/forceexit" + solo.split("/forceexit")[1].splitlines()[0]
                codigo = preguntar(bot, orden).split("send ")[1].split()[0]
                assert "NOT" not in preguntar(bot, codigo)
                assert bolsa.posicion == 0.0
                esperar(lambda: "position_closed" in avisos(bot), demonio)
                demonio.send_signal(signal.SIGINT)
                demonio.wait(30)
            esperar(lambda: "shutdown" in avisos(bot))

    assert avisos(bot) == ["startup", "position_opened", "position_closed", "shutdown"]
    assert bot.sin_markdown == []
