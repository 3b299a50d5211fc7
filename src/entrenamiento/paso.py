"""What one step of the environment did."""

from __future__ import annotations

from typing import Any, NamedTuple

from src.entrenamiento.salidas import Incidencia
from src.nucleo.accion import Interpretacion
from src.nucleo.cartera import cuenta_de
from src.nucleo.frenos import Freno
from src.nucleo.ordenes import Plan
from src.nucleo.riesgo import EstadoRiesgo, Validacion
from src.nucleo.tipos import Ejecucion, EstadoCuenta

Asiento = tuple[float, float, float, float]
"""An `Ejecucion` in plain numbers."""


class PasoEntorno(NamedTuple):
    """All that one step did, for whoever writes it down."""

    fila: int  # the closed candle that was observed
    accion: float
    interpretacion: Interpretacion
    plan: Plan
    validacion: Validacion
    antes: EstadoCuenta  # at that candle's close, before the order
    tras_orden: EstadoCuenta
    ejecuciones: tuple[Ejecucion, ...]
    riesgo_antes: EstadoRiesgo
    cuenta: EstadoCuenta  # at the next candle's close
    riesgo: EstadoRiesgo
    nivel: float | None  # of the stop that closes the whole position and waits after the order
    freno: Freno | None  # the brake before it
    incidencias: tuple[Incidencia, ...]  # fills that nobody decided, after the order and up to the next close
    funding: float  # margin asset, > 0 received
    recompensa: float
    terminated: bool
    truncated: bool


def armar_paso(crudo: tuple[Any, ...]) -> PasoEntorno:
    """A `PasoEntorno` from the same in plain numbers: accounts as `CuentaPlana`, fills as `Asiento`."""
    fila, accion, lectura, plan, validacion, antes, tras_orden, asientos, riesgo, cuenta, *resto = crudo
    ejecuciones = tuple(map(Ejecucion._make, asientos))
    return PasoEntorno(
        *(fila, accion, lectura, plan, validacion),
        *(cuenta_de(*antes), cuenta_de(*tras_orden), ejecuciones, riesgo, cuenta_de(*cuenta)),
        *resto,
    )
