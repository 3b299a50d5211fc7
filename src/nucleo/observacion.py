"""The observation, built in one place for training, evaluation, dry run and live."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf, isfinite
from typing import NamedTuple

import numpy as np

from src.nucleo.errores import DatosInvalidos
from src.nucleo.tipos import EstadoCuenta, Matriz, MatrizF32, Observacion

_ESCALA_PNL = 0.1
_FLOAT32 = np.dtype(np.float32)


class Rasgos(StrEnum):
    """Which set of features an artefact was trained on."""

    SEMILLA = "semilla"
    ESTACIONARIOS = "estacionarios"


class FormaPortafolio(NamedTuple):
    """How the portfolio vector is written."""

    capital_referencia: float  # equity that maps to 1.0, margin asset
    apalancamiento: float
    normalizar: bool = True
    lado_en_vez_de_exposicion: bool = False  # −1/0/+1, as `rasgos: semilla` artefacts expect


@dataclass(frozen=True, slots=True)
class Escalador:
    """The standardisation fitted on the training span: ``(x − media) / escala``."""

    media: Matriz  # (features,)
    escala: Matriz  # (features,)

    def transformar(self, rasgos: Matriz) -> MatrizF32:
        """Scale rows of features; float64 arithmetic, float32 result of the same shape.

        Raises:
            DatosInvalidos: A feature is NaN or infinite after scaling.
        """
        escalados: MatrizF32 = ((rasgos - self.media) / self.escala).astype(np.float32)
        if not np.isfinite(escalados).all():
            raise DatosInvalidos(
                "a feature is NaN or infinite; "
                "the window holds fewer candles than the warm-up needs, or bad prices"
            )
        return escalados


def construir_observacion(
    ventana: MatrizF32, cuenta: EstadoCuenta, precio: float, forma: FormaPortafolio
) -> Observacion:
    """Build the observation the policy was trained on; the only place that may.

    Args:
        ventana: Scaled features of closed candles, oldest first; shape (window, features); finite,
            as `Escalador.transformar` guarantees.
        cuenta: The account at the close of the last candle of the window.
        precio: That close.
        forma: Reference capital and kind of portfolio vector.

    Returns:
        ``market`` float32 (window, features); ``portfolio`` float32 (3,): equity, unrealised pnl, exposure.

    Raises:
        DatosInvalidos: Equity is NaN or infinite.
    """
    saldo, posicion = cuenta
    cantidad, entrada = (0.0, 0.0) if posicion is None else (posicion.cantidad, posicion.precio_entrada)
    valor = valorar(saldo, cantidad, entrada, precio, forma.apalancamiento)
    return Observacion(ventana, vector_portafolio(valor, forma))


def valorar(
    saldo: float, cantidad: float, entrada: float, precio: float, apalancamiento: float
) -> tuple[float, float, float]:
    """Equity, unrealised pnl and exposure at a price, of an account in plain numbers."""
    if cantidad == 0.0:
        return saldo, 0.0, 0.0
    pnl = cantidad * (precio - entrada)
    equity = saldo + pnl
    return equity, pnl, exposicion_de(cantidad, precio, equity, apalancamiento)


def vector_portafolio(valor: tuple[float, float, float], forma: FormaPortafolio) -> MatrizF32:
    """The ``portfolio`` part of an observation, from what `valorar` says of the account."""
    equity, pnl, exposicion = valor
    capital, _, normalizar, lado = forma
    if not isfinite(equity):
        raise DatosInvalidos(f"equity is {equity}; the account or the price cannot be trusted")
    exposicion = recortar(exposicion)
    if lado and exposicion != 0.0:
        exposicion = 1.0 if exposicion > 0.0 else -1.0
    if normalizar:
        equity /= capital
        pnl /= _ESCALA_PNL * capital
    return np.array((equity, pnl, exposicion), _FLOAT32)


def exposicion_de(cantidad: float, precio: float, equity: float, apalancamiento: float) -> float:
    """Share of equity × leverage that a position uses, signed; beyond ±1 after losses.

    With no equity left any position is infinite exposure.
    """
    if cantidad == 0.0:
        return 0.0
    if equity <= 0.0:
        return inf if cantidad > 0 else -inf
    return cantidad * precio / (equity * apalancamiento)


def recortar(exposicion: float) -> float:
    """An exposure as observations and rows show it: within [−1, 1]."""
    if exposicion > 1.0:
        return 1.0
    return -1.0 if exposicion < -1.0 else exposicion
