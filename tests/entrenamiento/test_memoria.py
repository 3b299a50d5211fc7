import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.buffers import DictReplayBuffer
from stable_baselines3.common.vec_env import DummyVecEnv

from src.entrenamiento.agente import argumentos_memoria, envolver
from src.entrenamiento.memoria import MemoriaFilas
from tests.entrenamiento.fabrica_agente import un_entorno, un_plan

CAPACIDAD = 150


@pytest.fixture(scope="module")
def memorias(tmp_path_factory):
    """Ours and Stable-Baselines3's, fed with the same steps across ends of episodes and a wrap-around."""
    entorno = un_entorno(un_plan(tmp_path_factory.mktemp("memoria")))
    vectorial = DummyVecEnv([lambda: envolver(entorno)])
    espacios = (vectorial.observation_space, vectorial.action_space)
    propia = MemoriaFilas(CAPACIDAD, *espacios, "cpu", **argumentos_memoria(entorno))
    ajena = DictReplayBuffer(CAPACIDAD, *espacios, "cpu")
    azar = np.random.default_rng(0)
    antes = {k: v.copy() for k, v in vectorial.reset().items()}
    for _ in range(200):
        accion = azar.uniform(-1, 1, (1, 1)).astype(np.float32)
        despues, recompensa, fin, infos = vectorial.step(accion)
        siguiente = infos[0]["terminal_observation"] if fin[0] else {k: v[0] for k, v in despues.items()}
        siguiente = {k: v[None] for k, v in siguiente.items()}
        for memoria in (propia, ajena):
            memoria.add(antes, siguiente, accion, recompensa, fin, infos)
        antes = {k: v.copy() for k, v in despues.items()}
    return propia, ajena


def _igual(una, otra) -> None:
    for campo in ("observations", "next_observations"):
        for clave in ("market", "portfolio"):
            assert np.array_equal(getattr(una, campo)[clave].numpy(), getattr(otra, campo)[clave].numpy())
    for campo in ("actions", "rewards", "dones"):
        assert np.array_equal(getattr(una, campo).numpy(), getattr(otra, campo).numpy())


def test_da_las_mismas_muestras_que_la_de_stable_baselines(memorias):
    indices = np.arange(CAPACIDAD)

    _igual(*(memoria._get_samples(indices) for memoria in memorias))


def test_restaurada_sigue_muestreando_igual(memorias):
    propia, _ = memorias
    otra = _vacia_como(propia, CAPACIDAD)

    otra.restaurar(propia.volcar(), propia.pos)

    assert (otra.pos, otra.full) == (propia.pos, propia.full)
    _igual(propia._get_samples(np.arange(CAPACIDAD)), otra._get_samples(np.arange(CAPACIDAD)))


@pytest.mark.parametrize("capacidad", [CAPACIDAD - 40, CAPACIDAD + 40])
def test_otra_capacidad_conserva_lo_mas_reciente(memorias, capacidad):
    propia, _ = memorias
    otra = _vacia_como(propia, capacidad)

    otra.restaurar(propia.volcar(), propia.pos)

    quedan = min(capacidad, CAPACIDAD)
    assert np.array_equal(otra.volcar()["filas"], propia.volcar()["filas"][-quedan:])


def _vacia_como(memoria: MemoriaFilas, capacidad: int) -> MemoriaFilas:
    vacia = MemoriaFilas(
        capacidad,
        memoria.observation_space,
        gym.spaces.Box(-1, 1, (1,)),
        "cpu",
        rasgos=np.zeros((1_400, memoria.observation_space["market"].shape[1]), dtype=np.float32),
    )
    vacia._ventanas = memoria._ventanas
    return vacia
