"""A resident stop gives the same numbers in the exchange as in the training environment."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from src.entrenamiento.recorrido import Terreno, Travesia, atravesar
from src.nucleo.camino import camino_intravela
from src.nucleo.cartera import cuenta_de
from src.nucleo.proteccion import EstadoProteccion, ReglaProteccion
from src.nucleo.riesgo import EstadoRiesgo
from src.nucleo.stops import TipoProteccion
from src.nucleo.tipos import Camino, Vela
from tests.simulador.banco import HORA_MS, INICIO_MS, el_titular, ordenar, un_mercado, una_simulacion
from tests.simulador.banco_algo import proteger

PRECIO = st.integers(185_000, 215_000).map(lambda n: n / 10)
VELA = st.tuples(PRECIO, PRECIO, PRECIO, PRECIO).map(lambda p: (p[0], max(p), min(p), p[3]))
SIN_LIMITE = 100.0  # a drawdown limit that is never reached


@given(
    vela=VELA,
    signo=st.sampled_from([1, -1]),
    cantidad=st.sampled_from([0.5, 2.0, 5.0, 8.0]),
    distancia=st.integers(1, 15_000).map(lambda n: n / 10),
    slippage=st.sampled_from(["0", "0.0002", "0.001"]),
    camino=st.sampled_from(list(Camino)),
)
def test_los_mismos_numeros_con_stop_y_con_liquidacion(vela, signo, cantidad, distancia, slippage, camino):
    simulacion = una_simulacion([(20_000.0,) * 4, vela], slippage=Decimal(slippage), camino=camino)
    ordenar(simulacion, side="BUY" if signo > 0 else "SELL", quantity=str(cantidad))
    titular = el_titular(simulacion)
    posicion = titular.cuenta.posiciones["BTCUSDT"]
    saldo, entrada = float(titular.cuenta.saldo), float(posicion.entrada)
    nivel = round(20_000 - signo * distancia, 1)
    proteger(simulacion, side="SELL" if signo > 0 else "BUY", closePosition="true", triggerPrice=str(nivel))
    while simulacion.avanzar() is not None:
        pass

    apertura_ms = INICIO_MS + HORA_MS
    recorrido = atravesar(
        cuenta_de(saldo, signo * cantidad, entrada),
        EstadoRiesgo(saldo),
        Travesia(camino_intravela(Vela(apertura_ms, *vela, 10.0), camino), apertura_ms, HORA_MS, None),
        Terreno(un_mercado(), float(slippage), ReglaProteccion(TipoProteccion.CATASTROFE, SIN_LIMITE)),
        EstadoProteccion(nivel),
    )

    assert recorrido.cuenta.saldo == float(titular.cuenta.saldo)
    assert recorrido.cuenta.cantidad == float(posicion.cantidad)
