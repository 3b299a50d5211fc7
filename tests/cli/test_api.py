"""``timonel api`` as the process it is."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.almacen.conexion import abrir_almacen
from src.produccion.api.firma import Acceso
from src.produccion.api.servicio import OpcionesApi, comprobar_direccion, elegir_firmante, escuchar
from tests.secretos import SECRETO_FIRMA

RAIZ = Path(__file__).parents[2]
PLAZO_S = 60.0


@pytest.fixture
def bitacora() -> Iterator[list[dict[str, object]]]:
    with structlog.testing.capture_logs() as eventos:
        yield eventos


def empezar(carpeta: Path, *argumentos: str, **entorno: str) -> subprocess.Popen[str]:
    limpio = {clave: valor for clave, valor in os.environ.items() if not clave.startswith("TIMONEL_")}
    return subprocess.Popen(
        [sys.executable, "-m", "src.cli.app", "api", "--state-dir", str(carpeta), *argumentos],
        cwd=RAIZ,
        env=limpio | entorno,
        stderr=subprocess.PIPE,
        text=True,
    )


def sin_retrasos(error: str) -> list[str]:
    """What was said, but for a machine that is busy with something else."""
    return [linea for linea in error.splitlines() if "retraso_del_bucle" not in linea]


def test_sirve_hasta_que_se_le_pide_acabar(tmp_path: Path):
    proceso = empezar(tmp_path, "--port", "0", TIMONEL_JWT_SECRET=SECRETO_FIRMA)
    try:
        assert proceso.stderr is not None
        linea = proceso.stderr.readline()
        assert linea.startswith("listening on http://127.0.0.1:"), linea
        url = linea.split()[-1]
        nuevo = proceso.stderr.readline()
        with urllib.request.urlopen(f"{url}/health", timeout=PLAZO_S) as respuesta:
            assert json.load(respuesta) == {"status": "ok", "store": "ok"}
        proceso.send_signal(signal.SIGTERM)
        _, error = proceso.communicate(timeout=PLAZO_S)
    finally:
        proceso.kill()
        proceso.wait()

    assert proceso.returncode == 0, error
    assert sin_retrasos(error) == []
    assert nuevo.startswith(f"made a new store, {tmp_path / 'timonel.sqlite'}; ")
    assert (tmp_path / "timonel.sqlite").exists()
    assert (tmp_path / "api.log").exists()


@pytest.mark.parametrize(
    ("argumentos", "entorno", "texto"),
    [
        (["--host", "0.0.0.0"], {}, "--allow-remote"),
        (["--host", "0.0.0.0", "--allow-remote"], {}, "set TIMONEL_JWT_SECRET to at least 32 random bytes"),
        ([], {"TIMONEL_JWT_SECRET": "corto"}, "has 5 bytes and needs 32"),
        (["--accounts", "nada.yaml"], {}, "nada.yaml cannot be read"),
        (["--state-dir", "/proc/nope"], {}, "/proc/nope/api.log cannot be written"),
        (["--state-dir", "/proc/nope"], {}, "or choose another --state-dir"),
        ([], {"TIMONEL_DB_URL": "postgresql://root@127.0.0.1:1/nada"}, "cannot be reached"),
    ],
)
def test_lo_que_no_puede_ser_es_codigo_2(
    tmp_path: Path, argumentos: list[str], entorno: dict[str, str], texto: str
):
    proceso = empezar(tmp_path, "--port", "0", *argumentos, **entorno)
    _, error = proceso.communicate(timeout=PLAZO_S)

    assert proceso.returncode == 2
    assert texto in error
    assert "Traceback" not in error


def test_un_puerto_ocupado_no_deja_nada_hecho(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as ocupado:
        puerto = ocupado.getsockname()[1]
        proceso = empezar(tmp_path / "estado", "--port", str(puerto))
        _, error = proceso.communicate(timeout=PLAZO_S)

    assert (proceso.returncode, f"cannot listen on 127.0.0.1:{puerto}" in error) == (2, True), error
    assert not (tmp_path / "estado").exists()


def test_de_un_almacen_que_ya_estaba_no_se_dice_nada(tmp_path: Path):
    abrir_almacen(None, tmp_path).dispose()
    proceso = empezar(tmp_path, "--port", "0", TIMONEL_JWT_SECRET=SECRETO_FIRMA)
    try:
        assert proceso.stderr is not None
        url = proceso.stderr.readline().split()[-1]
        urllib.request.urlopen(f"{url}/health", timeout=PLAZO_S).close()
        proceso.send_signal(signal.SIGTERM)
        _, error = proceso.communicate(timeout=PLAZO_S)
    finally:
        proceso.kill()
        proceso.wait()

    assert (proceso.returncode, sin_retrasos(error)) == (0, [])


@pytest.mark.parametrize("anfitrion", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_la_propia_maquina_se_permite(anfitrion: str):
    comprobar_direccion(OpcionesApi(anfitrion=anfitrion))


@pytest.mark.parametrize("anfitrion", ["0.0.0.0", "::", "10.0.0.1", "example.com", ""])
def test_las_demas_solo_si_se_pide(anfitrion: str):
    with pytest.raises(ConfiguracionInvalida, match=r"reverse proxy.*--allow-remote"):
        comprobar_direccion(OpcionesApi(anfitrion=anfitrion))
    comprobar_direccion(OpcionesApi(anfitrion=anfitrion, remoto=True))


def test_en_la_propia_maquina_se_firma_tambien_sin_secreto(bitacora: list[dict[str, object]]):
    acceso = Acceso("ana", "default", "s")
    texto, _ = elegir_firmante(OpcionesApi(), {}).firmar(acceso, "viewer", 0)
    con_secreto = {"TIMONEL_JWT_SECRET": SECRETO_FIRMA}
    firmado, _ = elegir_firmante(OpcionesApi(), con_secreto).firmar(acceso, "viewer", 0)

    assert elegir_firmante(OpcionesApi(), {}).leer(texto, 0) is None
    assert elegir_firmante(OpcionesApi(anfitrion="::", remoto=True), con_secreto).leer(firmado, 0) == acceso
    assert {evento["event"] for evento in bitacora} == {"secreto_de_una_vez"}


def test_un_puerto_ocupado_se_dice():
    with socket.create_server(("127.0.0.1", 0)) as ocupado:
        puerto = ocupado.getsockname()[1]
        with pytest.raises(ConfiguracionInvalida, match=f"cannot listen on 127.0.0.1:{puerto}"):
            escuchar("127.0.0.1", puerto)
