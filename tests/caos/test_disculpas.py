"""An excuse covers what the fault explains and nothing more."""

from __future__ import annotations

from caos.disculpas import (
    adelanto_maximo_ms,
    niveles_imposibles,
    stops_estropeados,
    velas_a_deshora,
    velas_no_oidas,
)
from caos.pruebas import Evento
from tests.caos.fabrica import HORA

VELAS = [10 * HORA, 11 * HORA, 12 * HORA, 13 * HORA]


def suceso(clase: str, paso: int) -> dict[str, object]:
    return {"kind": clase, "step": paso}


def nivel(seq: int, instante: int, valor: float | None) -> Evento:
    return Evento(seq, "protection", seq, "LEVEL_SET", instante, {"level": valor})


def test_un_stop_estropeado_se_disculpa_hasta_la_decision_siguiente():
    assert stops_estropeados([suceso("stop_dropped", 6)], VELAS) == [(11 * HORA, 13 * HORA)]


def test_otras_faltas_no_disculpan_un_stop():
    assert stops_estropeados([suceso("lose_answer", 6), suceso("price_jump", 6)], VELAS) == []


def test_un_nivel_imposible_se_disculpa_hasta_el_siguiente():
    minuto = 60_000
    eventos = [nivel(1, HORA, 5.0), nivel(2, 2 * HORA, None), nivel(3, 3 * HORA, 7.0)]

    assert niveles_imposibles(eventos) == [(2 * HORA - minuto, 3 * HORA + minuto)]


def test_un_nivel_imposible_sin_otro_detras_llega_al_final():
    ((desde, hasta),) = niveles_imposibles([nivel(1, 2 * HORA, None)])

    assert desde < 2 * HORA
    assert hasta > 10**15


def test_un_mensaje_perdido_disculpa_su_vela_y_las_vecinas():
    assert velas_no_oidas([suceso("kline", 8)], VELAS) == {10 * HORA, 11 * HORA, 12 * HORA}
    assert velas_no_oidas([suceso("lose_answer", 8)], VELAS) == frozenset()


def test_dos_niveles_imposibles_seguidos_son_un_tramo():
    eventos = [nivel(1, HORA, None), nivel(2, 2 * HORA, None), nivel(3, 3 * HORA, 7.0)]

    assert len(niveles_imposibles(eventos)) == 1


def test_un_reloj_atrasado_disculpa_hasta_que_lo_adelantan():
    assert velas_a_deshora([(9, -1_500), (13, 1_500)], VELAS) == {11 * HORA, 12 * HORA, 13 * HORA}
    assert velas_a_deshora([(9, 1_500), (13, -1_500)], VELAS) == frozenset()
    assert velas_a_deshora([], VELAS) == frozenset()


def test_el_adelanto_es_el_mayor_que_llego_a_tener_el_reloj():
    assert adelanto_maximo_ms([(1, 1_500), (9, 1_500), (13, -1_500)]) == 3_000
    assert adelanto_maximo_ms([(1, -1_500), (9, 1_500)]) == 0
    assert adelanto_maximo_ms([]) == 0
