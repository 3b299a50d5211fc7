"""The account's arithmetic against examples worked by hand and against exact decimals."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from src.nucleo.cartera import (
    aplanar,
    aplicar_compraventa,
    cobrar_funding,
    cuenta_de,
    debe_liquidarse,
    equity_de,
    equity_en,
    liquidar,
    margen_alcanza,
    margen_de,
    margen_mantenimiento,
    pnl_no_realizado,
    precio_liquidacion,
    tramo_de,
)
from src.nucleo.tipos import EstadoCuenta, Posicion, Tramo
from tests.constructores import un_mercado, una_cuenta, unos_filtros, unos_tramos

FILTROS = unos_filtros()
TRAMOS = unos_tramos()


def operar(cuenta, cantidad, precio, comision=0.0005):
    return aplicar_compraventa(cuenta, cantidad, precio, comision, FILTROS)


class TestEjemploAMano:
    """A long and a short, step by step, from 10,000 at a commission of 0.05 %."""

    @pytest.mark.parametrize(
        ("lado", "saldo_reducido", "saldo_final"),
        [
            # 0.3 leaves at 33,000: ±600, fee 4.95; 0.5 leaves at 30,000: ∓500, fee 7.5
            (1, 10_000 - 6 - 9.6 + 600 - 4.95, 10_000 - 6 - 9.6 + 600 - 4.95 - 500 - 7.5),
            (-1, 10_000 - 6 - 9.6 - 600 - 4.95, 10_000 - 6 - 9.6 - 600 - 4.95 + 500 - 7.5),
        ],
    )
    def test_abrir_aumentar_reducir_y_cerrar(self, lado, saldo_reducido, saldo_final):
        cuenta, abierta = operar(una_cuenta(), lado * 0.4, 30_000.0)
        assert (cuenta.posicion, cuenta.saldo) == (Posicion(lado * 0.4, 30_000.0), 9_994.0)
        assert abierta == (lado * 0.4, 30_000.0, 6.0, 0.0)

        # as much again at 32,000: 0.8 at 31,000, the second half at 0.075 %
        aumentada, mas = operar(cuenta, lado * 0.4, 32_000.0, 0.00075)
        assert aumentada.posicion == Posicion(lado * 0.8, 31_000.0)
        assert (mas.comision, mas.pnl_realizado) == (9.6, 0.0)

        reducida, menos = operar(aumentada, -lado * 0.3, 33_000.0)
        assert reducida.posicion == Posicion(lado * 0.5, 31_000.0)
        assert (menos.comision, menos.pnl_realizado) == (4.95, lado * 600.0)
        assert reducida.saldo == pytest.approx(saldo_reducido, abs=1e-9)

        cerrada, cierre = operar(reducida, -lado * 0.5, 30_000.0)
        assert cerrada.posicion is None
        assert (cierre.comision, cierre.pnl_realizado) == (7.5, lado * -500.0)
        assert cerrada.saldo == pytest.approx(saldo_final, abs=1e-9)

    def test_la_entrada_media_se_guarda_con_ocho_decimales(self):
        """(0.001 · 30,000 + 0.002 · 30,000.1) / 0.003 = 30,000.0666…"""
        cuenta, _ = operar(una_cuenta(cantidad=0.001), 0.002, 30_000.1)

        assert cuenta.posicion == Posicion(0.003, 30_000.06666667)

    def test_las_cantidades_se_quedan_en_el_paso(self):
        """0.1 + 0.2 and 0.3 − 0.1 are not multiples of 0.001 in floats."""
        aumentada, _ = operar(una_cuenta(cantidad=0.1), 0.2, 30_000.0)
        reducida, _ = operar(aumentada, -0.1, 30_000.0)
        cerrada, _ = operar(reducida, -0.2, 30_000.0)

        assert (aumentada.cantidad, reducida.cantidad, cerrada.posicion) == (0.3, 0.2, None)

    @pytest.mark.parametrize("lado", [1, -1])
    def test_una_compraventa_no_da_la_vuelta_a_la_posicion(self, lado):
        with pytest.raises(ValueError, match="crosses zero"):
            operar(una_cuenta(cantidad=lado * 0.1), -lado * 0.101, 30_000.0)


class TestEquity:
    @pytest.mark.parametrize(("cantidad", "pnl"), [(0.25, 500.0), (-0.25, -500.0), (0.0, 0.0)])
    def test_es_el_saldo_mas_lo_no_realizado(self, cantidad, pnl):
        cuenta = una_cuenta(cantidad=cantidad)

        assert pnl_no_realizado(cuenta, 32_000.0) == pnl
        assert equity_de(cuenta, 32_000.0) == 10_000.0 + pnl

    @pytest.mark.parametrize("cantidad", [0.25, -0.25, 0.0])
    @pytest.mark.parametrize("precio", [29_999.9, 30_000.0, 35_000.1])
    def test_en_numeros_sueltos_es_la_misma(self, cantidad, precio):
        cuenta = una_cuenta(cantidad=cantidad)

        assert equity_en(*aplanar(cuenta), precio) == equity_de(cuenta, precio)

    @pytest.mark.parametrize("cantidad", [0.25, -0.25, 0.0])
    def test_los_numeros_sueltos_son_la_misma_cuenta(self, cantidad):
        cuenta = una_cuenta(cantidad=cantidad)

        assert cuenta_de(*aplanar(cuenta)) == cuenta

    @pytest.mark.parametrize("cantidad", [0.25, -0.25])
    def test_el_margen_es_el_nocional_entre_el_apalancamiento(self, cantidad):
        assert margen_de(una_cuenta(cantidad=cantidad), 32_000.0, 2.0) == 4_000.0
        assert margen_de(una_cuenta(), 32_000.0, 2.0) == 0.0


class TestFunding:
    @pytest.mark.parametrize(
        ("cantidad", "tasa", "monto"),
        [
            (0.5, 0.0001, -1.6),  # a long pays a positive rate
            (-0.5, 0.0001, 1.6),
            (0.5, -0.0001, 1.6),
            (-0.5, -0.0001, -1.6),
        ],
    )
    def test_los_largos_pagan_si_la_tasa_es_positiva(self, cantidad, tasa, monto):
        """0.5 at a mark of 32,000 and 0.01 %: 1.6."""
        cuenta = una_cuenta(cantidad=cantidad)

        despues, cobrado = cobrar_funding(cuenta, 32_000.0, tasa)

        assert cobrado == monto
        assert despues.saldo == pytest.approx(10_000.0 + monto, abs=1e-9)
        assert despues.posicion == cuenta.posicion

    def test_sin_posicion_no_hay_funding(self):
        assert cobrar_funding(una_cuenta(), 32_000.0, 0.0001) == (una_cuenta(), 0.0)


class TestMantenimiento:
    def test_cada_nocional_cae_en_su_tramo_y_mas_alla_en_el_ultimo(self):
        elegidos = [tramo_de(n, TRAMOS) for n in (0.0, 50_000.0, 50_000.01, 250_000.0, 1e6, 5e6)]

        assert elegidos == [TRAMOS[0], TRAMOS[0], TRAMOS[1], TRAMOS[1], TRAMOS[2], TRAMOS[2]]

    def test_es_el_nocional_por_la_tasa_menos_la_deduccion(self):
        """100,000 · 0.5 % − 50 and 400,000 · 1 % − 1,300."""
        assert margen_mantenimiento(10_000.0, TRAMOS) == 40.0
        assert margen_mantenimiento(100_000.0, TRAMOS) == 450.0
        assert margen_mantenimiento(400_000.0, TRAMOS) == 2_700.0


class TestLiquidacion:
    """Wallet 1,000 and 0.1 at 30,000 in the first bracket (0.4 %)."""

    LARGO = una_cuenta(saldo=1_000.0, cantidad=0.1)
    CORTO = una_cuenta(saldo=1_000.0, cantidad=-0.1)
    LP_LARGO = 2_000 / 0.0996  # (1,000 − 3,000) / (0.0004 − 0.1) = 20,080.32…
    LP_CORTO = 4_000 / 0.1004  # (1,000 + 3,000) / (0.0004 + 0.1) = 39,840.63…

    def test_el_precio_es_el_de_la_formula_de_la_bolsa(self):
        assert precio_liquidacion(self.LARGO, 30_000.0, TRAMOS) == pytest.approx(self.LP_LARGO, rel=1e-12)
        assert precio_liquidacion(self.CORTO, 30_000.0, TRAMOS) == pytest.approx(self.LP_CORTO, rel=1e-12)

    def test_en_otro_tramo_cuenta_la_deduccion(self):
        """4 at 30,000 marked at 26,000: 104,000, 0.5 % less 50: (20,000 + 50 − 120,000) / (0.02 − 4)."""
        cuenta = una_cuenta(saldo=20_000.0, cantidad=4.0)

        assert precio_liquidacion(cuenta, 26_000.0, TRAMOS) == pytest.approx(99_950 / 3.98, rel=1e-12)

    def test_no_lo_hay_sin_posicion_ni_si_el_saldo_cubre_un_largo_hasta_cero(self):
        assert precio_liquidacion(una_cuenta(), 30_000.0, TRAMOS) is None
        assert precio_liquidacion(una_cuenta(cantidad=0.1), 30_000.0, TRAMOS) is None

    def test_toca_cuando_el_balance_ya_no_supera_el_mantenimiento(self):
        assert not debe_liquidarse(self.LARGO, 20_080.4, TRAMOS)
        assert debe_liquidarse(self.LARGO, 20_080.3, TRAMOS)
        assert not debe_liquidarse(self.CORTO, 39_840.6, TRAMOS)
        assert debe_liquidarse(self.CORTO, 39_840.7, TRAMOS)
        assert not debe_liquidarse(una_cuenta(saldo=-5.0), 30_000.0, TRAMOS)

    def test_igualarlo_basta(self):
        """Wallet 120 and 1 from 30,000 at 30,000: margin balance 120, maintenance 0.4 % of 30,000."""
        justa = una_cuenta(saldo=120.0, cantidad=1.0)

        assert debe_liquidarse(justa, 30_000.0, TRAMOS)
        assert not debe_liquidarse(justa._replace(saldo=120.01), 30_000.0, TRAMOS)

    @given(
        lado=st.sampled_from((1, -1)),
        pasos=st.integers(1, 30_000),
        entrada=st.integers(10_000, 1_000_000).map(lambda n: n / 10),
        parte=st.floats(0.02, 0.9),
    )
    def test_en_el_precio_de_liquidacion_balance_y_mantenimiento_se_igualan(
        self, lado, pasos, entrada, parte
    ):
        cantidad = lado * pasos / 1_000
        cuenta = una_cuenta(abs(cantidad) * entrada * parte, cantidad, entrada)
        marca = entrada
        for _ in range(4):  # walk to the bracket that holds at the answer
            marca = precio_liquidacion(cuenta, marca, TRAMOS) or marca
        nocional = abs(cantidad) * marca

        assert equity_de(cuenta, marca) == pytest.approx(
            margen_mantenimiento(nocional, TRAMOS), rel=1e-6, abs=1e-9 * nocional
        )
        assert debe_liquidarse(cuenta, marca * (1 - lado * 1e-4), TRAMOS)
        assert not debe_liquidarse(cuenta, marca * (1 + lado * 1e-4), TRAMOS)

    @pytest.mark.parametrize(
        ("cuenta", "anterior", "marca", "precio"),
        [
            pytest.param(LARGO, 21_000.0, 19_000.0, 20_080.3, id="un largo en el camino: abajo al tick"),
            pytest.param(CORTO, 39_000.0, 41_000.0, 39_840.7, id="un corto en el camino: arriba al tick"),
            pytest.param(LARGO, 19_000.0, 19_000.0, 19_000.0, id="un largo en un salto"),
            pytest.param(CORTO, 41_000.0, 41_000.0, 41_000.0, id="un corto en un salto"),
            pytest.param(LARGO, 20_050.0, 19_000.0, 20_050.0, id="un largo que ya estaba por debajo"),
            pytest.param(CORTO, 40_000.0, 41_000.0, 40_000.0, id="un corto que ya estaba por encima"),
        ],
    )
    def test_se_ejecuta_entre_el_punto_anterior_y_la_marca(self, cuenta, anterior, marca, precio):
        assert liquidar(cuenta, anterior, marca, un_mercado()).ejecucion.precio == precio

    def test_cierra_todo_cobra_la_tasa_de_liquidacion_y_deja_el_resto(self):
        """0.1 at 20,080.3: −991.97 and 1.25 % of 2,008.03 = 25.100375, of a wallet of 1,020."""
        cuenta = self.LARGO._replace(saldo=1_020.0)

        despues, ejecucion, cubierto = liquidar(cuenta, 20_080.3, 20_080.3, un_mercado())

        assert ejecucion == (-0.1, 20_080.3, 25.100375, -991.97)
        assert despues == EstadoCuenta(2.929625, None)
        assert cubierto == 0.0

    @pytest.mark.parametrize("lado", [1, -1])
    def test_lo_que_falta_lo_cubre_el_seguro(self, lado):
        """A jump of 12,000 against 0.1 loses 1,200 of 1,000, and the fee comes on top."""
        marca = 30_000.0 - lado * 12_000.0
        cuenta = una_cuenta(saldo=1_000.0, cantidad=lado * 0.1)

        despues, ejecucion, cubierto = liquidar(cuenta, marca, marca, un_mercado())

        assert despues == EstadoCuenta(0.0, None)
        assert ejecucion.pnl_realizado == -1_200.0
        assert ejecucion.comision == pytest.approx(0.1 * marca * 0.0125)
        assert cubierto == pytest.approx(200.0 + ejecucion.comision, abs=1e-9)

    def test_la_cuenta_cuadra_con_lo_cubierto(self):
        despues, ejecucion, cubierto = liquidar(self.CORTO, 39_000.0, 41_000.0, un_mercado())

        assert despues.saldo - 1_000.0 == pytest.approx(
            ejecucion.pnl_realizado - ejecucion.comision + cubierto, abs=1e-9
        )

    def test_si_ningun_precio_positivo_la_liquida_se_ejecuta_en_la_marca(self):
        solvente = una_cuenta(saldo=10_000.0, cantidad=0.1)

        assert liquidar(solvente, 21_000.0, 19_000.0, un_mercado()).ejecucion.precio == 19_000.0

    def test_sin_posicion_no_hay_que_liquidar(self):
        with pytest.raises(ValueError, match="no position to liquidate"):
            liquidar(una_cuenta(), 30_000.0, 30_000.0, un_mercado())

    def test_los_tramos_del_mercado_deciden(self):
        duro = Tramo(nocional_max=1e9, apalancamiento_max=2, tasa_mantenimiento=0.1, deduccion=0.0)

        resultado = liquidar(self.LARGO, 30_000.0, 19_000.0, un_mercado(tramos=(duro,)))

        assert resultado.ejecucion.precio == 22_222.2  # 2,000 / 0.09


class TestMargen:
    """Equity 10,000 at leverage 2 and a price of 25,000: 0.8 uses it all, and the fee no longer fits."""

    @pytest.mark.parametrize("lado", [1, -1])
    def test_la_comision_tambien_tiene_que_caber(self, lado):
        sin_comision = un_mercado(comision_taker=0.0)

        assert margen_alcanza(una_cuenta(), lado * 0.8, 25_000.0, 25_000.0, sin_comision, 2.0)
        assert not margen_alcanza(una_cuenta(), lado * 0.8, 25_000.0, 25_000.0, un_mercado(), 2.0)
        assert margen_alcanza(una_cuenta(), lado * 0.799, 25_000.0, 25_000.0, un_mercado(), 2.0)

    @pytest.mark.parametrize(("saldo", "alcanza"), [(6_256.25, True), (6_256.24999999, False)])
    def test_falta_hasta_la_ultima_unidad(self, saldo, alcanza):
        """0.5 at 25,000: 6,250 of margin and 6.25 of commission."""
        assert margen_alcanza(una_cuenta(saldo), 0.5, 25_000.0, 25_000.0, un_mercado(), 2.0) is alcanza

    def test_el_margen_se_mide_en_la_marca_y_la_comision_en_el_precio_de_la_orden(self):
        """0.4 at 25,000 and leverage 1 is the whole equity; only the commission is left to pay."""
        caro = un_mercado(comision_taker=0.5)

        assert margen_alcanza(una_cuenta(), 0.3, 8_000.0, 25_000.0, caro, 1.0)
        assert not margen_alcanza(una_cuenta(), 0.3, 25_000.0, 25_000.0, caro, 1.0)

    def test_cuenta_la_posicion_entera_y_lo_que_lleva_ganado(self):
        """0.4 bought at 20,000 and worth 25,000: equity 12,000, room for 0.96 in all."""
        cuenta = una_cuenta(cantidad=0.4, entrada=20_000.0)

        assert margen_alcanza(cuenta, 0.559, 25_000.0, 25_000.0, un_mercado(), 2.0)
        assert not margen_alcanza(cuenta, 0.56, 25_000.0, 25_000.0, un_mercado(), 2.0)


CENTIMILLONESIMO = Decimal("1e-8")
MILESIMAS = st.integers(1, 5_000)
PRECIOS = st.integers(200_000, 400_000)  # ticks of 0.1
COMISIONES = st.sampled_from(("0", "0.0002", "0.0004", "0.0005", "0.001", "0.000333"))
TASAS = st.integers(-3_000, 3_000)  # of 1e-6


def d(valor: float) -> Decimal:
    return Decimal(repr(valor))


def asentar(monto: Decimal) -> Decimal:
    return monto.quantize(CENTIMILLONESIMO, rounding=ROUND_HALF_EVEN)


class LibroExacto(RuleBasedStateMachine):
    """Random fills and funding on an account, on its mirror image, and in exact decimals beside them."""

    @initialize(saldo=st.integers(10**8, 10**13))
    def abrir_libro(self, saldo):
        self.inicial = saldo * CENTIMILLONESIMO
        self.cuenta = self.espejo = EstadoCuenta(float(self.inicial))
        self.cantidad = self.entrada = Decimal(0)
        self.pnl = self.comisiones = self.funding = Decimal(0)
        self.marca = Decimal(30_000)

    def _ejecutar(self, cantidad: Decimal, precio: Decimal, comision: str) -> Decimal:
        """Apply a fill to both accounts and to the book; returns the exact realised profit."""
        self.marca = precio
        realizado = Decimal(0)
        if self.cantidad * cantidad < 0:
            realizado = asentar(-cantidad * (precio - self.entrada))
        pagada = asentar(abs(cantidad) * precio * Decimal(comision))
        argumentos = (float(precio), float(comision), FILTROS)

        self.cuenta, ejecucion = aplicar_compraventa(self.cuenta, float(cantidad), *argumentos)
        self.espejo, reflejada = aplicar_compraventa(self.espejo, -float(cantidad), *argumentos)

        assert (d(ejecucion.comision), d(ejecucion.pnl_realizado)) == (pagada, realizado)
        assert (reflejada.comision, reflejada.pnl_realizado) == (ejecucion.comision, -ejecucion.pnl_realizado)
        self.comisiones += pagada
        self.pnl += realizado
        return realizado

    @rule(largo=st.booleans(), pasos=MILESIMAS, ticks=PRECIOS, comision=COMISIONES)
    def aumentar(self, largo, pasos, ticks, comision):
        lado = (1 if self.cantidad > 0 else -1) if self.cantidad else (1 if largo else -1)
        cantidad, precio = lado * Decimal(pasos) / 1_000, Decimal(ticks) / 10

        assert self._ejecutar(cantidad, precio, comision) == 0

        costo = self.cantidad * self.entrada + cantidad * precio
        self.cantidad += cantidad
        self.entrada = asentar(costo / self.cantidad)

    @precondition(lambda self: self.cantidad)
    @rule(parte=st.integers(1, 100), ticks=PRECIOS, comision=COMISIONES)
    def reducir(self, parte, ticks, comision):
        pasos = max(1, int(abs(self.cantidad) * 1_000) * parte // 100)
        cantidad = Decimal(pasos) / 1_000 * (-1 if self.cantidad > 0 else 1)

        self._ejecutar(cantidad, Decimal(ticks) / 10, comision)

        self.cantidad += cantidad

    @precondition(lambda self: self.cantidad)
    @rule(ticks=PRECIOS, comision=COMISIONES)
    def cerrar(self, ticks, comision):
        self._ejecutar(-self.cantidad, Decimal(ticks) / 10, comision)

        self.cantidad = Decimal(0)

    @rule(ticks=PRECIOS, millonesimas=TASAS)
    def liquidar_funding(self, ticks, millonesimas):
        self.marca = Decimal(ticks) / 10
        tasa = Decimal(millonesimas).scaleb(-6)
        monto = asentar(-self.cantidad * self.marca * tasa)

        self.cuenta, cobrado = cobrar_funding(self.cuenta, float(self.marca), float(tasa))
        self.espejo, reflejado = cobrar_funding(self.espejo, float(self.marca), float(tasa))

        assert d(cobrado) == monto
        assert reflejado == -cobrado
        self.funding += monto

    @invariant()
    def nada_se_crea_ni_se_pierde(self):
        assert d(self.cuenta.saldo) == self.inicial + self.pnl - self.comisiones + self.funding
        assert d(self.espejo.saldo) == self.inicial - self.pnl - self.comisiones - self.funding

    @invariant()
    def la_posicion_es_la_del_libro_y_la_otra_su_espejo(self):
        if self.cantidad == 0:
            assert self.cuenta.posicion is None
            assert self.espejo.posicion is None
            return
        assert self.cuenta.posicion == Posicion(float(self.cantidad), float(self.entrada))
        assert self.espejo.posicion == Posicion(-float(self.cantidad), float(self.entrada))

    @invariant()
    def la_equity_es_el_saldo_mas_lo_no_realizado(self):
        marca = float(self.marca)
        exacta = d(self.cuenta.saldo) + self.cantidad * (self.marca - self.entrada)

        assert equity_de(self.cuenta, marca) == self.cuenta.saldo + pnl_no_realizado(self.cuenta, marca)
        assert float(exacta) == pytest.approx(equity_de(self.cuenta, marca), rel=1e-12, abs=1e-7)


TestLibroExacto = LibroExacto.TestCase
TestLibroExacto.settings = settings(max_examples=80, stateful_step_count=40)
