"""Errors of the project's own tree, as HTTP tells them."""

from __future__ import annotations

import inspect

import pytest

from src.nucleo import errores
from src.nucleo.errores import (
    ArranqueFallido,
    CanalOcupado,
    ConfiguracionInvalida,
    DisyuntorAbierto,
    ErrorTimonel,
    LecturaFallida,
    LimiteDeRiesgo,
    LimiteExcedido,
    OrdenRechazada,
    ResultadoIncierto,
    SaldoInsuficiente,
    SimboloNoAdmitido,
    SolicitudInvalida,
    StopMasFlojo,
)
from src.produccion.api.problemas import problema_de


@pytest.mark.parametrize(
    ("fallo", "estado", "kind"),
    [
        (ErrorTimonel("x"), 500, "internal"),
        (LecturaFallida("x"), 502, "exchange_connection"),
        (ArranqueFallido("x"), 502, "exchange_connection"),
        (SaldoInsuficiente("x"), 422, "insufficient_balance"),
        (LimiteDeRiesgo("x"), 409, "risk_limit_exceeded"),
        (DisyuntorAbierto("x"), 409, "circuit_breaker_open"),
        (OrdenRechazada("x"), 422, "invalid_order"),
        (ConfiguracionInvalida("x"), 500, "configuration"),
        (SimboloNoAdmitido("x"), 404, "symbol_not_supported"),
    ],
)
def test_las_clases_de_la_plataforma_tienen_su_problema(fallo: ErrorTimonel, estado: int, kind: str):
    problema = problema_de(fallo)

    assert (problema.estado, problema.campos, problema.detalle) == (estado, {"kind": kind}, "x")


def test_vale_la_clase_mas_cercana():
    assert problema_de(StopMasFlojo("x")).estado == 422
    assert problema_de(SolicitudInvalida("x")).estado == 400
    assert problema_de(SolicitudInvalida("x")).campos == {}


def test_un_resultado_incierto_no_parece_un_rechazo():
    assert problema_de(ResultadoIncierto("x")).estado == 504


def test_quien_pide_demasiado_sabe_cuanto_esperar():
    problema = problema_de(LimiteExcedido("x", espera_s=1.2))
    assert (problema.estado, problema.cabeceras) == (503, {"Retry-After": "2"})


def test_ningun_error_queda_sin_problema():
    for _, clase in inspect.getmembers(errores, inspect.isclass):
        if issubclass(clase, ErrorTimonel):
            fallo = clase("x", espera_s=1.0) if clase in (CanalOcupado, LimiteExcedido) else clase("x")
            assert 400 <= problema_de(fallo).estado < 600
