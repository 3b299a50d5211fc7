"""Builds small artefacts without training, for tests."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler

from src.artefactos import rutas
from src.artefactos.configuracion import ConfiguracionArtefacto, interpretar_configuracion
from src.artefactos.escritura import escribir_actor, escribir_descripcion, escribir_escalador
from src.artefactos.manifiesto import (
    Entrenamiento,
    EsquemaRasgos,
    Manifiesto,
    OrigenDatos,
    escribir_manifiesto,
    huellas,
)
from src.nucleo.tipos import Mercado, Tramo
from tests.constructores import unos_filtros

TRAIN_ID = "train_BTCUSDT_20240101_20240131_lr3e-4_bs256_ws4_20240201_000000"


def un_mercado() -> Mercado:
    return Mercado(
        simbolo="BTCUSDT",
        activo_margen="USDT",
        filtros=unos_filtros(),
        tramos=(
            Tramo(nocional_max=300_000.0, apalancamiento_max=125, tasa_mantenimiento=0.004, deduccion=0.0),
            Tramo(nocional_max=1e7, apalancamiento_max=50, tasa_mantenimiento=0.01, deduccion=1_800.0),
        ),
        comision_taker=0.0005,
        comision_maker=0.0002,
        comision_liquidacion=0.0125,
        intervalo_funding_ms=8 * 3_600_000,
    )


def una_configuracion(**cambios: Any) -> ConfiguracionArtefacto:
    """The defaults with a window of four candles; ``cambios`` by dotted key, with ``__`` for the dot."""
    valores = {"entorno.window_size": 4} | {k.replace("__", "."): v for k, v in cambios.items()}
    return interpretar_configuracion("", "test", valores)


def un_actor(configuracion: ConfiguracionArtefacto, semilla: int = 0) -> dict[str, np.ndarray]:
    """Random weights of one hidden layer."""
    azar = np.random.default_rng(semilla)
    entradas = configuracion.entorno.window_size * len(configuracion.columnas()) + 3
    return {
        "w0": azar.normal(size=(8, entradas)) / np.sqrt(entradas),
        "b0": azar.normal(size=8),
        "w1": azar.normal(size=(1, 8)),
        "b1": azar.normal(size=1),
    }


def un_escalador(rasgos: int, semilla: int = 0) -> bytes:
    """A pickled StandardScaler fitted on made-up features."""
    muestra = np.random.default_rng(semilla).normal(100.0, 10.0, size=(50, rasgos))
    return pickle.dumps(StandardScaler().fit(muestra))


def firmar(carpeta: Path, configuracion: ConfiguracionArtefacto, train_id: str = TRAIN_ID) -> Manifiesto:
    """List the files that are there in a new manifest."""
    columnas = configuracion.columnas()
    manifiesto = Manifiesto(
        train_id=train_id,
        creado="2024-02-01T00:00:00Z",
        rasgos=EsquemaRasgos(
            conjunto=configuracion.preprocesamiento.rasgos,
            columnas=columnas,
            minimo=(0.0,) * len(columnas),
            maximo=(1.0,) * len(columnas),
        ),
        datos=OrigenDatos(
            fuente="test",
            huella="0" * 64,
            velas=100,
            entrenamiento_ms=(0, 1),
            evaluacion_ms=(2, 3),
            funding_registrado=False,
        ),
        entrenamiento=Entrenamiento(
            semilla=0,
            pasos=100,
            interrumpido=False,
            filas_visitadas=1.0,
            proteccion=configuracion.entorno.proteccion.tipo,
            banda_muerta=0.05,
            reserva_margen=0.02,
        ),
        versiones={"timonel": "0"},
        commit_git=None,
        ficheros=huellas(carpeta),
    )
    escribir_manifiesto(carpeta, manifiesto)
    return manifiesto


def crear_artefacto(
    base: Path,
    configuracion: ConfiguracionArtefacto | None = None,
    *,
    mercado: Mercado | None = None,
    actor: dict[str, np.ndarray] | None = None,
    escalador: bytes | None = None,
    train_id: str = TRAIN_ID,
) -> str:
    """Write ``base/train_id`` and return the identifier; ``modelo.zip`` is a stand-in."""
    configuracion = configuracion or una_configuracion()
    carpeta = base / train_id
    (carpeta / "modelos").mkdir(parents=True)
    (carpeta / rutas.MODELO).write_bytes(b"a model")
    escribir_descripcion(carpeta, configuracion, mercado or un_mercado())
    escribir_escalador(carpeta, escalador or un_escalador(len(configuracion.columnas())))
    escribir_actor(carpeta / rutas.ACTOR, actor or un_actor(configuracion))
    firmar(carpeta, configuracion, train_id)
    return train_id
