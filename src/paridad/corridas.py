"""One run on each side: the training environment, and the daemon against the simulator."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from src.artefactos.artefacto import Artefacto
from src.datos.velas import TablaVelas, escribir_velas
from src.entrenamiento.datos_entorno import DatosEntorno
from src.entrenamiento.entorno import EntornoTrading
from src.entrenamiento.salidas import Incidencia
from src.nucleo.cartera import equity_de
from src.nucleo.errores import EmergenciaDrawdown
from src.nucleo.indicadores import VELAS_CALENTAMIENTO, calcular_serie
from src.nucleo.politica import Politica
from src.nucleo.registro import Resultado, StatusFila, texto_utc
from src.nucleo.tipos import Observacion, Operacion
from src.paridad.politicas import PoliticaGrabada
from src.produccion.config.config import Opciones
from src.produccion.lanzamiento import ejecutar

CALENTAMIENTO = 1_500
"""Candles that are past when the simulated market opens."""


class Proteccion(NamedTuple):
    """A row that tells of a resident stop's or a target's fill."""

    instante: str  # ISO 8601, UTC
    precio: float
    cantidad: float
    comision: float
    pnl: float
    balance: float  # after it


@dataclass(slots=True)
class Corrida:
    """What one side saw, decided and ended with."""

    observaciones: list[Observacion] = field(default_factory=list)
    operaciones: list[str] = field(default_factory=list)
    saldos: list[float] = field(default_factory=list)  # wallet after each decision
    cantidades: list[float] = field(default_factory=list)  # unsigned, after each decision
    protecciones: list[Proteccion] = field(default_factory=list)
    ordenes: int = 0
    rechazos: int = 0
    pagos_funding: int = 0
    liquidaciones: int = 0
    emergencia: bool = False
    equity_final: float = 0.0


def correr_entorno(artefacto: Artefacto, tabla: TablaVelas, politica: Politica) -> Corrida:
    """Live through the candles in the environment, from the first one that is not warm-up."""
    entorno = EntornoTrading(_datos(artefacto, tabla), artefacto.configuracion, 0, inicio_aleatorio=False)
    corrida = Corrida()
    bruta, _ = entorno.reset(options={"inicio": CALENTAMIENTO - 1, "longitud": len(tabla)})
    terminado = False
    while not terminado:
        observacion = Observacion(bruta["market"].copy(), bruta["portfolio"].copy())
        corrida.observaciones.append(observacion)
        accion = np.array([politica.predecir(observacion)], dtype=np.float64)
        bruta, _, terminated, truncated, _ = entorno.step(accion)  # type: ignore[arg-type]
        _anotar_paso(corrida, entorno)
        corrida.emergencia = terminated
        terminado = terminated or truncated
    if not corrida.emergencia:
        corrida.observaciones.append(Observacion(bruta["market"].copy(), bruta["portfolio"].copy()))
    return corrida


def correr_daemon(artefacto: Artefacto, tabla: TablaVelas, politica: Politica, carpeta: Path) -> Corrida:
    """Live through the same candles with the daemon, through the exchange's protocol."""
    datos = carpeta / f"{artefacto.train_id}.csv"
    escribir_velas(tabla, datos)
    grabada = PoliticaGrabada(politica, len(tabla) - CALENTAMIENTO)
    ajustes = carpeta / "timonel.yaml"
    ajustes.write_text("feature_range: {hold_entries_above: 1.0}\n", encoding="utf-8")
    opciones = Opciones(
        train_id=artefacto.train_id,
        base=artefacto.ruta.parent,
        simulado=True,
        datos=datos.absolute(),
        config=ajustes,
    )
    emergencia = False
    try:
        asyncio.run(ejecutar(opciones, grabada))
    except EmergenciaDrawdown:
        emergencia = True
    (registro,) = (artefacto.ruta / "produccion").glob("registro_*.csv")
    return _leer_registro(registro, grabada.observaciones, emergencia=emergencia)


def _datos(artefacto: Artefacto, tabla: TablaVelas) -> DatosEntorno:
    configuracion = artefacto.configuracion
    rasgos = calcular_serie(
        tabla, configuracion.parametros_indicadores(), configuracion.preprocesamiento.rasgos
    )
    return DatosEntorno(
        tabla=tabla,
        rasgos_escalados=artefacto.escalador.transformar(rasgos),
        primera=max(VELAS_CALENTAMIENTO, CALENTAMIENTO - configuracion.entorno.window_size),
        ultima=len(tabla) - 1,
        intervalo=configuracion.data_downloader.interval,
        mercado=artefacto.mercado,
        tasas_funding=configuracion.portafolio.tasa_funding,
    )


def _anotar_paso(corrida: Corrida, entorno: EntornoTrading) -> None:
    paso = entorno.ultimo
    corrida.operaciones.append(paso.plan.operacion.value)
    corrida.saldos.append(paso.tras_orden.saldo)
    corrida.cantidades.append(abs(paso.tras_orden.cantidad))
    corrida.ordenes += len(paso.ejecuciones)
    corrida.rechazos += int(not paso.validacion.valida)
    corrida.pagos_funding += int(paso.funding != 0.0)
    corrida.liquidaciones += sum(i.status is StatusFila.LIQUIDACION for i in paso.incidencias)
    corrida.protecciones += [_proteccion(i) for i in paso.incidencias if i.status is StatusFila.PROTECCION]
    corrida.equity_final = equity_de(paso.cuenta, float(entorno.datos.tabla.close[paso.fila + 1]))


def _proteccion(incidencia: Incidencia) -> Proteccion:
    movimiento = incidencia.movimiento
    return Proteccion(
        texto_utc(incidencia.instante_ms),
        incidencia.precio,
        movimiento.cantidad,
        movimiento.comision,
        movimiento.pnl,
        movimiento.despues.saldo,
    )


def _leer_proteccion(fila: Mapping[str, str]) -> Proteccion:
    columnas = ("precio", "cantidad", "comision", "pnl_realizado", "balance")
    return Proteccion(fila["timestamp"], *(float(fila[columna]) for columna in columnas))


def _leer_registro(ruta: Path, observaciones: list[Observacion], *, emergencia: bool) -> Corrida:
    """The daemon's side, as its own CSV tells it."""
    corrida = Corrida(observaciones=observaciones, emergencia=emergencia)
    with ruta.open(encoding="utf-8", newline="") as archivo:
        filas = list(csv.DictReader(archivo))
    for fila in filas:
        if fila["status"] == StatusFila.LIQUIDACION:
            corrida.liquidaciones += 1
        if fila["status"] == StatusFila.PROTECCION:
            corrida.protecciones.append(_leer_proteccion(fila))
        if fila["action"]:
            corrida.operaciones.append(fila["operacion"])
            corrida.saldos.append(float(fila["balance"]))
            corrida.cantidades.append(float(fila["cantidad_activa"] or 0.0))
            corrida.ordenes += int(bool(fila["cantidad"]))
            corrida.rechazos += int(fila["resultado"] == Resultado.RECHAZADA)
    corrida.equity_final = float(filas[-1]["equity"])
    if not emergencia:
        # The candle that stood still is only there to tell the final equity.
        for serie in (corrida.operaciones, corrida.saldos, corrida.cantidades):
            serie.pop()
    return corrida


def posibles() -> tuple[str, ...]:
    """The nine operations."""
    return tuple(operacion.value for operacion in Operacion)
