"""The grid of every interval: steps, weeks from Monday, calendar months."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.errores import ConfiguracionInvalida
from src.nucleo.intervalos import (
    DIA_MS,
    INTERVALOS,
    MES,
    SEMANA,
    apertura_de,
    cierre_de,
    en_rejilla,
    siguiente_apertura,
    validar_intervalo,
    velas_por_ano,
)


def ms(*fecha: int) -> int:
    return int(datetime(*fecha, tzinfo=UTC).timestamp() * 1000)


intervalos = st.sampled_from(INTERVALOS)
instantes = st.integers(ms(2017, 1, 1), ms(2100, 1, 1))


def test_son_los_quince_de_binance_en_futuros():
    assert (
        *("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d"),
        *("1w", "1M"),
    ) == INTERVALOS


@pytest.mark.parametrize("intervalo", INTERVALOS)
def test_un_intervalo_conocido_vale(intervalo):
    assert validar_intervalo(intervalo) == intervalo


@pytest.mark.parametrize("intervalo", ["", "1s", "7m", "1H", "60m", "1W", "2M"])
def test_un_intervalo_desconocido_se_rechaza_en_todas_partes(intervalo):
    for funcion in (validar_intervalo, velas_por_ano):
        with pytest.raises(ConfiguracionInvalida, match=r"is unknown; use one of 1m, 3m"):
            funcion(intervalo)
    for funcion in (apertura_de, siguiente_apertura, cierre_de, en_rejilla):
        with pytest.raises(ConfiguracionInvalida, match=r"is unknown; use one of 1m, 3m"):
            funcion(ms(2024, 1, 1), intervalo)


@pytest.mark.parametrize(
    ("intervalo", "apertura"),
    [
        ("1m", (2024, 2, 29, 13, 47)),
        ("3m", (2024, 2, 29, 13, 45)),
        ("15m", (2024, 2, 29, 13, 45)),
        ("1h", (2024, 2, 29, 13)),
        ("4h", (2024, 2, 29, 12)),
        ("8h", (2024, 2, 29, 8)),
        ("12h", (2024, 2, 29, 12)),
        ("1d", (2024, 2, 29)),
        ("1w", (2024, 2, 26)),
        ("1M", (2024, 2, 1)),
    ],
)
def test_la_vela_que_contiene_un_instante(intervalo, apertura):
    assert apertura_de(ms(2024, 2, 29, 13, 47, 59), intervalo) == ms(*apertura)


def test_los_tres_dias_cuentan_desde_1970():
    assert apertura_de(ms(2024, 2, 29, 13), "3d") % (3 * DIA_MS) == 0


@given(instante=instantes)
def test_las_semanas_empiezan_en_lunes_a_medianoche(instante):
    fecha = datetime.fromtimestamp(apertura_de(instante, SEMANA) / 1000, UTC)
    assert fecha.weekday() == 0
    assert (fecha.hour, fecha.minute, fecha.second) == (0, 0, 0)


def test_una_semana_cruza_el_ano():
    assert apertura_de(ms(2025, 1, 1), SEMANA) == ms(2024, 12, 30)
    assert siguiente_apertura(ms(2024, 12, 30), SEMANA) == ms(2025, 1, 6)


@pytest.mark.parametrize(
    ("apertura", "velas", "siguiente"),
    [
        ((2024, 1, 1), 1, (2024, 2, 1)),
        ((2024, 2, 1), 1, (2024, 3, 1)),
        ((2023, 12, 1), 1, (2024, 1, 1)),
        ((2024, 1, 1), -1, (2023, 12, 1)),
        ((2024, 1, 1), 12, (2025, 1, 1)),
        ((2024, 6, 1), -18, (2022, 12, 1)),
        ((2024, 11, 1), 1, (2024, 12, 1)),
        ((2024, 5, 1), 0, (2024, 5, 1)),
    ],
)
def test_los_meses_son_los_del_calendario(apertura, velas, siguiente):
    assert siguiente_apertura(ms(*apertura), MES, velas) == ms(*siguiente)


@pytest.mark.parametrize(("ano", "dias"), [(2023, 28), (2024, 29), (2100, 28)])
def test_febrero_dura_lo_que_dura(ano, dias):
    assert cierre_de(ms(ano, 2, 1), MES) == ms(ano, 2, 1) + dias * DIA_MS - 1


@given(intervalo=intervalos, instante=instantes)
def test_la_apertura_esta_en_la_rejilla_y_contiene_el_instante(intervalo, instante):
    apertura = apertura_de(instante, intervalo)
    assert en_rejilla(apertura, intervalo)
    assert apertura <= instante <= cierre_de(apertura, intervalo)


@given(intervalo=intervalos, instante=instantes)
def test_la_apertura_de_una_apertura_es_ella_misma(intervalo, instante):
    apertura = apertura_de(instante, intervalo)
    assert apertura_de(apertura, intervalo) == apertura
    assert apertura_de(cierre_de(apertura, intervalo), intervalo) == apertura


@given(intervalo=intervalos, instante=instantes, velas=st.integers(-200, 200))
def test_ir_y_volver_llega_al_mismo_sitio(intervalo, instante, velas):
    apertura = apertura_de(instante, intervalo)
    lejos = siguiente_apertura(apertura, intervalo, velas)
    assert en_rejilla(lejos, intervalo)
    assert siguiente_apertura(lejos, intervalo, -velas) == apertura


@given(intervalo=intervalos, instante=instantes, a=st.integers(0, 50), b=st.integers(0, 50))
def test_los_pasos_se_suman(intervalo, instante, a, b):
    apertura = apertura_de(instante, intervalo)
    en_dos = siguiente_apertura(siguiente_apertura(apertura, intervalo, a), intervalo, b)
    assert siguiente_apertura(apertura, intervalo, a + b) == en_dos


@given(intervalo=intervalos, instante=instantes)
def test_el_cierre_es_un_milisegundo_antes_de_la_siguiente(intervalo, instante):
    apertura = apertura_de(instante, intervalo)
    assert cierre_de(apertura, intervalo) + 1 == siguiente_apertura(apertura, intervalo)
    assert not en_rejilla(cierre_de(apertura, intervalo), intervalo)


@given(instante=st.integers(-(10**12), 10**12), intervalo=intervalos)
def test_antes_de_1970_la_rejilla_sigue(instante, intervalo):
    apertura = apertura_de(instante, intervalo)
    assert apertura <= instante <= cierre_de(apertura, intervalo)


@pytest.mark.parametrize(
    ("intervalo", "velas"),
    [("1m", 525_960.0), ("1h", 8_766.0), ("1d", 365.25), ("1w", 365.25 / 7), ("1M", 12.0)],
)
def test_las_velas_de_un_ano(intervalo, velas):
    assert velas_por_ano(intervalo) == pytest.approx(velas, rel=1e-12)
