import pickle

import numpy as np
import pytest

from src.artefactos.configuracion import interpretar_configuracion
from src.datos.velas import TablaVelas
from src.entrenamiento.preprocesamiento import Fechas, Tramo, esquema_de, preparar, repartir
from src.nucleo.errores import ConfiguracionInvalida, DatosInvalidos
from tests.entrenamiento.fabrica_agente import una_configuracion, una_tabla

VENTANA = 4
UTIL = 1_000 + VENTANA - 1


def test_sin_fechas_entrenan_cuatro_quintos_y_se_evalua_el_resto():
    entrenamiento, evaluacion = repartir(una_tabla(), VENTANA, Fechas())

    assert entrenamiento.primera == UTIL
    assert evaluacion == Tramo(entrenamiento.ultima + 1, 1_399)
    assert entrenamiento.filas == int(0.8 * (1_400 - UTIL))


def test_las_fechas_acotan_los_tramos_con_el_dia_final_entero():
    """The candles begin on 2022-01-01; day 50 is 2022-02-20."""
    entrenamiento, evaluacion = repartir(
        una_tabla(),
        VENTANA,
        Fechas(
            entrenamiento_desde="2022-02-15",
            entrenamiento_hasta="2022-02-20",
            evaluacion_desde="2022-02-22",
            evaluacion_hasta="2022-02-22",
        ),
    )

    assert entrenamiento == Tramo(45 * 24, 51 * 24 - 1)
    assert evaluacion == Tramo(52 * 24, 53 * 24 - 1)


def test_el_comienzo_del_entrenamiento_espera_al_calentamiento():
    entrenamiento, _ = repartir(una_tabla(), VENTANA, Fechas(entrenamiento_desde="2022-01-01"))

    assert entrenamiento.primera == UTIL


def test_con_solo_el_comienzo_de_la_evaluacion_se_entrena_hasta_ella():
    entrenamiento, evaluacion = repartir(una_tabla(), VENTANA, Fechas(evaluacion_desde="2022-02-20"))

    assert entrenamiento.ultima + 1 == evaluacion.primera == 50 * 24


@pytest.mark.parametrize(
    ("fechas", "error", "queja"),
    [
        (
            Fechas(entrenamiento_hasta="2022-02-20", evaluacion_desde="2022-02-20"),
            ConfiguracionInvalida,
            "judged",
        ),
        (Fechas(entrenamiento_hasta="2022-01-20"), DatosInvalidos, "training span holds 0 usable candles"),
        (Fechas(evaluacion_desde="2023-01-01"), DatosInvalidos, "evaluation span holds 0 usable candles"),
        (Fechas(entrenamiento_desde="pronto"), ConfiguracionInvalida, "'pronto' is not a date"),
    ],
)
def test_un_tramo_imposible_se_explica(fechas, error, queja):
    with pytest.raises(error, match=queja):
        repartir(una_tabla(), VENTANA, fechas)


def test_pocas_velas_se_rechazan():
    with pytest.raises(DatosInvalidos, match="1004 candles are too few; 1003 warm up"):
        repartir(una_tabla()[:1_004], VENTANA, Fechas())


def test_el_escalador_solo_conoce_el_entrenamiento():
    """Other prices in the evaluation span must not change what the agent is trained on."""
    tabla = una_tabla()
    configuracion = una_configuracion()
    antes = preparar(tabla, configuracion, Fechas())
    corte = antes.entrenamiento.ultima + 1
    factor = np.where(np.arange(len(tabla)) >= corte, 3.0, 1.0)
    otra = TablaVelas(
        apertura_ms=tabla.apertura_ms,
        **{n: getattr(tabla, n) * factor for n in ("open", "high", "low", "close", "volume")},
    )

    despues = preparar(otra, configuracion, Fechas())

    assert antes.escalador_pickle == despues.escalador_pickle
    assert np.array_equal(antes.escalados[:corte], despues.escalados[:corte])


def test_el_tramo_de_entrenamiento_queda_estandarizado():
    preparados = preparar(una_tabla(), una_configuracion(), Fechas())
    tramo = preparados.entrenamiento
    vistos = preparados.escalados[tramo.primera : tramo.ultima + 1]

    assert preparados.escalados.dtype == np.float32
    assert np.allclose(vistos.mean(axis=0), 0.0, atol=1e-4)
    assert np.allclose(vistos.std(axis=0), 1.0, atol=1e-4)


def test_el_escalador_es_un_standard_scaler():
    preparados = preparar(una_tabla(), una_configuracion(), Fechas())

    original = pickle.loads(preparados.escalador_pickle)

    assert type(original).__name__ == "StandardScaler"
    assert np.array_equal(original.mean_, preparados.escalador.media)


def test_un_hueco_se_rellena_con_el_ultimo_cierre_y_se_cuenta():
    tabla = una_tabla()
    quedan = np.delete(np.arange(len(tabla)), [1_100, 1_101])
    con_hueco = TablaVelas(
        apertura_ms=tabla.apertura_ms[quedan],
        **{n: getattr(tabla, n)[quedan] for n in ("open", "high", "low", "close", "volume")},
    )

    preparados = preparar(con_hueco, una_configuracion(), Fechas())

    assert preparados.rellenas == 2
    assert len(preparados.tabla) == len(tabla)
    assert preparados.tabla.vela(1_101)[1:] == (*(float(tabla.close[1_099]),) * 4, 0.0)


def test_el_esquema_guarda_el_rango_de_cada_rasgo_sin_escalar():
    configuracion = interpretar_configuracion("entorno: {window_size: 4}", "test")
    preparados = preparar(una_tabla(), configuracion, Fechas())
    tramo = preparados.entrenamiento

    esquema = esquema_de(preparados, configuracion)

    cierre = esquema.columnas.index("close")
    vistos = una_tabla().close[tramo.primera : tramo.ultima + 1]
    assert (esquema.minimo[cierre], esquema.maximo[cierre]) == (vistos.min(), vistos.max())
    assert len(esquema.columnas) == len(esquema.minimo) == 16
