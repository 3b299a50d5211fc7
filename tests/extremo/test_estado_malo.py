"""A state that cannot be trusted or used: the daemon does not trade, says why, and can be put right."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from src.produccion.supervision.identidad import carpeta_estado, id_cuenta
from tests.extremo.procesos import RAIZ, Agente, Salida, entorno, un_artefacto
from tests.produccion.diarios import machacar, sin_disparadores, un_diario

NADIE = "http://127.0.0.1:1"


@pytest.fixture
def agente(tmp_path: Path) -> Agente:
    return Agente(tmp_path, un_artefacto(tmp_path / "ent"), NADIE)


@pytest.fixture
def ruta(agente: Agente) -> Path:
    return un_diario(carpeta_de(agente) / "diario.sqlite", ["risk", f"agent:{agente.train_id}", "a"] * 30)


def carpeta_de(agente: Agente) -> Path:
    return carpeta_estado(agente.carpeta / "estado", id_cuenta("sim", "simulador"), "BTCUSDT")


def doctor(agente: Agente, *opciones: str) -> Salida:
    hecho = subprocess.run(
        [
            sys.executable,
            "-m",
            "src.cli.app",
            "doctor",
            "--state-dir",
            str(agente.carpeta / "estado"),
            *opciones,
        ],
        cwd=RAIZ,
        env=entorno(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    return Salida(hecho.returncode, hecho.stderr, hecho.stdout)


def truncar(ruta: Path) -> None:
    with ruta.open("r+b") as archivo:
        archivo.truncate(ruta.stat().st_size - 5_000)


@pytest.mark.parametrize(
    "estropear",
    [
        lambda ruta: sin_disparadores(ruta, "UPDATE events SET payload_json = '{}' WHERE seq = 7"),
        lambda ruta: sin_disparadores(ruta, "DELETE FROM events WHERE seq = 7"),
        lambda ruta: machacar(ruta, 4_096, 4_096),
        truncar,
        lambda ruta: ruta.write_bytes(b""),
        lambda ruta: ruta.write_bytes(b"this is no database at all " * 400),
    ],
    ids=["edited", "missing record", "damaged page", "truncated", "emptied", "another file"],
)
def test_con_un_diario_corrupto_no_se_opera(agente: Agente, ruta: Path, estropear: Callable[[Path], None]):
    estropear(ruta)

    salida = agente.correr()

    assert salida.codigo == 2, salida.texto
    assert f"the journal {ruta} is corrupt" in salida.texto
    assert "timonel doctor --repair" in salida.texto
    assert "Traceback" not in salida.texto

    reparado = doctor(agente, "--repair")
    assert reparado.codigo == 0, reparado.texto
    assert "1 repaired" in reparado.texto
    assert list(ruta.parent.glob("diario.sqlite.corrupt-*"))
    assert "is corrupt" not in agente.correr().texto


def test_con_un_diario_bloqueado_no_se_opera(agente: Agente, ruta: Path):
    otro = sqlite3.connect(ruta, isolation_level=None)
    otro.execute("BEGIN EXCLUSIVE")
    try:
        salida = agente.correr()
    finally:
        otro.close()

    assert salida.codigo == 2, salida.texto
    assert f"the journal {ruta} is locked by another process" in salida.texto
    assert "Traceback" not in salida.texto


def test_un_estado_que_no_es_una_carpeta_se_dice(agente: Agente):
    (agente.carpeta / "estado").write_text("")

    salida = agente.correr()

    assert salida.codigo == 2, salida.texto
    assert "--state-dir" in salida.texto
    assert "Traceback" not in salida.texto


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
@pytest.mark.parametrize("permisos", [0o500, 0o000], ids=["read-only", "unreadable"])
def test_un_estado_sin_permisos_se_dice(agente: Agente, ruta: Path, permisos: int):
    ruta.parent.chmod(permisos)
    try:
        salida = agente.correr()
    finally:
        ruta.parent.chmod(0o700)

    assert salida.codigo == 2, salida.texto
    assert "--state-dir" in salida.texto
    assert "Traceback" not in salida.texto


def test_un_estado_en_un_sistema_de_ficheros_de_solo_lectura_se_dice(agente: Agente):
    """The kernel's own file systems take no files, not even from the superuser."""
    agente.opciones = ("--state-dir", "/proc/timonel")

    salida = agente.correr()

    assert salida.codigo == 2, salida.texto
    assert "/proc/timonel" in salida.texto
    assert "--state-dir" in salida.texto
    assert "Traceback" not in salida.texto
