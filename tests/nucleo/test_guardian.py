"""Rules of requests about a position."""

from __future__ import annotations

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.errores import SolicitudInvalida
from src.nucleo.guardian import (
    EDAD_MAXIMA_MS,
    NIVEL_A_MANO,
    AccionGuardian,
    Solicitud,
    caducado,
    comprobar_precios,
    desviado,
    leer_accion,
    rechazo_de_la_cuenta,
)

AJUSTAR, CERRAR, MEDIO = AccionGuardian.AJUSTAR, AccionGuardian.CERRAR, AccionGuardian.MEDIO_CIERRE
precios = st.floats(1e-6, 1e6)


@pytest.mark.parametrize("texto", ["close", "adjust", "half_close"])
def test_las_tres_acciones_se_leen(texto: str):
    assert leer_accion(texto).value == texto


@pytest.mark.parametrize("texto", ["", "CLOSE", "open", "half-close", "close "])
def test_otra_accion_se_rechaza_con_las_que_hay(texto: str):
    with pytest.raises(SolicitudInvalida, match=r"^Invalid action\. Must be: close, adjust, or half_close$"):
        leer_accion(texto)


def test_ajustar_pide_un_stop():
    with pytest.raises(SolicitudInvalida, match=r"^'adjust' requires 'stop' parameter$"):
        comprobar_precios(Solicitud("BTCUSDT", AJUSTAR))


@pytest.mark.parametrize("accion", [CERRAR, MEDIO])
def test_lo_demas_no_pide_precio_alguno(accion: AccionGuardian):
    comprobar_precios(Solicitud("BTCUSDT", accion))


@pytest.mark.parametrize("precio", [nan, inf, -inf, -1.0, 0.0, -0.0])
@pytest.mark.parametrize(
    ("campo", "nombre"),
    [("stop", "stop"), ("objetivo", "target"), ("precio_disparo", "market_context.trigger_price")],
)
def test_un_precio_imposible_se_rechaza_por_su_nombre(campo: str, nombre: str, precio: float):
    solicitud = Solicitud("BTCUSDT", AJUSTAR, stop=1.0)._replace(**{campo: precio})

    with pytest.raises(SolicitudInvalida, match=f"^'{nombre}' "):
        comprobar_precios(solicitud)


def test_una_solicitud_sin_nivel_es_un_ajuste_a_mano():
    assert Solicitud("BTCUSDT", AJUSTAR, stop=1.0).nivel == NIVEL_A_MANO == "manual_adjust"


@pytest.mark.parametrize("accion", list(AccionGuardian))
def test_una_cuenta_sin_guardian_no_admite_nada(accion: AccionGuardian):
    assert rechazo_de_la_cuenta(accion, guardian=False, medio=False) == "guardian disabled"


@pytest.mark.parametrize(
    ("accion", "medio", "admitida"),
    [
        (CERRAR, False, True),
        (CERRAR, True, False),
        (MEDIO, False, False),
        (MEDIO, True, True),
        (AJUSTAR, False, True),
        (AJUSTAR, True, True),
    ],
)
def test_el_modo_a_medias_cambia_cerrar_por_medio_cierre(accion: AccionGuardian, medio: bool, admitida: bool):
    rechazo = rechazo_de_la_cuenta(accion, guardian=True, medio=medio)

    assert (rechazo is None) is admitida
    assert admitida or accion.value in str(rechazo)


@pytest.mark.parametrize(("accion", "segundos"), [(CERRAR, 60), (AJUSTAR, 45), (MEDIO, 90)])
def test_cada_accion_tiene_su_edad(accion: AccionGuardian, segundos: int):
    ahora = 1_700_000_000_000

    assert not caducado(accion, ahora - segundos * 1_000, ahora)
    assert caducado(accion, ahora - segundos * 1_000 - 1, ahora)


def test_un_reloj_adelantado_no_rejuvenece_una_solicitud():
    assert caducado(CERRAR, 10_000_000, 10_000_000 - EDAD_MAXIMA_MS[CERRAR] - 1)
    assert not caducado(CERRAR, 10_000_500, 10_000_000)


@given(mark=precios, parte=st.floats(0.0, 0.0099))
def test_menos_de_un_uno_por_ciento_pasa_por_ambos_lados(mark: float, parte: float):
    assert not desviado(mark * (1 + parte), mark)
    assert not desviado(mark * (1 - parte), mark)


@given(mark=precios, parte=st.floats(0.0101, 0.9))
def test_mas_de_un_uno_por_ciento_no_pasa_por_ninguno(mark: float, parte: float):
    assert desviado(mark * (1 + parte), mark)
    assert desviado(mark * (1 - parte), mark)
