"""Drawdown and the pre-trade rules."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.ordenes import Plan
from src.nucleo.riesgo import (
    CONFIRMACION_MS,
    Anclas,
    EstadoRiesgo,
    Rechazo,
    anclar,
    distancia_liquidacion,
    escalon_de,
    validar_accion_pre,
    validar_brecha,
    validar_escalones,
    verificar_drawdown,
    vigilar_drawdown,
    vigilar_extremos,
)
from src.nucleo.tipos import Operacion
from tests.constructores import HORA_MS, INICIO_MS, un_mercado, una_cuenta, unos_tramos

LIMITE = 0.25  # exact in binary, so that the edge is hit


def vigilar(*marcas: tuple[float, int], maximo: float = 10_000.0):
    """Fold (equity, instant) pairs and give every answer."""
    estado, respuestas = EstadoRiesgo(maximo), []
    for equity, instante in marcas:
        respuesta = vigilar_drawdown(estado, equity, instante, LIMITE)
        estado = respuesta.estado
        respuestas.append(respuesta)
    return respuestas


class TestVerificar:
    def test_es_la_parte_del_maximo_que_falta(self):
        assert verificar_drawdown(9_000.0, 10_000.0, 0.2).actual == pytest.approx(0.1)
        assert verificar_drawdown(10_000.0, 10_000.0, 0.2) == (0.0, False, False)

    def test_en_el_limite_ya_no_vale_y_justo_antes_si(self):
        assert verificar_drawdown(7_500.0, 10_000.0, LIMITE).excedido
        assert not verificar_drawdown(7_500.01, 10_000.0, LIMITE).excedido
        assert verificar_drawdown(7_499.99, 10_000.0, LIMITE).excedido

    @pytest.mark.parametrize(
        ("equity", "maximo", "limite"),
        [
            (8_000.0, 10_000.0, 0.2),
            (9_000.0, 10_000.0, 0.1),
            (7_000.0, 10_000.0, 0.3),
            (9_500.0, 10_000.0, 0.05),
        ],
    )
    def test_en_un_limite_decimal_tampoco_vale(self, equity, maximo, limite):
        """Losing exactly the fifth that is allowed is a breach, whatever 0.2 looks like in binary."""
        assert verificar_drawdown(equity, maximo, limite).excedido

    def test_avisa_desde_el_ochenta_por_ciento_del_limite_hasta_el_limite(self):
        aviso = [
            verificar_drawdown(equity, 10_000.0, LIMITE).aviso
            for equity in (8_000.01, 7_999.99, 7_500.01, 7_500.0)
        ]

        assert aviso == [False, True, True, False]

    @pytest.mark.parametrize("equity", [0.0, -500.0])
    def test_sin_equity_la_caida_es_toda(self, equity):
        caida = verificar_drawdown(equity, 10_000.0, 1.0)

        assert caida.actual >= 1.0
        assert caida.excedido

    @pytest.mark.parametrize("equity", [0.0, -1.0])
    def test_de_un_maximo_de_nada_se_ha_caido_del_todo(self, equity):
        assert verificar_drawdown(equity, 0.0, 0.3) == (1.0, True, False)

    def test_de_un_maximo_desconocido_no_se_sabe_cuanto_se_ha_caido_y_no_vale(self):
        caida = verificar_drawdown(9_000.0, float("nan"), 0.3)

        assert math.isnan(caida.actual)
        assert caida.excedido

    def test_una_equity_desconocida_no_vale(self):
        """Unknown is not fine: a NaN is not below any limit."""
        assert verificar_drawdown(math.nan, 10_000.0, LIMITE).excedido


class TestVigilar:
    def test_una_sola_marca_no_confirma(self):
        (primera,) = vigilar((7_000.0, 5_000))

        assert primera.drawdown.excedido
        assert not primera.confirmado
        assert primera.estado.brecha_desde_ms == 5_000

    @pytest.mark.parametrize(
        ("despues_ms", "confirma"), [(0, False), (999, False), (1_000, True), (60_000, True)]
    )
    def test_confirma_una_segunda_al_menos_un_segundo_despues(self, despues_ms, confirma):
        assert CONFIRMACION_MS == 1_000

        *_, ultima = vigilar((7_000.0, 5_000), (7_100.0, 5_000 + despues_ms))

        assert ultima.confirmado is confirma

    def test_el_segundo_se_cuenta_desde_la_primera_de_la_brecha(self):
        *_, casi, ultima = vigilar((7_000.0, 0), (7_000.0, 600), (7_000.0, 1_200))

        assert (casi.confirmado, ultima.confirmado) == (False, True)
        assert ultima.estado.brecha_desde_ms == 0

    def test_recuperarse_empieza_de_nuevo(self):
        _, recuperada, otra, ultima = vigilar(
            (7_000.0, 0), (7_600.0, 900), (7_000.0, 1_800), (7_000.0, 2_799)
        )

        assert recuperada.estado.brecha_desde_ms is None
        assert otra.estado.brecha_desde_ms == 1_800
        assert not ultima.confirmado

    def test_el_instante_cero_es_un_instante(self):
        *_, ultima = vigilar((7_000.0, 0), (7_000.0, 1_000))

        assert ultima.confirmado

    def test_un_nuevo_maximo_sube_el_liston(self):
        """7,800 is fine against 10,000 and a breach against 10,500."""
        sin, con = vigilar((7_800.0, 0)), vigilar((10_500.0, 0), (7_800.0, 1))

        assert not sin[-1].drawdown.excedido
        assert con[-1].drawdown.excedido

    @given(st.lists(st.tuples(st.floats(-1_000.0, 30_000.0), st.integers(0, 2_000)), min_size=1, max_size=30))
    def test_el_maximo_y_la_peor_caida_solo_crecen_y_son_los_de_la_historia(self, saltos):
        instante, marcas = 0, []
        for equity, espera in saltos:
            instante += espera
            marcas.append((equity, instante))

        respuestas = vigilar(*marcas)

        equities = [10_000.0]
        peor = 0.0
        for (equity, _), respuesta in zip(marcas, respuestas, strict=True):
            equities.append(equity)
            peor = max(peor, respuesta.drawdown.actual)
            assert respuesta.estado.equity_maximo == max(equities)
            assert respuesta.estado.max_drawdown == peor
            assert respuesta.drawdown == verificar_drawdown(equity, max(equities), LIMITE)
            assert (respuesta.estado.brecha_desde_ms is not None) == respuesta.drawdown.excedido
            assert respuesta.drawdown.excedido or not respuesta.confirmado


class TestVigilarExtremos:
    @given(
        equities=st.lists(st.floats(7_000.0, 12_000.0), min_size=1, max_size=8),
        desde=st.one_of(st.none(), st.integers(0, 10)),
        previa=st.floats(0.0, 0.2),
    )
    def test_da_lo_mismo_que_una_a_una_o_dice_que_el_orden_importa(self, equities, desde, previa):
        inicial = estado = EstadoRiesgo(10_000.0, previa, desde)
        brecha = desde is not None
        for instante, equity in enumerate(equities):
            respuesta = vigilar_drawdown(estado, equity, instante, LIMITE)
            estado, brecha = respuesta.estado, brecha or respuesta.drawdown.excedido

        resultado = vigilar_extremos(inicial, min(equities), max(equities), LIMITE)

        if brecha:
            assert resultado is None
        elif max(equities) < 10_000.0:
            assert resultado == estado
        else:
            assert resultado in (None, estado)

    def test_un_maximo_nuevo_sin_peor_caida_no_depende_del_orden(self):
        resultado = vigilar_extremos(EstadoRiesgo(10_000.0, 0.15), 9_900.0, 11_000.0, LIMITE)

        assert resultado == EstadoRiesgo(11_000.0, 0.15)

    def test_un_maximo_nuevo_con_peor_caida_si(self):
        assert vigilar_extremos(EstadoRiesgo(10_000.0, 0.05), 9_900.0, 11_000.0, LIMITE) is None

    def test_en_el_limite_hay_brecha(self):
        assert vigilar_extremos(EstadoRiesgo(10_000.0), 7_500.0, 9_000.0, LIMITE) is None
        assert vigilar_extremos(EstadoRiesgo(0.0), -1.0, 0.0, LIMITE) is None
        assert vigilar_extremos(EstadoRiesgo(10_000.0), 7_500.01, 9_000.0, LIMITE) is not None


class TestValidarBrecha:
    ABRIR = Plan(Operacion.ABRIR_LONG, (0.1,), False)
    EN_BRECHA = EstadoRiesgo(10_000.0, 0.3, 0)

    def test_en_brecha_no_se_entra(self):
        assert validar_brecha(self.ABRIR, self.EN_BRECHA).rechazo is Rechazo.BLOQUEO

    def test_pero_si_se_sale(self):
        assert validar_brecha(Plan(Operacion.CERRAR_LONG, (-0.1,), True), self.EN_BRECHA).valida
        assert validar_brecha(Plan(Operacion.MANTENER, (), False), self.EN_BRECHA).valida

    def test_sin_brecha_se_entra(self):
        assert validar_brecha(self.ABRIR, EstadoRiesgo(10_000.0, 0.3)).valida


DIA_MS = 24 * HORA_MS


class TestAnclas:
    def test_el_primer_cierre_lo_es_del_dia_y_del_mes(self):
        anclas = anclar(None, 9_000.0, INICIO_MS + 10 * DIA_MS + HORA_MS)

        assert anclas == Anclas(INICIO_MS + 10 * DIA_MS, 9_000.0, INICIO_MS, 9_000.0)

    def test_dentro_del_dia_no_se_mueven(self):
        anclas = anclar(None, 9_000.0, INICIO_MS)

        assert anclar(anclas, 8_000.0, INICIO_MS + DIA_MS - 1) is anclas

    def test_la_medianoche_es_del_dia_que_empieza(self):
        anclas = anclar(anclar(None, 9_000.0, INICIO_MS), 8_000.0, INICIO_MS + DIA_MS)

        assert anclas == Anclas(INICIO_MS + DIA_MS, 8_000.0, INICIO_MS, 9_000.0)

    @pytest.mark.parametrize("meses", [(31, 29), (31, 29, 31, 30)])
    def test_cada_mes_empieza_el_dia_uno(self, meses):
        """A leap February too, and months without a single candle."""
        inicio = INICIO_MS + sum(meses) * DIA_MS
        anclas = anclar(anclar(None, 9_000.0, INICIO_MS), 7_000.0, inicio + 5 * DIA_MS)

        assert anclas == Anclas(inicio + 5 * DIA_MS, 7_000.0, inicio, 7_000.0)

    def test_un_deposito_no_es_una_ganancia(self):
        assert Anclas(0, 9_000.0, 0, 10_000.0).escaladas(1.5) == Anclas(0, 13_500.0, 0, 15_000.0)


class TestValidarEscalones:
    """A limit of 0.2 allows to lose 5 % in a day and 10 % in a month."""

    ANCLAS = Anclas(INICIO_MS + 9 * DIA_MS, 9_500.0, INICIO_MS, 10_000.0)
    ABRIR = Plan(Operacion.ABRIR_LONG, (0.1,), False)

    def validar(self, equity: float, plan: Plan = ABRIR):
        return validar_escalones(plan, equity, self.ANCLAS, 0.2)

    def test_hasta_entonces_se_entra(self):
        assert self.validar(9_025.01).valida
        assert self.validar(11_000.0).valida

    def test_la_perdida_del_dia_pausa_las_entradas_hasta_medianoche(self):
        validacion = self.validar(9_025.0)

        assert validacion == (
            Rechazo.BLOQUEO,
            "daily loss 5.00% has reached 5.00%: no entries until 2024-01-11T00:00Z",
        )

    def test_la_del_mes_hasta_que_acabe(self):
        validacion = self.validar(8_990.0)

        assert validacion == (
            Rechazo.BLOQUEO,
            "monthly loss 10.10% has reached 10.00%: no entries until 2024-02-01T00:00Z",
        )

    @pytest.mark.parametrize("operacion", [o for o in Operacion if not o.aumenta_exposicion])
    def test_una_salida_pasa_siempre(self, operacion):
        assert self.validar(100.0, Plan(operacion, (-0.1,), True)).valida

    def test_sin_nada_que_enviar_no_hay_nada_que_rechazar(self):
        assert self.validar(100.0, Plan(Operacion.MANTENER, (), False)).valida

    def test_de_una_cuenta_vacia_no_se_mide_perdida(self):
        assert validar_escalones(self.ABRIR, 100.0, Anclas(0, 0.0, 0, 200.0), 1.0).rechazo is Rechazo.BLOQUEO
        assert validar_escalones(self.ABRIR, -1.0, Anclas(0, 0.0, 0, 0.0), 1.0).valida

    @pytest.mark.parametrize(
        ("equity", "nombre", "hasta_ms"),
        [(9_025.0, "daily", 1_704_931_200_000), (8_990.0, "monthly", 1_706_745_600_000)],
    )
    def test_de_su_texto_se_lee_que_escalon_es(self, equity: float, nombre: str, hasta_ms: int):
        rechazo, detalle = self.validar(equity)
        assert escalon_de(f"{rechazo.value}: {detalle}") == (nombre, hasta_ms)

    @pytest.mark.parametrize("error", ["", "entries_blocked: liquidation is near", "margin: daily loss 1%"])
    def test_otros_textos_no_son_de_un_escalon(self, error: str):
        assert escalon_de(error) is None

    @given(equity=st.floats(1.0, 20_000.0), dia=st.floats(1.0, 20_000.0), mes=st.floats(1.0, 20_000.0))
    def test_se_entra_si_y_solo_si_ambas_perdidas_son_menores(self, equity, dia, mes):
        valida = validar_escalones(self.ABRIR, equity, Anclas(0, dia, 0, mes), 0.2).valida

        assert valida or equity <= 0.95 * dia + 1e-6 or equity <= 0.9 * mes + 1e-6
        assert not valida or (equity >= 0.95 * dia - 1e-6 and equity >= 0.9 * mes - 1e-6)


class TestDistanciaLiquidacion:
    def test_es_la_parte_del_precio_que_falta(self):
        """0.5 at 30,000 with 10,000: a long is liquidated at 10,040.16, a short at 49,800.80."""
        largo, corto = (
            distancia_liquidacion(una_cuenta(cantidad=q), 20_000.0, unos_tramos()) for q in (0.5, -0.5)
        )

        assert largo == pytest.approx((20_000.0 - 10_040.16) / 20_000.0, abs=1e-6)
        assert corto == pytest.approx((49_800.80 - 20_000.0) / 20_000.0, abs=1e-6)

    @pytest.mark.parametrize(("cantidad", "mark"), [(0.5, 10_000.0), (-0.5, 50_000.0)])
    def test_mas_alla_no_queda_ninguna(self, cantidad, mark):
        assert distancia_liquidacion(una_cuenta(cantidad=cantidad), mark, unos_tramos()) == 0.0

    def test_un_corto_sin_margen_a_ningun_precio_tampoco_tiene(self):
        cuenta = una_cuenta(saldo=-40_000.0, cantidad=-1.0)

        assert distancia_liquidacion(cuenta, 30_000.0, unos_tramos()) == 0.0

    @pytest.mark.parametrize("cantidad", [0.0, 0.1])
    def test_sin_precio_que_liquide_no_la_hay(self, cantidad):
        assert distancia_liquidacion(una_cuenta(cantidad=cantidad), 30_000.0, unos_tramos()) is None


class TestValidarAccion:
    @staticmethod
    def validar(plan, cuenta=None, apalancamiento=2.0):
        return validar_accion_pre(
            plan, cuenta or una_cuenta(), 30_006.0, 30_000.0, un_mercado(), apalancamiento
        )

    def test_lo_que_cabe_en_el_margen_pasa(self):
        validacion = self.validar(Plan(Operacion.ABRIR_LONG, (0.65,), False))

        assert validacion == (Rechazo.NINGUNO, "")
        assert validacion.valida

    @pytest.mark.parametrize(
        ("operacion", "trozos"), [(Operacion.ABRIR_LONG, (0.4, 0.3)), (Operacion.ABRIR_SHORT, (-0.4, -0.3))]
    )
    def test_los_trozos_se_miran_juntos(self, operacion, trozos):
        """0.7 at 30,000 and leverage 2 asks for 10,500 of 10,000."""
        validacion = self.validar(Plan(operacion, trozos, False))

        assert validacion.rechazo is Rechazo.MARGEN
        assert not validacion.valida
        assert validacion.detalle.startswith("margin does not cover")

    def test_al_aumentar_cuenta_la_posicion_entera(self):
        plan = Plan(Operacion.AUMENTAR_LONG, (0.3,), False)

        assert self.validar(plan, una_cuenta(cantidad=0.3)).valida
        assert self.validar(plan, una_cuenta(cantidad=0.4)).rechazo is Rechazo.MARGEN

    @pytest.mark.parametrize(
        "operacion",
        [operacion for operacion in Operacion if operacion.value.startswith(("cerrar", "reducir"))],
    )
    def test_una_salida_pasa_siempre(self, operacion):
        """Even with no money left."""
        assert self.validar(Plan(operacion, (5.0,), True), una_cuenta(saldo=-1_000.0, cantidad=-5.0)).valida

    def test_lo_que_el_plan_no_pudo_se_dice(self):
        plan = Plan(Operacion.ABRIR_LONG, (), False, "notional 30.00 is below the symbol's minimum 50.0")

        assert self.validar(plan) == (Rechazo.FILTROS, plan.motivo)

    def test_sin_nada_que_enviar_no_hay_nada_que_rechazar(self):
        assert self.validar(Plan(Operacion.MANTENER, (), False)).valida


@pytest.mark.parametrize(("equity", "esperado"), [(900.0, 0.25), (700.0, 0.3), (1_200.0, 0.25)])
def test_el_mayor_drawdown_cuenta_tambien_lo_que_nadie_vigilo(equity: float, esperado: float):
    assert EstadoRiesgo(1_000.0, 0.25).drawdown_con(equity) == pytest.approx(esperado)
