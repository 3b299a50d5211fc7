"""What is too little to learn from: said before the training, which goes on all the same."""

from __future__ import annotations

from src.artefactos.configuracion import ConfiguracionArtefacto
from src.graficos.estilo import contar

VELAS_MINIMAS = 1_000
"""Training candles below which an agent learns the span by heart."""

VENTANAS_MINIMAS = 20
"""The same, in windows that do not overlap."""

VELAS_EVALUACION = 200
"""Evaluation candles below which the figures are luck."""

PASOS_MINIMOS = 1_000
"""Steps after the random ones below which a policy is hardly another than it began."""

_REMEDIOS = {"candle": "more candles", "step": "more --total-timesteps"}


def aviso_de_escasez(configuracion: ConfiguracionArtefacto, entrenar: int, evaluar: int) -> str | None:
    """One line that names what is small and what to do about it; ``None`` when there is enough.

    Args:
        configuracion: Window and steps.
        entrenar: Candles of the training span.
        evaluar: Candles of the evaluation span.
    """
    ventana, sac = configuracion.entorno.window_size, configuracion.SACmodel
    pasos = configuracion.entorno.total_timesteps - sac.learning_starts
    medidas = (
        (
            "candle",
            entrenar,
            max(VELAS_MINIMAS, VENTANAS_MINIMAS * ventana),
            f"to train on in windows of {ventana}",
        ),
        ("candle", evaluar, VELAS_EVALUACION, "to evaluate on"),
        ("step", pasos, PASOS_MINIMOS, f"after the {sac.learning_starts:,} random ones"),
    )
    poco = [(que, hay, minimo, para) for que, hay, minimo, para in medidas if hay < minimo]
    if not poco:
        return None
    dichos = "; ".join(
        f"{contar(hay, que)} {para} (fewer than {minimo:,})" for que, hay, minimo, para in poco
    )
    remedios = " and ".join(dict.fromkeys(_REMEDIOS[que] for que, *_ in poco))
    return f"this is little to learn from: {dichos}; give {remedios} before you believe the result"
