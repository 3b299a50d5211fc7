"""Ids that say where their reader is, and rows that are seen late."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from src.produccion.api.mensajes.posicion import TABLAS, TARDANZA_S, Marca, Secuencia, como_texto, leer_id

MARCAS = st.builds(
    lambda hasta, lejos: Marca(hasta, frozenset(hasta - n for n in lejos)),
    st.integers(10**6, 10**15),
    st.frozensets(st.integers(1, 10**6), max_size=20),
)


@given(st.integers(0, 10**16 - 1), st.fixed_dictionaries(dict.fromkeys(TABLAS, MARCAS)))
def test_un_id_dice_lo_que_se_escribio(numero: int, posicion: dict[str, Marca]):
    leido = leer_id(f"{numero:016d}-{como_texto(posicion)}")

    assert leido is not None
    assert leido == (numero, posicion)


@given(st.text(max_size=80))
def test_lo_que_no_es_un_id_no_se_lee(texto: str):
    assert leer_id(texto) is None


def test_lo_que_nadie_sabe_no_se_lee():
    assert leer_id(f"{1:016d}-{como_texto(None)}") is None
    assert leer_id(f"{1:016d}-a1.b1.o1") is None


def test_de_muchos_huecos_se_escriben_los_primeros_y_lo_demas_se_repite():
    """Nothing is lost; an id stays short."""
    larga = como_texto(dict.fromkeys(TABLAS, Marca(1_000, frozenset(range(10, 1_000, 2)))))

    leido = leer_id(f"{1:016d}-{larga}")
    assert leido is not None
    assert leido.posicion["a"] == Marca(109, frozenset(range(10, 110, 2)))


def test_una_marca_crece_con_cada_fila_y_guarda_lo_que_no_se_ve():
    marca = Marca(3).tras(4, ()).tras(7, {5, 6, 9})
    assert marca == Marca(7, frozenset({5, 6}))
    assert [marca.incluye(numero) for numero in (4, 5, 6, 7, 8)] == [True, False, False, True, False]

    assert marca.tras(6, {5}) == Marca(7, frozenset({5}))


def test_un_numero_que_nadie_tiene_se_busca_durante_un_rato():
    secuencia = Secuencia(3, 100.0, {2})
    secuencia.avanzar(6, 110.0, {2, 5})
    assert secuencia.marca == Marca(6, frozenset({2, 5}))

    secuencia.avanzar(7, 100.0 + TARDANZA_S, {2, 5})

    assert secuencia.marca == Marca(7, frozenset({5}))
