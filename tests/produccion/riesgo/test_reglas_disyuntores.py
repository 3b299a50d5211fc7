"""Which breakers a session has."""

from __future__ import annotations

import pytest

from src.nucleo.disyuntores import ClaseDisyuntor, ReglaDisyuntor
from src.produccion.config.config import SeccionDisyuntores
from src.produccion.riesgo.reglas_disyuntores import ReglasCuadro, reglas_de, sensores_de


def unas_reglas(
    ajustes: dict[str, object] | None = None, *, escalones: bool = True, espera_agentes: bool = False
) -> ReglasCuadro:
    seccion = SeccionDisyuntores.model_validate(ajustes or {})
    return reglas_de(seccion, 0.2, escalones=escalones, espera_agentes=espera_agentes)


def test_los_limites_por_defecto_son_los_de_la_semilla():
    reglas, muestran = unas_reglas()

    assert {clase.value: regla.limite for clase, regla in reglas.items()} == {
        "latency": 500.0,
        "spread": 20.0,
        "volatility": 0.05,
        "error_rate": 0.10,
        "drawdown": pytest.approx(0.05),  # a quarter of the agent's own
    }
    assert muestran == {ClaseDisyuntor.DRAWDOWN}


def test_los_numeros_llegan_a_la_regla():
    reglas, _ = unas_reglas(
        {"spread": {"limit_bps": 5, "violations": 7, "cool_down_s": 1.5, "healthy_samples": 2}}
    )
    assert reglas[ClaseDisyuntor.SPREAD] == ReglaDisyuntor(5.0, 7, 1_500, 2)


def test_la_perdida_del_dia_no_se_enfria():
    """It is beyond its limit, or it is not: no trial."""
    assert unas_reglas().reglas[ClaseDisyuntor.DRAWDOWN].enfriamiento_ms is None


def test_un_mercado_que_espera_solo_muestra_la_perdida_del_dia():
    reglas, muestran = unas_reglas(espera_agentes=True)

    assert set(reglas) == muestran == {ClaseDisyuntor.DRAWDOWN}


def test_lo_que_se_enciende_por_su_nombre_vale_en_cualquier_mercado():
    reglas, _ = unas_reglas({"volatility": {"enabled": True}}, espera_agentes=True)

    assert ClaseDisyuntor.VOLATILITY in reglas


@pytest.mark.parametrize("clase", [c for c in ClaseDisyuntor if c is not ClaseDisyuntor.STOP_EXECUTION])
def test_cada_uno_se_puede_apagar(clase: ClaseDisyuntor):
    reglas, _ = unas_reglas({clase.value: {"enabled": False}})

    assert set(ClaseDisyuntor) - set(reglas) == {clase, ClaseDisyuntor.STOP_EXECUTION}


def test_sin_escalones_no_hay_nada_que_mostrar():
    assert ClaseDisyuntor.DRAWDOWN not in unas_reglas(escalones=False).reglas


def test_una_perdida_absoluta_bloquea_por_si_misma():
    reglas, muestran = unas_reglas({"drawdown": {"limit_fraction": 0.01}}, escalones=False)

    assert reglas[ClaseDisyuntor.DRAWDOWN].limite == 0.01
    assert muestran == frozenset()


def test_las_ventanas_llegan_a_los_sensores():
    seccion = SeccionDisyuntores.model_validate(
        {
            "sample_every_s": 2,
            "volatility": {"window_s": 60},
            "error_rate": {"window_s": 30, "min_calls": 5},
        }
    )
    assert sensores_de(seccion, mide_edad=False) == (2.0, 60_000, 30_000, 5, False)
