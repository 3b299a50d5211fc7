from __future__ import annotations

import pytest

from src.produccion.alertas.ordenes import (
    PLAZO_S,
    Autor,
    Confirmaciones,
    Orden,
    Peticion,
    es_codigo,
    leer_peticion,
)

EVA, OTRO = Autor(7, 7), Autor(7, 8)
CERRAR = Peticion(Orden.FORCEEXIT, "BTCUSDT")


@pytest.mark.parametrize(
    ("texto", "peticion"),
    [
        ("/status", Peticion(Orden.STATUS)),
        ("/forceexit@timonel_bot  BTCUSDT now", CERRAR),
        ("/forceexit BTCUSDT Sim-1a", Peticion(Orden.FORCEEXIT, "BTCUSDT", "sim-1a")),
        ("/stop live-1a", Peticion(Orden.STOP, "", "live-1a")),
        ("/Daily 3", Peticion(Orden.DAILY, "3")),
        ("/daily -3", Peticion(Orden.DAILY, "-3")),
        ("/start", Peticion(Orden.HELP)),
        ("/nothing", None),
        ("status", None),
        ("/", None),
        ("", None),
    ],
)
def test_se_entiende_lo_que_se_pide(texto: str, peticion: Peticion | None):
    assert leer_peticion(texto) == peticion


def test_solo_cuatro_ordenes_cambian_algo():
    assert {orden.value for orden in Orden if not orden.solo_lee} == {
        "stopentry",
        "startentry",
        "forceexit",
        "stop",
    }


def test_un_codigo_vale_una_vez_para_su_autor_y_un_minuto():
    confirmaciones = Confirmaciones()
    codigo = confirmaciones.pedir(EVA, CERRAR, 100.0)

    assert es_codigo(codigo)
    assert confirmaciones.confirmar(OTRO, codigo, 100.0) is None
    assert confirmaciones.confirmar(EVA, codigo, 100.0 + PLAZO_S) == CERRAR
    assert confirmaciones.confirmar(EVA, codigo, 100.0) is None

    tarde = confirmaciones.pedir(EVA, CERRAR, 100.0)
    assert confirmaciones.confirmar(EVA, tarde, 100.1 + PLAZO_S) is None


def test_un_codigo_mal_escrito_no_se_puede_repetir():
    codigos = iter(["111111", "222222"])
    confirmaciones = Confirmaciones(lambda: next(codigos))
    confirmaciones.pedir(EVA, CERRAR, 0.0)

    assert confirmaciones.confirmar(EVA, "111112", 0.0) is None
    assert confirmaciones.confirmar(EVA, "111111", 0.0) is None


@pytest.mark.parametrize("texto", ["12345", "1234567", "12345a", "１２３４５６", "-12345", ""])
def test_lo_que_no_son_seis_cifras_no_es_un_codigo(texto: str):
    assert not es_codigo(texto)
