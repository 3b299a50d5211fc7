"""A tiny training: a few hundred candles, a net of one small layer."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3 import SAC

from src.artefactos.configuracion import ConfiguracionArtefacto, interpretar_configuracion
from src.datos.sintetico import generar
from src.datos.velas import TablaVelas, escribir_velas
from src.entrenamiento.datos import Fuente
from src.entrenamiento.entorno import EntornoTrading
from src.entrenamiento.plan import Peticion, Plan, planear

VELAS = 1_400
YAML = """
data_downloader: {symbol: BTCUSDT, interval: 1h}
preprocesamiento: {rasgos: estacionarios}
entorno: {window_size: 4, total_timesteps: 300, longitud_episodio: 60}
SACmodel: {learning_rate: 1e-3, learning_starts: 50, batch_size: 16, buffer_size: 200}
policy_kwargs: {net_arch: {pi: [8], qf: [8]}}
Output: {checkpoint_freq: 0}
"""


@cache
def una_tabla(velas: int = VELAS, semilla: int = 3) -> TablaVelas:
    return generar("BTCUSDT", "1h", velas, semilla)


def una_configuracion(base: Path | None = None, **cambios: Any) -> ConfiguracionArtefacto:
    """The tiny configuration; ``cambios`` by dotted key, with ``__`` for the dot."""
    valores = {clave.replace("__", "."): valor for clave, valor in cambios.items()}
    if base is not None:
        valores["Output.base_dir"] = str(base)
    return interpretar_configuracion(YAML, "test", valores)


def un_plan(base: Path, **cambios: Any) -> Plan:
    """A training over candles of a file, planned in ``base``."""
    fichero = base / "velas.csv"
    if not fichero.exists():
        escribir_velas(una_tabla(), fichero)
    peticion = Peticion(fuente=Fuente(fichero=fichero), episodios=2)
    return planear(una_configuracion(base / "entrenamientos", **cambios), peticion)


def un_entorno(plan: Plan) -> EntornoTrading:
    datos = plan.datos_entorno(plan.preparados.entrenamiento)
    return EntornoTrading(datos, plan.configuracion, plan.configuracion.SACmodel.seed)


def pesos(agente: SAC) -> np.ndarray:
    """All weights in one vector."""
    return np.concatenate([p.detach().numpy().ravel() for p in agente.policy.parameters()])
