"""Too little to learn from is named in one line; enough is passed over in silence."""

from __future__ import annotations

import pytest

from src.artefactos.configuracion import interpretar_configuracion
from src.entrenamiento.escasez import aviso_de_escasez


def aviso(entrenar: int = 2_000, evaluar: int = 400, **cambios: int) -> str | None:
    valores = {"entorno.window_size": 30, "entorno.total_timesteps": 3_000, "SACmodel.learning_starts": 1_000}
    claves = {"ventana": "entorno.window_size", "pasos": "entorno.total_timesteps"}
    dados = valores | {claves[nombre]: valor for nombre, valor in cambios.items()}
    return aviso_de_escasez(interpretar_configuracion("", "test", dados), entrenar, evaluar)


def test_de_lo_que_basta_no_se_avisa():
    assert aviso() is None
    assert aviso(1_000, 200, pasos=2_000) is None


@pytest.mark.parametrize(
    ("poco", "dicho", "remedio"),
    [
        ({"entrenar": 999}, "999 candles to train on in windows of 30 (fewer than 1,000)", "more candles"),
        ({"ventana": 101}, "2,000 candles to train on in windows of 101 (fewer than 2,020)", "more candles"),
        ({"evaluar": 199}, "199 candles to evaluate on (fewer than 200)", "more candles"),
        (
            {"pasos": 1_999},
            "999 steps after the 1,000 random ones (fewer than 1,000)",
            "more --total-timesteps",
        ),
    ],
)
def test_se_nombra_lo_poco_y_su_remedio(poco: dict[str, int], dicho: str, remedio: str):
    assert aviso(**poco) == (
        f"this is little to learn from: {dicho}; give {remedio} before you believe the result"
    )


def test_todo_junto_cabe_en_una_linea():
    todo = aviso(10, 5, pasos=1_001)

    assert todo is not None
    assert "\n" not in todo
    assert all(
        parte in todo for parte in ("10 candles", "5 candles", "1 step after", "candles and more --total")
    )
