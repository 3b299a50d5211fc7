import csv
import io

import pytest
from rich.console import Console
from stable_baselines3.common.logger import configure

from src.entrenamiento.agente import construir_agente
from src.entrenamiento.vigilancia import Detencion, Interruptor, Vigilante, mostrar_progreso
from tests.entrenamiento.fabrica_agente import un_entorno, un_plan


class ProgresoFalso:
    def __init__(self) -> None:
        self.vistos: list[tuple[int, float, float | None]] = []

    def avanzar(self, pasos: int, recompensa: float, episodio: float | None) -> None:
        self.vistos.append((pasos, recompensa, episodio))


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return un_plan(
        tmp_path_factory.mktemp("vigilancia"), entorno__total_timesteps=600, SACmodel__learning_starts=599
    )


@pytest.fixture
def agente(plan, tmp_path):
    agente = construir_agente(plan.configuracion, un_entorno(plan))
    agente.set_logger(configure(str(tmp_path), ["csv"]))
    yield agente
    agente.logger.close()


def vigilante(progreso, interruptor, guardar, cada: int) -> Vigilante:
    return Vigilante(progreso, interruptor, guardar, cada, lambda: 0.25)


def test_el_progreso_dice_pasos_recompensa_y_episodios(agente):
    progreso = ProgresoFalso()

    agente.learn(600, callback=vigilante(progreso, Interruptor(), lambda: None, 0))

    pasos, recompensa, episodio = progreso.vistos[-1]
    assert pasos == 600
    assert recompensa != 0.0
    assert episodio == pytest.approx(sum(e["r"] for e in agente.ep_info_buffer) / len(agente.ep_info_buffer))
    assert progreso.vistos[0][2] is None


def test_se_registran_la_recompensa_y_las_filas_visitadas(agente, tmp_path):
    agente.learn(600, callback=vigilante(ProgresoFalso(), Interruptor(), lambda: None, 0))

    with (tmp_path / "progress.csv").open() as archivo:
        filas = [fila for fila in csv.DictReader(archivo) if fila["rollout/rows_visited"]]
    assert [fila["rollout/rows_visited"] for fila in filas] == ["0.25"]
    assert float(filas[0]["rollout/reward_per_step"]) != 0.0


def test_los_puntos_se_guardan_cada_tantos_pasos(agente):
    pasos: list[int] = []

    agente.learn(
        600,
        callback=vigilante(ProgresoFalso(), Interruptor(), lambda: pasos.append(agente.num_timesteps), 250),
    )

    assert pasos == [250, 500]


def test_una_peticion_de_parar_se_atiende_entre_dos_pasos(agente):
    interruptor = Interruptor()
    interruptor.pedir()

    with pytest.raises(Detencion):
        agente.learn(600, callback=vigilante(ProgresoFalso(), interruptor, lambda: None, 0))

    assert agente.num_timesteps == 0


def test_la_barra_muestra_recompensa_y_tiempo_restante():
    salida = io.StringIO()
    consola = Console(file=salida, force_terminal=True, width=160)

    with mostrar_progreso(consola, 100, 20) as barra:
        barra.avanzar(60, 0.5, -1.25)

    assert "60/100" in salida.getvalue()
    assert "reward/step +0.5000" in salida.getvalue()
    assert "episode -1.25" in salida.getvalue()
    assert "ETA" in salida.getvalue()
    assert " in 0:00" not in salida.getvalue()


def test_la_barra_acabada_muestra_lo_que_tardo():
    salida = io.StringIO()

    with mostrar_progreso(Console(file=salida, width=160), 100) as barra:
        barra.avanzar(100, 0.5, None)

    assert " in 0:00" in salida.getvalue()
    assert "ETA" not in salida.getvalue()
