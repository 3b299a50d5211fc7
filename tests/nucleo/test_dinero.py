"""Money: every function lands on what exact decimal arithmetic gives."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from itertools import permutations
from math import inf, nan

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from src.nucleo.dinero import (
    al_paso,
    al_tick,
    al_tick_si_cabe,
    ganancia,
    pasos_enteros,
    precio_desplazado,
    precio_en_tick,
    producto,
    promedio,
    redondear,
    suma,
)
from tests.constructores import unos_filtros

EXACTO = Context(prec=120, rounding=ROUND_HALF_EVEN)
PASOS = tuple(
    Decimal(texto) for texto in ("1", "0.1", "0.01", "0.001", "0.0001", "0.00001", "10", "0.25", "0.003")
)


def entre_8_decimales(exacto: Fraction) -> float:
    """An exact amount rounded to 8 decimals, half to even, written without the code under test."""
    unidades = round(exacto * 10**8)  # Fraction rounds half to even
    return float(EXACTO.divide(Decimal(unidades), Decimal(10**8)))


def fraccion(valor: float) -> Fraction:
    """The number that a float prints as."""
    return Fraction(Decimal(repr(valor)))


def escala_de(paso: Decimal) -> tuple[int, int]:
    return unos_filtros(tick=paso).escala_tick


def decimales(maximo: int, digitos: int) -> st.SearchStrategy[float]:
    """Positive numbers up to a maximum on a grid of 10**-digitos, the grid itself drawn too."""
    return st.integers(0, digitos).flatmap(
        lambda k: st.integers(1, maximo * 10**k).map(lambda n: float(Decimal(n).scaleb(-k)))
    )


CANTIDADES = decimales(100_000, 5)
PRECIOS = decimales(1_000_000, 7)
TASAS = st.integers(-10_000, 10_000).map(lambda n: float(Decimal(n).scaleb(-6)))
SIGNOS = st.sampled_from((1, -1))
IMPARES = st.integers(0, 50_000).map(lambda n: 2 * n + 1)


@st.composite
def productos_en_empate(draw: st.DrawFn) -> tuple[float, float, float]:
    """Three decimals whose product ends in a 5 at the ninth decimal."""
    decimales_cantidad = draw(st.integers(0, 3))
    decimales_tasa = draw(st.integers(3, 6))
    digitos = (decimales_cantidad, 9 - decimales_cantidad - decimales_tasa, decimales_tasa)
    cantidad = Decimal(draw(IMPARES)).scaleb(-digitos[0])
    precio = Decimal(draw(IMPARES)).scaleb(-digitos[1])
    tasa = Decimal(5 * draw(st.integers(0, 9).map(lambda n: 2 * n + 1))).scaleb(-digitos[2])
    return float(cantidad), float(precio), float(tasa)


@st.composite
def productos_junto_a_un_empate(draw: st.DrawFn) -> tuple[float, float]:
    """Quantity on 1e-5 and price on 1e-7 whose product is nearer to a tie than floats can tell."""
    cantidad = draw(st.integers(10**6, 10**9).filter(lambda n: math.gcd(n, 10) == 1))
    distancia = draw(st.integers(-2, 2))
    resto = (5_000 + distancia) * pow(cantidad, -1, 10_000) % 10_000
    precio = draw(st.integers(10**6, 10**8)) * 10_000 + resto
    return float(Decimal(cantidad).scaleb(-5)), float(Decimal(precio).scaleb(-7))


class TestRedondear:
    @given(st.lists(st.integers(-4 * 10**14, 4 * 10**14), min_size=1, max_size=3))
    def test_la_suma_de_montos_de_ocho_decimales_es_la_exacta(self, unidades):
        """Balance, profit and commission; sums up to twelve million are certain in floats."""
        montos = [float(Decimal(n).scaleb(-8)) for n in unidades]

        assert redondear(sum(montos)) == float(Decimal(sum(unidades)).scaleb(-8))

    def test_borra_el_ruido_de_una_suma_binaria(self):
        assert 0.1 + 0.2 != 0.3
        assert redondear(0.1 + 0.2) == 0.3

    @pytest.mark.parametrize("monto", [25_000_000.00000001, -25_000_000.00000003, 40_000_000.00000005])
    def test_un_monto_grande_de_ocho_decimales_se_queda_igual(self, monto):
        assert redondear(monto) == monto

    @given(st.floats(-1e7, 1e7))
    def test_es_idempotente(self, monto):
        assert redondear(redondear(monto)) == redondear(monto)


class TestSuma:
    @given(st.lists(CANTIDADES, max_size=4))
    def test_lo_sumado_y_restado_es_lo_de_antes(self, cantidades):
        assert suma(*cantidades, *(-cantidad for cantidad in cantidades)) == 0.0

    @pytest.mark.parametrize(
        ("sumandos", "total"), [((0.3, -0.1), 0.2), ((0.1, 0.2), 0.3), ((1e-9, 2e-9), 3e-9), ((), 0.0)]
    )
    def test_sale_lo_que_se_lee(self, sumandos, total):
        assert suma(*sumandos) == total


class TestProducto:
    @given(CANTIDADES, PRECIOS, TASAS, SIGNOS)
    def test_es_el_exacto(self, cantidad, precio, tasa, signo):
        esperado = entre_8_decimales(fraccion(signo * cantidad) * fraccion(precio) * fraccion(tasa))

        assert producto(signo * cantidad, precio, tasa) == esperado

    @given(productos_en_empate(), SIGNOS)
    @example((0.001, 1.0, 0.000005), 1)  # 5e-9: down to 0
    @example((0.003, 1.0, 0.000005), 1)  # 1.5e-8: up to 2e-8
    def test_un_empate_va_al_par(self, factores, signo):
        cantidad, precio, tasa = factores
        exacto = signo * fraccion(cantidad) * fraccion(precio) * fraccion(tasa)
        assert (exacto * 10**8).denominator == 2

        resultado = producto(signo * cantidad, precio, tasa)

        assert resultado == entre_8_decimales(exacto)
        assert round(resultado * 1e8) % 2 == 0

    @given(productos_junto_a_un_empate(), SIGNOS)
    def test_junto_a_un_empate_decide_la_cuenta_exacta(self, factores, signo):
        cantidad, precio = factores

        esperado = entre_8_decimales(signo * fraccion(cantidad) * fraccion(precio))

        assert producto(signo * cantidad, precio) == esperado

    def test_un_monto_de_miles_de_millones_tambien_es_el_exacto(self):
        cantidad, precio = 5_076.1047, 650_299.3

        assert producto(cantidad, precio) == entre_8_decimales(fraccion(cantidad) * fraccion(precio))

    @pytest.mark.parametrize(("veces", "esperado"), [(1.0, 0.0), (3.0, 2e-8), (-5.0, -2e-8), (-7.0, -4e-8)])
    def test_un_factor_de_mas_de_ocho_decimales_tambien_empata(self, veces, esperado):
        for factores in permutations((5e-9, veces, 1.0)):
            assert producto(*factores) == esperado

    def test_sin_fraccion_multiplica_dos(self):
        assert producto(0.3, 0.1) == 0.03

    @pytest.mark.parametrize("factores", [(0.0, 30_000.0, 0.0005), (0.001, 30_000.0, 0.0), (-0.0, 1.0, 1.0)])
    def test_un_factor_cero_da_cero(self, factores):
        assert producto(*factores) == 0.0


class TestGanancia:
    @given(CANTIDADES, PRECIOS, PRECIOS, SIGNOS)
    def test_es_la_exacta(self, cantidad, entrada, salida, signo):
        exacta = signo * fraccion(cantidad) * (fraccion(salida) - fraccion(entrada))

        assert ganancia(signo * cantidad, entrada, salida) == entre_8_decimales(exacta)

    @given(
        cantidad=IMPARES.map(lambda n: 5 * n),
        decimales_cantidad=st.integers(2, 5),
        entrada=st.integers(10**9, 10**10),
        ticks=IMPARES,
        signo=SIGNOS,
    )
    def test_un_empate_entre_precios_casi_iguales_va_al_par(
        self, cantidad, decimales_cantidad, entrada, ticks, signo
    ):
        """The difference of two large, close prices has lost its last digits in floats."""
        decimales_precio = 9 - decimales_cantidad
        q = signo * float(Decimal(cantidad).scaleb(-decimales_cantidad))
        p0 = float(Decimal(entrada).scaleb(-decimales_precio))
        p1 = float(Decimal(entrada + ticks).scaleb(-decimales_precio))
        exacta = fraccion(q) * (fraccion(p1) - fraccion(p0))
        assert (exacta * 10**8).denominator == 2

        assert ganancia(q, p0, p1) == entre_8_decimales(exacta)

    @given(CANTIDADES, PRECIOS, PRECIOS)
    def test_lo_que_gana_un_largo_lo_pierde_un_corto(self, cantidad, entrada, salida):
        assert ganancia(cantidad, entrada, salida) == -ganancia(-cantidad, entrada, salida)


class TestPromedio:
    @given(CANTIDADES, PRECIOS, CANTIDADES, PRECIOS, SIGNOS)
    def test_es_el_exacto(self, q0, p0, q1, p1, signo):
        costo = fraccion(q0) * fraccion(p0) + fraccion(q1) * fraccion(p1)
        exacto = costo / (fraccion(q0) + fraccion(q1))

        assert promedio(signo * q0, p0, signo * q1, p1) == entre_8_decimales(exacto)

    @given(CANTIDADES, st.integers(1, 10**13), IMPARES, SIGNOS)
    def test_un_empate_va_al_par(self, cantidad, unidades, separacion, signo):
        """Equal quantities at prices an odd number of 1e-8 apart meet exactly between two amounts."""
        q = signo * cantidad
        p0, p1 = (float(Decimal(n).scaleb(-8)) for n in (unidades, unidades + separacion))

        resultado = promedio(q, p0, q, p1)

        assert resultado == entre_8_decimales((fraccion(p0) + fraccion(p1)) / 2)

    @given(CANTIDADES, CANTIDADES, PRECIOS)
    def test_comprar_mas_al_mismo_precio_no_mueve_la_entrada(self, q0, q1, precio):
        assert promedio(q0, precio, q1, precio) == precio


class TestPasos:
    @given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9), st.sampled_from(PASOS))
    def test_al_paso_limpia_la_suma_de_dos_multiplos(self, a, b, paso):
        suma = float(a * paso) + float(b * paso)

        assert al_paso(suma, escala_de(paso)) == float((a + b) * paso)

    @given(st.floats(0.0, 1e6), st.sampled_from(PASOS))
    def test_al_paso_da_el_multiplo_mas_cercano(self, cantidad, paso):
        ajustada = Fraction(Decimal(repr(al_paso(cantidad, escala_de(paso)))))

        assert (ajustada / Fraction(paso)).denominator == 1
        assert abs(ajustada - Fraction(cantidad)) <= Fraction(paso) / 2 * (1 + Fraction(1, 10**6))

    def test_al_paso_no_toca_un_entero_enorme(self):
        assert al_paso(3e15 + 1, (1, 1)) == 3e15 + 1

    @given(st.integers(0, 10**10), st.sampled_from(PASOS))
    def test_un_multiplo_exacto_cabe_entero(self, pasos, paso):
        assert pasos_enteros(float(pasos * paso), escala_de(paso)) == pasos

    @given(
        st.one_of(
            st.floats(0.0, 1e6),
            st.tuples(st.integers(0, 10**6), st.sampled_from((0.0, math.inf))).map(
                lambda par: math.nextafter(float(par[0] * Decimal("0.001")), par[1])
            ),
        ),
        st.sampled_from(PASOS),
    )
    def test_nunca_cabe_mas_de_lo_que_hay_ni_queda_un_paso_fuera(self, cantidad, paso):
        """The float just below a multiple holds one step less, the one just above no more."""
        pasos = pasos_enteros(cantidad, escala_de(paso))

        assert pasos * Fraction(paso) <= fraccion(cantidad) < (pasos + 1) * Fraction(paso)


class TestPrecios:
    @given(
        PRECIOS,
        st.integers(0, 50_000).map(lambda n: float(Decimal(n).scaleb(-6))),
        st.sampled_from(PASOS),
        st.booleans(),
    )
    def test_el_desplazado_nunca_es_mejor_que_el_exacto_ni_peor_por_un_tick(
        self, precio, slippage, tick, compra
    ):
        exacto = fraccion(precio) * (1 + fraccion(slippage) * (1 if compra else -1))

        resultado = fraccion(precio_desplazado(precio, slippage, escala_de(tick), compra=compra))

        empeora = (resultado - exacto) * (1 if compra else -1)
        assert 0 <= empeora < Fraction(tick)
        assert (resultado / Fraction(tick)).denominator == 1

    @pytest.mark.parametrize("compra", [True, False])
    @given(st.integers(1, 10**7), st.sampled_from(PASOS))
    def test_sin_slippage_un_precio_en_tick_no_se_mueve(self, compra, ticks, tick):
        precio = float(ticks * tick)

        assert precio_desplazado(precio, 0.0, escala_de(tick), compra=compra) == precio

    def test_un_ejemplo_a_mano(self):
        """30,000.0 · 1.0002 = 30,006.0 and · 0.9998 = 29,994.0; 30,000.1 lands between two ticks."""
        tick = (1, 10)

        assert precio_desplazado(30_000.0, 0.0002, tick, compra=True) == 30_006.0
        assert precio_desplazado(30_000.0, 0.0002, tick, compra=False) == 29_994.0
        assert precio_desplazado(30_000.1, 0.0002, tick, compra=True) == 30_006.2
        assert precio_desplazado(30_000.1, 0.0002, tick, compra=False) == 29_994.0

    @given(st.decimals("0.0000001", "1000000", places=9), st.sampled_from(PASOS))
    def test_redondear_al_tick_encierra_el_precio(self, precio, tick):
        abajo = fraccion(precio_en_tick(precio, escala_de(tick), hacia_arriba=False))
        arriba = fraccion(precio_en_tick(precio, escala_de(tick), hacia_arriba=True))

        assert abajo <= Fraction(precio) <= arriba
        assert arriba - abajo == (0 if Fraction(precio) % Fraction(tick) == 0 else Fraction(tick))


class TestAlTick:
    FILTRO = unos_filtros(precio_min="556.80", precio_max="60000").escala_precio

    @pytest.mark.parametrize(
        ("precio", "hacia_arriba", "esperado"),
        [
            (30_000.07, False, 30_000.0),
            (30_000.07, True, 30_000.1),
            (500.0, False, 556.8),
            (0.2, True, 556.8),
            (60_000.01, True, 60_000.0),
            (1e9, False, 60_000.0),
            (0.0, True, None),
            (-1.0, True, None),
        ],
    )
    def test_un_precio_calculado_se_trae_al_filtro(self, precio, hacia_arriba, esperado):
        assert al_tick(precio, self.FILTRO, hacia_arriba=hacia_arriba) == esperado

    @pytest.mark.parametrize("precio", [556.7, 60_000.1, 0.0, -1.0, nan, inf, -inf])
    def test_uno_que_alguien_da_no_se_mueve_hasta_el_filtro(self, precio):
        assert al_tick_si_cabe(precio, self.FILTRO, hacia_arriba=True) is None

    @given(
        precio=st.floats(556.8, 60_000.0),
        hacia_arriba=st.booleans(),
    )
    def test_uno_que_cabe_se_redondea_y_sigue_cabiendo(self, precio, hacia_arriba):
        en_tick = al_tick_si_cabe(precio, self.FILTRO, hacia_arriba=hacia_arriba)

        assert en_tick is not None
        assert 556.8 <= en_tick <= 60_000.0
        assert abs(en_tick - precio) <= 0.1 + 1e-6
