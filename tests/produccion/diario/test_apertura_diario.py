"""A journal that is not what was written is refused, by name and with a remedy; a good one opens fast."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from src.nucleo.errores import ConfiguracionInvalida, DiarioCorrupto
from src.produccion.diario.apertura_diario import abrir, examinar
from src.produccion.diario.diario import DiarioSqlite
from src.produccion.diario.formato_diario import INSERCION, identidad_de, registro_nuevo
from tests.produccion.diarios import AGENTE, de_version_1, machacar, sin_disparadores, un_diario

RED = True


@pytest.fixture
def ruta(tmp_path: Path) -> Path:
    return tmp_path / "estado" / "sim-1" / "BTCUSDT" / "diario.sqlite"


def fallo_al_abrir(ruta: Path) -> str:
    with pytest.raises(DiarioCorrupto) as fallo:
        DiarioSqlite(ruta)
    return str(fallo.value)


def test_uno_nuevo_se_hace_entero(ruta: Path):
    DiarioSqlite(ruta).cerrar()

    assert [r.name for r in ruta.parent.iterdir()] == ["diario.sqlite"]
    assert examinar(ruta) == []


def test_uno_sano_se_abre_otra_vez(ruta: Path):
    un_diario(ruta)
    un_diario(ruta)

    assert examinar(ruta) == []


@pytest.mark.parametrize(
    ("orden", "nombrado"),
    [
        (
            "UPDATE events SET payload_json = '{\"i\":99}' WHERE seq = 5",
            "record 5 (aggregate risk, version 2)",
        ),
        ("UPDATE events SET payload_json = 'no json' WHERE seq = 5", "record 5 (aggregate risk, version 2)"),
        ("UPDATE events SET occurred_at_ms = 1 WHERE seq = 5", "record 5 (aggregate risk, version 2)"),
        ("UPDATE events SET type = 'UNLOCKED' WHERE seq = 5", "record 5 (aggregate risk, version 2)"),
        ("UPDATE events SET event_id = 'x' WHERE seq = 5", "record 5 (aggregate risk, version 2)"),
        ("UPDATE events SET version = 9 WHERE seq = 5", "record 5 (aggregate risk, version 9)"),
        ("UPDATE events SET checksum = checksum + 1 WHERE seq = 5", "record 5 (aggregate risk, version 2)"),
        ("DELETE FROM events WHERE seq = 5", "record 5: the record is missing"),
        ("DELETE FROM events WHERE seq > 9", "record 10: the records 10 to 12 are missing"),
        ("DELETE FROM events", "record 1: the records 1 to 12 are missing"),
        ("DELETE FROM events WHERE seq = 1", "record 1: the record is missing"),
        ("UPDATE events SET seq = 100 WHERE seq = 12", "record 12: the records 12 to 99 are missing"),
        ("UPDATE events SET occurred_at_ms = 'soon' WHERE seq = 5", "record 5: a column is not of its type"),
        ("UPDATE events SET payload_json = CAST(X'FF' AS TEXT) WHERE seq = 5", "record 5: it is not text"),
        ("DELETE FROM sqlite_sequence", "its counter says 0 records, and there are 12"),
        ("UPDATE sqlite_sequence SET seq = 7", "its counter says 7 records, and there are 12"),
    ],
)
def test_un_registro_que_no_es_lo_escrito_se_nombra(ruta: Path, orden: str, nombrado: str):
    un_diario(ruta)
    sin_disparadores(ruta, orden)

    texto = fallo_al_abrir(ruta)

    assert f"the journal {ruta} is corrupt: " in texto
    assert nombrado in texto
    assert f"`timonel doctor --repair --state-dir {ruta.parents[2]}`" in texto


def test_un_registro_anadido_por_otro_se_nombra(ruta: Path):
    un_diario(ruta)
    intruso = registro_nuevo(13, "risk", 7, "UNLOCKED", 0, b"{}")
    conexion = sqlite3.connect(ruta)
    with conexion:
        conexion.execute(INSERCION, intruso.fila())
    conexion.close()

    assert "record 13 (aggregate risk, version 7): it follows version 4" in fallo_al_abrir(ruta)


@pytest.mark.parametrize("bytes_", [1, 100, 4_096, 8_192])
def test_un_fichero_truncado_se_rechaza(ruta: Path, bytes_: int):
    un_diario(ruta, ["a"] * 200)
    with ruta.open("r+b") as archivo:
        archivo.truncate(ruta.stat().st_size - bytes_)

    assert "is corrupt" in fallo_al_abrir(ruta)


def test_un_fichero_vacio_no_es_un_diario_nuevo(ruta: Path):
    un_diario(ruta)
    ruta.write_bytes(b"")

    assert "the file is empty" in fallo_al_abrir(ruta)
    assert ruta.read_bytes() == b""


def test_un_fichero_perdido_junto_a_su_registro_previo_no_es_un_diario_nuevo(ruta: Path):
    un_diario(ruta)
    ruta.rename(ruta.with_name("diario.sqlite-wal"))

    assert "the file is gone" in fallo_al_abrir(ruta)


def test_un_fichero_que_no_es_diario_se_nombra(ruta: Path):
    ruta.parent.mkdir(parents=True)
    ruta.write_bytes(b"this is no database, and it is longer than a header " * 40)

    assert "file is not a database" in fallo_al_abrir(ruta)


def test_otra_base_de_datos_no_es_un_diario(ruta: Path):
    ruta.parent.mkdir(parents=True)
    conexion = sqlite3.connect(ruta)
    conexion.execute("CREATE TABLE t (x)")
    conexion.close()

    assert "it has no table of events" in fallo_al_abrir(ruta)


@pytest.mark.parametrize("pagina", range(1, 12))
def test_una_pagina_danada_se_nota(ruta: Path, pagina: int):
    un_diario(ruta, ["a", "b", "c"] * 100)
    machacar(ruta, 4_096 * pagina, 4_096)

    assert "is corrupt" in fallo_al_abrir(ruta)
    assert examinar(ruta)


def test_uno_de_otra_version_mas_nueva_no_se_toca(ruta: Path):
    un_diario(ruta)
    sin_disparadores(ruta, "PRAGMA user_version = 3")

    with pytest.raises(ConfiguracionInvalida, match="is of version 3") as fallo:
        DiarioSqlite(ruta)
    assert not isinstance(fallo.value, DiarioCorrupto)


def eventos_de_version_1(cuantos: int) -> list[tuple[str, str, int, str, int, str]]:
    return [
        (identidad_de("risk", v), "risk", v, "PEAK", v * 10, f'{{"equity":{v}}}')
        for v in range(1, cuantos + 1)
    ]


def test_uno_de_la_version_anterior_se_pone_al_dia(ruta: Path):
    de_version_1(ruta, eventos_de_version_1(5))

    diario = DiarioSqlite(ruta)
    diario.anotar_luego("risk", "PEAK", 60, {"equity": 6})
    diario.cerrar()

    otro = DiarioSqlite(ruta)
    assert [(e.seq, e.version, e.instante_ms, e.contenido) for e in otro.leer("risk")] == [
        (v, v, v * 10, {"equity": v}) for v in range(1, 7)
    ]
    otro.cerrar()
    assert examinar(ruta) == []
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        sqlite3.connect(ruta).execute("DELETE FROM events")


def test_uno_danado_de_la_version_anterior_se_rechaza(ruta: Path):
    eventos = eventos_de_version_1(5)
    eventos[2] = (*eventos[2][:5], "no json")
    de_version_1(ruta, eventos)

    assert "record 3 (aggregate risk, version 3): its payload is not JSON" in fallo_al_abrir(ruta)


def test_uno_bloqueado_por_otro_proceso_se_dice_pronto(ruta: Path):
    un_diario(ruta)
    bloqueo = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        " c.execute('BEGIN EXCLUSIVE'); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", bloqueo, str(ruta)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as otro:
        assert otro.stdout is not None
        assert otro.stdout.readline() == b"held\n"
        comienzo = time.monotonic()
        with pytest.raises(ConfiguracionInvalida, match="is locked by another process; close") as fallo:
            DiarioSqlite(ruta)
        assert time.monotonic() - comienzo < 6
        assert otro.stdin is not None
        otro.stdin.close()

    assert str(ruta) in str(fallo.value)
    DiarioSqlite(ruta).cerrar()


def test_una_carpeta_imposible_se_nombra(tmp_path: Path):
    (tmp_path / "fichero").write_text("")

    with pytest.raises(ConfiguracionInvalida, match="permissions"):
        DiarioSqlite(tmp_path / "fichero" / "diario.sqlite")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_una_carpeta_de_solo_lectura_se_nombra(ruta: Path):
    un_diario(ruta)
    ruta.chmod(0o400)
    ruta.parent.chmod(0o500)
    try:
        with pytest.raises(ConfiguracionInvalida, match=r"cannot be used.*--state-dir"):
            DiarioSqlite(ruta)
    finally:
        ruta.parent.chmod(0o700)


def test_uno_que_se_mato_a_mitad_se_abre(ruta: Path):
    codigo = (
        "import asyncio, os, sys\n"
        "from pathlib import Path\n"
        "from src.produccion.diario.diario import DiarioSqlite\n"
        "async def f():\n"
        "    d = DiarioSqlite(Path(sys.argv[1]))\n"
        "    for i in range(50): await d.anotar('a', 'X', i, {})\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(f())"
    )
    subprocess.run([sys.executable, "-c", codigo, str(ruta)], timeout=60)
    assert ruta.with_name("diario.sqlite-wal").exists()

    diario = DiarioSqlite(ruta)
    assert len(list(diario.leer("a"))) == 50
    diario.cerrar()


def test_cien_mil_registros_se_abren(ruta: Path):
    ruta.parent.mkdir(parents=True)
    DiarioSqlite(ruta).cerrar()
    conexion = sqlite3.connect(ruta)
    contenido = b'{"row":"' + b"x" * 400 + b'"}'
    versiones: dict[str, int] = {}
    filas = []
    for seq in range(1, 100_001):
        agregado = AGENTE if seq % 3 else f"order:{seq // 12}"
        versiones[agregado] = versiones.get(agregado, 0) + 1
        filas.append(registro_nuevo(seq, agregado, versiones[agregado], "ROW", seq, contenido).fila())
    with conexion:
        conexion.executemany(INSERCION, filas)
    conexion.close()

    abierto = abrir(ruta)
    abierto.conexion.close()

    assert abierto.ultimo_seq == 100_000
