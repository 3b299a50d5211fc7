import json
import pickle
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from src.artefactos import leer_artefacto, rutas
from src.artefactos.escritura import escribir_actor
from src.artefactos.mercado_json import mercado_a_json, mercado_de_json
from src.nucleo.errores import ArtefactoInvalido
from tests.artefactos.fabrica import (
    TRAIN_ID,
    crear_artefacto,
    firmar,
    un_actor,
    un_escalador,
    un_mercado,
    una_configuracion,
)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    crear_artefacto(tmp_path)
    return tmp_path


def test_un_artefacto_escrito_se_lee_igual(base):
    artefacto = leer_artefacto(base, TRAIN_ID)

    assert artefacto.configuracion == una_configuracion()
    assert artefacto.mercado == un_mercado()
    assert artefacto.actor.entradas == 4 * 16 + 3
    assert artefacto.escalador.media.shape == (16,)
    assert artefacto.manifiesto.ficheros.keys() == {
        rutas.CONFIGURACION,
        rutas.MERCADO,
        rutas.ESCALADOR_ENTRENAMIENTO,
        rutas.ESCALADOR_EVALUACION,
        rutas.MODELO,
        rutas.ACTOR,
    }


def test_un_mercado_que_no_dice_los_limites_del_precio_no_los_tiene():
    entero = json.loads(mercado_a_json(un_mercado()))
    filtros = entero["filters"]
    assert (filtros.pop("minPrice"), filtros.pop("maxPrice")) == ("0", "0")

    assert mercado_de_json(json.dumps(entero), "mercado.json") == un_mercado()


def test_los_limites_del_precio_se_guardan_con_el_mercado():
    mercado = un_mercado()
    filtros = replace(mercado.filtros, precio_min=Decimal("556.80"), precio_max=Decimal(4_529_764))
    otro = replace(mercado, filtros=filtros)

    assert mercado_de_json(mercado_a_json(otro), "mercado.json") == otro
    assert '"minPrice": "556.80"' in mercado_a_json(otro)


def test_un_nombre_desconocido_muestra_el_mas_parecido(base):
    with pytest.raises(ArtefactoInvalido, match=f"no artefact .*the nearest: {TRAIN_ID}"):
        leer_artefacto(base, TRAIN_ID.replace("lr3e-4", "lr1e-4"))


@pytest.mark.parametrize("nombre", ["", ".", "..", f"../{TRAIN_ID}", f"{TRAIN_ID}/modelos"])
def test_un_nombre_no_sale_de_la_carpeta(base, nombre):
    with pytest.raises(ArtefactoInvalido, match="no artefact"):
        leer_artefacto(base / TRAIN_ID / "..", nombre)


def test_sin_artefactos_se_dice_que_hay_que_entrenar(tmp_path):
    with pytest.raises(ArtefactoInvalido, match=r"holds none; train one first, or .* --artefacts"):
        leer_artefacto(tmp_path / "nada", TRAIN_ID)


@pytest.mark.parametrize(
    "nombre",
    [
        rutas.CONFIGURACION,
        rutas.MERCADO,
        rutas.ESCALADOR_ENTRENAMIENTO,
        rutas.ESCALADOR_EVALUACION,
        rutas.MODELO,
        rutas.ACTOR,
        rutas.MANIFIESTO,
    ],
)
def test_cada_fichero_que_falta_tiene_su_error(base, nombre):
    (base / TRAIN_ID / nombre).unlink()

    with pytest.raises(ArtefactoInvalido, match=f"{nombre} is missing"):
        leer_artefacto(base, TRAIN_ID)


@pytest.mark.parametrize(
    "nombre", [rutas.CONFIGURACION, rutas.ESCALADOR_EVALUACION, rutas.MODELO, rutas.ACTOR]
)
def test_un_fichero_alterado_se_rechaza(base, nombre):
    ruta = base / TRAIN_ID / nombre
    ruta.write_bytes(ruta.read_bytes() + b" ")

    with pytest.raises(ArtefactoInvalido, match=f"{nombre} has changed since training"):
        leer_artefacto(base, TRAIN_ID)


def test_las_huellas_se_comprueban_antes_de_abrir_el_pickle(base):
    (base / TRAIN_ID / rutas.ESCALADOR_ENTRENAMIENTO).write_bytes(pickle.dumps(subprocess.Popen))

    with pytest.raises(ArtefactoInvalido, match="has changed since training"):
        leer_artefacto(base, TRAIN_ID)


@pytest.mark.parametrize(
    ("nombre", "contenido", "queja"),
    [
        (rutas.CONFIGURACION, b"entorno: [", "is not valid YAML"),
        (rutas.CONFIGURACION, b"entorno: {ventana: 3}", "unknown key `entorno.ventana`"),
        (rutas.MERCADO, b"{}", "is not a market: `symbol`"),
        (rutas.ESCALADOR_ENTRENAMIENTO, b"\x80\x04nada", "scaler .* is corrupt"),
        (rutas.ESCALADOR_ENTRENAMIENTO, pickle.dumps([1]), "holds a list, not a StandardScaler"),
        (rutas.ESCALADOR_ENTRENAMIENTO, pickle.dumps(StandardScaler()), "is not fitted"),
        (rutas.ESCALADOR_ENTRENAMIENTO, pickle.dumps(MinMaxScaler()), "foreign class sklearn.*MinMaxScaler"),
        (rutas.ESCALADOR_ENTRENAMIENTO, pickle.dumps(subprocess.Popen), "foreign class subprocess.Popen"),
        (rutas.ACTOR, b"nada", "model .* is corrupt"),
    ],
)
def test_un_fichero_corrupto_tiene_su_error(base, nombre, contenido, queja):
    (base / TRAIN_ID / nombre).write_bytes(contenido)
    firmar(base / TRAIN_ID, una_configuracion())

    with pytest.raises(ArtefactoInvalido, match=queja):
        leer_artefacto(base, TRAIN_ID)


@pytest.mark.parametrize("protocolo", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_el_escalador_transforma_como_el_de_sklearn(tmp_path, protocolo):
    muestra = np.random.default_rng(1).normal(50.0, 3.0, size=(40, 16))
    original = StandardScaler().fit(muestra)
    crear_artefacto(tmp_path, escalador=pickle.dumps(original, protocol=protocolo))

    escalador = leer_artefacto(tmp_path, TRAIN_ID).escalador

    assert np.array_equal(escalador.transformar(muestra), original.transform(muestra).astype(np.float32))


def test_un_escalador_de_otras_columnas_se_nota(tmp_path):
    crear_artefacto(tmp_path, escalador=un_escalador(15))

    with pytest.raises(
        ArtefactoInvalido, match="scaler was fitted on 15 features, the configuration gives 16"
    ):
        leer_artefacto(tmp_path, TRAIN_ID)


def test_un_modelo_de_otra_ventana_se_nota(tmp_path):
    crear_artefacto(tmp_path, actor=un_actor(una_configuracion(entorno__window_size=5)))

    with pytest.raises(ArtefactoInvalido, match=r"model takes 83 numbers.* are 67"):
        leer_artefacto(tmp_path, TRAIN_ID)


def test_velas_de_un_simbolo_y_ordenes_de_otro_se_notan(tmp_path):
    crear_artefacto(tmp_path, una_configuracion(data_downloader__symbol="ETHUSDT"))

    with pytest.raises(ArtefactoInvalido, match=r"is for ETHUSDT and mercado\.json for BTCUSDT"):
        leer_artefacto(tmp_path, TRAIN_ID)


def test_un_manifiesto_de_otras_columnas_se_nota(base):
    firmar(base / TRAIN_ID, una_configuracion(preprocesamiento__rasgos="estacionarios"))

    with pytest.raises(ArtefactoInvalido, match="manifest lists 12 features, the configuration gives 16"):
        leer_artefacto(base, TRAIN_ID)


def test_un_manifiesto_no_nombra_ficheros_ajenos(base):
    ruta = base / TRAIN_ID / rutas.MANIFIESTO
    contenido = json.loads(ruta.read_text())
    contenido["files"]["../../etc/passwd"] = "0"
    ruta.write_text(json.dumps(contenido))

    with pytest.raises(ArtefactoInvalido, match="outside the artefact"):
        leer_artefacto(base, TRAIN_ID)


@pytest.mark.parametrize(
    ("contenido", "queja"),
    [("{", "is corrupt"), ("{}", "`train_id`"), ("[]", "is corrupt"), ('{"format": 2}', "upgrade")],
)
def test_un_manifiesto_ilegible_se_explica(base, contenido, queja):
    (base / TRAIN_ID / rutas.MANIFIESTO).write_text(contenido)

    with pytest.raises(ArtefactoInvalido, match=queja):
        leer_artefacto(base, TRAIN_ID)


def test_una_carpeta_renombrada_se_nota(base):
    (base / TRAIN_ID).rename(base / "otro")

    with pytest.raises(ArtefactoInvalido, match="rename the directory back"):
        leer_artefacto(base, "otro")


def test_lo_que_escribe_la_produccion_no_cambia_el_artefacto(base):
    (base / TRAIN_ID / "produccion").mkdir()
    (base / TRAIN_ID / "produccion" / "registro.csv").write_text("x")

    assert leer_artefacto(base, TRAIN_ID).train_id == TRAIN_ID


def test_pesos_iguales_dan_ficheros_iguales(tmp_path):
    pesos = un_actor(una_configuracion())
    escribir_actor(tmp_path / "uno.npz", pesos)
    escribir_actor(tmp_path / "dos.npz", pesos)

    assert (tmp_path / "uno.npz").read_bytes() == (tmp_path / "dos.npz").read_bytes()


def test_leer_un_artefacto_no_carga_bibliotecas_de_entrenamiento(base):
    """The daemon must start without torch, sklearn or pandas."""
    programa = (
        "import sys; from pathlib import Path; from src.artefactos import leer_artefacto;"
        f"leer_artefacto(Path({str(base)!r}), {TRAIN_ID!r});"
        "nombres = {'torch', 'sklearn', 'pandas', 'scipy', 'stable_baselines3', 'gymnasium'};"
        "pesadas = nombres & set(sys.modules);"
        "sys.exit(f'loaded: {pesadas}' if pesadas else 0)"
    )

    proceso = subprocess.run([sys.executable, "-c", programa], capture_output=True, text=True, check=False)

    assert proceso.returncode == 0, proceso.stderr
