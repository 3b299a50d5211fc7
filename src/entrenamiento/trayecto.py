"""One run of a policy through a span, and the rows it leaves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from src.entrenamiento.datos_entorno import DatosEntorno
from src.entrenamiento.entorno import EntornoTrading
from src.entrenamiento.paso import PasoEntorno
from src.entrenamiento.salidas import Incidencia
from src.nucleo.contabilidad import Contabilidad, Movimiento
from src.nucleo.intervalos import siguiente_apertura
from src.nucleo.politica import Politica
from src.nucleo.registro import Decision, Fila, Momento, Resultado, StatusFila, construir_info
from src.nucleo.tipos import Observacion, Operacion

_SIN_DECISION = Decision(Operacion.MANTENER, Resultado.NINGUNA)


class Trayecto(NamedTuple):
    """A run from one start; after an early end the account stays as it is to the span's last candle."""

    pasos: list[PasoEntorno]
    datos: DatosEntorno
    apalancamiento: float

    @property
    def terminado(self) -> bool:
        """Whether it ended early, in drawdown or without equity."""
        return self.pasos[-1].terminated

    @property
    def recompensa(self) -> float:
        """Sum of the rewards."""
        return sum(paso.recompensa for paso in self.pasos)


def recorrer(entorno: EntornoTrading, politica: Politica, inicio: int) -> Trayecto:
    """Run a policy from a row to the span's end, or to an early one.

    Args:
        entorno: Over the span.
        politica: Answers deterministically.
        inicio: Row of the first decision.
    """
    ultima = entorno.datos.ultima
    bruta, _ = entorno.reset(options={"inicio": inicio, "longitud": ultima - inicio})
    pasos: list[PasoEntorno] = []
    accion = np.empty(1, dtype=np.float32)
    acabado = False
    while not acabado:
        accion[0] = politica.predecir(Observacion(bruta["market"], bruta["portfolio"]))
        bruta, _, terminated, truncated, _ = entorno.step(accion)
        pasos.append(entorno.ultimo)
        acabado = terminated or truncated
    return Trayecto(pasos, entorno.datos, float(entorno.configuracion.portafolio.apalancamiento))


class Renglon(NamedTuple):
    """A row of the session CSV and its time as a number."""

    instante_ms: int
    fila: Fila


def relatar(trayecto: Trayecto, episodio: int) -> list[Renglon]:
    """The rows that tell of a run, one per closed candle and one per fill between them."""
    renglones: list[Renglon] = []
    contabilidad = Contabilidad()
    recompensa: float | None = None
    for numero, paso in enumerate(trayecto.pasos, start=1):
        momento = _al_cierre(trayecto, paso.fila, numero, episodio)._replace(recompensa=recompensa)
        contabilidad, fila = _fila_de_decision(
            momento, paso, contabilidad.envejecer(), trayecto.apalancamiento
        )
        renglones.append(Renglon(momento.instante_ms, fila))
        for incidencia in paso.incidencias:
            contabilidad, fila = _fila_intermedia(momento, incidencia, contabilidad, trayecto.apalancamiento)
            renglones.append(Renglon(incidencia.instante_ms, fila))
        recompensa = paso.recompensa
    return [*renglones, *_filas_finales(trayecto, episodio, contabilidad)]


def _al_cierre(trayecto: Trayecto, fila: int, numero: int, episodio: int) -> Momento:
    datos = trayecto.datos
    return Momento(
        paso=numero,
        instante_ms=siguiente_apertura(int(datos.tabla.apertura_ms[fila]), datos.intervalo),
        precio=float(datos.tabla.close[fila]),
        status=StatusFila.OK,
        episodio=episodio,
    )


def _fila_de_decision(
    momento: Momento, paso: PasoEntorno, contabilidad: Contabilidad, apalancamiento: float
) -> tuple[Contabilidad, Fila]:
    resultado = Resultado.EJECUTADA if paso.ejecuciones else Resultado.NINGUNA
    if not paso.validacion.valida:
        resultado = Resultado.RECHAZADA
        momento = momento._replace(status=StatusFila.RECHAZADA)
    decision = Decision(
        paso.plan.operacion, resultado, paso.validacion.detalle, paso.accion, paso.interpretacion
    )
    movimiento = Movimiento(paso.antes, paso.tras_orden, paso.ejecuciones)
    return construir_info(momento, decision, movimiento, paso.riesgo_antes, contabilidad, apalancamiento)


def _fila_intermedia(
    anterior: Momento, incidencia: Incidencia, contabilidad: Contabilidad, apalancamiento: float
) -> tuple[Contabilidad, Fila]:
    momento = anterior._replace(
        instante_ms=incidencia.instante_ms,
        precio=incidencia.precio,
        status=incidencia.status,
        recompensa=None,
        terminated=incidencia.status is StatusFila.EMERGENCIA,
    )
    movimiento = incidencia.movimiento
    larga = movimiento.antes.cantidad > 0.0
    operacion = Operacion.CERRAR_LONG if larga else Operacion.CERRAR_SHORT
    decision = Decision(operacion, Resultado.EJECUTADA)
    return construir_info(momento, decision, movimiento, incidencia.riesgo, contabilidad, apalancamiento)


def _filas_finales(trayecto: Trayecto, episodio: int, contabilidad: Contabilidad) -> list[Renglon]:
    """From the candle on which the run ended to the last one of the span."""
    renglones: list[Renglon] = []
    ultimo = trayecto.pasos[-1]
    quieto = Movimiento(ultimo.cuenta, ultimo.cuenta)
    for orden, fila in enumerate(range(ultimo.fila + 1, trayecto.datos.ultima + 1)):
        momento = _al_cierre(trayecto, fila, len(trayecto.pasos) + 1 + orden, episodio)._replace(
            status=StatusFila.FIN,
            recompensa=ultimo.recompensa if orden == 0 else 0.0,
            terminated=ultimo.terminated and orden == 0,
            truncated=ultimo.truncated,
        )
        contabilidad, celdas = construir_info(
            momento, _SIN_DECISION, quieto, ultimo.riesgo, contabilidad.envejecer(), trayecto.apalancamiento
        )
        renglones.append(Renglon(momento.instante_ms, celdas))
    return renglones
