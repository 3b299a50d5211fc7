"""The training environment beside gym-trading-env, on the same candles with random actions."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from bench import pares
from bench.medida import Cota, Medida, mediana
from bench.taller import SEMILLA, Taller, abrir_taller
from src.entrenamiento.datos_entorno import DatosEntorno
from src.entrenamiento.entorno import EntornoTrading
from src.nucleo.indicadores import VELAS_CALENTAMIENTO

_GUION = Path(__file__).with_name("par_gym.py")
_TANDAS = 5
_DE_ENTRENAMIENTO = {
    "portafolio.capital_inicial": 10_000.0,
    "entorno.max_drawdown_permitido": 0.2,
    "entorno.camino": "ohlc",
}


def medir_entorno(*, rapido: bool) -> list[Medida]:
    """Steps per second of CPU time, resets included."""
    taller = abrir_taller(10_000, _DE_ENTRENAMIENTO)
    pasos = 10_000 if rapido else 40_000
    velocidad = mediana([_tanda(taller, pasos, semilla) for semilla in range(_TANDAS)])
    try:
        par, nota = _par(taller, pasos // 10), "peer: gym-trading-env"
    except subprocess.CalledProcessError as fallo:
        par, nota = None, f"no peer: {fallo}"
    return [
        Medida(
            nombre="env_steps_s",
            valor=velocidad,
            unidad="steps/s",
            par=par,
            razon=None if par is None else velocidad / par,
            cota=Cota(100_000, minimo=True),
            nota=f"CPU time, random actions, window 30, resets included; {nota}",
        )
    ]


def datos_de(taller: Taller) -> DatosEntorno:
    """The whole market after the warm-up, as an environment wants it."""
    return DatosEntorno(
        tabla=taller.tabla,
        rasgos_escalados=taller.escalados,
        primera=VELAS_CALENTAMIENTO,
        ultima=len(taller.tabla) - 1,
        intervalo=taller.configuracion.data_downloader.interval,
        mercado=taller.mercado,
        tasas_funding=taller.configuracion.portafolio.tasa_funding,
    )


def _tanda(taller: Taller, pasos: int, semilla: int) -> float:
    entorno = EntornoTrading(datos_de(taller), taller.configuracion, semilla)
    azar = np.random.default_rng(SEMILLA + semilla)
    acciones = list(azar.uniform(-1.0, 1.0, size=(pasos, 1)).astype(np.float32))
    entorno.reset()
    inicio = time.process_time()
    for accion in acciones:
        _, _, terminated, truncated, _ = entorno.step(accion)
        if terminated or truncated:
            entorno.reset()
    return pasos / (time.process_time() - inicio)


def _par(taller: Taller, pasos: int) -> float:
    tabla, configuracion = taller.tabla, taller.configuracion
    columnas = {
        "open_time": tabla.apertura_ms,
        **{nombre: getattr(tabla, nombre) for nombre in ("open", "high", "low", "close", "volume")},
        **{f"feature_{i}": taller.escalados[:, i] for i in range(taller.escalados.shape[1])},
    }
    with tempfile.TemporaryDirectory(prefix="bench-") as carpeta:
        archivo = Path(carpeta) / "candles.csv"
        filas = np.column_stack([valores[VELAS_CALENTAMIENTO:] for valores in columnas.values()])
        np.savetxt(archivo, filas, fmt="%.10g", delimiter=",", header=",".join(columnas), comments="")
        encargo = {
            "file": str(archivo),
            "window": configuracion.entorno.window_size,
            "fee": configuracion.portafolio.comision,
            "episode": configuracion.entorno.longitud_episodio,
            "steps": pasos,
            "rounds": _TANDAS,
        }
        return float(pares.correr(_GUION, encargo)["steps_s"])
