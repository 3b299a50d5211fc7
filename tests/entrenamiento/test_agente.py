import numpy as np
import pytest
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback

from src.entrenamiento import checkpoint
from src.entrenamiento.agente import EXCLUIDO_DEL_MODELO, capacidad, construir_agente
from src.entrenamiento.entorno import EntornoTrading
from src.entrenamiento.expectativa import calcular_expectativas
from src.entrenamiento.exportar import TOLERANCIA, comprobar_actor, exportar_actor, leer_modelo
from src.nucleo.errores import ArtefactoInvalido
from src.nucleo.politica import ActorNumpy
from tests.entrenamiento.fabrica_agente import pesos, un_entorno, un_plan, una_configuracion


class Alto(Exception):
    pass


class PararEn(BaseCallback):
    def __init__(self, paso: int) -> None:
        super().__init__()
        self.paso = paso

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if self.num_timesteps >= self.paso:
            raise Alto


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return un_plan(tmp_path_factory.mktemp("plan"))


@pytest.fixture(scope="module")
def entrenado(plan):
    agente = construir_agente(plan.configuracion, un_entorno(plan))
    agente.learn(300)
    return agente


def test_la_misma_semilla_da_los_mismos_pesos(plan, entrenado):
    otro = construir_agente(plan.configuracion, un_entorno(plan))
    otro.learn(300)

    assert np.array_equal(pesos(otro), pesos(entrenado))


def test_otra_semilla_da_otros_pesos(plan, entrenado):
    configuracion = plan.configuracion.model_copy(
        update={"SACmodel": plan.configuracion.SACmodel.model_copy(update={"seed": 1})}
    )
    otro = construir_agente(configuracion, un_entorno(plan))
    otro.learn(300)

    assert not np.array_equal(pesos(otro), pesos(entrenado))


@pytest.mark.parametrize("parada", [30, 180, 250])
def test_un_entrenamiento_retomado_acaba_igual_que_uno_seguido(plan, entrenado, tmp_path, parada):
    """Before learning starts, in the middle of an episode, and after the memory has wrapped around."""
    entorno = un_entorno(plan)
    primero = construir_agente(plan.configuracion, entorno)
    with pytest.raises(Alto):
        primero.learn(300, callback=PararEn(parada))
    punto = checkpoint.guardar(tmp_path, primero, entorno)

    fresco = un_entorno(plan)
    segundo = checkpoint.retomar(punto, plan.configuracion, fresco)
    segundo.learn(300 - parada, reset_num_timesteps=False)

    assert segundo.num_timesteps == 300
    assert np.array_equal(pesos(segundo), pesos(entrenado))
    assert fresco.fraccion_visitada > 0.0


def test_solo_queda_el_ultimo_punto(plan, entrenado, tmp_path):
    entorno = un_entorno(plan)
    agente = construir_agente(plan.configuracion, entorno)
    for parada in (20, 40):
        with pytest.raises(Alto):
            agente.learn(300, callback=PararEn(parada), reset_num_timesteps=False)
        checkpoint.guardar(tmp_path, agente, entorno)

    assert [r.name for r in tmp_path.iterdir()] == ["paso_0000000040"]
    assert checkpoint.ultimo(tmp_path).name == "paso_0000000040"


def test_sin_punto_no_hay_que_retomar(tmp_path):
    with pytest.raises(ArtefactoInvalido, match="holds no checkpoint"):
        checkpoint.ultimo(tmp_path)


def test_un_punto_corrupto_se_explica(plan, tmp_path):
    punto = tmp_path / "paso_1"
    punto.mkdir()
    (punto / "modelo.zip").write_bytes(b"nada")

    with pytest.raises(ArtefactoInvalido, match=r"checkpoint .* cannot be read"):
        checkpoint.retomar(punto, plan.configuracion, un_entorno(plan))


def test_el_actor_exportado_decide_como_sac(entrenado):
    actor = ActorNumpy.desde_arreglos(exportar_actor(entrenado))

    assert comprobar_actor(entrenado, actor) <= TOLERANCIA


def test_un_actor_ajeno_se_nota(plan, entrenado):
    otro = construir_agente(plan.configuracion, un_entorno(plan))

    with pytest.raises(ArtefactoInvalido, match=r"differs from SAC\.predict"):
        comprobar_actor(entrenado, ActorNumpy.desde_arreglos(exportar_actor(otro)))


def test_el_modelo_guardado_se_lee_con_stable_baselines(entrenado, tmp_path):
    """Neither our replay buffer nor the candles travel in the zip."""
    ruta = tmp_path / "modelo.zip"
    entrenado.save(ruta, exclude=EXCLUIDO_DEL_MODELO)

    leido = SAC.load(ruta, device="cpu")

    assert np.array_equal(pesos(leido), pesos(entrenado))
    assert ruta.stat().st_size < 100_000


def test_un_modelo_corrupto_se_explica(tmp_path):
    (tmp_path / "modelo.zip").write_bytes(b"nada")

    with pytest.raises(ArtefactoInvalido, match="cannot be read"):
        leer_modelo(tmp_path / "modelo.zip")


def test_la_configuracion_llega_al_agente(entrenado):
    assert entrenado.learning_rate == 1e-3
    assert entrenado.batch_size == 16
    assert [type(c).__name__ for c in entrenado.policy.actor.latent_pi] == ["Linear", "ReLU"]
    assert len(entrenado.policy.critic.q_networks) == 2


def test_la_memoria_no_reserva_mas_de_lo_que_se_usa():
    assert capacidad(una_configuracion()) == 200
    assert capacidad(una_configuracion(SACmodel__buffer_size=10**6)) == 300


def test_la_expectativa_recorre_todo_el_tramo_y_la_de_estar_fuera_es_cero(plan):
    datos = plan.datos_entorno(plan.preparados.entrenamiento)
    entorno = EntornoTrading(datos, plan.configuracion, 0, inicio_aleatorio=False)

    fuera, largo, corto = calcular_expectativas(entorno)

    assert (fuera.nombre, fuera.recompensa_media, fuera.finales) == ("flat", 0.0, 0)
    assert entorno.fraccion_visitada == 1.0
    assert largo.recompensa_media != corto.recompensa_media
