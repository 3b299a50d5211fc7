"""The journal on a real disk."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.nucleo.errores import DiarioCorrupto, EmergenciaOperacional
from src.produccion.diario.diario import DiarioSqlite, exportar
from tests.produccion.diarios import sin_disparadores

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


async def test_las_versiones_siguen_aunque_no_se_recuerden(ruta: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("src.produccion.diario.diario._VERSIONES_RECORDADAS", 2)
    diario = DiarioSqlite(ruta)
    for vuelta in range(3):
        for i in range(6):
            diario.anotar_luego(f"order:{i}", "X", 0, {})
            diario.anotar_luego("risk", "X", 0, {})
        await diario.anotar(f"stop:{vuelta}", "X", 0, {})
        await diario.asentar()
        assert len(diario._versiones) <= 2
    diario.cerrar()

    versiones = dict(leer(ruta, "SELECT aggregate, MAX(version) FROM events GROUP BY aggregate"))
    assert versiones == {f"order:{i}": 3 for i in range(6)} | {"risk": 18} | {
        f"stop:{i}": 1 for i in range(3)
    }
    DiarioSqlite(ruta).cerrar()


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
    _borrar_la_tabla(ruta)

    with pytest.raises(EmergenciaOperacional, match=rf"the journal {ruta} cannot be written"):
        await diario.anotar("a", "X", 0, {})
    with pytest.raises(EmergenciaOperacional, match="cannot be written"):
        diario.anotar_luego("a", "X", 0, {})
    with pytest.raises(EmergenciaOperacional, match="no such table"):
        diario.cerrar()


def test_lo_que_nadie_espera_y_no_se_pudo_escribir_se_dice_al_cerrar(ruta: Path):
    diario = DiarioSqlite(ruta)
    _borrar_la_tabla(ruta)

    diario.anotar_luego("risk", "UNLOCKED", 0, {})

    with pytest.raises(EmergenciaOperacional, match="no such table"):
        diario.cerrar()


def test_un_disco_que_no_contesta_no_impide_acabar(ruta: Path, monkeypatch: pytest.MonkeyPatch):
    seguir = threading.Event()
    diario = DiarioSqlite(ruta)
    monkeypatch.setattr(diario, "_guardar", lambda _: seguir.wait())
    diario.anotar_luego("risk", "PEAK", 0, {})

    with pytest.raises(EmergenciaOperacional, match="no answer from the disk"):
        diario.cerrar(plazo_s=0.01)

    seguir.set()
    diario.cerrar()


def test_un_disco_lleno_es_una_emergencia_que_conserva_lo_escrito(ruta: Path):
    """A real limit of the kernel on the size of files stands in for a full disk."""
    codigo = f"""
import asyncio, resource
from pathlib import Path
from src.nucleo.errores import DiarioCorrupto, EmergenciaOperacional
from src.produccion.diario.diario import DiarioSqlite, exportar
from tests.produccion.diarios import sin_disparadores

async def escribir():
    diario = DiarioSqlite(Path({str(ruta)!r}))
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    try:
        for i in range(1_000):
            await diario.anotar("a", "X", i, {{"text": "x" * 1_000}})
    except EmergenciaOperacional as fallo:
        print(i, fallo)
    try:
        diario.cerrar()
    except EmergenciaOperacional:
        print("closed")

asyncio.run(escribir())
"""
    hecho = subprocess.run([sys.executable, "-c", codigo], capture_output=True, text=True, timeout=60)

    primera, segunda = hecho.stdout.splitlines()
    escritos, texto = primera.split(" ", 1)
    assert texto.startswith(f"the journal {ruta} cannot be written: ")
    assert segunda == "closed"
    otro = DiarioSqlite(ruta)
    assert [evento.instante_ms for evento in otro.leer("a")] == list(range(int(escritos)))
    assert int(escritos) > 10
    otro.cerrar()


async def test_un_defecto_del_que_escribe_no_deja_esperando(ruta: Path):
    diario = DiarioSqlite(ruta)

    with pytest.raises(EmergenciaOperacional, match="too large"):
        await asyncio.wait_for(diario.anotar("a", "X", 2**70, {}), 10)

    with pytest.raises(EmergenciaOperacional):
        diario.cerrar()


async def test_se_lee_desde_un_punto(ruta: Path):
    diario = DiarioSqlite(ruta)
    for i in range(6):
        diario.anotar_luego("a" if i % 2 else "b", "X", i, {})
    diario.cerrar()

    otro = DiarioSqlite(ruta)
    assert [e.instante_ms for e in otro.leer(despues_de=4)] == [4, 5]
    assert [e.instante_ms for e in otro.leer("a", despues_de=2)] == [3, 5]
    otro.cerrar()


async def test_el_ultimo_de_un_tipo(ruta: Path):
    diario = DiarioSqlite(ruta)
    for i, tipo in enumerate(("ROW", "ROW", "LEDGER", "PEAK")):
        diario.anotar_luego("a", tipo, i, {"i": i})
    diario.cerrar()

    otro = DiarioSqlite(ruta)
    assert [
        getattr(otro.ultimo("a", *t), "instante_ms", None) for t in (("ROW",), ("ROW", "LEDGER"), ())
    ] == [
        1,
        2,
        3,
    ]
    assert otro.ultimo("a", "LATCHED") is None
    assert otro.ultimo("nobody") is None
    assert [getattr(otro.ultimo(None, *t), "instante_ms", None) for t in (("ROW",), (), ("Z",))] == [
        1,
        3,
        None,
    ]
    otro.cerrar()


async def test_lo_que_no_se_miro_al_abrir_se_comprueba_al_leer(ruta: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("src.produccion.diario.examen_diario.EXAMINADOS_AL_ABRIR", 2)
    monkeypatch.setattr("src.produccion.diario.diario.EXAMINADOS_AL_ABRIR", 2)
    diario = DiarioSqlite(ruta)
    for i in range(5):
        diario.anotar_luego("a", "X", i, {})
    diario.cerrar()
    sin_disparadores(ruta, "UPDATE events SET payload_json = '{\"x\":1}' WHERE seq = 2")

    otro = DiarioSqlite(ruta)
    with pytest.raises(DiarioCorrupto, match=r"record 2 \(aggregate a, version 2\)"):
        list(otro.leer())
    otro.cerrar()


async def test_la_exportacion_no_depende_de_como_se_mezclaron_las_escrituras(tmp_path: Path):
    salidas = []
    for nombre, orden in (("uno", "aabb"), ("dos", "baba")):
        ruta = tmp_path / nombre / "d.sqlite"
        diario = DiarioSqlite(ruta)
        cuenta = {"a": 0, "b": 0}
        for agregado in orden:
            cuenta[agregado] += 1
            contenido = {"z": 1, "y": {"q": 2, "p": [1.5, "ñ"]}}
            contenido = contenido if nombre == "uno" else dict(reversed(contenido.items()))
            diario.anotar_luego(agregado, "X", 10 * cuenta[agregado], contenido)
        diario.cerrar()
        salidas.append(b"".join(exportar(ruta, canonico=True)))

    assert salidas[0] == salidas[1]
    lineas = [json.loads(linea) for linea in salidas[0].splitlines()]
    assert [(linea["aggregate"], linea["version"]) for linea in lineas] == [
        ("a", 1),
        ("a", 2),
        ("b", 1),
        ("b", 2),
    ]
    assert lineas[0]["payload"] == {"z": 1, "y": {"q": 2, "p": [1.5, "ñ"]}}
    assert list(lineas[0]) == sorted(lineas[0])


def _borrar_la_tabla(ruta: Path) -> None:
    intruso = sqlite3.connect(ruta)
    intruso.execute("DROP TABLE events")
    intruso.commit()
    intruso.close()
