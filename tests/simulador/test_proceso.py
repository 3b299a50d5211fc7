"""The simulator as its own process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
import typer
from typer.testing import CliRunner

from src.cli.simulator import simulator
from src.nucleo.errores import ConfiguracionInvalida, DatosInvalidos

RAIZ = Path(__file__).parents[2]
ARRANQUE = "import typer; from src.cli.simulator import simulator; typer.run(simulator)"


def test_avisa_cuando_escucha_y_se_va_con_una_senal(tmp_path: Path):
    listo = tmp_path / "listo.json"
    opciones = ["--synthetic", "--candles", "60", "--warmup", "20", "--account", "uno:dos:5"]
    proceso = subprocess.Popen(
        [sys.executable, "-c", ARRANQUE, *opciones, "--ready-file", str(listo)],
        cwd=RAIZ,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        limite = time.monotonic() + 30
        while not listo.exists() and time.monotonic() < limite:
            time.sleep(0.05)
        anuncio = json.loads(listo.read_bytes())
        assert anuncio["pid"] == proceso.pid
        with urlopen(f"{anuncio['url']}/sim/v1/status") as respuesta:
            estado = json.load(respuesta)
        assert estado["steps_total"] == 40 * 4
        assert estado["symbols"] == ["BTCUSDT"]
        assert proceso.stdout is not None
        assert proceso.stdout.readline().strip() == anuncio["url"]
    finally:
        os.kill(proceso.pid, signal.SIGTERM)
        assert proceso.wait(10) == 0
        assert proceso.stdout is not None
        proceso.stdout.close()


@pytest.mark.parametrize(
    ("argumentos", "error", "texto"),
    [
        ([], ConfiguracionInvalida, "--data FILE or --synthetic"),
        (["--synthetic", "--speed", "0"], ConfiguracionInvalida, "--speed"),
        (["--synthetic", "--path", "recto"], ConfiguracionInvalida, "--path"),
        (["--synthetic", "--balance", "mucho"], ConfiguracionInvalida, "--balance"),
        (["--synthetic", "--commission", "2"], ConfiguracionInvalida, "--commission"),
        (["--synthetic", "--account", "a:b"], ConfiguracionInvalida, "--account"),
        (["--synthetic", "--funding", "BTCUSDT=/no/esta.csv"], ConfiguracionInvalida, "does not exist"),
        (["--synthetic", "--candles", "100"], DatosInvalidos, "--warmup"),
        (
            ["--data", "A1=x.csv", "--data", "BTCUSDT=x.csv", "--data", "BTCUSDT=y.csv"],
            ConfiguracionInvalida,
            "A1",
        ),
        (["--data", "BTCUSDT=x.csv", "--data", "BTCUSDT=y.csv"], ConfiguracionInvalida, "twice"),
    ],
)
def test_lo_mal_pedido_se_explica(argumentos, error, texto):
    aplicacion = typer.Typer()
    aplicacion.command()(simulator)
    resultado = CliRunner().invoke(aplicacion, argumentos)
    assert isinstance(resultado.exception, error)
    assert texto in str(resultado.exception)


def test_el_funding_grabado_se_lee(tmp_path: Path):
    from decimal import Decimal

    from src.simulador.funding import leer_tasas

    ruta = tmp_path / "BTCUSDT-funding.csv"
    ruta.write_text("fundingTime,fundingRate\n1700006400003,0.0001\n1700035200000,-0.0002\n")
    assert leer_tasas([str(ruta)]) == {
        "BTCUSDT": {1_700_006_400_000: Decimal("0.0001"), 1_700_035_200_000: Decimal("-0.0002")}
    }
    ruta.write_text("fundingTime,fundingRate\n1700006400003,x\n")
    with pytest.raises(DatosInvalidos, match="line 2"):
        leer_tasas([str(ruta)])
    ruta.write_text("a,b\n1,2\n")
    with pytest.raises(DatosInvalidos, match="funding_time"):
        leer_tasas([str(ruta)])
