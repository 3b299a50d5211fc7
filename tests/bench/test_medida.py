"""Figures, goals and the statistics behind them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.medida import Cota, Medida, a_json, mediana, percentil
from bench.tabla import escribir, numero


def una_medida(nombre: str = "x_ms", **cambios: object) -> Medida:
    return Medida(**({"nombre": nombre, "valor": 1.5, "unidad": "ms"} | cambios))  # type: ignore[arg-type]


def test_el_json_dice_valor_unidad_par_y_razon():
    medidas = [una_medida(), una_medida("y_s", unidad="steps/s", par=3.0, razon=0.5)]

    assert a_json(medidas) == {
        "x_ms": {"value": 1.5, "unit": "ms", "peer": None, "ratio": None},
        "y_s": {"value": 1.5, "unit": "steps/s", "peer": 3.0, "ratio": 0.5},
    }


def test_dos_figuras_no_se_llaman_igual():
    with pytest.raises(ValueError, match="x_ms"):
        a_json([una_medida(), una_medida()])


@pytest.mark.parametrize(("conservar", "esperado"), [(True, {"a": 1.5, "b": 9.0}), (False, {"b": 9.0})])
def test_lo_que_no_se_midio_ahora_se_conserva_si_se_pide(
    tmp_path: Path, conservar: bool, esperado: dict[str, float]
):
    ruta = tmp_path / "build" / "bench.json"
    escribir([una_medida("a"), una_medida("b")], ruta)
    escribir([una_medida("b", valor=9.0)], ruta, conservar=conservar)

    contenido = json.loads(ruta.read_text(encoding="utf-8"))
    assert {nombre: fila["value"] for nombre, fila in contenido.items()} == esperado


@pytest.mark.parametrize(
    ("cota", "valor", "cumple"),
    [
        (Cota(2.0), 2.0, True),
        (Cota(2.0), 2.1, False),
        (Cota(400, minimo=True), 400.0, True),
        (Cota(400, minimo=True), 399.9, False),
    ],
)
def test_una_cota_es_un_maximo_o_un_minimo(cota: Cota, valor: float, cumple: bool):
    assert una_medida(valor=valor, cota=cota).cumple is cumple


def test_sin_cota_no_hay_veredicto():
    assert una_medida().cumple is None


def test_los_percentiles_son_muestras():
    muestras = [float(i) for i in range(100, 0, -1)]

    assert (percentil(muestras, 1.0), mediana(muestras), percentil(muestras, 99.0)) == (1.0, 50.0, 99.0)
    assert percentil(muestras, 100.0) == 100.0
    assert mediana([7.0]) == 7.0


@given(st.lists(st.floats(-1e9, 1e9), min_size=1), st.floats(0.01, 100.0))
def test_un_percentil_cubre_su_parte(muestras: list[float], por_ciento: float):
    valor = percentil(muestras, por_ciento)

    assert valor in muestras
    assert sum(m <= valor for m in muestras) >= por_ciento / 100.0 * len(muestras) - 1e-9


@pytest.mark.parametrize(("muestras", "por_ciento"), [([], 50.0), ([1.0], 0.0), ([1.0], 101.0)])
def test_un_percentil_imposible_se_rechaza(muestras: list[float], por_ciento: float):
    with pytest.raises(ValueError, match="percentile"):
        percentil(muestras, por_ciento)


@pytest.mark.parametrize(
    ("valor", "texto"), [(119_189.4, "119,189"), (0.30349, "0.303"), (19.04, "19"), (0.0, "0")]
)
def test_los_numeros_se_leen(valor: float, texto: str):
    assert numero(valor) == texto
