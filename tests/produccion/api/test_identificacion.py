"""Passwords, tokens and names of users."""

from __future__ import annotations

import pytest

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.api.identificacion import (
    SIN_CONTRASENA,
    cifrar,
    coincide,
    comprobar_nombre,
    huella_de,
    nueva_ficha,
)

CONTRASENA = "correct horse battery"


def test_una_contrasena_se_guarda_con_argon2id_y_se_reconoce():
    cifrada = cifrar(CONTRASENA)

    assert cifrada.startswith("$argon2id$")
    assert cifrada != cifrar(CONTRASENA)
    assert coincide(cifrada, CONTRASENA)
    assert not coincide(cifrada, CONTRASENA + " ")


@pytest.mark.parametrize("cifrada", [None, SIN_CONTRASENA, "", "no es una", "$argon2id$v=19$x"])
@pytest.mark.parametrize("contrasena", ["", SIN_CONTRASENA, CONTRASENA, "x" * 5_000])
def test_sin_una_contrasena_guardada_no_coincide_ninguna(cifrada: str | None, contrasena: str):
    assert not coincide(cifrada, contrasena)


@pytest.mark.parametrize("contrasena", ["", "once letras", "x" * 1_025])
def test_una_contrasena_corta_o_desmedida_no_sirve(contrasena: str):
    with pytest.raises(ConfiguracionInvalida, match="12 to 1024 characters"):
        cifrar(contrasena)


def test_las_fichas_son_todas_distintas_y_no_se_imprimen():
    fichas = [nueva_ficha() for _ in range(100)]

    assert len({ficha.texto for ficha in fichas}) == 100
    assert all(ficha.texto.startswith("tml_") and len(ficha.texto) == 47 for ficha in fichas)
    assert fichas[0].huella == huella_de(fichas[0].texto)
    assert fichas[0].texto not in repr(fichas[0])


@pytest.mark.parametrize("nombre", ["ana", "Ana.B-2@casa", "0", "x" * 64])
def test_un_nombre_normal_vale(nombre: str):
    assert comprobar_nombre(nombre) == nombre


@pytest.mark.parametrize("nombre", ["", " ana", "ana\n", "-x", "a b", "ñu", "x" * 65])
def test_un_nombre_raro_se_rechaza(nombre: str):
    with pytest.raises(ConfiguracionInvalida, match="cannot be the name of a user"):
        comprobar_nombre(nombre)
