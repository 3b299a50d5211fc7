"""Sizing: what an operation asks for becomes quantities that the exchange accepts."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from src.nucleo.accion import Interpretacion, ReglaAccion, interpretar_accion
from src.nucleo.observacion import exposicion_de
from src.nucleo.ordenes import Plan, nocional_maximo, planificar, trocear
from src.nucleo.tipos import Operacion, TipoAccion
from tests.constructores import una_cuenta, unos_filtros, unos_limites, unos_tramos

TIPOS = {"long": TipoAccion.LONG, "short": TipoAccion.SHORT}


def leida(operacion: Operacion, objetivo: float = 0.0) -> Interpretacion:
    tipo = TIPOS.get(operacion.value.rpartition("_")[2], TipoAccion.MANTENER)
    return Interpretacion(tipo, operacion, objetivo, objetivo)


def planear(operacion, objetivo=0.0, cantidad=0.0, precio=30_000.0, equity=10_000.0, **limites) -> Plan:
    return planificar(
        leida(operacion, objetivo), una_cuenta(cantidad=cantidad), equity, precio, unos_limites(**limites)
    )


def decidir(accion: float, cantidad: float = 0.0, equity: float = 10_000.0, **limites) -> Plan:
    """From the action on: what it means for the position, then the orders."""
    suyos = unos_limites(**limites)
    exposicion = exposicion_de(cantidad, 30_000.0, equity, suyos.apalancamiento)
    interpretacion = interpretar_accion(accion, exposicion, ReglaAccion())
    return planificar(interpretacion, una_cuenta(cantidad=cantidad), equity, 30_000.0, suyos)


class TestTamano:
    def test_abrir_toma_la_parte_pedida_de_la_equity_apalancada(self):
        """0.6 of 10,000 × 2 is 12,000; at 30,000 that is 0.4."""
        assert planear(Operacion.ABRIR_LONG, 0.6) == (Operacion.ABRIR_LONG, (0.4,), False, "")
        assert planear(Operacion.ABRIR_SHORT, 0.6) == (Operacion.ABRIR_SHORT, (-0.4,), False, "")

    def test_lo_que_no_llena_un_paso_se_queda_fuera(self):
        """0.61 of 20,000 is 12,200: 0.40666… at 30,000."""
        assert planear(Operacion.ABRIR_LONG, 0.61).cantidades == (0.406,)

    def test_aumentar_compra_la_diferencia(self):
        assert planear(Operacion.AUMENTAR_LONG, 0.6, cantidad=0.1).cantidades == (0.3,)
        assert planear(Operacion.AUMENTAR_SHORT, 0.6, cantidad=-0.1).cantidades == (-0.3,)

    def test_reducir_vende_la_diferencia_y_solo_reduce(self):
        assert planear(Operacion.REDUCIR_LONG, 0.3, cantidad=0.5) == (
            Operacion.REDUCIR_LONG,
            (-0.3,),
            True,
            "",
        )
        assert planear(Operacion.REDUCIR_SHORT, 0.3, cantidad=-0.5) == (
            Operacion.REDUCIR_SHORT,
            (0.3,),
            True,
            "",
        )

    def test_mantener_no_envia_nada(self):
        assert planear(Operacion.MANTENER, 0.6, cantidad=0.3) == (Operacion.MANTENER, (), False, "")

    @pytest.mark.parametrize("lado", [1, -1])
    def test_la_accion_entera_deja_libre_la_reserva(self, lado):
        """0.98 of 20,000 at 30,000 is 0.65333…, not the 0.666 of the whole."""
        assert decidir(lado * 1.0).cantidades == (lado * 0.653,)

    @pytest.mark.parametrize("lado", [1, -1])
    def test_un_cambio_dentro_de_la_banda_no_envia_nada(self, lado):
        """0.4 is an exposure of 0.6; 0.64 is within 0.05 of it and 0.66 is not."""
        assert decidir(lado * 0.64, lado * 0.4).cantidades == ()
        assert decidir(lado * 0.66, lado * 0.4).cantidades == (lado * 0.04,)
        assert decidir(lado * 0.56, lado * 0.4).cantidades == ()
        assert decidir(lado * 0.54, lado * 0.4).cantidades == (-lado * 0.04,)


class TestTramos:
    @pytest.mark.parametrize(
        ("apalancamiento", "maximo"),
        [(1, 1e6), (20, 1e6), (21, 250_000.0), (50, 250_000.0), (125, 50_000.0), (126, 0.0)],
    )
    def test_el_nocional_maximo_es_el_del_tramo_mas_alto_que_admite_el_apalancamiento(
        self, apalancamiento, maximo
    ):
        assert nocional_maximo(unos_tramos(), apalancamiento) == maximo

    def test_una_posicion_no_pasa_del_tope_de_su_tramo(self):
        """0.5 of 100,000 × 50 is 2.5 million; the bracket ends at 250,000: 8.333 at 30,000."""
        plan = planear(Operacion.ABRIR_LONG, 0.5, equity=100_000.0, apalancamiento=50.0)

        assert plan.cantidades == (8.333,)

    def test_en_el_tope_aumentar_se_rechaza_con_su_motivo(self):
        plan = planear(Operacion.AUMENTAR_LONG, 0.9, cantidad=8.333, equity=100_000.0, apalancamiento=50.0)

        assert plan.cantidades == ()
        assert plan.motivo == "quantity 0.0 is below the symbol's minimum 0.001"

    def test_reducir_por_encima_del_tope_baja_hasta_el(self):
        plan = planear(Operacion.REDUCIR_LONG, 0.9, cantidad=10.0, equity=100_000.0, apalancamiento=50.0)

        assert plan.cantidades == (-1.667,)


class TestMinimos:
    def test_una_orden_bajo_el_nocional_minimo_se_rechaza_con_su_motivo(self):
        """0.001 at 30,000 is 30, under 50."""
        plan = planear(Operacion.ABRIR_LONG, 0.5, equity=50.0)

        assert (plan.operacion, plan.cantidades) == (Operacion.ABRIR_LONG, ())
        assert plan.motivo == "notional 30.00 is below the symbol's minimum 50.0"

    def test_en_el_nocional_minimo_se_acepta(self):
        """0.002 at 25,000 is exactly 50."""
        assert planear(Operacion.ABRIR_LONG, 0.5, equity=51.0, precio=25_000.0).cantidades == (0.002,)

    def test_una_orden_bajo_la_cantidad_minima_se_rechaza_con_su_motivo(self):
        plan = planear(Operacion.ABRIR_SHORT, 0.5, equity=1_000.0, filtros=unos_filtros(cantidad_min="0.1"))

        assert plan.cantidades == ()
        assert plan.motivo == "quantity 0.033 is below the symbol's minimum 0.1"

    def test_en_la_cantidad_minima_se_acepta(self):
        plan = planear(Operacion.ABRIR_SHORT, 0.5, equity=1_000.0, filtros=unos_filtros(cantidad_min="0.033"))

        assert plan.cantidades == (-0.033,)

    @pytest.mark.parametrize("equity", [0.0, -100.0, 1e-300])
    def test_sin_equity_no_se_abre(self, equity):
        plan = planear(Operacion.ABRIR_LONG, 0.5, equity=equity)

        assert plan.cantidades == ()
        assert plan.motivo == "quantity 0.0 is below the symbol's minimum 0.001"

    def test_sin_minimos_publicados_tampoco_se_envia_una_orden_de_nada(self):
        libres = unos_filtros(cantidad_min="0", cantidad_min_mercado="0", nocional_min="0")

        assert planear(Operacion.ABRIR_LONG, 0.5, equity=0.01, filtros=libres).cantidades == ()


class TestSalidas:
    @pytest.mark.parametrize(
        ("operacion", "cantidad"), [(Operacion.CERRAR_LONG, 0.001), (Operacion.CERRAR_SHORT, -0.001)]
    )
    def test_cerrar_no_obedece_ningun_minimo(self, operacion, cantidad):
        exigentes = unos_filtros(cantidad_min="1", cantidad_min_mercado="1", nocional_min="100000")

        plan = planear(operacion, cantidad=cantidad, equity=-5.0, filtros=exigentes)

        assert plan == (operacion, (-cantidad,), True, "")

    def test_cerrar_toma_la_cantidad_viva_aunque_no_este_en_el_paso(self):
        assert planear(Operacion.CERRAR_LONG, cantidad=0.12345).cantidades == (-0.12345,)

    @pytest.mark.parametrize(
        ("operacion", "cierre", "lado"),
        [
            (Operacion.REDUCIR_LONG, Operacion.CERRAR_LONG, 1),
            (Operacion.REDUCIR_SHORT, Operacion.CERRAR_SHORT, -1),
        ],
    )
    @pytest.mark.parametrize("equity", [10.0, 0.0, -1_000.0])
    def test_reducir_hasta_menos_de_un_paso_es_cerrar(self, operacion, cierre, lado, equity):
        plan = planear(operacion, 0.1, cantidad=lado * 0.5, equity=equity)

        assert plan == (cierre, (-lado * 0.5,), True, "")

    def test_reducir_menos_de_un_paso_es_mantener(self):
        """0.6 of 20,000 at 30,000 asks for exactly the 0.4 that is held."""
        assert planear(Operacion.REDUCIR_LONG, 0.6, cantidad=0.4) == (Operacion.MANTENER, (), False, "")


class TestTrocear:
    def test_hasta_el_maximo_va_entera(self):
        assert trocear(120.0, unos_filtros()) == (120.0,)

    @pytest.mark.parametrize("lado", [1, -1])
    def test_lo_que_pasa_del_maximo_se_parte(self, lado):
        trozos = trocear(lado * 300.5, unos_filtros())

        assert trozos == (lado * 100.167, lado * 100.167, lado * 100.166)

    def test_un_multiplo_del_maximo_no_deja_un_trozo_vacio(self):
        assert trocear(-240.0, unos_filtros()) == (-120.0, -120.0)

    def test_ningun_trozo_queda_por_debajo_de_los_minimos(self):
        """A last piece of 0.001 would be refused for its notional."""
        assert trocear(120.001, unos_filtros()) == (60.001, 60.0)

    def test_tambien_se_parten_las_salidas(self):
        assert planear(Operacion.CERRAR_SHORT, cantidad=-250.0).cantidades == (83.334, 83.333, 83.333)

    def test_y_las_aperturas_y_las_reducciones(self):
        pequenas = unos_filtros(cantidad_max_mercado="0.15")

        assert planear(Operacion.ABRIR_LONG, 0.6, filtros=pequenas).cantidades == (0.134, 0.133, 0.133)
        assert planear(Operacion.REDUCIR_LONG, 0.3, cantidad=0.5, filtros=pequenas).cantidades == (
            -0.15,
            -0.15,
        )

    @given(st.integers(1, 10**6), st.integers(1, 10**4), st.sampled_from(["1", "0.1", "0.001", "0.00001"]))
    def test_los_trozos_suman_el_todo_y_caben_en_el_lote(self, pasos, maximo, paso):
        assume(pasos / maximo < 200)
        filtros = unos_filtros(
            paso=paso,
            paso_mercado=paso,
            cantidad_max="100000000",
            cantidad_max_mercado=maximo * Decimal(paso),
        )
        total = pasos * Decimal(paso)

        trozos = [Decimal(repr(trozo)) for trozo in trocear(-float(total), filtros)]

        assert sum(trozos) == -total
        assert all(0 < -trozo <= filtros.cantidad_max_mercado for trozo in trozos)
        assert len(trozos) == -(-pasos // maximo)


PASOS = st.sampled_from(["1", "0.1", "0.01", "0.001", "0.0001", "0.00001"])


@given(
    accion=st.floats(-1, 1),
    parte=st.floats(-1, 1),
    equity=st.integers(1, 10**9).map(lambda n: float(Decimal(n).scaleb(-2))),
    precio=st.integers(1, 10**8).map(lambda n: float(Decimal(n).scaleb(-3))),
    apalancamiento=st.integers(1, 20),
    paso=PASOS,
)
def test_ninguna_orden_incumple_los_filtros_ni_pasa_del_objetivo(
    accion, parte, equity, precio, apalancamiento, paso
):
    """Whatever the action and the position, the plan is one that the exchange can take."""
    filtros = unos_filtros(
        paso=paso,
        paso_mercado=paso,
        cantidad_min=paso,
        cantidad_min_mercado=paso,
        cantidad_max_mercado="1000000000",
        cantidad_max="1000000000",
    )
    limites = unos_limites(apalancamiento=apalancamiento, filtros=filtros)
    pasos_actuales = int(parte * equity * apalancamiento / precio / float(paso))
    assume(abs(pasos_actuales) < 10**12)
    actual = pasos_actuales * Decimal(paso)
    regla = ReglaAccion()
    exposicion = exposicion_de(float(actual), precio, equity, apalancamiento)
    interpretacion = interpretar_accion(accion, exposicion, regla)

    plan = planificar(interpretacion, una_cuenta(cantidad=float(actual)), equity, precio, limites)

    cambio = sum((Decimal(repr(trozo)) for trozo in plan.cantidades), Decimal(0))
    despues = actual + cambio
    assert cambio % Decimal(paso) == 0
    assert plan.solo_reduce == (abs(despues) < abs(actual))
    assert despues * actual >= 0
    if plan.operacion.aumenta_exposicion and plan.cantidades:
        tope = min(interpretacion.objetivo * equity * apalancamiento, limites.nocional_max)
        assert abs(despues) > abs(actual)
        assert Fraction(abs(despues)) * Fraction(precio) <= Fraction(tope) * (1 + Fraction(1, 10**15))
        assert (Fraction(abs(despues)) + Fraction(paso)) * Fraction(precio) > Fraction(tope) * (
            1 - Fraction(1, 10**15)
        )
        assert interpretacion.objetivo <= 1 - regla.reserva_margen
        assert float(abs(cambio)) * precio >= filtros.minimo_nocional
        assert not plan.motivo
    if interpretacion.operacion.value.startswith("cerrar"):
        assert despues == 0
