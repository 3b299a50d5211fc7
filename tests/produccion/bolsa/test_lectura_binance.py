"""Binance's JSON to types."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from src.nucleo.errores import BolsaIncompatible, LecturaFallida
from src.nucleo.tipos import EstadoCuenta, Posicion, TipoMargen, Tramo, Vela
from src.produccion.bolsa import lectura_binance as lectura
from src.produccion.puertos import ClaseIngreso, EstadoOrden, RespuestaOrden, Transaccion, texto_decimal

SIMBOLO: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "marginAsset": "USDT",
    "liquidationFee": "0.012500",
    "pricePrecision": 2,
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "4529764", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "120", "stepSize": "0.001"},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MIN_NOTIONAL", "notional": "50"},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500"},
    ],
}
TRAMOS = {
    "symbol": "BTCUSDT",
    "brackets": [
        {"bracket": 2, "initialLeverage": 50, "notionalCap": 600000, "maintMarginRatio": 0.01, "cum": 300.0},
        {"bracket": 1, "initialLeverage": 125, "notionalCap": 50000, "maintMarginRatio": 0.004, "cum": 0.0},
    ],
}
COMISION = {"makerCommissionRate": "0.000200", "takerCommissionRate": "0.000400"}


def una_cuenta(**posicion: Any) -> dict[str, Any]:
    fila = {"symbol": "BTCUSDT", "positionAmt": "0", "entryPrice": "0", "leverage": "2", "isolated": False}
    return {
        "assets": [
            {"asset": "BNB", "walletBalance": "9", "availableBalance": "9"},
            {"asset": "USDT", "walletBalance": "10000.50000000", "availableBalance": "9000.25"},
        ],
        "positions": [fila | posicion],
    }


def test_una_vela_se_lee_por_posicion():
    fila = [1, "2.0", "4.0", "1.5", "3.0", "10.5", 59_999, "31.5", 7, "5", "15", "0"]

    assert lectura.leer_vela(fila) == Vela(1, 2.0, 4.0, 1.5, 3.0, 10.5)


def test_una_cuenta_sin_posicion():
    leida = lectura.leer_cuenta(una_cuenta(), "BTCUSDT", "USDT")

    assert leida.estado == EstadoCuenta(10_000.5)
    assert (leida.disponible, leida.apalancamiento, leida.aislado) == (9_000.25, 2, False)


def test_un_corto_es_una_cantidad_negativa():
    leida = lectura.leer_cuenta(
        una_cuenta(positionAmt="-0.500", entryPrice="30000.1", isolated=True), "BTCUSDT", "USDT"
    )

    assert leida.estado.posicion == Posicion(-0.5, 30_000.1)
    assert leida.aislado


@pytest.mark.parametrize(("simbolo", "activo"), [("ETHUSDT", "USDT"), ("BTCUSDT", "USDC")])
def test_lo_que_falta_en_la_cuenta_no_es_cero(simbolo: str, activo: str):
    with pytest.raises(LecturaFallida, match="has no row for"):
        lectura.leer_cuenta(una_cuenta(), simbolo, activo)


def test_el_precio_medio_es_opcional():
    crudo = {"clientOrderId": "tm-1", "orderId": 7, "status": "NEW", "executedQty": "0"}

    assert lectura.leer_orden(crudo) == RespuestaOrden("tm-1", 7, EstadoOrden.NEW, 0.0, None)
    assert lectura.leer_orden(crudo | {"avgPrice": "0.00"}).precio_medio is None
    assert lectura.leer_orden(crudo | {"avgPrice": "30000.5"}).precio_medio == 30_000.5


@pytest.mark.parametrize("estado", list(EstadoOrden))
def test_que_estados_son_finales(estado: EstadoOrden):
    assert estado.es_final is (estado.value not in ("NEW", "PARTIALLY_FILLED"))


@pytest.mark.parametrize(("lado", "cantidad"), [("BUY", 0.5), ("SELL", -0.5)])
def test_una_transaccion_lleva_signo(lado: str, cantidad: float):
    crudo = {"id": 3, "orderId": 7, "side": lado, "qty": "0.500", "price": "30000", "time": 9}
    crudo |= {"commission": "7.5", "realizedPnl": "-1.25"}

    assert lectura.leer_transaccion(crudo) == Transaccion(3, 7, cantidad, 30_000.0, 7.5, -1.25, 9)


@pytest.mark.parametrize(
    ("nombre", "esperada"),
    [
        ("FUNDING_FEE", ClaseIngreso.FUNDING_FEE),
        ("TRANSFER", ClaseIngreso.TRANSFER),
        ("INSURANCE_CLEAR", ClaseIngreso.INSURANCE_CLEAR),
        ("COMMISSION", ClaseIngreso.DE_ORDENES),
        ("REALIZED_PNL", ClaseIngreso.DE_ORDENES),
        ("INTERNAL_TRANSFER", ClaseIngreso.TRANSFER),
        ("STRATEGY_UMFUTURES_TRANSFER", ClaseIngreso.TRANSFER),
        ("COIN_SWAP_DEPOSIT", ClaseIngreso.TRANSFER),
        ("COMMISSION_REBATE", ClaseIngreso.OTRO),
        ("WELCOME_BONUS", ClaseIngreso.OTRO),
        ("OTHER_SYMBOL", ClaseIngreso.OTRO),
    ],
)
def test_cada_ingreso_tiene_su_clase(nombre: str, esperada: ClaseIngreso):
    fila = {"incomeType": nombre, "income": "-0.5", "time": 4, "tranId": 11, "symbol": "BTCUSDT"}

    leido = lectura.leer_ingreso(fila, "BTCUSDT")

    assert (leido.clase, leido.monto, leido.instante_ms) == (esperada, -0.5, 4)


def test_lo_de_otro_simbolo_es_ajeno():
    fila = {"incomeType": "FUNDING_FEE", "income": "-0.5", "time": 4, "tranId": 11, "symbol": "ETHUSDT"}

    assert lectura.leer_ingreso(fila, "BTCUSDT").clase is ClaseIngreso.AJENO


@pytest.mark.parametrize("crudo", [TRAMOS, [TRAMOS], [{"symbol": "ETHUSDT", "brackets": []}, TRAMOS]])
def test_los_tramos_vienen_de_las_dos_formas_y_salen_ordenados(crudo: Any):
    info = lectura.leer_simbolo({"symbols": [SIMBOLO]}, "BTCUSDT", crudo, COMISION, [])

    assert info.mercado.tramos == (
        Tramo(nocional_max=50_000.0, apalancamiento_max=125, tasa_mantenimiento=0.004, deduccion=0.0),
        Tramo(nocional_max=600_000.0, apalancamiento_max=50, tasa_mantenimiento=0.01, deduccion=300.0),
    )


def test_unos_tramos_que_faltan_no_son_ninguno():
    with pytest.raises(LecturaFallida, match="BTCUSDT"):
        lectura.leer_simbolo({"symbols": [SIMBOLO]}, "BTCUSDT", [], COMISION, [])


def test_un_simbolo_entero():
    info = lectura.leer_simbolo({"symbols": [SIMBOLO]}, "BTCUSDT", [TRAMOS], COMISION, [])

    mercado = info.mercado
    assert info.estado == "TRADING"
    assert (mercado.activo_margen, mercado.comision_taker, mercado.comision_maker) == ("USDT", 0.0004, 0.0002)
    assert mercado.comision_liquidacion == 0.0125
    assert mercado.filtros.tick == Decimal("0.10")
    assert mercado.filtros.cantidad_max_mercado == 120
    assert mercado.filtros.nocional_min == 50
    assert mercado.tipo_margen is TipoMargen.CROSSED


@pytest.mark.parametrize(
    ("filas", "horas"), [([], 8), ([{"symbol": "BTCUSDT", "fundingIntervalHours": 4}], 4)]
)
def test_el_funding_es_cada_ocho_horas_si_no_se_dice_otra_cosa(filas: list[dict[str, Any]], horas: int):
    info = lectura.leer_simbolo({"symbols": [SIMBOLO]}, "BTCUSDT", [TRAMOS], COMISION, filas)

    assert info.mercado.intervalo_funding_ms == horas * 3_600_000


def test_un_simbolo_que_no_cotiza_es_incompatible():
    with pytest.raises(BolsaIncompatible, match="'DOGEUSDT' is not listed"):
        lectura.leer_simbolo({"symbols": [SIMBOLO]}, "DOGEUSDT", [TRAMOS], COMISION, [])


@pytest.mark.parametrize(
    ("numero", "texto"),
    [
        (0.001, "0.001"),
        (1e-8, "0.00000001"),
        (120.0, "120"),
        (1e6, "1000000"),
        (0.1 + 0.2, "0.30000000000000004"),
    ],
)
def test_los_numeros_viajan_sin_exponente(numero: float, texto: str):
    assert texto_decimal(numero) == texto
