import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from src.cli.app import app
from src.cli.evaluate import mostrar_evaluacion
from src.datos.velas import escribir_velas
from src.entrenamiento.datos import aviso_de_simbolo
from src.entrenamiento.evaluacion import evaluar
from src.entrenamiento.politicas import PoliticaConstante
from tests.constructores import unas_velas
from tests.entrenamiento.fabrica_agente import YAML, una_tabla
from tests.entrenamiento.fabrica_entorno import una_configuracion, unos_datos

RAIZ = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def carpeta(tmp_path_factory) -> Path:
    """Candles and a configuration of 120 steps."""
    carpeta = tmp_path_factory.mktemp("train")
    escribir_velas(una_tabla(), carpeta / "velas.csv")
    (carpeta / "demo.yaml").write_text(YAML.replace("total_timesteps: 300", "total_timesteps: 120"))
    return carpeta


def invocar(*argumentos: str):
    return CliRunner().invoke(app, [str(a) for a in argumentos])


@pytest.fixture(scope="module")
def entrenado(carpeta):
    return invocar(
        *("train", "--config", carpeta / "demo.yaml", "--data", carpeta / "velas.csv"),
        *("--output-dir", carpeta / "entrenamientos", "--eval-episodes", "3", "--seed", "5", "--json"),
    )


def test_train_escribe_el_resultado_como_json_y_lo_demas_aparte(entrenado, carpeta):
    assert entrenado.exit_code == 0, entrenado.stderr
    resumen = json.loads(entrenado.stdout)
    assert resumen["timesteps"] == 120
    assert resumen["expected_reward_per_step"]["flat"] == 0.0
    assert len(resumen["evaluation"]["episodes"]) == 3
    assert (carpeta / "entrenamientos" / resumen["train_id"] / "manifiesto.json").is_file()
    (aviso,) = [linea for linea in entrenado.stderr.splitlines() if "little to learn from" in linea]
    assert "candles to train on in windows of 4 (fewer than 1,000)" in aviso
    for texto in ("expected reward per step", "buy and hold 1×", "artefact:"):
        assert texto in entrenado.stderr


def test_evaluate_repite_la_evaluacion_del_entrenamiento(entrenado, carpeta):
    resumen = json.loads(entrenado.stdout)
    inicio_ms = resumen["evaluation"]["episodes"][0]["start_ms"] - 3_600_000

    evaluado = invocar(
        *("evaluate", "--train-id", resumen["train_id"], "--data", carpeta / "velas.csv"),
        *("--artefacts", carpeta / "entrenamientos", "--eval-episodes", "3", "--json"),
        *("--eval-start-date", time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(inicio_ms / 1000))),
        *("--output-dir", carpeta / "otra"),
    )

    assert evaluado.exit_code == 0, evaluado.stderr
    figuras = json.loads(evaluado.stdout)
    lapso = figuras.pop("span")
    assert figuras == resumen["evaluation"]
    assert (lapso["symbol"], lapso["interval"], lapso["trained_on_candles"]) == ("BTCUSDT", "1h", 0)
    assert lapso["candles"] == figuras["candles"] == figuras["episodes"][0]["steps"] + 1
    assert "trained on" not in evaluado.stderr
    assert (carpeta / "otra" / "entorno.csv").is_file()


def test_evaluate_sin_json_muestra_una_tabla(entrenado, carpeta):
    evaluado = invocar(
        *("evaluate", "--train-id", json.loads(entrenado.stdout)["train_id"]),
        *("--data", carpeta / "velas.csv", "--artefacts", carpeta / "entrenamientos"),
    )

    assert evaluado.exit_code == 0
    assert "max drawdown (closes)" in evaluado.stdout
    assert "limit 20.00%" in evaluado.stdout
    assert "BTCUSDT 1h 2022-" in evaluado.stdout
    assert "lie in the span that the agent was trained on" in evaluado.stderr


def test_sin_exposicion_no_se_compara_con_mantenerla(capsys):
    resultado = evaluar(PoliticaConstante(0.0), unos_datos(unas_velas(50)), una_configuracion())

    mostrar_evaluacion(Console(), resultado)

    salida = capsys.readouterr().out
    assert "buy and hold 1×" in salida
    assert "0.00×" not in salida


@pytest.mark.parametrize(
    ("nombre", "avisa"),
    [
        ("ETHUSDT-1h.csv.gz", True),
        ("BTCUSDT-1h.csv.gz", False),
        ("velas.csv", False),
        ("BTCUSDC_1h.csv", True),
    ],
)
def test_un_fichero_con_nombre_de_otro_simbolo_se_avisa(nombre, avisa):
    aviso = aviso_de_simbolo(Path("datos") / nombre, "BTCUSDT")

    assert (aviso is not None) == avisa
    assert aviso is None or "taken for BTCUSDT" in aviso


@pytest.mark.parametrize(
    ("argumentos", "queja"),
    [
        (("--total-timesteps", "50"), "learning_starts = 50 leaves nothing to learn"),
        (("--interval", "7m"), "`data_downloader.interval` = '7m'"),
        (("--interval", "5m"), "the candles are 1h, but 5m was asked for"),
        (("--synthetic",), "not from both"),
        (("--train-start-date", "ayer"), "`data_downloader.start_date` = 'ayer'"),
        (("--eval-start-date", "2022-02-15", "--train-end-date", "2022-02-16"), "would be judged"),
        (("--resume", "nada"), "there is no artefact 'nada'"),
    ],
)
def test_una_entrada_mala_acaba_con_2_y_se_explica(carpeta, argumentos, queja):
    resultado = invocar(
        *("train", "--config", carpeta / "demo.yaml", "--data", carpeta / "velas.csv"),
        *("--output-dir", carpeta / "malas", *argumentos),
    )

    assert resultado.exit_code == 2
    assert queja in " ".join(resultado.stderr.split())


def test_sin_decir_que_velas_no_se_descarga_nada(carpeta):
    resultado = invocar("train", "--config", carpeta / "demo.yaml")

    assert resultado.exit_code == 2
    assert "give --train-start-date" in " ".join(resultado.stderr.split())


def test_los_ejemplos_de_configuracion_sirven():
    from src.artefactos import leer_configuracion
    from src.artefactos.configuracion import interpretar_configuracion

    por_defecto = {"data_downloader.start_date": "2022-01-01", "data_downloader.end_date": "2024-06-30"}
    ejemplo = leer_configuracion(RAIZ / "config" / "entrenamiento.yaml")
    assert ejemplo == interpretar_configuracion("", "defaults", por_defecto)
    assert leer_configuracion(RAIZ / "config" / "demo.yaml").portafolio.apalancamiento == 2


def test_ctrl_c_acaba_con_130_y_se_puede_seguir(carpeta):
    """The real signal, sent to the real command; train.py is the same function."""
    base = carpeta / "interrumpidos"
    orden = [
        *(sys.executable, "train.py", "--config", str(carpeta / "demo.yaml")),
        *("--data", str(carpeta / "velas.csv"), "--output-dir", str(base), "--total-timesteps", "100000"),
    ]
    entorno = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(orden, cwd=RAIZ, env=entorno, stderr=subprocess.PIPE, text=True) as proceso:
        while not list(base.glob("*/tensorboard/events*")):
            assert proceso.poll() is None, proceso.stderr.read()
            time.sleep(0.1)
        time.sleep(1.0)
        proceso.send_signal(signal.SIGINT)
        _, mensajes = proceso.communicate(timeout=60)
    assert proceso.returncode == 130, mensajes
    (artefacto,) = base.iterdir()
    assert f"--resume {artefacto.name} --output-dir {base}" in mensajes
    assert "interrupted: saving, then evaluating" in mensajes
    pasos = json.loads((artefacto / "manifiesto.json").read_text())["training"]["timesteps"]

    seguido = invocar(
        *("train", "--resume", artefacto.name, "--output-dir", base, "--json"),
        *("--total-timesteps", str(max(pasos, 60) + 50)),
    )

    assert seguido.exit_code == 0, seguido.stderr
    assert json.loads(seguido.stdout)["timesteps"] == max(pasos, 60) + 50
