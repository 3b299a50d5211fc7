"""What the measurements work on: a market, an agent of the usual size, and its artefact."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from src.artefactos.configuracion import ConfiguracionArtefacto, interpretar_configuracion
from src.artefactos.escalador import interpretar_escalador
from src.artefactos.escritura import escribir_actor, escribir_descripcion, escribir_escalador
from src.artefactos.manifiesto import (
    Entrenamiento,
    EsquemaRasgos,
    Manifiesto,
    OrigenDatos,
    escribir_manifiesto,
    huellas,
)
from src.artefactos.rutas import ACTOR, MODELO
from src.datos.mercados import mercado_por_defecto
from src.datos.sintetico import generar
from src.datos.velas import TablaVelas
from src.nucleo.indicadores import VELAS_CALENTAMIENTO, calcular_serie
from src.nucleo.observacion import Escalador
from src.nucleo.tipos import Matriz, MatrizF32, Mercado

SIMBOLO = "BTCUSDT"
INTERVALO = "1h"
SEMILLA = 7
ANCHO = 256
"""Units of each of the actor's two hidden layers."""

_AJUSTES = {
    "portafolio.apalancamiento": 2,
    "portafolio.capital_inicial": 1_000_000.0,
    "entorno.max_drawdown_permitido": 1.0,
    "entorno.camino": "close",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Taller:
    """A market and an untrained agent of the usual size: window 30, 16 features, 256×256."""

    tabla: TablaVelas
    configuracion: ConfiguracionArtefacto
    mercado: Mercado
    rasgos: Matriz  # (candles, features), unscaled
    escalados: MatrizF32
    escalador: Escalador
    escalador_pickle: bytes  # a StandardScaler
    actor: dict[str, Matriz]


def abrir_taller(
    velas: int, cambios: Mapping[str, Any] | None = None, tabla: TablaVelas | None = None
) -> Taller:
    """Make everything that an agent needs on a market: the given one, or a synthetic one of that length."""
    from sklearn.preprocessing import StandardScaler

    tabla = generar(SIMBOLO, INTERVALO, velas, SEMILLA) if tabla is None else tabla
    configuracion = interpretar_configuracion("", "bench", {**_AJUSTES, **(cambios or {})})
    rasgos = calcular_serie(
        tabla, configuracion.parametros_indicadores(), configuracion.preprocesamiento.rasgos
    )
    crudo = pickle.dumps(StandardScaler().fit(rasgos[VELAS_CALENTAMIENTO:]))
    escalador = interpretar_escalador(crudo, "bench")
    return Taller(
        tabla=tabla,
        configuracion=configuracion,
        mercado=mercado_por_defecto(SIMBOLO, tabla),
        rasgos=rasgos,
        escalados=escalador.transformar(rasgos),
        escalador=escalador,
        escalador_pickle=crudo,
        actor=_actor(configuracion),
    )


def _actor(configuracion: ConfiguracionArtefacto) -> dict[str, npt.NDArray[np.float64]]:
    """Random weights whose actions spread over both sides."""
    azar = np.random.default_rng(SEMILLA)
    entradas = configuracion.entorno.window_size * len(configuracion.columnas()) + 3
    arreglos = {}
    for indice, (dentro, fuera) in enumerate(((entradas, ANCHO), (ANCHO, ANCHO), (ANCHO, 1))):
        arreglos[f"w{indice}"] = azar.normal(size=(fuera, dentro)) / np.sqrt(dentro)
        arreglos[f"b{indice}"] = azar.normal(size=fuera) * 0.1
    return arreglos


def escribir_artefacto(taller: Taller, base: Path, train_id: str = "bench") -> str:
    """Write the agent as an artefact that the daemon accepts; returns its name."""
    carpeta = base / train_id
    escribir_actor(carpeta / ACTOR, taller.actor)
    (carpeta / MODELO).write_bytes(b"the actor alone is measured")
    escribir_descripcion(carpeta, taller.configuracion, taller.mercado)
    escribir_escalador(carpeta, taller.escalador_pickle)
    columnas = taller.configuracion.columnas()
    usables = taller.rasgos[VELAS_CALENTAMIENTO:]
    primera, ultima = (int(taller.tabla.apertura_ms[i]) for i in (0, -1))
    escribir_manifiesto(
        carpeta,
        Manifiesto(
            train_id=train_id,
            creado="2022-01-01T00:00:00Z",
            rasgos=EsquemaRasgos(
                conjunto=taller.configuracion.preprocesamiento.rasgos,
                columnas=columnas,
                minimo=tuple(usables.min(axis=0).tolist()),
                maximo=tuple(usables.max(axis=0).tolist()),
            ),
            datos=OrigenDatos(
                fuente="synthetic",
                huella=taller.tabla.huella(),
                velas=len(taller.tabla),
                entrenamiento_ms=(primera, ultima),
                evaluacion_ms=(primera, ultima),
                funding_registrado=False,
            ),
            entrenamiento=Entrenamiento(
                semilla=SEMILLA,
                pasos=0,
                interrumpido=False,
                filas_visitadas=0.0,
                proteccion="ninguna",
                banda_muerta=taller.configuracion.entorno.banda_muerta,
                reserva_margen=taller.configuracion.entorno.reserva_margen,
            ),
            versiones={},
            commit_git=None,
            ficheros=huellas(carpeta),
        ),
    )
    return train_id
