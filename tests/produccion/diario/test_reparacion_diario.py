"""A damaged journal keeps every record that can be trusted, and says which ones are gone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.produccion.diario.apertura_diario import examinar
from src.produccion.diario.diario import DiarioSqlite, exportar
from src.produccion.diario.marca_diario import marca_de
from src.produccion.diario.reparacion_diario import reparar
from src.produccion.riesgo.enclavamiento import AGREGADO, recordar
from tests.produccion.diarios import AGENTE, de_version_1, machacar, sin_disparadores, un_diario

ORDEN = "order:tm-1"


@pytest.fixture
def ruta(tmp_path: Path) -> Path:
    return tmp_path / "estado" / "sim-1" / "BTCUSDT" / "diario.sqlite"


def contenidos(ruta: Path) -> dict[str, list[int]]:
    """What each aggregate's events say, in order; without what stands for those that were lost."""
    hay: dict[str, list[int]] = {}
    for linea in exportar(ruta, canonico=True):
        evento = json.loads(linea)
        if evento["type"] == "RECORD_LOST":
            continue
        hay.setdefault(evento["aggregate"], []).append(evento["payload"].get("i"))
    return hay


def test_uno_sano_no_se_toca(ruta: Path):
    un_diario(ruta)
    antes = ruta.read_bytes()

    assert reparar(ruta) is None
    assert ruta.read_bytes() == antes
    assert [r.name for r in ruta.parent.iterdir()] == ["diario.sqlite"]


def test_de_cada_agregado_queda_lo_anterior_al_dano(ruta: Path):
    un_diario(ruta)
    sin_disparadores(ruta, "UPDATE events SET payload_json = '{}' WHERE seq = 6")
    danado = ruta.read_bytes()

    hecha = reparar(ruta)

    assert hecha is not None
    assert contenidos(ruta) == {AGENTE: [0, 3, 6, 9], "risk": [1, 4, 7, 10], ORDEN: [2]}
    assert [(p.seq, p.agregado, p.version) for p in hecha.perdidos] == [
        (6, ORDEN, 2),
        (9, ORDEN, 3),
        (12, ORDEN, 4),
    ]
    assert [dano.seq for dano in hecha.danos] == [6]
    assert hecha.conservados == 9
    assert not hecha.enclavado
    assert hecha.copia.read_bytes() == danado
    assert hecha.copia.name.startswith("diario.sqlite.corrupt-")
    assert examinar(ruta) == []


def test_un_registro_que_falta_corta_su_agregado(ruta: Path):
    un_diario(ruta)
    sin_disparadores(ruta, "DELETE FROM events WHERE seq = 4")

    hecha = reparar(ruta)

    assert hecha is not None
    assert contenidos(ruta)[AGENTE] == [0]
    assert contenidos(ruta)[ORDEN] == [2, 5, 8, 11]
    assert {p.seq for p in hecha.perdidos} == {4, 7, 10}


def test_si_puede_faltar_el_enclavamiento_queda_enclavado(ruta: Path):
    un_diario(ruta)
    sin_disparadores(ruta, "DELETE FROM events WHERE seq = 11")

    hecha = reparar(ruta)

    assert hecha is not None
    assert hecha.enclavado
    diario = DiarioSqlite(ruta)
    eventos = [e for e in diario.leer(AGREGADO) if e.tipo != "X"]
    diario.cerrar()
    assert recordar(eventos).enclavado.startswith("journal_repaired at ")


def numeros(ruta: Path) -> list[tuple[int, int]]:
    """Number and contents of each event that was not lost."""
    diario = DiarioSqlite(ruta)
    eventos = [(e.seq, e.contenido["i"]) for e in diario.leer() if e.tipo == "X"]
    diario.cerrar()
    return eventos


def test_lo_que_queda_conserva_su_numero_y_su_suma(ruta: Path):
    un_diario(ruta)
    sin_disparadores(ruta, "UPDATE events SET payload_json = '{}' WHERE seq = 3")

    reparar(ruta)
    un_diario(ruta, [AGENTE])

    assert numeros(ruta) == [(1, 0), (2, 1), (4, 3), (5, 4), (7, 6), (8, 7), (10, 9), (11, 10), (12, 0)]
    assert examinar(ruta) == []


def test_lo_reparado_dos_veces_conserva_sus_numeros(ruta: Path):
    un_diario(ruta)
    for danado in (6, 3):
        sin_disparadores(ruta, f"UPDATE events SET payload_json = '{{}}' WHERE seq = {danado}")
        hecha = reparar(ruta)

        assert hecha is not None
        assert not hecha.enclavado
        assert examinar(ruta) == []
    assert numeros(ruta) == [(1, 0), (2, 1), (4, 3), (5, 4), (7, 6), (8, 7), (10, 9), (11, 10)]


def test_la_marca_se_renueva_y_recuerda_hasta_donde_es_el_mismo(ruta: Path):
    un_diario(ruta)
    marca = marca_de(ruta).actual
    sin_disparadores(ruta, "UPDATE events SET payload_json = '{}' WHERE seq = 9")

    reparar(ruta)

    despues = marca_de(ruta)
    assert despues.actual != marca
    assert despues.anteriores == ((marca, 11),)


def test_lo_reparado_sigue_admitiendo_eventos(ruta: Path):
    un_diario(ruta)
    sin_disparadores(ruta, "UPDATE events SET type = 'Y' WHERE seq = 4")
    reparar(ruta)

    un_diario(ruta, [AGENTE, "risk"])

    assert examinar(ruta) == []
    assert contenidos(ruta)[AGENTE] == [0, 0]


@pytest.mark.parametrize("contenido", [b"", b"this is no database, and it is longer than a header " * 40])
def test_de_un_fichero_inservible_no_queda_nada_y_se_enclava(ruta: Path, contenido: bytes):
    ruta.parent.mkdir(parents=True)
    ruta.write_bytes(contenido)

    hecha = reparar(ruta)

    assert hecha is not None
    assert (hecha.conservados, hecha.enclavado) == (0, True)
    assert hecha.copia.read_bytes() == contenido
    assert contenidos(ruta) == {AGREGADO: [None]}


def test_un_registro_previo_sin_fichero_se_aparta(ruta: Path):
    un_diario(ruta)
    ruta.rename(ruta.with_name("diario.sqlite-wal"))

    hecha = reparar(ruta)

    assert hecha is not None
    assert hecha.enclavado
    assert hecha.copia.with_name(f"{hecha.copia.name}-wal").exists()
    assert examinar(ruta) == []


def test_dos_reparaciones_en_un_segundo_guardan_dos_copias(ruta: Path):
    copias = set()
    for _ in range(2):
        un_diario(ruta)
        sin_disparadores(ruta, "UPDATE events SET type = 'Y' WHERE seq = 4")
        hecha = reparar(ruta)
        assert hecha is not None
        copias.add(hecha.copia)

    assert len(copias) == 2


@pytest.mark.parametrize("pagina", range(1, 12))
def test_una_pagina_danada_no_se_lleva_las_otras(ruta: Path, pagina: int):
    un_diario(ruta, ["a", "b", "c"] * 100)
    machacar(ruta, 4_096 * pagina, 4_096)

    hecha = reparar(ruta)

    assert hecha is not None
    assert examinar(ruta) == []
    quedan = contenidos(ruta)
    for numero, agregado in enumerate("abc"):
        assert quedan.get(agregado, []) == [numero + 3 * i for i in range(len(quedan.get(agregado, [])))]
    assert hecha.conservados + len(hecha.perdidos) <= 301 or not hecha.conservados


def test_uno_de_la_version_anterior_se_repara(ruta: Path):
    de_version_1(ruta, [("x", "risk", 1, "PEAK", 10, '{"equity":1,"ledger":false}')])

    hecha = reparar(ruta)

    assert hecha is not None
    assert (hecha.conservados, hecha.enclavado) == (0, True)
    assert examinar(ruta) == []


@settings(max_examples=30, deadline=None)
@given(
    datos=st.data(),
    agregados=st.lists(st.sampled_from([AGENTE, "risk", ORDEN]), min_size=1, max_size=30),
)
def test_lo_reparado_es_siempre_un_principio_de_cada_agregado(
    tmp_path_factory: pytest.TempPathFactory, datos: st.DataObject, agregados: list[str]
):
    ruta = un_diario(tmp_path_factory.mktemp("d") / "a" / "b" / "diario.sqlite", agregados)
    originales = contenidos(ruta)
    seqs = datos.draw(st.lists(st.integers(1, len(agregados)), min_size=1, max_size=5, unique=True))
    for seq in seqs:
        orden = datos.draw(
            st.sampled_from(["DELETE FROM events", "UPDATE events SET payload_json = '{\"i\":-1}'"])
        )
        sin_disparadores(ruta, f"{orden} WHERE seq = {seq}")

    hecha = reparar(ruta)

    assert hecha is not None
    assert examinar(ruta) == []
    quedan = contenidos(ruta)
    if hecha.enclavado:
        assert quedan[AGREGADO].pop() is None
    for agregado, valores in quedan.items():
        assert valores == originales.get(agregado, [])[: len(valores)]
    assert hecha.conservados == sum(map(len, quedan.values()))
    if any(agregados[seq - 1] == AGREGADO for seq in seqs):
        assert hecha.enclavado
