from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.nucleo.alertas import (
    Aviso,
    Nivel,
    Regla,
    caduco,
    espera_s,
    mas_grave,
    mensaje_de,
    perdida_fraccion,
    se_retiene,
    texto_digest,
)

REGLA = Regla(por_clase=2, ventana_ms=1_000, caduca_ms=5_000)


def test_lo_critico_ni_se_retiene_ni_caduca():
    assert not se_retiene(Nivel.CRITICAL, 1_000, REGLA)
    assert not caduco(Nivel.CRITICAL, 10**12, REGLA)


@pytest.mark.parametrize("nivel", [Nivel.INFO, Nivel.WARNING, Nivel.ERROR])
def test_de_lo_demas_se_dice_lo_que_la_regla_deja(nivel: Nivel):
    assert [se_retiene(nivel, contados, REGLA) for contados in (0, 1, 2, 3)] == [False, False, True, True]
    assert [caduco(nivel, edad_ms, REGLA) for edad_ms in (5_000, 5_001)] == [False, True]


def test_los_niveles_tienen_orden():
    assert Nivel.ERROR.alcanza(Nivel.WARNING)
    assert Nivel.ERROR.alcanza(Nivel.ERROR)
    assert not Nivel.ERROR.alcanza(Nivel.CRITICAL)
    assert mas_grave([Nivel.INFO, Nivel.CRITICAL, Nivel.WARNING]) is Nivel.CRITICAL


@given(st.integers(1, 10_000))
def test_la_espera_crece_hasta_su_tope(intento: int):
    assert 2.0 <= espera_s(intento) <= espera_s(intento + 1) <= 300.0


@pytest.mark.parametrize(
    ("neto", "equity", "fraccion"),
    [(-20.0, 980.0, 0.02), (5.0, 1_005.0, 0.0), (0.0, 0.0, 0.0), (-10.0, -10.0, 1.0), (-10.0, 0.0, 1.0)],
)
def test_una_perdida_se_mide_en_lo_que_habia_antes(neto: float, equity: float, fraccion: float):
    assert perdida_fraccion(neto, equity) == pytest.approx(fraccion)


def test_un_aviso_dice_de_quien_cuando_y_su_numero():
    aviso = Aviso(12, Nivel.ERROR, "large_loss", "lost 20", 1_700_000_000_000, "default", "sim-1", "BTCUSDT")

    assert mensaje_de(aviso).titulo == "ERROR large_loss BTCUSDT"
    assert mensaje_de(aviso).cuerpo == "lost 20\nsim-1 · 2023-11-14 22:13:20 UTC · #12"


def test_un_digest_cuenta_todos_y_cita_los_ultimos():
    digest = texto_digest("startup", [str(i) for i in range(9)])

    assert digest.splitlines() == [
        "9 more of startup held back, the last 5:",
        *(f"- {i}" for i in range(4, 9)),
    ]
    assert texto_digest("startup", ["a"]) == "1 more of startup held back:\n- a"
