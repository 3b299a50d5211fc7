"""What an access token says, and to whom."""

from __future__ import annotations

import jwt
import pytest

from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.api.firma import SECRETO_JWT, VIGENCIA_ACCESO_S, Acceso, Firmante, secreto_jwt

SECRETO = b"s" * 32
ANA = Acceso("ana", "default", "sesion-1")
AHORA_MS = 1_700_000_000_500
CARGA = {
    "iss": "timonel",
    "sub": "ana",
    "client_id": "default",
    "role": "admin",
    "sid": "sesion-1",
    "iat": 1_700_000_000,
    "exp": 1_700_000_900,
}


def test_lo_que_se_firma_se_lee_durante_quince_minutos():
    firmante = Firmante(SECRETO)
    texto, vence_s = firmante.firmar(ANA, "operator", AHORA_MS)

    assert vence_s == AHORA_MS // 1_000 + VIGENCIA_ACCESO_S == 1_700_000_900
    assert firmante.leer(texto, 1_000 * vence_s - 1) == ANA
    assert firmante.leer(texto, 1_000 * vence_s) is None
    assert firmante.vence_ms(texto, AHORA_MS) == 1_000 * vence_s
    assert firmante.vence_ms(texto, 1_000 * vence_s) is None


def test_otro_proceso_con_el_mismo_secreto_lo_reconoce_y_uno_con_otro_no():
    texto, _ = Firmante(SECRETO).firmar(ANA, "operator", AHORA_MS)

    assert Firmante(SECRETO).leer(texto, AHORA_MS) == ANA
    assert Firmante.de_una_vez().leer(texto, AHORA_MS) is None


@pytest.mark.parametrize("falta", sorted(CARGA))
def test_una_declaracion_que_falta_lo_invalida(falta: str):
    carga = {campo: valor for campo, valor in CARGA.items() if campo != falta}

    assert Firmante(SECRETO).leer(jwt.encode(CARGA, SECRETO, "HS256"), AHORA_MS) == ANA
    assert Firmante(SECRETO).leer(jwt.encode(carga, SECRETO, "HS256"), AHORA_MS) is None


@pytest.mark.parametrize(
    "texto",
    [
        "",
        "a.b.c",
        "ñ.ñ.ñ",
        jwt.encode(CARGA, None, "none"),
        jwt.encode(CARGA, SECRETO * 2, "HS512"),
        jwt.encode(CARGA | {"iss": "otro"}, SECRETO, "HS256"),
        jwt.encode(CARGA | {"client_id": 7}, SECRETO, "HS256"),
        jwt.encode(CARGA | {"exp": "mañana"}, SECRETO, "HS256"),
    ],
)
def test_lo_que_no_firmo_no_es_nadie(texto: str):
    assert Firmante(SECRETO).leer(texto, AHORA_MS) is None


def test_una_pagina_de_otra_sesion_no_es_la_nuestra():
    firmante = Firmante(SECRETO)

    assert firmante.es_csrf("una", firmante.csrf("una"))
    assert not firmante.es_csrf("otra", firmante.csrf("una"))
    assert not firmante.es_csrf("una", "ñ")


def test_un_secreto_corto_se_rechaza_sin_repetirlo():
    assert secreto_jwt({}) is None
    assert secreto_jwt({SECRETO_JWT: "x" * 32}) == b"x" * 32
    with pytest.raises(ConfiguracionInvalida, match="has 5 bytes and needs 32") as fallo:
        secreto_jwt({SECRETO_JWT: "corto"})
    assert "corto" not in str(fallo.value)
