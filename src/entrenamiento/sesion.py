"""One training from plan to artefact."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from stable_baselines3 import SAC
from stable_baselines3.common.logger import configure

from src.artefactos import rutas
from src.artefactos.artefacto import Artefacto
from src.entrenamiento import checkpoint
from src.entrenamiento.agente import construir_agente
from src.entrenamiento.cierre import Desarrollo, firmar, guardar_modelo
from src.entrenamiento.entorno import EntornoTrading
from src.entrenamiento.evaluacion import ResultadoEvaluacion, evaluar
from src.entrenamiento.expectativa import Expectativa, calcular_expectativas
from src.entrenamiento.plan import Plan, orden_de_reanudar
from src.entrenamiento.vigilancia import Detencion, Interruptor, Vigilante, mostrar_progreso


@dataclass(frozen=True, slots=True, kw_only=True)
class Resultado:
    """What came of a training."""

    artefacto: Artefacto
    desarrollo: Desarrollo
    evaluacion: ResultadoEvaluacion
    pasos_por_segundo: float


def expectativas_de(plan: Plan) -> list[Expectativa]:
    """What flat, long and short would earn per step over the training span."""
    datos = plan.datos_entorno(plan.preparados.entrenamiento)
    return calcular_expectativas(EntornoTrading(datos, plan.configuracion, 0, inicio_aleatorio=False))


def entrenar(plan: Plan, consola: Console, interruptor: Interruptor | None = None) -> Resultado:
    """Train, evaluate on candles never seen, and write the artefact.

    A training that is asked to stop leaves a whole artefact of what it has learned, and a checkpoint.

    Args:
        plan: Configuration, data and directory.
        consola: Where the progress bar goes.
        interruptor: Another way to ask it to stop than Ctrl+C.
    """
    configuracion = plan.configuracion
    datos = plan.datos_entorno(plan.preparados.entrenamiento)
    entorno = EntornoTrading(datos, configuracion, configuracion.SACmodel.seed, inicio_aleatorio=True)
    agente = _agente(plan, entorno)
    agente.set_logger(configure(str(plan.carpeta / rutas.TENSORBOARD), ["tensorboard"]))
    hechos, comienzo = agente.num_timesteps, time.perf_counter()
    interrumpido = _aprender(plan, agente, entorno, consola, interruptor or Interruptor())
    agente.logger.close()
    velocidad = (agente.num_timesteps - hechos) / (time.perf_counter() - comienzo)
    desarrollo = Desarrollo(
        pasos=agente.num_timesteps, interrumpido=interrumpido, filas_visitadas=entorno.fraccion_visitada
    )
    artefacto, evaluacion = _cerrar(plan, agente, desarrollo)
    if not interrumpido:
        shutil.rmtree(plan.carpeta / rutas.CHECKPOINTS)
    return Resultado(
        artefacto=artefacto, desarrollo=desarrollo, evaluacion=evaluacion, pasos_por_segundo=velocidad
    )


def _agente(plan: Plan, entorno: EntornoTrading) -> SAC:
    if not plan.retomado:
        return construir_agente(plan.configuracion, entorno)
    punto = checkpoint.ultimo(plan.carpeta / rutas.CHECKPOINTS)
    return checkpoint.retomar(punto, plan.configuracion, entorno)


def _aprender(
    plan: Plan, agente: SAC, entorno: EntornoTrading, consola: Console, interruptor: Interruptor
) -> bool:
    """Learn to the end, or until asked to stop; returns whether it was."""
    carpeta = plan.carpeta / rutas.CHECKPOINTS
    total = plan.configuracion.entorno.total_timesteps

    def guardar() -> Path:
        return checkpoint.guardar(carpeta, agente, entorno)

    with interruptor.escuchar(), mostrar_progreso(consola, total, agente.num_timesteps) as barra:
        vigilante = Vigilante(
            barra,
            interruptor,
            guardar,
            plan.configuracion.Output.checkpoint_freq,
            lambda: entorno.fraccion_visitada,
        )
        try:
            agente.learn(total - agente.num_timesteps, callback=vigilante, reset_num_timesteps=False)
        except Detencion:
            interrumpido = True
            consola.print("interrupted: saving, then evaluating", style="yellow")
        else:
            interrumpido = False
    # Whatever goes wrong from here on costs no training.
    guardar()
    if interrumpido:
        consola.print(
            f"saved; Ctrl+C again skips the evaluation; go on with: {orden_de_reanudar(plan.carpeta)}",
            style="yellow",
            markup=False,
        )
    return interrumpido


def _cerrar(plan: Plan, agente: SAC, desarrollo: Desarrollo) -> tuple[Artefacto, ResultadoEvaluacion]:
    actor = guardar_modelo(plan.carpeta, agente, plan.preparados)
    evaluacion = evaluar(
        actor,
        plan.datos_entorno(plan.preparados.evaluacion),
        plan.configuracion,
        episodios=plan.ejecucion.episodios_evaluacion,
        carpeta=plan.carpeta / rutas.EVALUACION,
    )
    artefacto = firmar(plan.carpeta, plan.configuracion, plan.material, plan.preparados, desarrollo)
    return artefacto, evaluacion
