"""What happens to market and limit orders."""

from __future__ import annotations

from decimal import Decimal

import pytest

from src.simulador.fallos_api import ErrorApi
from src.simulador.ordenes import RECUERDA, EstadoOrden
from tests.simulador.banco import el_titular, ordenar, planas, una_simulacion

D = Decimal


def test_el_slippage_empeora_el_precio_y_se_redondea_al_tick_en_contra():
    """20,000.4 · 1.0002 = 20,004.40008 → 20,004.5; · 0.9998 = 19,996.39992 → 19,996.3."""
    simulacion = una_simulacion(planas(20_000.4, 20_000.4), slippage=D("0.0002"))

    compra = ordenar(simulacion, quantity="0.1")
    venta = ordenar(simulacion, side="SELL", quantity="0.1")

    assert (compra.precio_medio, venta.precio_medio) == (D("20004.5"), D("19996.3"))


def test_un_limite_que_no_cruza_espera_y_se_llena_como_maker_a_su_precio():
    simulacion = una_simulacion([(20_000,) * 4, (20_000, 20_000, 19_000, 20_000)])
    orden = ordenar(simulacion, type="LIMIT", price="19500", quantity="0.1")
    assert orden.estado is EstadoOrden.NEW

    simulacion.avanzar()
    assert orden.estado is EstadoOrden.NEW
    simulacion.avanzar()

    operada = el_titular(simulacion).libro.operadas()[-1]
    assert (operada.precio, operada.maker) == (D(19500), True)
    assert operada.comision == D("0.39000000")  # 0.1 · 19,500 · 0.0002


def test_un_limite_que_cruza_se_llena_al_mejor_precio_como_taker():
    simulacion = una_simulacion()
    orden = ordenar(simulacion, type="LIMIT", price="20500", quantity="0.1")

    assert (orden.estado, orden.precio_medio) == (EstadoOrden.FILLED, D(20000))
    assert el_titular(simulacion).libro.operadas()[-1].maker is False


def test_un_salto_por_encima_llena_al_precio_del_limite():
    simulacion = una_simulacion(planas(20_000, 19_000), camino="close")
    orden = ordenar(simulacion, type="LIMIT", price="19500", quantity="0.1")

    simulacion.avanzar()

    assert orden.precio_medio == D(19500)


def test_ioc_que_no_cruza_vence():
    orden = ordenar(una_simulacion(), type="LIMIT", timeInForce="IOC", price="19500", quantity="0.1")

    assert (orden.estado, orden.ejecutada) == (EstadoOrden.EXPIRED, 0)


@pytest.mark.parametrize(("vigencia", "precio", "codigo"), [("FOK", "19500", -5021), ("GTX", "20500", -5022)])
def test_fok_y_gtx_se_rechazan_cuando_no_pueden_cumplirse(vigencia, precio, codigo):
    simulacion = una_simulacion()
    with pytest.raises(ErrorApi) as fallo:
        ordenar(simulacion, type="LIMIT", timeInForce=vigencia, price=precio, quantity="0.1")

    assert fallo.value.codigo == codigo
    assert not list(el_titular(simulacion).libro.todas())


def test_una_orden_con_fecha_vence_a_su_hora():
    simulacion = una_simulacion(camino="close")
    limite = simulacion.reloj.ahora_ms() + 3_600_000
    orden = ordenar(
        simulacion, type="LIMIT", timeInForce="GTD", goodTillDate=str(limite), price="19500", quantity="0.1"
    )

    simulacion.avanzar()

    assert orden.estado is EstadoOrden.EXPIRED


def test_reducir_mas_que_la_posicion_se_recorta_a_ella():
    simulacion = una_simulacion()
    ordenar(simulacion, quantity="0.1")

    orden = ordenar(simulacion, side="SELL", quantity="0.5", reduceOnly="true")

    assert orden.ejecutada == D("0.1")
    assert el_titular(simulacion).cuenta.posiciones["BTCUSDT"].cantidad == 0


def test_reducir_no_obedece_al_nocional_minimo():
    simulacion = una_simulacion()
    ordenar(simulacion, quantity="0.1")

    ordenar(simulacion, side="SELL", quantity="0.001", reduceOnly="true")

    assert el_titular(simulacion).cuenta.posiciones["BTCUSDT"].cantidad == D("0.099")


def test_las_reductoras_en_reposo_vencen_al_cerrarse_la_posicion():
    simulacion = una_simulacion()
    ordenar(simulacion, quantity="0.1")
    espera = ordenar(simulacion, side="SELL", type="LIMIT", price="20900", quantity="0.05", reduceOnly="true")

    ordenar(simulacion, side="SELL", quantity="0.1")

    assert espera.estado is EstadoOrden.EXPIRED


def test_una_reductora_en_reposo_mayor_que_lo_que_queda_no_da_la_vuelta():
    simulacion = una_simulacion(planas(20_000, 20_000, 20_500), camino="close")
    simulacion.avanzar()
    ordenar(simulacion, quantity="0.1")
    espera = ordenar(simulacion, side="SELL", type="LIMIT", price="20400", quantity="0.1", reduceOnly="true")
    ordenar(simulacion, side="SELL", quantity="0.06")

    simulacion.avanzar()

    assert el_titular(simulacion).cuenta.posiciones["BTCUSDT"].cantidad == 0
    assert (espera.estado, espera.ejecutada) == (EstadoOrden.FILLED, D("0.040"))


def test_las_ordenes_en_reposo_reservan_margen():
    """A purchase of 1 at 19,500 with 20× reserves 975."""
    simulacion = una_simulacion(saldo="1500")
    ordenar(simulacion, type="LIMIT", price="19500", quantity="1")

    with pytest.raises(ErrorApi) as fallo:
        ordenar(simulacion, type="LIMIT", price="19400", quantity="1")

    assert fallo.value.codigo == -2019


def test_una_venta_en_reposo_que_cierra_no_reserva_margen():
    simulacion = una_simulacion(saldo="1020")
    ordenar(simulacion, quantity="1")

    espera = ordenar(simulacion, side="SELL", type="LIMIT", price="20500", quantity="1")

    assert espera.estado is EstadoOrden.NEW


def test_lo_que_cabe_justo_en_el_margen_se_acepta_y_un_paso_mas_no():
    """Wallet 10,000 at 2×: q·20,000/2 + q·20,000·0.0005 <= 10,000 gives q <= 0.9990…"""
    for cantidad, cabe in (("0.999", True), ("1.000", False)):
        simulacion = una_simulacion(apalancamiento=2)
        if cabe:
            ordenar(simulacion, quantity=cantidad)
        else:
            with pytest.raises(ErrorApi) as fallo:
                ordenar(simulacion, quantity=cantidad)
            assert fallo.value.codigo == -2019


def test_dos_limites_alcanzados_se_llenan_en_el_orden_del_camino():
    simulacion = una_simulacion([(20_000,) * 4, (20_000, 20_000, 19_000, 20_000)])
    lejos = ordenar(simulacion, type="LIMIT", price="19200", quantity="0.1")
    cerca = ordenar(simulacion, type="LIMIT", price="19800", quantity="0.1")

    simulacion.avanzar()
    simulacion.avanzar()

    filas = [fila.orden_id for fila in el_titular(simulacion).libro.operadas()]
    assert filas == [cerca.id, lejos.id]


def test_el_pasado_se_olvida_de_lo_mas_viejo():
    """Memory stays flat: only the newest closed orders are remembered."""
    simulacion = una_simulacion()
    primera = ordenar(simulacion, quantity="0.01", newClientOrderId="primera")
    for i in range(RECUERDA):
        ordenar(simulacion, side="SELL" if i % 2 == 0 else "BUY", quantity="0.01")

    assert el_titular(simulacion).libro.buscar(primera.id, None) is None
    assert el_titular(simulacion).libro.buscar(None, "primera") is None
    assert len(list(el_titular(simulacion).libro.todas())) == RECUERDA
