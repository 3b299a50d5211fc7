"""``timonel alerts`` as a process of its own, against a server that speaks the Bot API."""

# ruff: noqa: F811 -- fixtures that are imported

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
import yaml
from sqlalchemy import Engine
from typer.testing import CliRunner

from src.cli.app import app
from src.nucleo.alertas import Nivel
from src.produccion.almacen.conexion import abrir_almacen
from tests.produccion.alertas.apoyo import adelantar, avisar
from tests.produccion.alertas.bot_api import FICHA, BotApi, un_bot
from tests.produccion.almacenes import base_postgresql, motor, url  # noqa: F401 -- fixtures

RAIZ = Path(__file__).parents[2]


class Oficina:
    """The command with its settings."""

    def __init__(self, bot: BotApi, carpeta: Path, url: str, **chat: object) -> None:
        self._ajustes = carpeta / "timonel.yaml"
        telegram = {
            "api_url": bot.url,
            "gap_s": 0,
            "timeout_s": 2,
            "long_poll_s": 1,
            "chats": [{"name": "eva", "chat_id": 7, **chat}],
        }
        alertas = {"poll_s": 0.05, "throttle_per_kind": 100, "telegram": telegram}
        self._ajustes.write_text(yaml.safe_dump({"alerts": alertas}))
        self._estado = carpeta
        self._entorno = os.environ | {
            "TIMONEL_DB_URL": url,
            "COLUMNS": "200",
            "TIMONEL_TELEGRAM_TOKEN": FICHA,
            "PYTHONPATH": str(RAIZ),
        }

    async def empezar(self, *opciones: str) -> asyncio.subprocess.Process:
        orden = [
            "-m",
            "src.cli.app",
            "alerts",
            "--config",
            str(self._ajustes),
            "--state-dir",
            str(self._estado),
        ]
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *orden,
            *opciones,
            cwd=RAIZ,
            env=self._entorno,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def correr(self, *palabras: str, codigo: int = 0) -> str:
        proceso = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "src.cli.app", "alerts", *palabras, "--state-dir", str(self._estado)),
            cwd=RAIZ,
            env=self._entorno,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        salida, errores = await proceso.communicate()
        assert proceso.returncode == codigo, errores.decode()
        return salida.decode() + errores.decode()

    @property
    def ajustes(self) -> tuple[str, str]:
        return ("--config", str(self._ajustes))


async def hasta(condicion: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condicion():
            await asyncio.to_thread(time.sleep, 0.01)


@pytest.fixture
def almacen(tmp_path: Path) -> Iterator[Engine]:
    """The store of a state directory."""
    motor = abrir_almacen(None, tmp_path)
    yield motor
    motor.dispose()


async def test_muerto_y_vuelto_a_empezar_entrega_todo(motor: Engine, url: str, tmp_path: Path):
    """Only what was on its way when the process was killed may come twice."""
    muertes, todos = 3, [f"n{i}" for i in range(40)]
    async with un_bot() as bot:
        oficina = Oficina(bot, tmp_path, url)
        avisar(motor, *todos, nivel=Nivel.CRITICAL)
        for muerte in range(1, muertes + 1):
            proceso = await oficina.empezar("--no-commands")
            await hasta(lambda hasta_aqui=8 * muerte: len(bot.dichos[7]) >= hasta_aqui)
            proceso.kill()
            await proceso.wait()
            adelantar(motor, 61_000)
        proceso = await oficina.empezar("--no-commands")
        await hasta(lambda: {dicho.split("\n")[1] for dicho in bot.dichos[7]} == set(todos))
        proceso.send_signal(signal.SIGTERM)
        assert await proceso.wait() == 0

    assert len(todos) <= len(bot.dichos[7]) <= len(todos) + muertes


async def test_dos_a_la_vez_no_dicen_nada_dos_veces(motor: Engine, url: str, tmp_path: Path):
    todos = [f"n{i}" for i in range(60)]
    async with un_bot() as bot:
        oficina = Oficina(bot, tmp_path, url)
        procesos = [await oficina.empezar("--no-commands") for _ in range(2)]
        for proceso in procesos:
            assert proceso.stderr is not None
            assert await proceso.stderr.readline() == b"delivering to telegram:eva\n"
        for mensaje in todos:
            avisar(motor, mensaje, nivel=Nivel.CRITICAL)
        await hasta(lambda: len(bot.dichos[7]) >= len(todos))
        for proceso in procesos:
            proceso.send_signal(signal.SIGTERM)
        assert [await proceso.wait() for proceso in procesos] == [0, 0]

    assert sorted(dicho.split("\n")[1] for dicho in bot.dichos[7]) == sorted(todos)


async def test_por_cron_se_entrega_lo_que_hay_y_se_acaba(almacen: Engine, tmp_path: Path):
    async with un_bot() as bot:
        oficina = Oficina(bot, tmp_path, "")
        avisar(almacen, "uno", "dos")
        antes = json.loads(await oficina.correr("stats", "--json"))
        assert (antes["unrouted"], antes["channels"]) == (2, [])

        await oficina.correr("--once", *oficina.ajustes)
        avisar(almacen, "tres")
        bot.fallos = ["500"]
        await oficina.correr("--once", *oficina.ajustes, codigo=1)

        assert [dicho.split("\n")[1] for dicho in bot.dichos[7]] == ["uno", "dos"]
        despues = json.loads(await oficina.correr("stats", "--json"))
        assert despues["channels"] == [
            {
                "channel": "telegram:eva",
                "kind": "startup",
                "sent": 2,
                "waiting": 1,
                "held_back": 0,
                "failed": 0,
                "failed_tries": 1,
                "last_error": "Telegram answered sendMessage with 500",
            }
        ]
        assert "telegram:eva" in await oficina.correr("stats")


async def test_se_contesta_mientras_se_reparte(almacen: Engine, tmp_path: Path):
    async with un_bot() as bot:
        proceso = await Oficina(bot, tmp_path, "", commands="all").empezar()
        bot.escribe("/health")
        await hasta(lambda: len(bot.dichos[7]) == 1)
        avisar(almacen, "uno")
        await hasta(lambda: len(bot.dichos[7]) == 2)
        proceso.send_signal(signal.SIGINT)
        assert await proceso.wait() == 0
        assert bot.confirmadas > 0
    registro = (tmp_path / "alerts.log").read_text()
    assert "orden_de_chat" in registro
    assert FICHA not in registro


@pytest.mark.parametrize(("fallos", "codigo"), [([], 0), (["403"], 1)])
async def test_una_prueba_dice_que_canal_llega(tmp_path: Path, fallos: list[str], codigo: int):
    async with un_bot() as bot:
        oficina = Oficina(bot, tmp_path, "")
        bot.fallos = list(fallos)
        dicho = json.loads(await oficina.correr("test", "--json", *oficina.ajustes, codigo=codigo))

    assert dicho["channels"][0]["channel"] == "telegram:eva"
    assert (dicho["channels"][0]["error"] is None) is (codigo == 0)
    assert len(bot.dichos[7]) == (codigo == 0)


async def test_sin_nadie_a_quien_avisar_no_empieza(tmp_path: Path):
    async with un_bot() as bot:
        oficina = Oficina(bot, tmp_path, "")
        assert "nobody is to be told" in await oficina.correr("--once", codigo=2)
        oficina._entorno.pop("TIMONEL_TELEGRAM_TOKEN")
        dicho = await oficina.correr("--once", *oficina.ajustes, codigo=2)
        assert "TIMONEL_TELEGRAM_TOKEN is not set" in dicho


async def test_un_secreto_en_una_variable_de_cualquier_nombre_no_se_escribe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its name says nothing, and nothing about its looks does: it is known by its value."""
    ajustes = tmp_path / "timonel.yaml"
    servicio = {"name": "mail", "url_env": "POST_OF_THE_DESK"}
    ajustes.write_text(yaml.safe_dump({"alerts": {"apprise": [servicio]}}))
    monkeypatch.setenv("POST_OF_THE_DESK", "unknown-service-8Kq2")

    async def repartir(*_: object, **__: object) -> bool:
        structlog.get_logger().warning("algo", motivo="unknown-service-8Kq2 does not answer")
        return True

    monkeypatch.setattr("src.cli.alerts._repartir", repartir)
    orden = ["alerts", "--config", str(ajustes), "--state-dir", str(tmp_path)]
    resultado = await asyncio.to_thread(CliRunner().invoke, app, orden)

    assert resultado.exit_code == 0, resultado.output
    escrito = (tmp_path / "alerts.log").read_text()
    assert "algo" in escrito
    assert "8Kq2" not in escrito + resultado.output
