"""From a number to an operation."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.accion import Interpretacion, ReglaAccion, interpretar_accion
from src.nucleo.errores import DatosInvalidos
from src.nucleo.tipos import Operacion, TipoAccion

REGLA = ReglaAccion(umbral_mantener=0.05, banda_muerta=0.05, reserva_margen=0.02)

TABLA = [
    # flat
    (0.6, 0.0, Operacion.ABRIR_LONG, 0.6),
    (-0.6, 0.0, Operacion.ABRIR_SHORT, 0.6),
    (0.05, 0.0, Operacion.MANTENER, 0.0),
    (0.0, 0.0, Operacion.MANTENER, 0.0),
    # long
    (0.6, 0.3, Operacion.AUMENTAR_LONG, 0.6),
    (0.3, 0.6, Operacion.REDUCIR_LONG, 0.3),
    (0.6, 0.58, Operacion.MANTENER, 0.58),
    (0.02, 0.6, Operacion.MANTENER, 0.6),
    (-0.02, 0.6, Operacion.MANTENER, 0.6),
    (-0.6, 0.3, Operacion.CERRAR_LONG, 0.0),
    (-0.06, 0.98, Operacion.CERRAR_LONG, 0.0),
    # short
    (-0.6, -0.3, Operacion.AUMENTAR_SHORT, 0.6),
    (-0.3, -0.6, Operacion.REDUCIR_SHORT, 0.3),
    (-0.6, -0.62, Operacion.MANTENER, 0.62),
    (0.02, -0.6, Operacion.MANTENER, 0.6),
    (-0.02, -0.6, Operacion.MANTENER, 0.6),
    (0.6, -0.3, Operacion.CERRAR_SHORT, 0.0),
    (0.06, -0.98, Operacion.CERRAR_SHORT, 0.0),
]
ACCIONES = st.floats(-1.0, 1.0)
EXPOSICIONES = st.one_of(st.just(0.0), st.floats(-1.0, 1.0))


@pytest.mark.parametrize(("accion", "exposicion", "operacion", "objetivo"), TABLA)
def test_la_tabla_de_las_operaciones(accion, exposicion, operacion, objetivo):
    leida = interpretar_accion(accion, exposicion, REGLA)

    assert (leida.operacion, leida.objetivo) == (operacion, objetivo)
    assert leida.intensidad == abs(accion)
    assert leida.debe_ejecutar is (operacion is not Operacion.MANTENER)


def test_la_tabla_tiene_las_nueve():
    assert {operacion for _, _, operacion, _ in TABLA} == set(Operacion)


class TestUmbral:
    @pytest.mark.parametrize("exposicion", [0.0, 0.5, -0.5])
    @pytest.mark.parametrize("signo", [1, -1])
    def test_en_el_umbral_se_mantiene_y_justo_encima_ya_no(self, exposicion, signo):
        en = interpretar_accion(signo * 0.05, exposicion, REGLA)
        encima = interpretar_accion(signo * math.nextafter(0.05, 1.0), exposicion, REGLA)

        assert (en.tipo_accion, en.operacion) == (TipoAccion.MANTENER, Operacion.MANTENER)
        assert encima.tipo_accion is (TipoAccion.LONG if signo > 0 else TipoAccion.SHORT)
        assert encima.operacion is not Operacion.MANTENER

    def test_con_umbral_cero_solo_el_cero_mantiene(self):
        sin_umbral = REGLA._replace(umbral_mantener=0.0)

        assert not interpretar_accion(0.0, 0.0, sin_umbral).debe_ejecutar
        assert not interpretar_accion(-0.0, 0.0, sin_umbral).debe_ejecutar
        assert interpretar_accion(1e-300, 0.0, sin_umbral).operacion is Operacion.ABRIR_LONG


class TestBandaMuerta:
    """Numbers that are exact in binary, so that the edge of the band is hit."""

    regla = ReglaAccion(umbral_mantener=0.0, banda_muerta=0.125, reserva_margen=0.0)

    @pytest.mark.parametrize("lado", [1, -1])
    @pytest.mark.parametrize("accion", [0.375, 0.625])
    def test_un_cambio_igual_a_la_banda_no_merece_una_orden(self, lado, accion):
        leida = interpretar_accion(lado * accion, lado * 0.5, self.regla)

        assert not leida.debe_ejecutar
        assert leida.tipo_accion is (TipoAccion.LONG if lado > 0 else TipoAccion.SHORT)
        assert leida.objetivo == 0.5

    @pytest.mark.parametrize("lado", [1, -1])
    def test_uno_mayor_si(self, lado):
        sube = interpretar_accion(lado * math.nextafter(0.625, 1.0), lado * 0.5, self.regla)
        baja = interpretar_accion(lado * math.nextafter(0.375, 0.0), lado * 0.5, self.regla)

        assert sube.operacion.value.startswith("aumentar")
        assert baja.operacion.value.startswith("reducir")

    def test_ni_abrir_ni_cerrar_la_miran(self):
        assert interpretar_accion(0.01, 0.0, self.regla).operacion is Operacion.ABRIR_LONG
        assert interpretar_accion(-0.01, 0.01, self.regla).operacion is Operacion.CERRAR_LONG


class TestReserva:
    @pytest.mark.parametrize("accion", [1.0, -1.0])
    def test_la_accion_entera_deja_libre_la_reserva(self, accion):
        leida = interpretar_accion(accion, 0.0, REGLA)

        assert (leida.intensidad, leida.objetivo) == (1.0, 0.98)

    def test_una_exposicion_en_el_tope_no_aumenta(self):
        assert interpretar_accion(1.0, 0.98, REGLA).operacion is Operacion.MANTENER


@pytest.mark.parametrize("accion", [math.nan, math.inf, -math.inf, 1.0000001, -1.0000001])
@pytest.mark.parametrize("exposicion", [0.0, 0.5])
def test_lo_que_no_es_una_accion_se_rechaza(accion, exposicion):
    with pytest.raises(DatosInvalidos, match=r"a policy must answer a number in \[-1, 1\]"):
        interpretar_accion(accion, exposicion, REGLA)


@given(ACCIONES, EXPOSICIONES)
def test_largo_y_corto_son_espejo(accion, exposicion):
    espejo = {
        Operacion.ABRIR_LONG: Operacion.ABRIR_SHORT,
        Operacion.AUMENTAR_LONG: Operacion.AUMENTAR_SHORT,
        Operacion.REDUCIR_LONG: Operacion.REDUCIR_SHORT,
        Operacion.CERRAR_LONG: Operacion.CERRAR_SHORT,
    }
    espejo |= {corto: largo for largo, corto in espejo.items()} | {Operacion.MANTENER: Operacion.MANTENER}

    una, otra = interpretar_accion(accion, exposicion, REGLA), interpretar_accion(-accion, -exposicion, REGLA)

    assert otra.operacion is espejo[una.operacion]
    assert otra[2:] == una[2:]


@given(ACCIONES, EXPOSICIONES)
def test_el_objetivo_nunca_toca_la_reserva_si_hay_orden(accion, exposicion):
    leida: Interpretacion = interpretar_accion(accion, exposicion, REGLA)

    if leida.debe_ejecutar:
        assert 0.0 <= leida.objetivo <= min(abs(accion), 0.98)
        assert leida.operacion.aumenta_exposicion == (leida.objetivo > abs(exposicion))
    else:
        assert leida.objetivo == abs(exposicion)
