"""Secrets are blanked, and words that look a little like them are not."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from src.produccion.config.config import CLAVE_SIMULADOR
from src.produccion.secretos import OCULTO, Tapadera, ocultar_campos

NADIE: dict[str, str] = {}
RARO = 'Zq8+/k=w71x"ñ'


def test_los_campos_secretos_se_tapan():
    evento = {"event": "x", "signature": "abc", "listenKey": "l", "Authorization": "Bearer x", "simbolo": "B"}

    assert ocultar_campos(None, "info", dict(evento)) == {
        "event": "x",
        "signature": OCULTO,
        "listenKey": OCULTO,
        "Authorization": OCULTO,
        "simbolo": "B",
    }


@pytest.mark.parametrize(
    "texto",
    [
        "https://h/fapi/v1/order?quantity=1&signature=pqia91ma19a5s61c&x=1",
        "wss://h/ws?listenKey=pqia91ma19a5s61c",
        "https://h/callback?access_token=pqia91ma19a5s61c",
        "{'password': 'pqia91ma19a5s61c'}",
        '{"refresh_token": "pqia91ma19a5s61c"}',
        "{'X-MBX-APIKEY': 'pqia91ma19a5s61c'}",
        "Authorization: Bearer pqia91ma19a5s61c",
        "authorization: basic pqia91ma19a5s61c",
        "postgresql+psycopg://timonel:pqia91ma19a5s61c@db.example:5432/x",
        "redis://:pqia91ma19a5s61c@localhost/0",
        "a token tml_pqia91ma19a5s61c was refused",
        "the log-in went on with tmr_pqia91ma19a5s61c",
        "a cookie eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.pqia91ma19a5s61c",
        "https://api.telegram.org/bot123456789:AAEpqia91ma19a5s61cBBBBBBBBBBBBBBBBBBB/sendMessage",
    ],
)
def test_lo_que_parece_un_secreto_se_tapa(texto: str):
    tapado = Tapadera(entorno=NADIE).tapar(texto)

    assert "pqia91ma19a5s61c" not in tapado
    assert OCULTO in tapado


@pytest.mark.parametrize(
    "texto",
    [
        '{"execution_token": "op-1:44000:1700000000000"}',
        "a valid bearer token is needed",
        "http://127.0.0.1:8899/fapi/v1/time",
        "the secret is kept; the password was not asked for",
        "2026-01-01T00:00:00Z order tm-ABCDEFGHIJKLMNOPQRSTUVWXYZ filled 0.012 at 30000.5",
    ],
)
def test_las_palabras_corrientes_se_quedan(texto: str):
    assert Tapadera(entorno=NADIE).tapar(texto) == texto


@pytest.mark.parametrize(
    "entorno",
    [
        {"BINANCE_API_KEY": RARO},
        {"BINANCE_TESTNET_API_SECRET": RARO},
        {"TIMONEL_DB_URL": "postgresql://timonel:Zq8%2B%2Fk%3Dw71x%22%C3%B1@h/x"},
        {"TIMONEL_HEARTBEAT_URL": RARO},
    ],
)
@pytest.mark.parametrize("escrito", [str, lambda s: json.dumps({"x": s}), repr, lambda s: quote(s, safe="")])
def test_los_secretos_del_entorno_se_tapan_como_esten_escritos(entorno: dict[str, str], escrito):
    tapado = Tapadera(entorno=entorno).tapar(f"it says {escrito(RARO)}")

    assert "w71x" not in tapado
    assert OCULTO in tapado


def test_las_claves_del_simulador_son_una_palabra_corriente():
    tapadera = Tapadera([CLAVE_SIMULADOR, "corto"], NADIE)

    assert (
        tapadera.tapar("src.simulador.rest and a corto circuito") == "src.simulador.rest and a corto circuito"
    )
