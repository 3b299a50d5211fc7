"""Outages of the exchange: told once, after the threshold, and when they are over."""

from __future__ import annotations

import pytest

from src.produccion.enlaces import CAIDO, RESTABLECIDO, Enlace, Enlaces
from tests.constructores import INICIO_MS
from tests.produccion.falsos import DiarioFalso, RelojFalso


class Banco:
    """Links whose wall clock stands still until it is told."""

    def __init__(self) -> None:
        self.ahora_s = 100.0
        self.diario, self.reloj = DiarioFalso(), RelojFalso(INICIO_MS)
        self.enlaces = Enlaces(self.diario, self.reloj, 30.0, lambda: self.ahora_s)

    def pasar(self, segundos: float) -> None:
        self.ahora_s += segundos
        self.reloj.instante_ms += round(1_000 * segundos)
        self.enlaces.mirar()

    @property
    def dichos(self) -> list[tuple[str, object, object]]:
        return [(e.tipo, e.contenido["link"], e.contenido["gap_s"]) for e in self.diario.eventos]


@pytest.fixture
def banco() -> Banco:
    return Banco()


def test_una_caida_larga_se_dice_una_vez_y_su_final_con_lo_que_duro(banco: Banco):
    mercado = banco.enlaces.testigo(Enlace.MERCADO)
    for _ in range(8):
        mercado.cae("ServerDisconnected")
        banco.pasar(10.0)
    mercado.vuelve()
    banco.pasar(60.0)

    assert banco.dichos == [(CAIDO, "market_stream", 30.0), (RESTABLECIDO, "market_stream", 80.0)]
    assert [e.contenido["since_ms"] for e in banco.diario.eventos] == [INICIO_MS] * 2


def test_una_corta_no_es_noticia_ni_su_final(banco: Banco):
    for _ in range(5):
        banco.enlaces.cae(Enlace.CUENTA, "x")
        banco.pasar(29.0)
        banco.enlaces.vuelve(Enlace.CUENTA)
        banco.pasar(29.0)

    assert banco.dichos == []


def test_cada_enlace_tiene_su_caida(banco: Banco):
    banco.enlaces.cae(Enlace.MERCADO, "x")
    banco.pasar(20.0)
    banco.enlaces.cae(Enlace.CUENTA, "x")
    banco.pasar(20.0)
    banco.enlaces.vuelve(Enlace.MERCADO)
    banco.pasar(20.0)

    assert banco.dichos == [
        (CAIDO, "market_stream", 40.0),
        (RESTABLECIDO, "market_stream", 40.0),
        (CAIDO, "user_stream", 40.0),
    ]


def test_dos_caidas_son_dos_noticias(banco: Banco):
    for _ in range(2):
        banco.enlaces.cae(Enlace.MERCADO, "x")
        banco.pasar(30.0)
        banco.enlaces.vuelve(Enlace.MERCADO)

    assert [tipo for tipo, *_ in banco.dichos] == [CAIDO, RESTABLECIDO] * 2


def test_rest_falla_mientras_ninguna_llamada_responde(banco: Banco):
    for _ in range(4):
        banco.enlaces.tomar_llamada(0.5, True)
        banco.pasar(10.0)
    banco.enlaces.tomar_llamada(0.1, False)

    assert banco.dichos == [(CAIDO, "rest", 40.0), (RESTABLECIDO, "rest", 40.0)]


def test_una_llamada_fallida_no_dice_nada_del_tiempo_en_que_no_se_llama(banco: Banco):
    banco.enlaces.tomar_llamada(0.5, True)
    banco.pasar(600.0)
    banco.enlaces.tomar_llamada(0.1, False)

    assert banco.dichos == []


def test_con_el_diario_roto_se_sigue(banco: Banco):
    banco.diario.roto = True
    banco.enlaces.cae(Enlace.MERCADO, "x")
    banco.pasar(30.0)
    banco.enlaces.vuelve(Enlace.MERCADO)

    assert banco.dichos == []
