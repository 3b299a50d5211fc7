"""Training environment and daemon give the same numbers, through the exchange's protocol."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from src.artefactos.artefacto import Artefacto, leer_artefacto
from src.datos.mercados import mercado_por_defecto
from src.datos.sintetico import generar
from src.datos.velas import TablaVelas
from src.nucleo.indicadores import VELAS_CALENTAMIENTO, ParametrosIndicadores, calcular_serie
from src.nucleo.tipos import Observacion
from src.paridad.comparacion import comparar
from src.paridad.corridas import CALENTAMIENTO, Corrida, Proteccion
from src.paridad.medicion import PRUEBAS, Prueba, insuficiencias, medir
from tests.artefactos.fabrica import crear_artefacto, una_configuracion

VELAS = 150


@pytest.fixture(scope="module")
def tabla() -> TablaVelas:
    return generar("BTCUSDT", "1h", CALENTAMIENTO + VELAS, semilla=5)


@pytest.fixture(scope="module")
def artefacto(tabla: TablaVelas, tmp_path_factory: pytest.TempPathFactory) -> Artefacto:
    base = tmp_path_factory.mktemp("artefactos")
    rasgos = calcular_serie(tabla, ParametrosIndicadores())[VELAS_CALENTAMIENTO:]
    train_id = crear_artefacto(
        base,
        una_configuracion(entorno__window_size=30),
        mercado=mercado_por_defecto("BTCUSDT", tabla),
        escalador=pickle.dumps(StandardScaler().fit(rasgos)),
    )
    return leer_artefacto(base, train_id)


@pytest.mark.parametrize("prueba", PRUEBAS, ids=lambda prueba: prueba.nombre)
def test_el_entorno_y_el_demonio_dan_los_mismos_numeros(
    prueba: Prueba, artefacto: Artefacto, tabla: TablaVelas, tmp_path: Path
):
    (comparacion,) = medir(artefacto, tabla, tmp_path, [prueba])

    assert comparacion.diferencias == ()
    assert comparacion.velas > 0
    if prueba.larga:
        assert comparacion.velas == VELAS
        assert comparacion.ordenes > 0


STOP = Proteccion("2024-01-01T00:15:00.000Z", 26_000.0, 0.1, 1.3, -400.0, 9_598.2)


def una_corrida() -> Corrida:
    observacion = Observacion(np.ones((2, 3), np.float32), np.zeros(3, np.float32))
    return Corrida(
        observaciones=[observacion],
        operaciones=["abrir_long"],
        saldos=[9_999.5],
        cantidades=[0.1],
        protecciones=[STOP],
        ordenes=1,
        equity_final=10_000.0,
    )


def test_dos_corridas_iguales_no_tienen_diferencias():
    assert comparar("x", una_corrida(), una_corrida()).iguales


def test_un_bit_de_una_observacion_es_una_diferencia():
    otra = una_corrida()
    otra.observaciones[0].market[1, 2] = np.nextafter(np.float32(1.0), np.float32(2.0))

    assert not comparar("x", una_corrida(), otra).iguales


@pytest.mark.parametrize(
    "cambio",
    [
        {"observaciones": []},
        {"operaciones": ["abrir_short"]},
        {"saldos": [9_999.50000001]},
        {"cantidades": [0.101]},
        {"protecciones": []},
        {"protecciones": [STOP._replace(precio=26_000.1)]},
        {"ordenes": 2},
        {"rechazos": 1},
        {"liquidaciones": 1},
        {"emergencia": True},
        {"equity_final": 10_000.00002},
    ],
    ids=lambda cambio: next(iter(cambio)),
)
def test_cada_cosa_que_difiere_se_dice(cambio: dict[str, object]):
    assert comparar("x", una_corrida(), replace(una_corrida(), **cambio)).diferencias


def test_unas_corridas_cortas_no_prueban_nada():
    faltan = insuficiencias([comparar("scripted", una_corrida(), una_corrida())], velas_min=5_000)

    assert "scripted: 1 candles, 5000 wanted" in faltan
    assert "abrir_short: 0 times, 50 wanted" in faltan
    assert "no drawdown emergency" in faltan
    assert "no liquidation" in faltan
    assert "1 resident stops filled, 20 wanted" in faltan
    assert "0 targets and trailed stops filled in profit, 20 wanted" in faltan
