"""The environment and the exchange's engine, side by side without a wire: equal money after every candle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.entrenamiento.entorno import EntornoTrading
from src.entrenamiento.paso import PasoEntorno
from src.nucleo.cartera import cuenta_de
from src.nucleo.ordenes import trocear
from src.nucleo.registro import StatusFila
from src.nucleo.stops import Cancelar, StopVivo, cruzado, lado_que_protege, renovar_nivel, siguiente_paso
from src.nucleo.tipos import Camino, EstadoCuenta, LadoOrden, Vela
from src.simulador.opciones import CuentaInicial, Opciones
from src.simulador.serie import Serie
from src.simulador.simulacion import Simulacion
from tests.constructores import un_mercado, unas_velas
from tests.entrenamiento.fabrica_entorno import accion, un_entorno, una_tabla
from tests.simulador.banco import CLAVE, el_titular, ordenar
from tests.simulador.banco_algo import proteger

TASA = 0.0003
MERCADO = un_mercado()
VELAS = 60


def unas_velas_con_saltos(semilla: int) -> list[Vela]:
    """Every seventh candle opens where the one after it closes."""
    velas = unas_velas(VELAS, semilla=semilla, volatilidad=0.04)
    for i in range(6, VELAS - 1, 7):
        apertura = velas[i + 1].close
        alto, bajo = max(velas[i].high, apertura), min(velas[i].low, apertura)
        velas[i] = velas[i]._replace(open=apertura, high=alto, low=bajo)
    return velas


class Jinete:
    """Does at the exchange what the environment's steps say, and keeps the stop where the core wants it."""

    def __init__(self, velas: Sequence[Vela], camino: Camino, limite: float, *, con_stop: bool) -> None:
        self._limite = limite
        self._con_stop = con_stop
        self._nivel: float | None = None
        self.simulacion = Simulacion(
            [(Serie.de_tabla("BTCUSDT", "1h", una_tabla(velas), 2), MERCADO)],
            Opciones(
                cuentas=(CuentaInicial(CLAVE, CLAVE, Decimal(10_000)),),
                slippage=Decimal("0.0002"),
                tasa_funding=Decimal(repr(TASA)),
                apalancamiento=20,
                calentamiento=1,
                camino=camino,
            ),
        )
        self._puntos = 1 if camino is Camino.CLOSE else 4

    @property
    def cuenta(self) -> EstadoCuenta:
        """As the exchange has it."""
        cuenta = el_titular(self.simulacion).cuenta
        posicion = cuenta.posiciones["BTCUSDT"]
        return cuenta_de(float(cuenta.saldo), float(posicion.cantidad), float(posicion.entrada))

    def vivir(self, paso: PasoEntorno, cierre: float) -> None:
        """Send the step's orders, protect what is held, and let a candle pass."""
        antes = self.cuenta
        self._enviar([fill.cantidad for fill in paso.ejecuciones])
        if self._con_stop:
            self._proteger(antes, cierre, paso.riesgo_antes.equity_maximo)
        for _ in range(self._puntos):
            self.simulacion.avanzar()
        if self.cuenta.posicion is None:
            self._nivel = None

    def _proteger(self, antes: EstadoCuenta, cierre: float, maximo: float) -> None:
        despues = self.cuenta
        self._nivel = renovar_nivel(self._nivel, antes, despues, cierre, maximo, self._limite, MERCADO)
        if self._nivel is not None and cruzado(self._nivel, despues.cantidad, cierre):
            self._enviar(trocear(-despues.cantidad, MERCADO.filtros))
            self._nivel = None
        titular = el_titular(self.simulacion)
        while (que := siguiente_paso(self.cuenta.cantidad, self._nivel, self._vivos())) is not None:
            if isinstance(que, Cancelar):
                algo = titular.algos.buscar(None, que.id_cliente)
                self.simulacion.motor.cancelar_algo(titular, algo, self.simulacion.reloj.ahora_ms())
                continue
            campos = {"closePosition": "true"}
            if que.cantidad is not None:
                campos = {"quantity": repr(que.cantidad), "reduceOnly": "true"}
            lado = lado_que_protege(self.cuenta.cantidad)
            proteger(
                self.simulacion,
                side=lado.value,
                triggerPrice=repr(self._nivel),
                workingType="MARK_PRICE",
                **campos,
            )

    def _vivos(self) -> list[StopVivo]:
        return [
            StopVivo(
                algo.id_cliente,
                float(algo.gatillo),
                None if algo.cierra_posicion else float(algo.cantidad),
                algo.lado,
            )
            for algo in el_titular(self.simulacion).algos.en_espera("BTCUSDT")
        ]

    def _enviar(self, cantidades: Sequence[float]) -> None:
        for cantidad in cantidades:
            lado = LadoOrden.BUY if cantidad > 0.0 else LadoOrden.SELL
            ordenar(self.simulacion, side=lado.value, quantity=repr(abs(cantidad)))


def un_entorno_agitado(
    velas: Sequence[Vela], camino: Camino, limite: float, proteccion: str
) -> EntornoTrading:
    return un_entorno(
        velas,
        TASA,
        proteccion=proteccion,
        camino=camino.value,
        apalancamiento=20,
        max_drawdown_permitido=limite,
        umbral_mantener_posicion=0.02,
    )


def cabalgar(
    acciones: Sequence[float], semilla: int, camino: Camino, limite: float, proteccion: str
) -> Counter[StatusFila]:
    """Run both sides until the episode ends; counts the fills that nobody decided."""
    velas = unas_velas_con_saltos(semilla)
    entorno = un_entorno_agitado(velas, camino, limite, proteccion)
    jinete = Jinete(velas, camino, limite, con_stop=proteccion == "catastrofe")
    vistas: Counter[StatusFila] = Counter()
    entorno.reset()
    for valor in acciones:
        _, _, terminated, truncated, _ = entorno.step(accion(valor))
        paso = entorno.ultimo
        estados = [incidencia.status for incidencia in paso.incidencias]
        if StatusFila.EMERGENCIA in estados:  # the daemon's market order, not the exchange's doing
            break
        vistas.update(estados)
        jinete.vivir(paso, velas[paso.fila].close)
        assert jinete.cuenta == paso.cuenta
        if terminated or truncated:
            break
    return vistas


CAMINOS = st.sampled_from(Camino)
LIMITES = st.sampled_from([0.02, 0.2, 0.7, 0.99])


@given(
    acciones=st.lists(st.floats(-1.0, 1.0, width=32), min_size=5, max_size=VELAS),
    semilla=st.integers(0, 5),
    camino=CAMINOS,
    limite=LIMITES,
    proteccion=st.sampled_from(["catastrofe", "ninguna"]),
)
@settings(max_examples=60)
def test_el_entorno_y_la_bolsa_tienen_el_mismo_dinero(
    acciones: list[float], semilla: int, camino: Camino, limite: float, proteccion: str
):
    """To the last of the eight decimals: stops, liquidations and funding included."""
    cabalgar(acciones, semilla, camino, limite, proteccion)


@pytest.mark.parametrize("camino", Camino)
def test_estos_mercados_disparan_y_liquidan(camino: Camino):
    """Without both the property above would prove little."""
    vistas: Counter[StatusFila] = Counter()
    for semilla in range(12):
        acciones = np.random.default_rng(semilla).uniform(-1.0, 1.0, VELAS).tolist()
        vistas += cabalgar(acciones, semilla % 6, camino, 0.99, "catastrofe")

    assert vistas[StatusFila.PROTECCION] >= 5
    assert vistas[StatusFila.LIQUIDACION] >= 1
