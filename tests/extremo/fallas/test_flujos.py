"""Sockets that close, fall silent or talk too much, and candles whose messages come wrong."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from src.nucleo.errores import EmergenciaDrawdown
from src.nucleo.registro import StatusFila
from src.nucleo.tipos import Vela
from tests.extremo.fallas.banco import AJUSTES, VELAS, Ensayo, Fila, Mando, sin, un_ensayo_que_no_espera
from tests.extremo.procesos import CALENTAMIENTO

SIN_PERDIDA = {
    "burst": "{kind: burst, at: {step: 22}, messages: 150}",
    "duplicated": "{kind: kline, at: {candle: 6}, how: duplicated}",
    "late": "{kind: kline, at: {candle: 6}, how: late}",
}
"""Nothing that was said is lost."""

CON_PERDIDA = {
    "24h": "{kind: disconnect, at: {step: 22}}",
    "abort": "{kind: disconnect, at: {step: 22}, how: abort}",
    "silence": "{kind: silence, at: {step: 22}, sockets: market}",
    "outage": "{kind: outage, at: {step: 22}, seconds: 1.5}",
}
"""A mark price is lost, which only the drawdown between two candles shows."""

DEL_DRAWDOWN = ("max_drawdown", "recompensa")
SILENCIO = "{kind: silence, at: {candle: 6}, sockets: market}"
VELAS_PERDIDAS = {
    "missing": "{kind: kline, at: {candle: 6}, how: missing}",
    "out-of-order": "{kind: kline, at: {candle: 6}, how: out_of_order}",
}
IMPACIENTES = AJUSTES.replace("streams: {", "streams: {mark_silence_s: 0.5, kline_silence_s: 0.5, ")
TRAS_EL_STOP = '{{kind: {}, at: {{call: "POST /fapi/v1/algoOrder", nth: {}, stage: after}}{}}}'


@pytest.mark.parametrize("falla", SIN_PERDIDA.values(), ids=SIN_PERDIDA)
def test_una_conexion_revuelta_no_deja_rastro(tmp_path: Path, limpias: list[Fila], falla: str):
    ensayo = Ensayo(tmp_path, [falla]).correr()
    assert sum(ensayo.veces.values()) == 1
    assert ensayo.violaciones() == []
    assert sin(ensayo.filas) == sin(limpias)


@pytest.mark.parametrize("falla", CON_PERDIDA.values(), ids=CON_PERDIDA)
def test_una_conexion_perdida_se_recupera(tmp_path: Path, limpias: list[Fila], falla: str):
    ensayo = Ensayo(tmp_path, [falla], ajustes=IMPACIENTES).correr()
    assert sum(ensayo.veces.values()) == 1
    assert "flujo_caido" in ensayo.bitacora
    assert ensayo.violaciones() == []
    assert sin(ensayo.filas, DEL_DRAWDOWN) == sin(limpias, DEL_DRAWDOWN)


@pytest.mark.slow
def test_la_bolsa_se_va_mas_de_medio_minuto(tmp_path: Path, limpias: list[Fila]):
    ensayo = Ensayo(tmp_path, ["{kind: outage, at: {step: 22}, seconds: 31}"]).correr()
    assert ensayo.veces == {"outage": 1}
    assert ensayo.violaciones() == []
    assert sin(ensayo.filas, DEL_DRAWDOWN) == sin(limpias, DEL_DRAWDOWN)


@pytest.mark.slow
def test_el_silencio_se_nota_con_los_limites_de_fabrica(tmp_path: Path, limpias: list[Fila]):
    """Pongs arrive all the time; what counts is that the streams say nothing."""
    ensayo = Ensayo(tmp_path, [CON_PERDIDA["silence"]]).correr()
    assert "fell silent" in ensayo.bitacora
    assert sin(ensayo.filas, DEL_DRAWDOWN) == sin(limpias, DEL_DRAWDOWN)


@pytest.mark.parametrize("falla", VELAS_PERDIDAS.values(), ids=VELAS_PERDIDAS)
def test_una_vela_que_no_se_oye_a_tiempo_se_lee(tmp_path: Path, limpias: list[Fila], falla: str):
    """It comes by REST with the next one, and is not acted on."""
    ensayo = Ensayo(tmp_path, [falla], ajustes=IMPACIENTES).correr()
    assert sum(ensayo.veces.values()) == 1
    assert len(ensayo.filas) == len(limpias) - 1
    assert "hueco_leido" in ensayo.bitacora
    assert ensayo.violaciones() == []


def test_una_vela_que_cerro_en_el_silencio_se_decide_al_volver(tmp_path: Path, limpias: list[Fila]):
    """Reconnecting reads the exchange's clock: the candle has closed, and is fresh."""
    ensayo = Ensayo(tmp_path, [SILENCIO], ajustes=IMPACIENTES).correr()
    assert ensayo.veces == {"silence": 1}
    assert "hueco_leido" in ensayo.bitacora
    assert ensayo.violaciones() == []
    assert sin(ensayo.filas, DEL_DRAWDOWN) == sin(limpias, DEL_DRAWDOWN)


def test_liquidada_sin_nadie_que_mire(tmp_path: Path):
    """The streams are dead, the stop does nothing, the market falls: the daemon comes back to the ruin."""
    fallas = (
        "{kind: stop_ignored, times: always}",
        "{kind: silence, at: {candle: 2, stage: after}, sockets: market, steps: 6}",
    )
    ensayo = Ensayo(tmp_path, fallas, velas=un_derrumbe(tras=2), ajustes=IMPACIENTES).correr()
    assert {"silence", "stop_ignored"} == ensayo.veces.keys()
    assert len(ensayo.de_status(StatusFila.LIQUIDACION)) == 1
    assert isinstance(ensayo.error, EmergenciaDrawdown)
    assert ensayo.posicion == 0.0
    assert ensayo.filas[-1]["balance"] == str(float(ensayo.libros["wallet"]))
    # The candle of an emergency is not written down, and the insurance fund's fee is in no fill.
    perdonadas = {"every candle once", "the ledger is the exchange's"}
    assert {v.invariante for v in ensayo.violaciones()} <= perdonadas


def un_derrumbe(tras: int) -> list[Vela]:
    """The market, which after some candles falls through every level without a jump, and stays there."""
    primera = CALENTAMIENTO + tras
    antes, abre = VELAS[:primera], VELAS[primera].open
    fondo = round(abre * 0.3, 1)
    cae = VELAS[primera]._replace(high=abre, low=fondo, close=fondo)
    quietas = [v._replace(open=fondo, high=fondo, low=fondo, close=fondo) for v in VELAS[primera + 1 :]]
    return [*antes, cae, *quietas]


def test_la_bolsa_se_va_y_el_mercado_sigue(tmp_path: Path):
    """Six candles pass; what closed meanwhile is read, and the account is where the exchange has it."""
    falla = TRAS_EL_STOP.format("outage", 2, ", seconds: 1.5")
    ensayo = un_ensayo_que_no_espera(tmp_path, falla, velas=12).correr()
    assert ensayo.veces == {"outage": 1}
    assert ensayo.error is None
    assert "hueco_leido" in ensayo.bitacora
    assert ensayo.violaciones(sin_esperar=True) == []


@pytest.mark.parametrize(
    ("clase", "resto", "queja"),
    [
        ("expire_listen_key", "", "the listen key has expired"),
        ("disconnect", ", sockets: user", '"flujo": "private"'),
        ("burst", ", sockets: user, messages: 150", ""),
    ],
    ids=["listen-key", "24h", "burst"],
)
def test_la_cuenta_se_vuelve_a_oir(tmp_path: Path, clase: str, resto: str, queja: str):
    ensayo = un_ensayo_que_no_espera(tmp_path, TRAS_EL_STOP.format(clase, 1, resto)).correr()
    assert ensayo.veces == {clase: 1}
    assert queja in ensayo.bitacora
    assert ensayo.error is None
    assert ensayo.violaciones(sin_esperar=True) == []


def test_un_flujo_de_cuenta_mudo_no_esconde_un_stop(tmp_path: Path):
    """The socket stays open and says nothing, as one on the wrong route: the account is read all the same."""

    def callar_y_caer(mando: Mando) -> None:
        while not mando.libros()["open_algo_orders"]:
            time.sleep(0.01)
        mando.armar(kind="silence", sockets="user")
        mando.armar(kind="price_jump", percent=-25)

    ensayo = un_ensayo_que_no_espera(tmp_path).correr(mientras=callar_y_caer)
    assert ensayo.veces == {"price_jump": 1, "silence": 1}
    assert len(ensayo.de_status(StatusFila.PROTECCION)) == 1
    assert ensayo.violaciones(sin_esperar=True) == []
