"""Growth is found, and noise is not taken for it."""

from __future__ import annotations

import os

import pytest

from caos.muestras import TAREAS_MAX, Muestra, Sonda, crecimiento_mb, que_crece, que_tareas_quedan


def muestras(*rss_mb: float, descriptores: tuple[int, int] = (9, 9), hilos: tuple[int, int] = (3, 3)):
    ultima = len(rss_mb) - 1
    return [Muestra(i, mb, descriptores[i == ultima], hilos[i == ultima]) for i, mb in enumerate(rss_mb)]


def test_una_memoria_quieta_no_crece():
    assert list(que_crece("daemon", muestras(80.0, 84.0, 80.0, 84.0, 81.0))) == []


def test_una_memoria_que_sube_se_dice():
    (violacion,) = que_crece("daemon", muestras(*(80.0 + 0.2 * i for i in range(60))))

    assert "daemon grew by 10." in violacion.detalle


def test_descriptores_e_hilos_que_quedan_abiertos_se_dicen():
    halladas = list(que_crece("daemon", muestras(80.0, 80.0, descriptores=(9, 10), hilos=(3, 4))))

    assert [v.detalle for v in halladas] == [
        "daemon: descriptores 9 became 10",
        "daemon: hilos 3 became 4",
    ]


def test_una_conexion_de_un_momento_no_es_una_que_quedo_abierta():
    un_momento = muestras(*[80.0] * 40, descriptores=(9, 10))
    quedo = [m._replace(descriptores=10 if m.paso > 20 else 9) for m in un_momento]

    assert list(que_crece("daemon", un_momento)) == []
    assert [v.detalle for v in que_crece("daemon", quedo)] == ["daemon: descriptores 9 became 10"]


def test_una_red_cortada_al_principio_no_hace_crecer_nada():
    quietas = muestras(*[80.0] * 100)
    cortada = [m._replace(descriptores=6 if m.paso < 3 else 9) for m in quietas]

    assert list(que_crece("daemon", cortada)) == []


def test_sin_muestras_no_se_afirma_nada():
    (violacion,) = que_crece("daemon", [])

    assert "say nothing" in violacion.detalle


def test_los_extremos_se_promedian():
    assert crecimiento_mb(muestras(*([10.0] * 10 + [20.0] * 10))) == 10.0


def test_una_sonda_mira_un_proceso_de_verdad():
    sonda = Sonda(os.getpid())
    sonda.mirar(4)

    assert sonda.muestras[0].paso == 4
    assert sonda.muestras[0].rss_mb > 1.0
    assert sonda.tras(5) == []


@pytest.mark.parametrize(
    ("linea", "texto"),
    [
        ('{"event": "bucle", "tareas_maximo": 12}', ""),
        (f'{{"event": "bucle", "tareas_maximo": {TAREAS_MAX + 1}}}', f"{TAREAS_MAX + 1} tasks at once"),
        ('{"event": "sesion_iniciada"}', "does not say how many"),
    ],
)
def test_las_tareas_que_se_acumulan_se_dicen(tmp_path, linea, texto):
    registro = tmp_path / "produccion.log"
    registro.write_text(f"{linea}\n", encoding="utf-8")

    halladas = [violacion.detalle for violacion in que_tareas_quedan(registro)]

    assert [texto in detalle for detalle in halladas] == [True] * bool(texto)
