"""The journal on a real disk."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.nucleo.errores import EmergenciaOperacional
from src.produccion.diario import DiarioSqlite

RED = True


@pytest.fixture
def ruta(tmp_path: Path) -> Path:
    return tmp_path / "estado" / "diario.sqlite"


@pytest.fixture
def diario(ruta: Path) -> Iterator[DiarioSqlite]:
    abierto = DiarioSqlite(ruta)
    yield abierto
    abierto.cerrar()


def leer(ruta: Path, consulta: str) -> list[tuple[object, ...]]:
    conexion = sqlite3.connect(ruta)
    try:
        return conexion.execute(consulta).fetchall()
    finally:
        conexion.close()


async def test_lo_esperado_esta_en_disco(diario: DiarioSqlite, ruta: Path):
    await diario.anotar("order:tm-1", "ORDER_INTENT", 7, {"token": "t"})

    assert leer(ruta, "SELECT aggregate, version, type, occurred_at_ms, payload_json FROM events") == [
        ("order:tm-1", 1, "ORDER_INTENT", 7, '{"token":"t"}')
    ]


async def test_lo_no_esperado_conserva_el_orden(diario: DiarioSqlite, ruta: Path):
    for i in range(50):
        diario.anotar_luego("risk", "PEAK", i, {"equity": i})
    await diario.anotar("risk", "LATCHED", 50, {})

    instantes = [fila[0] for fila in leer(ruta, "SELECT occurred_at_ms FROM events ORDER BY seq")]
    assert instantes == list(range(51))


async def test_las_versiones_no_tienen_huecos_por_agregado(ruta: Path):
    for _ in range(2):
        diario = DiarioSqlite(ruta)
        for i in range(5):
            diario.anotar_luego("a", "X", i, {})
            await diario.anotar(f"b{i % 2}", "X", i, {})
        diario.cerrar()

    versiones = dict(
        leer(
            ruta,
            "SELECT aggregate, GROUP_CONCAT(version) FROM (SELECT * FROM events ORDER BY seq)"
            " GROUP BY aggregate",
        )
    )
    assert versiones == {
        "a": "1,2,3,4,5,6,7,8,9,10",
        "b0": "1,2,3,4,5,6",
        "b1": "1,2,3,4",
    }


async def test_los_eventos_sobreviven_a_un_reinicio(ruta: Path):
    diario = DiarioSqlite(ruta)
    diario.anotar_luego("agent:a", "REFERENCE", 3, {"equity": 10_000.5, "nota": "ñ"})
    diario.cerrar()

    otro = DiarioSqlite(ruta)
    eventos = list(otro.leer("agent:a"))
    otro.cerrar()

    assert [(e.agregado, e.version, e.tipo, e.instante_ms, e.contenido) for e in eventos] == [
        ("agent:a", 1, "REFERENCE", 3, {"equity": 10_000.5, "nota": "ñ"})
    ]


async def test_se_lee_un_agregado_o_todos(ruta: Path):
    diario = DiarioSqlite(ruta)
    for agregado in ("a", "b", "a"):
        diario.anotar_luego(agregado, "X", 0, {})
    diario.cerrar()

    otro = DiarioSqlite(ruta)
    assert [e.agregado for e in otro.leer()] == ["a", "b", "a"]
    assert [e.version for e in otro.leer("a")] == [1, 2]
    otro.cerrar()


async def test_las_identidades_se_repiten_en_otra_ejecucion(tmp_path: Path):
    identidades = []
    for nombre in ("uno", "dos"):
        diario = DiarioSqlite(tmp_path / nombre / "d.sqlite")
        for i in range(3):
            diario.anotar_luego("a", "X", i, {})
        diario.cerrar()
        identidades.append(leer(tmp_path / nombre / "d.sqlite", "SELECT event_id FROM events ORDER BY seq"))

    assert identidades[0] == identidades[1]
    assert len(set(identidades[0])) == 3


@pytest.mark.parametrize("orden", ["UPDATE events SET payload_json = '{}'", "DELETE FROM events"])
async def test_lo_escrito_no_se_cambia(diario: DiarioSqlite, ruta: Path, orden: str):
    await diario.anotar("risk", "LATCHED", 0, {"reason": "x"})

    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        leer(ruta, orden)
    assert leer(ruta, "SELECT payload_json FROM events") == [('{"reason":"x"}',)]


async def test_muchos_a_la_vez_quedan_todos(diario: DiarioSqlite, ruta: Path):
    await asyncio.gather(*(diario.anotar(f"o{i}", "X", i, {}) for i in range(100)))

    assert leer(ruta, "SELECT COUNT(*), COUNT(DISTINCT event_id) FROM events") == [(100, 100)]


async def test_no_poder_escribir_es_una_emergencia(ruta: Path):
    diario = DiarioSqlite(ruta)
    intruso = sqlite3.connect(ruta)
    intruso.execute("DROP TABLE events")
    intruso.commit()
    intruso.close()

    with pytest.raises(EmergenciaOperacional, match=rf"the journal {ruta} cannot be written"):
        await diario.anotar("a", "X", 0, {})
    with pytest.raises(EmergenciaOperacional, match="cannot be written"):
        diario.anotar_luego("a", "X", 0, {})
    with pytest.raises(EmergenciaOperacional, match="no such table"):
        diario.cerrar()


def test_lo_que_nadie_espera_y_no_se_pudo_escribir_se_dice_al_cerrar(ruta: Path):
    diario = DiarioSqlite(ruta)
    intruso = sqlite3.connect(ruta)
    intruso.execute("DROP TABLE events")
    intruso.commit()
    intruso.close()

    diario.anotar_luego("risk", "UNLOCKED", 0, {})

    with pytest.raises(EmergenciaOperacional, match="no such table"):
        diario.cerrar()


def test_un_fichero_que_no_es_diario_se_nombra(tmp_path: Path):
    ruta = tmp_path / "diario.sqlite"
    ruta.write_bytes(b"this is no database, and it is longer than a header " * 40)

    with pytest.raises(EmergenciaOperacional, match=r"diario\.sqlite cannot be used"):
        DiarioSqlite(ruta)


def test_una_carpeta_imposible_se_nombra(tmp_path: Path):
    (tmp_path / "fichero").write_text("")

    with pytest.raises(EmergenciaOperacional, match="permissions"):
        DiarioSqlite(tmp_path / "fichero" / "diario.sqlite")
