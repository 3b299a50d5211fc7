"""Worked examples of the account's arithmetic; every number was computed by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from src.simulador.fallos_api import ErrorApi
from src.simulador.margen import precio_liquidacion, resumir
from src.simulador.ordenes import EstadoOrden
from tests.simulador.banco import el_titular, ordenar, planas, una_simulacion

D = Decimal


def test_la_comision_se_cobra_sobre_el_nocional():
    """0.5 · 20,000 · 0.0005 = 5."""
    simulacion = una_simulacion()

    ordenar(simulacion, quantity="0.5")

    assert el_titular(simulacion).cuenta.saldo == D("9995.00000000")
    assert el_titular(simulacion).libro.operadas()[-1].comision == D("5.00000000")


def test_la_entrada_se_promedia_al_aumentar_y_no_cambia_al_reducir():
    """(0.5 · 20,000 + 0.25 · 20,600.4) / 0.75 = 20,200.13333…"""
    simulacion = una_simulacion(planas(20_000, 20_000, 20_600.4, 21_000.1))
    simulacion.avanzar()
    ordenar(simulacion, quantity="0.5")
    for _ in range(4):
        simulacion.avanzar()
    ordenar(simulacion, quantity="0.25")
    posicion = el_titular(simulacion).cuenta.posiciones["BTCUSDT"]
    assert posicion.entrada == D("20200.13333333")

    for _ in range(4):
        simulacion.avanzar()
    ordenar(simulacion, side="SELL", quantity="0.3", reduceOnly="true")

    assert posicion.entrada == D("20200.13333333")
    assert posicion.cantidad == D("0.450")


def test_el_resultado_realizado_se_asienta_aparte_de_la_comision():
    """Bought at 20,000 and sold 0.3 at 21,000.1: 300.03; fees 5 and 3.150015; wallet 10,291.879985."""
    simulacion = una_simulacion(planas(20_000, 20_000, 21_000.1), camino="close")
    simulacion.avanzar()
    ordenar(simulacion, quantity="0.5")
    simulacion.avanzar()

    ordenar(simulacion, side="SELL", quantity="0.3")

    titular = el_titular(simulacion)
    operada = titular.libro.operadas()[-1]
    assert (operada.realizado, operada.comision) == (D("300.03000000"), D("3.15001500"))
    assert titular.cuenta.saldo == D("10291.87998500")


def test_una_orden_que_cruza_cero_cierra_y_abre_al_mismo_precio():
    """Long 0.2 at 20,000; sell 0.5 at 19,000: −200 realised, short 0.3 at 19,000."""
    simulacion = una_simulacion(planas(20_000, 20_000, 19_000), camino="close")
    simulacion.avanzar()
    ordenar(simulacion, quantity="0.2")
    simulacion.avanzar()

    ordenar(simulacion, side="SELL", quantity="0.5")

    posicion = el_titular(simulacion).cuenta.posiciones["BTCUSDT"]
    assert (posicion.cantidad, posicion.entrada) == (D("-0.3"), D("19000.0"))
    assert el_titular(simulacion).libro.operadas()[-1].realizado == D("-200.00000000")


@pytest.mark.parametrize(("lado", "monto"), [("BUY", "-1.00050000"), ("SELL", "1.00050000")])
def test_el_largo_paga_funding_y_el_corto_lo_cobra(lado: str, monto: str):
    """0.5 · 20,010 · 0.0001 = 1.0005, only at a multiple of eight hours."""
    simulacion = una_simulacion(planas(*[20_000] * 7, 20_010, 20_010), camino="close")
    ordenar(simulacion, side=lado, quantity="0.5")
    antes = el_titular(simulacion).cuenta.saldo

    for _ in range(6):
        simulacion.avanzar()
    assert el_titular(simulacion).cuenta.saldo == antes
    simulacion.avanzar()

    assert el_titular(simulacion).cuenta.saldo - antes == D(monto)
    assert el_titular(simulacion).cuenta.suma_ingresos["FUNDING_FEE"] == D(monto)


def test_una_tasa_grabada_gana_a_la_constante():
    simulacion = una_simulacion(
        planas(*[20_000] * 9),
        camino="close",
        tasas_grabadas={"BTCUSDT": {1_700_006_400_000 + 8 * 3_600_000: D("-0.0003")}},
    )
    ordenar(simulacion, quantity="0.5")

    for _ in range(7):
        simulacion.avanzar()

    assert el_titular(simulacion).cuenta.suma_ingresos["FUNDING_FEE"] == D("3.00000000")


def test_el_margen_se_mide_al_precio_de_marca():
    """Long 1 from 20,000 at mark 21,000 and 20×: initial 1,050, maintenance 210, open profit 1,000."""
    simulacion = una_simulacion(planas(20_000, 20_000, 21_000), camino="close")
    simulacion.avanzar()
    ordenar(simulacion, quantity="1")
    simulacion.avanzar()

    titular = el_titular(simulacion)
    medida = resumir(titular.cuenta, simulacion.motor.marcas, ())

    assert medida.inicial == 1050
    assert medida.mantenimiento == 210
    assert medida.no_realizado == 1000
    assert medida.disponible == D("10000") - 10 + 1000 - 1050


def test_el_segundo_tramo_resta_su_deduccion():
    """Notional 60,000: 2 % less 500 is 700."""
    simulacion = una_simulacion()
    ordenar(simulacion, quantity="3")

    medida = resumir(el_titular(simulacion).cuenta, simulacion.motor.marcas, ())

    assert medida.mantenimiento == 700


class TestLiquidacion:
    """Long 1 BTC at 20,000 on a wallet of 4,000 after the opening fee: price (4,000 − 20,000)/(0.01 − 1)."""

    def _abrir(self, velas, **opciones):
        simulacion = una_simulacion([(20_000, 20_000, 20_000, 20_000), *velas], saldo="4010", **opciones)
        ordenar(simulacion, quantity="1")
        return simulacion

    def test_el_precio_publicado_es_el_de_la_formula(self):
        simulacion = self._abrir(planas(20_000))
        cuenta = el_titular(simulacion).cuenta
        precio = precio_liquidacion(cuenta, cuenta.posiciones["BTCUSDT"], simulacion.motor.marcas)

        assert precio is not None
        assert precio.quantize(D("1e-8")) == D("16161.61616162")

    def test_por_el_camino_se_llena_al_precio_de_liquidacion(self):
        """Fill 16,161.6: −3,838.4 and a fee of 202.02 leave −40.42, which the fund pays."""
        simulacion = self._abrir([(20_000, 20_000, 15_000, 18_000)])
        for _ in range(3):
            simulacion.avanzar()

        titular = el_titular(simulacion)
        operada = titular.libro.operadas()[-1]
        assert operada.precio == D("16161.6")
        assert operada.realizado == D("-3838.40000000")
        assert operada.comision == D("202.02000000")
        assert titular.cuenta.saldo == 0
        assert titular.cuenta.suma_ingresos["INSURANCE_CLEAR"] == D("-202.02") + D("40.42")
        assert not titular.cuenta.posiciones["BTCUSDT"].cantidad

    def test_un_salto_se_llena_al_precio_del_salto(self):
        """A gap to 15,000: −5,000 and a fee of 187.5 leave −1,187.5."""
        simulacion = self._abrir([(15_000, 15_000, 15_000, 15_000)], camino="close")
        simulacion.avanzar()

        titular = el_titular(simulacion)
        assert titular.libro.operadas()[-1].precio == D("15000")
        assert titular.cuenta.saldo == 0
        assert titular.cuenta.suma_ingresos["INSURANCE_CLEAR"] == D("-187.5") + D("1187.5")

    def test_un_corto_se_recompra_redondeado_hacia_arriba(self):
        """Short 1 at 20,000 on 4,000: (4,000 + 20,000)/(0.01 + 1) = 23,762.376…, filled at 23,762.4."""
        simulacion = una_simulacion(
            [(20_000, 20_000, 20_000, 20_000), (20_000, 25_000, 20_000, 21_000)], saldo="4010"
        )
        ordenar(simulacion, side="SELL", quantity="1")
        for _ in range(3):
            simulacion.avanzar()

        assert el_titular(simulacion).libro.operadas()[-1].precio == D("23762.4")

    @pytest.mark.parametrize(("saldo", "queda"), [("4170", 0), ("4170.00000001", 1)])
    def test_el_margen_igual_al_mantenimiento_ya_liquida(self, saldo: str, queda: int):
        """At 16,000 the maintenance is 160: a wallet of 4,160 less 4,000 is just as much."""
        simulacion = una_simulacion(planas(20_000, 16_000), saldo=saldo, camino="close")
        ordenar(simulacion, quantity="1")
        simulacion.avanzar()

        assert el_titular(simulacion).cuenta.posiciones["BTCUSDT"].cantidad == queda

    def test_la_orden_de_liquidacion_se_reconoce_por_su_id(self):
        simulacion = self._abrir(planas(15_000), camino="close")
        simulacion.avanzar()

        orden = list(el_titular(simulacion).libro.todas())[-1]
        assert orden.id_cliente.startswith("autoclose-")
        assert (orden.tipo.value, orden.estado) == ("LIQUIDATION", EstadoOrden.FILLED)

    def test_las_ordenes_en_reposo_vencen(self):
        simulacion = self._abrir(planas(15_000), camino="close")
        venta = ordenar(simulacion, side="SELL", type="LIMIT", price="20500", quantity="1", reduceOnly="true")
        simulacion.avanzar()

        assert venta.estado is EstadoOrden.EXPIRED


class TestAislada:
    """Isolated at 10×: long 1 at 20,000 has 2,000 of its own."""

    def _abrir(self, velas, saldo="10000"):
        simulacion = una_simulacion(
            [(20_000, 20_000, 20_000, 20_000), *velas], saldo=saldo, camino="close", apalancamiento=10
        )
        posicion = el_titular(simulacion).cuenta.posiciones["BTCUSDT"]
        posicion.tipo_margen = type(posicion.tipo_margen).ISOLATED
        ordenar(simulacion, quantity="1")
        return simulacion

    def test_su_margen_sale_del_saldo_cruzado(self):
        cuenta = el_titular(self._abrir(planas(20_000))).cuenta

        assert cuenta.posiciones["BTCUSDT"].cartera_aislada == 2000
        assert cuenta.saldo_cruzado() == 7990
        assert cuenta.saldo == 9990

    def test_la_liquidacion_no_toca_el_resto_del_saldo(self):
        """(2,000 − 20,000)/(0.01 − 1) = 18,181.81…; 17,000 loses 3,212.5: the fund pays 1,212.5."""
        simulacion = self._abrir(planas(17_000))
        cuenta = el_titular(simulacion).cuenta
        precio = precio_liquidacion(cuenta, cuenta.posiciones["BTCUSDT"], simulacion.motor.marcas)
        assert precio is not None
        assert precio.quantize(D("0.01")) == D("18181.82")

        simulacion.avanzar()

        assert cuenta.saldo == 7990
        assert cuenta.saldo_cruzado() == 7990
        assert cuenta.suma_ingresos["INSURANCE_CLEAR"] == D("1212.5") - D("212.5")

    @pytest.mark.parametrize(("margen", "queda"), [("2180", 0), ("2180.00000001", 1)])
    def test_su_margen_igual_al_mantenimiento_ya_liquida(self, margen: str, queda: int):
        """At 18,000 the maintenance is 180: 2,180 less 2,000 is just as much."""
        simulacion = self._abrir(planas(18_000))
        posicion = el_titular(simulacion).cuenta.posiciones["BTCUSDT"]
        posicion.cartera_aislada = D(margen)
        simulacion.avanzar()

        assert posicion.cantidad == queda

    @pytest.mark.parametrize(("saldo", "cabe"), [("2030.0", False), ("2030.1", True)])
    def test_al_abrir_cuenta_el_precio_de_la_orden(self, saldo: str, cabe: bool):
        """Bought at 20,200 with the mark at 20,000: 2,020 of margin, 10 for the distance, 10.1 of fee."""
        simulacion = una_simulacion(saldo=saldo, slippage=D("0.01"), apalancamiento=10)
        posicion = el_titular(simulacion).cuenta.posiciones["BTCUSDT"]
        posicion.tipo_margen = type(posicion.tipo_margen).ISOLATED
        if not cabe:
            with pytest.raises(ErrorApi):
                ordenar(simulacion, quantity="1")
            return
        ordenar(simulacion, quantity="1")
        assert el_titular(simulacion).cuenta.saldo_cruzado() == 0

    def test_al_reducir_se_libera_su_parte(self):
        """Half closed at 20,400: 1,000 of margin and 200 of profit return."""
        simulacion = self._abrir(planas(20_400))
        simulacion.avanzar()

        ordenar(simulacion, side="SELL", quantity="0.5")

        cuenta = el_titular(simulacion).cuenta
        assert cuenta.posiciones["BTCUSDT"].cartera_aislada == 1000
        assert cuenta.saldo == 9990 + 200 - D("5.1")

    def test_el_funding_sale_de_su_propio_margen(self):
        simulacion = self._abrir(planas(*[20_000] * 8))
        for _ in range(7):
            simulacion.avanzar()

        cuenta = el_titular(simulacion).cuenta
        assert cuenta.posiciones["BTCUSDT"].cartera_aislada == 1998
        assert cuenta.saldo_cruzado() == 7990


def test_en_cruzado_solo_se_liquida_lo_necesario():
    """Long 10 BTC (2 %, cum 500) and short 10 ETH on 19,895: m with 19,895 + 10·(m − 20,000) = 0.2·m − 400.

    Filled at 18,337.2: −16,628 and a fee of 2,292.15 leave 974.85, which carries the ETH position.
    """
    simulacion = una_simulacion(
        [(20_000,) * 4, (20_000, 20_000, 18_000, 19_000)],
        otras=[("ETHUSDT", planas(1_000, 1_000))],
        saldo="20000",
    )
    ordenar(simulacion, quantity="10")
    ordenar(simulacion, symbol="ETHUSDT", side="SELL", quantity="10")
    for _ in range(3):
        simulacion.avanzar()

    cuenta = el_titular(simulacion).cuenta
    assert el_titular(simulacion).libro.operadas()[-1].precio == D("18337.2")
    assert cuenta.posiciones["ETHUSDT"].cantidad == -10
    assert cuenta.saldo == D("974.85")


def test_en_cruzado_una_posicion_sostiene_a_la_otra():
    """Long 1 BTC loses 4,000 while short 10 ETH earns 2,000 on a wallet of about 3,000: no liquidation."""
    simulacion = una_simulacion(
        planas(20_000, 20_000, 16_000),
        otras=[("ETHUSDT", planas(1_000, 1_000, 800))],
        saldo="3015",
        camino="close",
    )
    simulacion.avanzar()
    ordenar(simulacion, quantity="1")
    ordenar(simulacion, symbol="ETHUSDT", side="SELL", quantity="10")
    simulacion.avanzar()

    cuenta = el_titular(simulacion).cuenta
    assert cuenta.posiciones["BTCUSDT"].cantidad == 1
    assert cuenta.saldo == 3000
