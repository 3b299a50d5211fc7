"""The command line, as far as nothing is started."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from src.cli.salida import con_codigo_de_salida
from src.produccion.config.cli import _despedir, live
from src.produccion.montaje import Sesion
from src.produccion.orquestador import Motivo
from src.produccion.sesion import Estadisticas
from tests.artefactos.fabrica import crear_artefacto

app = typer.Typer()
app.command()(con_codigo_de_salida(live))


def correr(*argumentos: str, entorno: dict[str, str] | None = None, escrito: str | None = None):
    return CliRunner(env={"TIMONEL_EXCHANGE_URL": "", "COLUMNS": "200"} | (entorno or {})).invoke(
        app, list(argumentos), input=escrito
    )


@pytest.fixture
def artefacto(tmp_path: Path) -> list[str]:
    train_id = crear_artefacto(tmp_path / "ent")
    return [
        "--train-id",
        train_id,
        "--artefacts",
        str(tmp_path / "ent"),
        "--state-dir",
        str(tmp_path / "est"),
    ]


def test_con_dinero_real_sin_terminal_hace_falta_la_variable(artefacto: list[str]):
    resultado = correr(*artefacto, "--live", entorno={"TIMONEL_CONFIRM_LIVE": ""})

    assert resultado.exit_code == 2
    assert "TIMONEL_CONFIRM_LIVE=YES" in resultado.stderr


def test_antes_de_operar_con_dinero_real_se_muestra_con_que(artefacto: list[str]):
    resultado = correr(*artefacto, "--live", "--capital", "500")

    assert "REAL MONEY" in resultado.stderr
    assert "BTCUSDT 1h" in resultado.stderr
    assert "500.00" in resultado.stderr


def test_confirmado_pero_sin_claves_no_empieza(artefacto: list[str]):
    entorno = {"TIMONEL_CONFIRM_LIVE": "YES", "BINANCE_API_KEY": "", "BINANCE_API_SECRET": ""}

    resultado = correr(*artefacto, "--live", entorno=entorno)

    assert resultado.exit_code == 2
    assert "BINANCE_API_KEY and BINANCE_API_SECRET not set" in resultado.stderr


def test_opciones_contradictorias_ni_siquiera_piden_confirmacion(artefacto: list[str]):
    resultado = correr(*artefacto, "--live", "--simulated", entorno={"TIMONEL_CONFIRM_LIVE": "YES"})

    assert resultado.exit_code == 2
    assert "--live" in resultado.stderr
    assert "--simulated" in resultado.stderr
    assert "REAL MONEY" not in resultado.stderr


def test_una_variable_puesta_no_se_llama_bandera():
    entorno = {"TIMONEL_EXCHANGE_URL": "http://127.0.0.1:1"}

    resultado = correr("--train-id", "x", "--simulated", entorno=entorno)

    assert resultado.exit_code == 2
    assert "unset TIMONEL_EXCHANGE_URL" in resultado.stderr
    assert "--exchange-url" not in resultado.stderr


@pytest.mark.parametrize("argumentos", [("", "--simulated"), ("--simulated",), ("/", "--simulated")])
def test_un_train_id_que_no_nombra_nada_se_dice(argumentos: tuple[str, ...]):
    """``--train-id $ID`` swallows the next option where the variable is empty."""
    resultado = correr("--train-id", *argumentos, "--data", "x")

    assert resultado.exit_code == 2
    assert f"--train-id {argumentos[0]!r} names no artefact" in resultado.stderr


def test_sin_claves_de_testnet_se_dice_como_ponerlas(artefacto: list[str]):
    entorno = {"BINANCE_TESTNET_API_KEY": "", "BINANCE_TESTNET_API_SECRET": ""}

    resultado = correr(*artefacto, entorno=entorno)

    assert resultado.exit_code == 2
    assert "source .env.sh" in resultado.stderr


@pytest.mark.parametrize("razon", ["", "   "])
def test_desbloquear_sin_razon_no_vale(artefacto: list[str], razon: str):
    resultado = correr(*artefacto, "--unlock", razon)

    assert resultado.exit_code == 2
    assert "--unlock needs a reason" in resultado.stderr


def test_un_nombre_sin_nada_que_desbloquear_no_empieza_a_operar(artefacto: list[str]):
    resultado = correr(*artefacto, "--by", "Ana")

    assert resultado.exit_code == 2
    assert "goes with --unlock" in resultado.stderr


def test_una_salida_desconocida_se_rechaza(artefacto: list[str]):
    assert correr(*artefacto, "--on-exit", "sell").exit_code == 2


def test_una_sesion_que_acabo_ya_no_se_interrumpe(tmp_path: Path):
    """Its exit code says how it ended, whatever is pressed while the rest is closed."""
    sesion = Sesion(
        motivo=Motivo.EMERGENCIA, registro=tmp_path / "x.csv", estadisticas=Estadisticas(equity_inicial=1.0)
    )

    async def acabar() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: None)
        _despedir(sesion)

    antes = signal.getsignal(signal.SIGINT)
    try:
        asyncio.run(acabar())
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, antes)
