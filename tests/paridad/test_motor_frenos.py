"""Stops that trail and targets: the environment and the exchange's engine with equal money at every close."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.entrenamiento.paso import PasoEntorno
from src.nucleo.cartera import aplanar
from src.nucleo.ordenes import trocear
from src.nucleo.proteccion import (
    SIN_PROTECCION,
    EstadoProteccion,
    ReglaProteccion,
    al_mark,
    objetivo,
    tras_operar,
    ya_cruzada,
)
from src.nucleo.registro import StatusFila
from src.nucleo.stops import lado_que_protege
from src.nucleo.tipos import Camino, Vela
from tests.entrenamiento.fabrica_entorno import accion, un_entorno
from tests.paridad.test_motor import MERCADO, TASA, VELAS, Jinete, unas_velas_con_saltos
from tests.simulador.banco import el_titular
from tests.simulador.banco_algo import proteger

LIMITE = 0.7
STOP, META = {"modo": "porcentaje", "valor": 3.0}, {"modo": "span", "valor": 1.5}
PROTECCIONES: dict[str, dict[str, Any]] = {
    "fija": {"stop": STOP, "objetivo": META},
    "niveles": {"stop": STOP, "objetivo": META},
    "hand_span": {"stop": {"modo": "porcentaje", "valor": 1.0}},
    "porcentaje": {"stop": STOP, "porcentaje": 1.5, "objetivo": META},
}


class JineteConFreno(Jinete):
    """Keeps catastrophe stop, brake and target at the exchange, moved at every price as the core says."""

    def __init__(self, velas: Sequence[Vela], camino: Camino, regla: ReglaProteccion) -> None:
        super().__init__(velas, camino, LIMITE, con_stop=True)
        self._regla = regla
        self._estado = SIN_PROTECCION

    def vivir(self, paso: PasoEntorno, cierre: float) -> None:
        antes, ahora_ms = self.cuenta, self.simulacion.reloj.ahora_ms()
        self._enviar([fill.cantidad for fill in paso.ejecuciones])
        if paso.ejecuciones:
            maximo = paso.riesgo_antes.equity_maximo
            self._estado = tras_operar(
                *(self._estado, antes.cantidad, aplanar(self.cuenta), cierre, None, maximo, ahora_ms),
                *(self._regla, MERCADO),
            )
            if self.cuenta.posicion and ya_cruzada(self._estado, self.cuenta.cantidad, cierre):
                self._enviar(trocear(-self.cuenta.cantidad, MERCADO.filtros))
        self._seguir(cierre)
        for i in range(self._puntos):
            self.simulacion.avanzar()
            if i < self._puntos - 1:
                self._seguir(float(self.simulacion.plaza("BTCUSDT").precio))
        if self.cuenta.posicion is None:
            self._estado = SIN_PROTECCION

    def _seguir(self, mark: float) -> None:
        ahora_ms = self.simulacion.reloj.ahora_ms()
        if self.cuenta.posicion is None:
            self._estado = SIN_PROTECCION
        self._estado = al_mark(self._estado, mark, ahora_ms, self._regla, MERCADO)
        titular = el_titular(self.simulacion)
        for algo in titular.algos.en_espera("BTCUSDT"):
            self.simulacion.motor.cancelar_algo(titular, algo, ahora_ms)
        if self.cuenta.posicion is not None:
            self._colocar(self._estado)

    def _colocar(self, estado: EstadoProteccion) -> None:
        cantidad = self.cuenta.cantidad
        comunes = {"side": lado_que_protege(cantidad).value, "workingType": "MARK_PRICE"}
        if estado.nivel is not None:
            proteger(self.simulacion, triggerPrice=repr(estado.nivel), closePosition="true", **comunes)
        parcial = {"quantity": repr(abs(cantidad)), "reduceOnly": "true"}
        if estado.freno is not None:
            proteger(self.simulacion, triggerPrice=repr(estado.freno.stop), **parcial, **comunes)
        meta = objetivo(estado)
        if meta is not None:
            proteger(
                self.simulacion, type="TAKE_PROFIT_MARKET", triggerPrice=repr(meta), **parcial, **comunes
            )


def cabalgar(acciones: Sequence[float], semilla: int, camino: Camino, tipo: str) -> Counter[str]:
    """Run both sides until the episode ends; counts the exits that nobody decided."""
    velas = unas_velas_con_saltos(semilla)
    entorno = un_entorno(
        velas,
        TASA,
        proteccion={"tipo": tipo, **PROTECCIONES[tipo]},
        camino=camino.value,
        apalancamiento=10,
        max_drawdown_permitido=LIMITE,
        umbral_mantener_posicion=0.02,
    )
    jinete = JineteConFreno(velas, camino, entorno.configuracion.regla_proteccion())
    vistas: Counter[str] = Counter()
    entorno.reset()
    for valor in acciones:
        _, _, terminated, truncated, _ = entorno.step(accion(valor))
        paso = entorno.ultimo
        if any(incidencia.status is StatusFila.EMERGENCIA for incidencia in paso.incidencias):
            break
        vistas.update("gana" if i.movimiento.pnl > 0 else "pierde" for i in paso.incidencias)
        jinete.vivir(paso, velas[paso.fila].close)
        assert jinete.cuenta == paso.cuenta
        if terminated or truncated:
            break
    return vistas


@given(
    acciones=st.lists(st.floats(-1.0, 1.0, width=32), min_size=5, max_size=VELAS),
    semilla=st.integers(0, 5),
    camino=st.sampled_from(Camino),
    tipo=st.sampled_from(sorted(PROTECCIONES)),
)
@settings(max_examples=60)
def test_el_entorno_y_la_bolsa_tienen_el_mismo_dinero(
    acciones: list[float], semilla: int, camino: Camino, tipo: str
):
    """To the last of the eight decimals, with stops that move at every price inside a candle."""
    cabalgar(acciones, semilla, camino, tipo)


@pytest.mark.parametrize("tipo", sorted(PROTECCIONES))
def test_estos_mercados_llegan_a_stops_y_objetivos(tipo: str):
    """Without both the property above would prove little."""
    vistas: Counter[str] = Counter()
    for semilla in range(6):
        acciones = np.random.default_rng(semilla).uniform(-1.0, 1.0, VELAS).tolist()
        vistas += cabalgar(acciones, semilla, Camino.OHLC, tipo)

    assert min(vistas["gana"], vistas["pierde"]) >= 5
