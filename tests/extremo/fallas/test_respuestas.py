"""Answers that are lost, late, wrong or a lie: every order happens once, and the record does not show it."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.error import HTTPError

import pytest

from src.nucleo.registro import Resultado
from tests.extremo.fallas.banco import Ensayo, Fila, Mando, sin, un_ensayo_que_no_espera

EJECUTADAS = {
    "lost": '{kind: lose_answer, at: {call: "POST /fapi/v1/order", nth: 3}}',
    "silent": '{kind: lose_answer, at: {call: "POST /fapi/v1/order", nth: 4}, how: silence, seconds: 2}',
    "late": '{kind: late_answer, at: {call: "POST /fapi/v1/order", nth: 3}, ms: 300}',
    "503-unknown": '{kind: http_503_unknown, at: {call: "POST /fapi/v1/order", nth: 3}}',
    "503-no-json": '{kind: http_503_no_json, at: {call: "POST /fapi/v1/order", nth: 4}}',
    "500": '{kind: http_500, at: {call: "POST /fapi/v1/order", nth: 3}}',
    "504": '{kind: http_504, at: {call: "POST /fapi/v1/order", nth: 1}}',
    "1006": '{kind: error_1006, at: {call: "POST /fapi/v1/order", nth: 3}}',
    "1007": '{kind: error_1007, at: {call: "POST /fapi/v1/order", nth: 3}}',
}
"""The order was executed; the daemon is not told."""

SIN_EJECUTAR = {
    "lost": '{kind: lose_request, at: {call: "POST /fapi/v1/order", nth: 3}}',
    "silent": '{kind: lose_request, at: {call: "POST /fapi/v1/order", nth: 4}, how: silence, seconds: 2}',
    "502": '{kind: http_502, at: {call: "POST /fapi/v1/order", nth: 1}}',
    "503-unknown": '{kind: http_503_unknown, at: {call: "POST /fapi/v1/order", nth: 3}, executed: false}',
    "1007": '{kind: error_1007, at: {call: "POST /fapi/v1/order", nth: 3}, executed: false}',
}
"""The order was not executed; the daemon cannot know."""

NEGADAS = {
    "503-unavailable": '{kind: http_503_unavailable, at: {call: "POST /fapi/v1/order", nth: 3}}',
    "1008": '{kind: error_1008, at: {call: "POST /fapi/v1/order", nth: 2}}',
}
"""The order was not executed, for certain and for a passing reason."""

LENTAS = ("silent", "503-unknown", "1007")

LECTURAS = {
    "lost": '{kind: lose_answer, at: {call: "GET /fapi/v*", nth: 12}, times: 3}',
    "500": '{kind: http_500, at: {call: "GET /fapi/v*", nth: 15}, times: 2}',
    "1008": '{kind: error_1008, at: {call: "GET /fapi/v1/userTrades", nth: 2}}',
}
"""What was asked is only read again."""

RETRASO = '{kind: rest_lag, at: {call: "POST /fapi/v1/order", nth: 3}}'
RETRASO_Y_PERDIDA = (
    '{kind: lose_answer, at: {call: "POST /fapi/v1/order", nth: 3}}',
    '{kind: rest_lag, at: {call: "POST /fapi/v1/order", nth: 3}, reads: 2}',
)
SIN_MARGEN = '{kind: reject, at: {call: "POST /fapi/v1/order", nth: 2}, code: -2019}'
A_PARTES = '{kind: partial_fill, at: {call: "POST /fapi/v1/order", nth: 3}, pieces: 3}'
A_MEDIAS = '{kind: partial_fill, at: {call: "POST /fapi/v1/order", nth: 2}, filled: 0.5}'
LIMITE = (
    '{kind: rate_limit, at: {call: "POST /fapi/v1/order", nth: 4}, seconds: 1, insist: 1, ban_seconds: 2}'
)
RELOJ = '{{kind: clock_skew, at: {{call: "POST /fapi/v1/order", nth: 3}}, ms: {ms}}}'


def sin_rastro(ensayo: Ensayo, limpias: list[Fila]) -> bool:
    """Whether the faults happened, and everything else is as if they had not."""
    assert sum(ensayo.veces.values()) >= len(ensayo.fallas)
    assert ensayo.error is None
    assert ensayo.violaciones() == []
    return sin(ensayo.filas) == sin(limpias)


@pytest.mark.parametrize("falla", EJECUTADAS.values(), ids=EJECUTADAS)
def test_una_orden_ejecutada_sin_respuesta(tmp_path: Path, limpias: list[Fila], falla: str):
    ensayo = Ensayo(tmp_path, [falla]).correr()
    assert sin_rastro(ensayo, limpias)
    assert "orden_reenviada" not in ensayo.bitacora


@pytest.mark.parametrize(
    "falla",
    [pytest.param(f, marks=[pytest.mark.slow] * (i in LENTAS)) for i, f in SIN_EJECUTAR.items()],
    ids=SIN_EJECUTAR,
)
def test_una_orden_que_no_llego_se_envia_otra_vez(tmp_path: Path, limpias: list[Fila], falla: str):
    ensayo = Ensayo(tmp_path, [falla]).correr()
    assert sin_rastro(ensayo, limpias)
    assert ensayo.bitacora.count("orden_reenviada") == 1


@pytest.mark.parametrize("falla", NEGADAS.values(), ids=NEGADAS)
def test_una_negativa_pasajera(tmp_path: Path, limpias: list[Fila], falla: str):
    ensayo = Ensayo(tmp_path, [falla]).correr()
    assert sin_rastro(ensayo, limpias)
    assert "orden_no_aceptada" in ensayo.bitacora


@pytest.mark.parametrize("falla", LECTURAS.values(), ids=LECTURAS)
def test_una_lectura_que_falla(tmp_path: Path, limpias: list[Fila], falla: str):
    assert sin_rastro(Ensayo(tmp_path, [falla]).correr(), limpias)


def test_los_fills_tardan_en_verse(tmp_path: Path, limpias: list[Fila]):
    assert sin_rastro(Ensayo(tmp_path, [RETRASO]).correr(), limpias)


def test_una_orden_recien_puesta_no_existe(tmp_path: Path, limpias: list[Fila]):
    """-2013 for an order that was executed is no reason to send it again."""
    ensayo = Ensayo(tmp_path, RETRASO_Y_PERDIDA).correr()
    assert sin_rastro(ensayo, limpias)
    assert "orden_reenviada" not in ensayo.bitacora


def test_margen_insuficiente(tmp_path: Path):
    ensayo = Ensayo(tmp_path, [SIN_MARGEN]).correr()
    assert ensayo.veces == {"reject": 1}
    assert ensayo.violaciones() == []
    (rechazada,) = [fila for fila in ensayo.filas if fila["resultado"] == Resultado.RECHAZADA]
    assert (rechazada["paso"], rechazada["operacion"]) == ("2", "aumentar_long")
    assert "-2019" in rechazada["error"]


@pytest.mark.parametrize("falla", [A_PARTES, A_MEDIAS], ids=["pieces", "half"])
def test_una_orden_llenada_a_partes(tmp_path: Path, falla: str):
    ensayo = Ensayo(tmp_path, [falla]).correr()
    assert ensayo.veces == {"partial_fill": 1}
    assert ensayo.violaciones() == []
    assert all(fila["resultado"] == Resultado.EJECUTADA for fila in ensayo.filas if fila["cantidad"])


@pytest.mark.parametrize("ms", [-2_000, 2_000])
def test_el_reloj_de_la_bolsa_salta(tmp_path: Path, limpias: list[Fila], ms: int):
    ensayo = Ensayo(tmp_path, [RELOJ.format(ms=ms)]).correr()
    assert sin_rastro(ensayo, limpias)
    assert "code -1021" in ensayo.bitacora


def test_un_429_se_respeta(tmp_path: Path, limpias: list[Fila]):
    """The next request would be answered 418; none is sent before its time."""
    ensayo = Ensayo(tmp_path, [LIMITE]).correr()
    assert sin_rastro(ensayo, limpias)
    assert "HTTP 418" not in ensayo.bitacora


def test_un_418_se_espera(tmp_path: Path, limpias: list[Fila]):
    """Somebody else insists with the same key, and the daemon is banned with it."""

    def insistir(mando: Mando) -> None:
        estado = 0
        while estado != 418:
            time.sleep(0.01)
            if mando.ocurridas()["total"]:
                with pytest.raises(HTTPError) as negada:
                    mando.simulador.pedir("/fapi/v2/balance")
                with negada.value:
                    estado = negada.value.code

    ensayo = Ensayo(tmp_path, [LIMITE]).correr(mientras=insistir)
    assert sin_rastro(ensayo, limpias)
    assert "HTTP 418" in ensayo.bitacora


def test_el_fill_se_cuenta_antes_de_la_respuesta(tmp_path: Path):
    falla = '{kind: late_answer, at: {call: "POST /fapi/v1/order"}, times: always, ms: 60}'
    ensayo = un_ensayo_que_no_espera(tmp_path, falla, velas=16).correr()
    assert ensayo.veces["late_answer"] >= 3
    assert ensayo.error is None
    assert ensayo.violaciones(sin_esperar=True) == []


def test_un_fill_oido_se_protege_sin_esperar_a_la_respuesta(tmp_path: Path):
    """The answer takes 6 s to be given up; the user stream has told the fill long before."""
    falla = '{kind: lose_answer, at: {call: "POST /fapi/v1/order"}, how: silence, seconds: 6}'
    ensayo = un_ensayo_que_no_espera(tmp_path, falla, velas=16)
    ensayo.ajustes = ensayo.ajustes.replace("request_timeout_s: 1.0", "request_timeout_s: 10.0")
    ensayo.correr()
    assert ensayo.veces == {"lose_answer": 1}
    assert ensayo.error is None
    assert ensayo.libros["naked_ms"]["longest_wall"] < 2_000.0
    assert ensayo.violaciones(sin_esperar=True) == []


def test_los_fills_no_se_listan_y_la_posicion_nueva_ya_tiene_su_stop(tmp_path: Path):
    """Reads show neither fills nor position for as long as the market stands: 5 s."""
    falla = '{kind: rest_lag, at: {call: "POST /fapi/v1/order"}, reads: 1000}'
    ensayo = un_ensayo_que_no_espera(tmp_path, falla, velas=6)
    ensayo.opciones = ("--speed", "12")
    ensayo.correr()
    assert ensayo.veces == {"rest_lag": 1}
    assert ensayo.error is None
    assert "fills_sin_listar" in ensayo.bitacora
    assert ensayo.libros["naked_ms"]["longest_wall"] < 2_000.0
    assert ensayo.violaciones(sin_esperar=True) == []
