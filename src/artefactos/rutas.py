"""Names of an artefact's files, relative to its directory, and the text of its identifier."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

CONFIGURACION: Final = "config_metadata.yaml"
ESCALADOR_ENTRENAMIENTO: Final = "scaler_train.pkl"
ESCALADOR_EVALUACION: Final = "scaler_eval.pkl"
MODELO: Final = "modelos/modelo.zip"
ACTOR: Final = "modelos/actor.npz"
MERCADO: Final = "mercado.json"
MANIFIESTO: Final = "manifiesto.json"
EVALUACION: Final = "evaluacion"
TENSORBOARD: Final = "tensorboard"
PRODUCCION: Final = "produccion"
CHECKPOINTS: Final = "checkpoints"


def construir_train_id(
    *, simbolo: str, desde_ms: int, hasta_ms: int, lr: str, lote: int, ventana: int, creado: datetime
) -> str:
    """The identifier of a training run.

    Args:
        simbolo: As Binance writes it.
        desde_ms: First instant of the training span, UTC.
        hasta_ms: Last instant of the training span, UTC.
        lr: Learning rate exactly as the YAML writes it.
        lote: Batch size.
        ventana: Window size, in candles.
        creado: When the run started, UTC.
    """
    tramo = f"{_dia(desde_ms)}_{_dia(hasta_ms)}"
    return f"train_{simbolo}_{tramo}_lr{lr}_bs{lote}_ws{ventana}_{creado:%Y%m%d_%H%M%S}"


def _dia(instante_ms: int) -> str:
    return f"{datetime.fromtimestamp(instante_ms / 1000, UTC):%Y%m%d}"
