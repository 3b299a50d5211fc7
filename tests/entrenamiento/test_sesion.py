import json
import pickle
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from src.artefactos import leer_artefacto, rutas
from src.artefactos.manifiesto import huellas, leer_manifiesto
from src.artefactos.yaml_exacto import leer_yaml
from src.datos.sintetico import generar
from src.datos.velas import TablaVelas, escribir_velas
from src.entrenamiento.datos import Fuente
from src.entrenamiento.exportar import leer_modelo, principal
from src.entrenamiento.plan import Peticion, orden_de_reanudar, planear, replanear
from src.entrenamiento.reevaluacion import reevaluar
from src.entrenamiento.sesion import Resultado, entrenar
from src.entrenamiento.vigilancia import Interruptor
from src.nucleo.errores import ArtefactoInvalido, ConfiguracionInvalida, DatosInvalidos
from tests.entrenamiento.fabrica_agente import VELAS, pesos, un_plan, una_configuracion, una_tabla


class InterruptorTras(Interruptor):
    """Someone presses Ctrl+C during the given step."""

    def __init__(self, paso: int) -> None:
        super().__init__()
        self._faltan = paso

    @property
    def pedido(self) -> bool:
        self._faltan -= 1
        return self._faltan < 0

    @pedido.setter
    def pedido(self, valor: bool) -> None:
        pass


def elegir(tabla: TablaVelas, quedan: np.ndarray) -> TablaVelas:
    columnas = ("apertura_ms", "open", "high", "low", "close", "volume")
    return replace(tabla, **{columna: getattr(tabla, columna)[quedan] for columna in columnas})


def callada() -> Console:
    return Console(quiet=True)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tmp_path_factory.mktemp("sesion")


@pytest.fixture(scope="module")
def resultado(base) -> Resultado:
    return entrenar(un_plan(base), callada())


@pytest.fixture
def carpeta(resultado):
    return resultado.artefacto.ruta


def test_el_artefacto_tiene_todos_sus_ficheros(carpeta):
    nombres = {r.relative_to(carpeta).as_posix() for r in carpeta.rglob("*") if r.is_file()}

    sin_eventos = {n for n in nombres if not n.startswith("tensorboard/events")}
    assert len(nombres - sin_eventos) == 1
    assert sin_eventos == {
        rutas.CONFIGURACION,
        rutas.ESCALADOR_ENTRENAMIENTO,
        rutas.ESCALADOR_EVALUACION,
        rutas.MODELO,
        rutas.ACTOR,
        rutas.MERCADO,
        rutas.MANIFIESTO,
        *(
            f"evaluacion/{nombre}"
            for nombre in ("entorno.csv", "portafolio.csv", "operacion.csv", "panorama.png")
        ),
    }


def test_el_manifiesto_tiene_la_huella_de_cada_fichero(carpeta):
    manifiesto = leer_manifiesto(carpeta)

    assert manifiesto.ficheros == huellas(carpeta)
    assert manifiesto.datos.huella == una_tabla().huella()
    assert manifiesto.datos.velas == VELAS
    assert manifiesto.entrenamiento.pasos == 300
    assert not manifiesto.entrenamiento.interrumpido
    assert 0.0 < manifiesto.entrenamiento.filas_visitadas < 1.0
    assert manifiesto.versiones.keys() >= {"python", "torch", "stable-baselines3", "numpy"}


def test_el_identificador_y_los_metadatos_dicen_que_se_entreno(resultado, carpeta):
    escrito = leer_yaml((carpeta / rutas.CONFIGURACION).read_text())

    assert resultado.artefacto.train_id.startswith("train_BTCUSDT_20220211_20220224_lr1e-3_bs16_ws4_")
    assert escrito["metadata_execution"]["train_id"] == carpeta.name
    assert escrito["metadata_execution"]["train_date_range"][0] == "2022-02-11T19:00:00Z"
    assert escrito["metadata_execution"]["episodios_evaluacion"] == 2


def test_el_escalador_de_evaluacion_es_una_copia_exacta(carpeta):
    de_entrenamiento = (carpeta / rutas.ESCALADOR_ENTRENAMIENTO).read_bytes()

    assert (carpeta / rutas.ESCALADOR_EVALUACION).read_bytes() == de_entrenamiento
    assert type(pickle.loads(de_entrenamiento)).__name__ == "StandardScaler"


def test_la_comision_de_la_configuracion_es_la_del_mercado(tmp_path):
    assert un_plan(tmp_path, portafolio__comision=0.001).material.mercado.comision_taker == 0.001


def test_reevaluar_el_mismo_tramo_da_lo_mismo(base, resultado):
    desde, hasta = resultado.artefacto.configuracion.metadata_execution.eval_date_range

    otra = reevaluar(
        base / "entrenamientos",
        resultado.artefacto.train_id,
        base / "velas.csv",
        desde=desde,
        hasta=hasta,
        episodios=2,
    )

    assert otra.resultado.resumen == resultado.evaluacion.resumen
    assert otra.resultado.episodios == resultado.evaluacion.episodios
    assert otra.lapso.de_entrenamiento == 0


def test_reevaluar_cuenta_lo_rellenado_y_lo_ya_entrenado(base, resultado, tmp_path):
    tabla, tramo = una_tabla(), resultado.artefacto.manifiesto.datos.entrenamiento_ms
    quedan = np.ones(len(tabla), dtype=bool)
    quedan[-5:-2] = False
    escribir_velas(elegir(tabla, quedan), tmp_path / "huecos.csv")

    lapso = reevaluar(base / "entrenamientos", resultado.artefacto.train_id, tmp_path / "huecos.csv").lapso

    assert (lapso.simbolo, lapso.intervalo, lapso.rellenas) == ("BTCUSDT", "1h", 3)
    assert lapso.desde_ms == tramo[0]
    assert lapso.hasta_ms == tabla.apertura_ms[-1]
    assert lapso.de_entrenamiento == (tramo[1] - tramo[0]) // 3_600_000 + 1
    assert lapso.de_entrenamiento < lapso.velas


def test_reevaluar_con_velas_de_otro_intervalo_pide_las_del_artefacto(base, resultado, tmp_path):
    escribir_velas(generar("BTCUSDT", "15m", 20, 1), tmp_path / "velas.csv")

    with pytest.raises(DatosInvalidos, match=r"15m, but .* was trained on 1h; give a file of 1h candles$"):
        reevaluar(base / "entrenamientos", resultado.artefacto.train_id, tmp_path / "velas.csv")


def test_un_entrenamiento_terminado_no_se_retoma(base, resultado):
    with pytest.raises(ArtefactoInvalido, match="nothing to resume from"):
        replanear(base / "entrenamientos", resultado.artefacto.train_id, {})


def test_interrumpido_deja_un_artefacto_usable_y_retomado_acaba_como_el_seguido(tmp_path, resultado):
    interrumpido = entrenar(un_plan(tmp_path), callada(), InterruptorTras(170))
    train_id = interrumpido.artefacto.train_id

    assert interrumpido.desarrollo.pasos == 170
    assert leer_manifiesto(interrumpido.artefacto.ruta).entrenamiento.interrumpido

    assert orden_de_reanudar(interrumpido.artefacto.ruta).endswith(
        f"--resume {train_id} --output-dir {tmp_path / 'entrenamientos'}"
    )
    assert orden_de_reanudar(Path("entrenamientos/x")) == "timonel train --resume x"

    retomado = entrenar(replanear(tmp_path / "entrenamientos", train_id, {}), callada())

    assert retomado.artefacto.train_id == train_id
    assert retomado.desarrollo.pasos == 300
    assert not (retomado.artefacto.ruta / rutas.CHECKPOINTS).exists()
    modelos = [leer_modelo(r.artefacto.ruta / rutas.MODELO) for r in (retomado, resultado)]
    assert np.array_equal(*(pesos(modelo) for modelo in modelos))


def test_retomar_con_otras_velas_se_rechaza(tmp_path):
    plan = un_plan(tmp_path)
    escribir_velas(una_tabla(VELAS, 4), tmp_path / "velas.csv")

    with pytest.raises(ArtefactoInvalido, match="have changed since"):
        replanear(tmp_path / "entrenamientos", plan.carpeta.name, {})


def test_demasiados_episodios_se_notan_antes_de_entrenar(tmp_path):
    escribir_velas(una_tabla(), tmp_path / "velas.csv")
    peticion = Peticion(fuente=Fuente(fichero=tmp_path / "velas.csv"), episodios=1_000)

    with pytest.raises(ConfiguracionInvalida, match="1000 episodes cannot start on 79 candles"):
        planear(una_configuracion(tmp_path), peticion)


def test_una_carpeta_que_no_se_puede_crear_se_nombra(tmp_path):
    (tmp_path / "entrenamientos").write_text("a file")

    with pytest.raises(ConfiguracionInvalida, match="cannot make the directory"):
        un_plan(tmp_path)


def test_un_artefacto_a_medias_no_se_puede_usar(tmp_path):
    """The manifest is written last."""
    plan = un_plan(tmp_path)

    with pytest.raises(ArtefactoInvalido, match=r"manifiesto\.json is missing"):
        leer_artefacto(tmp_path / "entrenamientos", plan.carpeta.name)


def test_un_artefacto_sin_actor_lo_exporta_de_su_modelo(tmp_path):
    artefacto = entrenar(un_plan(tmp_path, entorno__total_timesteps=60), callada()).artefacto
    original = (artefacto.ruta / rutas.ACTOR).read_bytes()
    (artefacto.ruta / rutas.ACTOR).unlink()
    manifiesto = artefacto.ruta / rutas.MANIFIESTO
    contenido = json.loads(manifiesto.read_text())
    del contenido["files"][rutas.ACTOR]
    manifiesto.write_text(json.dumps(contenido))

    leido = leer_artefacto(tmp_path / "entrenamientos", artefacto.train_id)

    assert (artefacto.ruta / rutas.ACTOR).read_bytes() == original
    assert rutas.ACTOR in leido.manifiesto.ficheros


def test_exportar_un_modelo_alterado_se_niega(tmp_path, capsys):
    artefacto = entrenar(un_plan(tmp_path, entorno__total_timesteps=60), callada()).artefacto
    (artefacto.ruta / rutas.MODELO).write_bytes(b"otro")

    assert principal([str(artefacto.ruta)]) == 2
    assert "has changed since training" in capsys.readouterr().err


def test_ctrl_c_pide_parar_y_repetido_interrumpe():
    interruptor = Interruptor()
    antes = signal.getsignal(signal.SIGINT)

    with interruptor.escuchar():
        signal.raise_signal(signal.SIGINT)
        assert interruptor.pedido
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    assert signal.getsignal(signal.SIGINT) is antes
