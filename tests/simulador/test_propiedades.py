"""Properties over random orders and prices: nothing is created or lost."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.tipos import TipoMargen
from src.simulador.fallos_api import ErrorApi
from src.simulador.margen import resumir
from src.simulador.numeros import al_tick, decimal_de, ganancia, producto, promedio
from tests.simulador.banco import el_titular, ordenar, una_simulacion

PRECIO = st.integers(150_000, 250_000).map(lambda n: n / 10)
VELA = st.tuples(PRECIO, PRECIO, PRECIO, PRECIO).map(lambda p: (p[0], max(p), min(p), p[3]))
CANTIDAD = st.integers(3, 4_000).map(lambda n: str(Decimal(n) / 1000))
ACCION = st.tuples(
    st.sampled_from(["BUY", "SELL"]),
    CANTIDAD,
    st.booleans(),
    st.one_of(st.none(), PRECIO),
)


@given(
    velas=st.lists(VELA, min_size=3, max_size=12),
    acciones=st.lists(ACCION, min_size=1, max_size=24),
    aislada=st.booleans(),
    apalancamiento=st.sampled_from([1, 2, 10, 20]),
)
def test_el_saldo_es_lo_depositado_mas_los_ingresos(velas, acciones, aislada, apalancamiento):
    simulacion = una_simulacion(
        [*velas[:1], *velas], slippage=Decimal("0.0002"), apalancamiento=apalancamiento
    )
    titular = el_titular(simulacion)
    posicion = titular.cuenta.posiciones["BTCUSDT"]
    posicion.tipo_margen = TipoMargen.ISOLATED if aislada else TipoMargen.CROSSED
    for lado, cantidad, reduce, limite in acciones:
        campos = {"side": lado, "quantity": cantidad, "reduceOnly": str(reduce).lower()}
        if limite is not None:
            campos |= {"type": "LIMIT", "price": str(limite)}
        try:
            ordenar(simulacion, **campos)
        except ErrorApi:
            continue
        finally:
            simulacion.avanzar()
        _revisar(simulacion)
    while simulacion.avanzar() is not None:
        _revisar(simulacion)


def _revisar(simulacion):
    titular = el_titular(simulacion)
    cuenta = titular.cuenta
    posicion = cuenta.posiciones["BTCUSDT"]
    assert cuenta.saldo == sum(cuenta.suma_ingresos.values())
    assert cuenta.saldo == sum(fila.monto for fila in cuenta.ingresos)
    assert cuenta.saldo >= 0
    assert cuenta.saldo.as_tuple().exponent >= -8
    comprado = sum(fila.cantidad * (1 if fila.lado == "BUY" else -1) for fila in titular.libro.operadas())
    assert posicion.cantidad == comprado
    assert (posicion.entrada > 0) == (posicion.cantidad != 0)
    assert not posicion.cartera_aislada or posicion.cantidad
    assert all(orden.estado == "NEW" for orden in titular.libro.abiertas.values())
    medida = resumir(cuenta, simulacion.motor.marcas, titular.libro.abiertas.values())
    assert medida.saldo_cruzado + posicion.cartera_aislada == cuenta.saldo


@given(
    st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**8)), min_size=2, max_size=6),
    st.integers(1, 10**8),
)
def test_cerrar_por_partes_gana_lo_mismo_que_de_una_vez(compras, salida):
    """Up to the rounding of each posting."""
    cantidades = [Decimal(c).scaleb(-3) for c, _ in compras]
    precio_salida = Decimal(salida).scaleb(-2)
    entrada, total = Decimal(compras[0][1]).scaleb(-2), cantidades[0]
    for cantidad, (_, precio) in zip(cantidades[1:], compras[1:], strict=True):
        entrada = promedio(total, entrada, cantidad, Decimal(precio).scaleb(-2))
        total += cantidad
    partes = sum(ganancia(cantidad, entrada, precio_salida) for cantidad in cantidades)
    assert abs(partes - ganancia(total, entrada, precio_salida)) <= len(compras) * Decimal("1e-8")


@given(st.integers(1, 10**9), st.sampled_from(["0.1", "0.01", "0.05", "0.3", "5"]).map(Decimal))
def test_el_tick_encierra_al_precio(n, tick):
    precio = Decimal(n).scaleb(-4)
    abajo, arriba = al_tick(precio, tick, hacia_arriba=False), al_tick(precio, tick, hacia_arriba=True)
    assert abajo <= precio <= arriba
    assert arriba - abajo in (0, tick)
    assert abajo % tick == 0


@given(st.floats(1e-3, 1e6), st.floats(1e-2, 1e6))
def test_un_producto_tiene_ocho_decimales(cantidad, precio):
    exacto = decimal_de(cantidad) * decimal_de(precio)
    assert abs(producto(decimal_de(cantidad), decimal_de(precio)) - exacto) <= Decimal("5e-9")
