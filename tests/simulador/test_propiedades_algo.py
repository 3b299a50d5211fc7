"""Properties of conditional orders over random paths: each fills once at most, and none turns a position."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.tipos import TipoMargen
from src.simulador.algos import EstadoAlgo
from src.simulador.fallos_api import ErrorApi
from src.simulador.numeros import al_tick
from tests.simulador.banco import el_titular, ordenar, planas, una_simulacion
from tests.simulador.banco_algo import Oido, proteger

PRECIO = st.integers(180_000, 220_000).map(lambda n: n / 10)
VELA = st.tuples(PRECIO, PRECIO, PRECIO, PRECIO).map(lambda p: (p[0], max(p), min(p), p[3]))
CANTIDAD = st.integers(3, 9_000).map(lambda n: str(Decimal(n) / 1000))
LADO = st.sampled_from(["BUY", "SELL"])
TIPO = st.sampled_from(["STOP_MARKET", "TAKE_PROFIT_MARKET", "STOP", "TAKE_PROFIT", "TRAILING_STOP_MARKET"])
SLIPPAGE = Decimal("0.0002")
FINALES = {EstadoAlgo.FINISHED, EstadoAlgo.CANCELED, EstadoAlgo.REJECTED, EstadoAlgo.EXPIRED}


class Accion(NamedTuple):
    """What an account does between two steps."""

    tipo: str | None  # None is a market order
    lado: str
    cantidad: str | None  # None closes the position
    gatillo: float
    limite: float
    retroceso: str
    reduce: bool


ACCION = st.builds(
    Accion,
    tipo=st.one_of(st.none(), TIPO),
    lado=LADO,
    cantidad=st.one_of(st.none(), CANTIDAD),
    gatillo=PRECIO,
    limite=PRECIO,
    retroceso=st.sampled_from(["0.1", "1", "5"]),
    reduce=st.booleans(),
)


def _actuar(simulacion, accion: Accion) -> None:
    campos = {"side": accion.lado}
    if accion.cantidad is None:
        campos["closePosition"] = "true"
    else:
        campos |= {"quantity": accion.cantidad, "reduceOnly": str(accion.reduce).lower()}
    try:
        if accion.tipo is None:
            ordenar(simulacion, side=accion.lado, quantity=accion.cantidad or "0.1")
        else:
            proteger(
                simulacion,
                type=accion.tipo,
                triggerPrice=str(accion.gatillo),
                price=str(accion.limite),
                callbackRate=accion.retroceso,
                **campos,
            )
    except ErrorApi:
        return


@given(
    velas=st.lists(VELA, min_size=2, max_size=8),
    acciones=st.lists(ACCION, min_size=1, max_size=20),
    aislada=st.booleans(),
    apalancamiento=st.sampled_from([1, 5, 20]),
    camino=st.sampled_from(["ohlc", "close"]),
)
def test_nada_se_crea_ni_se_pierde(velas, acciones, aislada, apalancamiento, camino):
    simulacion = una_simulacion(
        [*velas[:1], *velas], slippage=SLIPPAGE, apalancamiento=apalancamiento, camino=camino
    )
    titular = el_titular(simulacion)
    titular.cuenta.posiciones["BTCUSDT"].tipo_margen = TipoMargen.ISOLATED if aislada else TipoMargen.CROSSED
    oido = Oido(simulacion)
    for accion in acciones:
        _actuar(simulacion, accion)
        simulacion.avanzar()
        _revisar(simulacion)
    while simulacion.avanzar() is not None:
        _revisar(simulacion)
    _revisar_historias(oido)


def _revisar(simulacion) -> None:
    titular = el_titular(simulacion)
    cuenta, posicion = titular.cuenta, titular.cuenta.posiciones["BTCUSDT"]
    plaza = simulacion.plazas["BTCUSDT"]
    assert cuenta.saldo == sum(cuenta.suma_ingresos.values())
    assert cuenta.saldo >= 0
    operadas = titular.libro.operadas()
    assert posicion.cantidad == sum(f.cantidad * (1 if f.lado == "BUY" else -1) for f in operadas)
    assert plaza.precio == simulacion.motor.marcas["BTCUSDT"] == Decimal(repr(plaza.ultimo_float))
    for algo in titular.algos.todos():
        llenada = sum(f.cantidad for f in operadas if algo.hija is not None and f.orden_id == algo.hija.id)
        assert algo.hija is None or llenada == algo.hija.ejecutada <= algo.hija.cantidad
        assert (algo.id in titular.algos.abiertos) is algo.estado.abierto
        if algo.estado is EstadoAlgo.TRIGGERED:
            assert algo.hija.id in titular.libro.abiertas
        if algo.estado is EstadoAlgo.NEW and algo.cierra_posicion:
            assert algo.signo * posicion.cantidad < 0
    _revisar_cruces(titular)


def _revisar_cruces(titular) -> None:
    """No fill of a reduce-only child goes further than flat."""
    reductoras = {
        algo.hija.id
        for algo in titular.algos.todos()
        if algo.hija is not None and (algo.solo_reduce or algo.cierra_posicion)
    }
    cantidad = Decimal(0)
    for fila in titular.libro.operadas():
        antes = cantidad
        cantidad += fila.cantidad * (1 if fila.lado == "BUY" else -1)
        if fila.orden_id in reductoras:
            assert abs(cantidad) < abs(antes)
            assert cantidad * antes >= 0


def _revisar_historias(oido: Oido) -> None:
    """Each tells its states in order, ends once, and says nothing afterwards."""
    historias: dict[str, list[str]] = {}
    for quien, estado in oido.de_algos():
        historias.setdefault(quien, []).append(estado)
    for estados in historias.values():
        assert estados[0] == "NEW"
        assert len(set(estados)) == len(estados)
        assert not any(EstadoAlgo(estado) in FINALES for estado in estados[:-1])
        if "FINISHED" in estados:
            assert estados == ["NEW", "TRIGGERING", "TRIGGERED", "FINISHED"]


@given(
    velas=st.lists(VELA, min_size=1, max_size=6),
    largo=st.booleans(),
    distancia=st.integers(1, 1_500),
    camino=st.sampled_from(["ohlc", "close"]),
)
def test_un_stop_se_llena_donde_el_precio_lo_encuentra(velas, largo, distancia, camino):
    """Against the path walked by hand: the trigger on the way, the point after a jump."""
    simulacion = una_simulacion(
        [*planas(20_000), *velas], slippage=SLIPPAGE, apalancamiento=1, camino=camino, saldo="100000"
    )
    ordenar(simulacion, side="BUY" if largo else "SELL", quantity="1")
    signo = 1 if largo else -1
    gatillo = Decimal(20_000 - signo * distancia)
    stop = proteger(
        simulacion, side="SELL" if largo else "BUY", closePosition="true", triggerPrice=str(gatillo)
    )
    esperado = None
    while esperado is None and (paso := simulacion.avanzar()) is not None:
        movimiento = paso.movimientos[0]
        punto = Decimal(repr(movimiento.precio))
        if signo * (punto - gatillo) <= 0:
            base = punto if movimiento.salto else gatillo
            esperado = al_tick(base * (1 - signo * SLIPPAGE), Decimal("0.10"), hacia_arriba=not largo)

    ultima = el_titular(simulacion).libro.operadas()[-1]
    if esperado is None:
        assert stop.estado is EstadoAlgo.NEW
    else:
        assert (stop.estado, ultima.precio, ultima.cantidad) == (EstadoAlgo.FINISHED, esperado, 1)
        assert el_titular(simulacion).cuenta.posiciones["BTCUSDT"].cantidad == 0


@given(
    velas=st.lists(VELA, min_size=1, max_size=6),
    largo=st.booleans(),
    distancia=st.integers(1, 1_900),
    camino=st.sampled_from(["ohlc", "close"]),
)
def test_un_stop_mas_lejano_que_la_liquidacion_no_deja_deudas(velas, largo, distancia, camino):
    """8 BTC on 10,000 are liquidated some 4 % away; what the price meets first closes them."""
    simulacion = una_simulacion([*planas(20_000), *velas], slippage=SLIPPAGE, camino=camino)
    ordenar(simulacion, side="BUY" if largo else "SELL", quantity="8")
    gatillo = str(20_000 - (distancia if largo else -distancia))
    stop = proteger(simulacion, side="SELL" if largo else "BUY", closePosition="true", triggerPrice=gatillo)
    while simulacion.avanzar() is not None:
        cuenta = el_titular(simulacion).cuenta
        assert cuenta.saldo >= 0
        assert bool(cuenta.posiciones["BTCUSDT"].cantidad) is (stop.estado is EstadoAlgo.NEW)
