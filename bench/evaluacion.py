"""A whole span with a frozen policy, beside Stable-Baselines3's `evaluate_policy`."""

from __future__ import annotations

import time

from stable_baselines3.common.evaluation import evaluate_policy

from bench.entorno import datos_de
from bench.medida import Cota, Medida
from bench.sb3 import modelo_gemelo
from bench.taller import abrir_taller
from src.entrenamiento.agente import envolver
from src.entrenamiento.entorno import EntornoTrading
from src.entrenamiento.trayecto import recorrer
from src.nucleo.indicadores import VELAS_CALENTAMIENTO
from src.nucleo.politica import ActorNumpy


def medir_evaluacion(*, rapido: bool) -> list[Medida]:
    """Steps per second of CPU time with the same weights over the same span."""
    velas = VELAS_CALENTAMIENTO + (2_000 if rapido else 10_000)
    taller = abrir_taller(velas, {"entorno.longitud_episodio": velas})
    datos, configuracion = datos_de(taller), taller.configuracion
    modelo = modelo_gemelo(taller)
    actor = ActorNumpy.desde_arreglos(taller.actor)
    entorno = EntornoTrading(datos, configuracion, inicio_aleatorio=False)

    inicio = time.process_time()
    trayecto = recorrer(entorno, actor, entorno.primera_decision)
    propio_s = time.process_time() - inicio

    vigilado = envolver(EntornoTrading(datos, configuracion, inicio_aleatorio=False))
    inicio = time.process_time()
    recompensas, pasos = evaluate_policy(modelo, vigilado, n_eval_episodes=1, return_episode_rewards=True)
    suyo_s = time.process_time() - inicio

    propia, suya = len(trayecto.pasos) / propio_s, pasos[0] / suyo_s
    nota = (
        f"times the peer's steps/s; {propia:,.0f} of ours over {len(trayecto.pasos)} candles, "
        f"rewards {trayecto.recompensa:.3f} and {recompensas[0]:.3f}; peer: evaluate_policy"
    )
    return [
        Medida(
            nombre="evaluation_vs_sb3",
            valor=propia / suya,
            unidad="×",
            par=suya,
            razon=propia / suya,
            cota=Cota(5, minimo=True),
            nota=nota,
        ),
        Medida(nombre="evaluation_steps_s", valor=propia, unidad="steps/s", nota="actor in NumPy, CPU time"),
    ]
