"""The actor without torch answers what the trained model answers."""

from __future__ import annotations

import copy
from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import SAC

from src.nucleo.errores import ArtefactoInvalido
from src.nucleo.politica import ActorNumpy, Politica
from src.nucleo.tipos import Observacion

VELAS, RASGOS = 6, 5
ENTRADAS = VELAS * RASGOS + 3


class EntornoVacio(gym.Env):
    """Nothing but the spaces of the real environment."""

    observation_space = gym.spaces.Dict(
        {
            "market": gym.spaces.Box(-np.inf, np.inf, (VELAS, RASGOS), np.float32),
            "portfolio": gym.spaces.Box(-np.inf, np.inf, (3,), np.float32),
        }
    )
    action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 0.0, True, False, {}


def un_modelo(ocultas: list[int], semilla: int, escala: float) -> SAC:
    """A SAC agent with random weights, those of the actor enlarged."""
    modelo = SAC(
        "MultiInputPolicy",
        EntornoVacio(),
        policy_kwargs={"net_arch": {"pi": ocultas, "qf": [4]}},
        buffer_size=1,
        device="cpu",
        seed=semilla,
    )
    with torch.no_grad():
        for parametro in modelo.actor.parameters():
            parametro.copy_(torch.randn_like(parametro) * escala)
    return modelo


def arreglos_de(modelo: SAC) -> dict[str, np.ndarray]:
    capas = [capa for capa in modelo.actor.latent_pi if isinstance(capa, torch.nn.Linear)]
    return {
        nombre: parametro.detach().numpy()
        for i, capa in enumerate([*capas, modelo.actor.mu])
        for nombre, parametro in ((f"w{i}", capa.weight), (f"b{i}", capa.bias))
    }


def respuesta_exacta(modelo: SAC, observacion: Observacion) -> float:
    """The model's own layers in double precision, without the single precision of its input."""
    capas = copy.deepcopy(torch.nn.Sequential(modelo.actor.latent_pi, modelo.actor.mu)).double()
    entrada = np.concatenate([observacion.market.ravel(), observacion.portfolio]).astype(np.float64)
    with torch.no_grad():
        return torch.tanh(capas(torch.from_numpy(entrada))).item()


def observaciones(semilla: int, cuantas: int, escala: float = 1.0) -> list[Observacion]:
    azar = np.random.default_rng(semilla)
    return [
        Observacion(
            azar.normal(0.0, escala, (VELAS, RASGOS)).astype(np.float32),
            azar.normal(0.0, escala, 3).astype(np.float32),
        )
        for _ in range(cuantas)
    ]


def unas_capas(*tamanos: int, semilla: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    azar = np.random.default_rng(semilla)
    return [
        (azar.normal(size=(salidas, entradas)), azar.normal(size=salidas))
        for entradas, salidas in pairwise(tamanos)
    ]


class TestContraElModelo:
    @pytest.mark.parametrize(
        ("ocultas", "escala"), [([32, 32], 0.15), ([16], 0.5), ([8, 7, 6], 0.4), ([], 0.2)]
    )
    def test_responde_lo_que_sac_predice(self, ocultas, escala):
        modelo = un_modelo(ocultas, semilla=len(ocultas), escala=escala)
        actor = ActorNumpy.desde_arreglos(arreglos_de(modelo))
        vistas = observaciones(5, 100)

        propias = [actor.predecir(observacion) for observacion in vistas]

        suyas = [modelo.predict(obs._asdict(), deterministic=True)[0].item() for obs in vistas]
        np.testing.assert_allclose(propias, suyas, rtol=0, atol=1e-6)
        assert np.std(propias) > 0.1  # the answers differ, so that agreeing means something

    @pytest.mark.parametrize(
        ("ocultas", "escala"), [([32, 32], 0.15), ([16], 0.5), ([8, 7, 6], 0.4), ([], 0.2)]
    )
    def test_es_el_modelo_sin_su_redondeo(self, ocultas, escala):
        """What the model answers in single precision has an error of its own, which large inputs show."""
        modelo = un_modelo(ocultas, semilla=len(ocultas), escala=escala)
        actor = ActorNumpy.desde_arreglos(arreglos_de(modelo))
        vistas = observaciones(5, 100) + observaciones(6, 50, escala=5.0)

        propias = [actor.predecir(observacion) for observacion in vistas]

        exactas = [respuesta_exacta(modelo, observacion) for observacion in vistas]
        np.testing.assert_allclose(propias, exactas, rtol=0, atol=6e-8)
        assert np.std(propias) > 0.1  # the answers differ, so that agreeing means something

    def test_de_npz_a_accion(self, tmp_path):
        """What training writes is what the daemon reads."""
        modelo = un_modelo([16, 16], semilla=3, escala=0.3)
        np.savez(tmp_path / "actor.npz", **arreglos_de(modelo))

        with np.load(tmp_path / "actor.npz") as fichero:
            actor = ActorNumpy.desde_arreglos(dict(fichero))

        (observacion,) = observaciones(9, 1)
        suya = modelo.predict(observacion._asdict(), deterministic=True)[0].item()
        assert actor.predecir(observacion) == pytest.approx(suya, abs=1e-6)


class TestPrediccion:
    actor = ActorNumpy(unas_capas(ENTRADAS, 8, 1))

    def test_una_capa_a_mano(self):
        """relu(1·2 − 3·1 + 2, 4·1 − 9) = (1, 0); tanh(0.5·1 + 7·0 − 0.25)."""
        actor = ActorNumpy(
            [
                (np.array([[2.0, -1.0], [0.0, 4.0]]), np.array([2.0, -21.0])),
                (np.array([[0.5, 7.0]]), np.array([-0.25])),
            ]
        )

        accion = actor.predecir(Observacion(np.float32([[1.0]]), np.float32([3.0])))

        assert accion == float(np.float32(np.tanh(0.25)))

    def test_la_respuesta_no_depende_de_la_anterior(self):
        una, otra = observaciones(1, 2)
        primera = self.actor.predecir(una)
        self.actor.predecir(otra)

        assert self.actor.predecir(una) == primera

    def test_no_toca_la_observacion(self):
        (observacion,) = observaciones(2, 1)
        copia = Observacion(*(parte.copy() for parte in observacion))

        self.actor.predecir(observacion)

        np.testing.assert_array_equal(observacion.market, copia.market)
        np.testing.assert_array_equal(observacion.portfolio, copia.portfolio)

    @pytest.mark.parametrize("sesgo", [1e6, -1e6])
    def test_saturada_no_sale_de_menos_uno_a_uno(self, sesgo):
        (pesos, _), *resto = unas_capas(ENTRADAS, 1)
        actor = ActorNumpy([(pesos, np.array([sesgo])), *resto])

        assert actor.predecir(observaciones(1, 1)[0]) == np.sign(sesgo)

    def test_una_ventana_que_no_es_contigua_da_lo_mismo(self):
        (observacion,) = observaciones(3, 1)
        ancha = np.repeat(observacion.market, 2, axis=1)[:, ::2]
        assert not ancha.flags.c_contiguous

        assert self.actor.predecir(observacion._replace(market=ancha)) == self.actor.predecir(observacion)

    def test_es_una_politica(self):
        politica: Politica = self.actor

        assert politica.predecir(observaciones(1, 1)[0]) == self.actor.predecir(observaciones(1, 1)[0])

    @pytest.mark.parametrize("forma", [(VELAS, RASGOS - 1), (VELAS - 1, RASGOS), (VELAS, RASGOS + 1)])
    def test_otro_numero_de_rasgos_se_rechaza(self, forma):
        observacion = Observacion(np.zeros(forma, np.float32), np.zeros(3, np.float32))

        with pytest.raises(ArtefactoInvalido, match=f"the actor expects {ENTRADAS}"):
            self.actor.predecir(observacion)


class TestPesosMalos:
    def test_las_capas_tienen_que_encadenar(self):
        capas = [*unas_capas(ENTRADAS, 8), *unas_capas(7, 1)]

        with pytest.raises(ArtefactoInvalido, match=r"layer 1 of the actor has shapes \(1, 7\) and \(1,\)"):
            ActorNumpy(capas)

    def test_el_sesgo_tiene_que_ser_el_de_su_capa(self):
        (pesos, _), ultima = unas_capas(ENTRADAS, 8, 1)

        for sesgo in (np.zeros(7), np.zeros((8, 1)), np.zeros(())):
            with pytest.raises(ArtefactoInvalido, match="layer 0 of the actor has shapes"):
                ActorNumpy([(pesos, sesgo), ultima])

    def test_los_pesos_son_matrices(self):
        with pytest.raises(ArtefactoInvalido, match="layer 0 of the actor has shapes"):
            ActorNumpy([(np.zeros(ENTRADAS), np.zeros(1))])

    @pytest.mark.parametrize("cual", [0, 1])
    @pytest.mark.parametrize("valor", [np.nan, np.inf])
    def test_un_peso_que_no_es_finito_se_rechaza(self, cual, valor):
        capas = unas_capas(ENTRADAS, 8, 1)
        capas[1][cual].flat[0] = valor

        with pytest.raises(ArtefactoInvalido, match="layer 1 of the actor holds a weight that is not finite"):
            ActorNumpy(capas)

    def test_una_sola_accion_se_espera(self):
        with pytest.raises(ArtefactoInvalido, match="the actor answers 2 values; one action is expected"):
            ActorNumpy(unas_capas(ENTRADAS, 8, 2))

    def test_sin_capas_no_hay_actor(self):
        with pytest.raises(ArtefactoInvalido, match="one action is expected"):
            ActorNumpy([])

    @pytest.mark.parametrize(
        "nombres", [(), ("w0",), ("b0",), ("w0", "b0", "w2", "b2"), ("w0", "b0", "extra"), ("w0", "b0", "wx")]
    )
    def test_los_arreglos_tienen_que_ser_los_esperados(self, nombres):
        with pytest.raises(ArtefactoInvalido, match=r"expected w0, b0, w1, b1"):
            ActorNumpy.desde_arreglos({nombre: np.zeros((1, 1)) for nombre in nombres})
