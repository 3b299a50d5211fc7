"""After an exit that the agent did not decide: no way back in at once, and not beyond what was left."""

from __future__ import annotations

from typing import NamedTuple

from src.nucleo.ordenes import Plan
from src.nucleo.riesgo import VALIDA, Rechazo, Validacion
from src.nucleo.tipos import TipoAccion

_DUDA = 1e-9
"""Part of a quantity that float sums may add: far less than a lot of any position."""


class Veto(NamedTuple):
    """What entries and increases on one side have to wait for."""

    largo: bool  # the side
    velas: int  # decisions on it that are still refused; 0 when only the ceiling is left
    techo: float | None  # unsigned quantity not to be exceeded until the position is closed


def vetar(veto: Veto | None, antes: float, despues: float, velas_bloqueo: int) -> Veto | None:
    """The veto after an exit or a reduction that the agent did not decide.

    Args:
        veto: The one before it.
        antes: Signed quantity before it.
        despues: Signed quantity after it; 0.0 when the position is closed.
        velas_bloqueo: Candles for which the side stays blocked; 0 blocks nothing.

    Returns:
        ``None`` when there is nothing to wait for. A change that is no exit leaves the veto as it is.
    """
    sale = antes != 0.0 and abs(despues) < abs(antes) and antes * despues >= 0.0
    if not sale:
        return veto
    largo, techo = antes > 0.0, abs(despues) if despues != 0.0 else None
    velas = velas_bloqueo
    if veto is not None and veto.largo is largo:
        velas = max(velas, veto.velas)
    return _util(Veto(largo, velas, techo))


def envejecer(veto: Veto, accion: TipoAccion, cantidad: float) -> Veto | None:
    """The veto after one decision: an action on the other side ends the wait, being flat ends the ceiling.

    Args:
        veto: The one that the decision was under.
        accion: The side that the action asked for; keeping the position is no change of sign.
        cantidad: Signed quantity after the decision's fills.
    """
    largo, velas, techo = veto
    contraria = accion is (TipoAccion.SHORT if largo else TipoAccion.LONG)
    velas = 0 if contraria else max(0, velas - 1)
    if cantidad == 0.0 or (cantidad > 0.0) is not largo:
        techo = None
    return _util(Veto(largo, velas, techo))


def _util(veto: Veto) -> Veto | None:
    return veto if veto.velas > 0 or veto.techo is not None else None


def validar_veto(plan: Plan, actual: float, veto: Veto) -> Validacion:
    """Refuse what a veto does not allow; exits and reductions always pass.

    Args:
        plan: What the action asks for.
        actual: Signed quantity held.
        veto: The one in force.
    """
    _, cantidades, solo_reduce, _ = plan
    largo, velas, techo = veto
    if solo_reduce or not cantidades or (cantidades[0] > 0.0) is not largo:
        return VALIDA
    lado = "long" if largo else "short"
    if velas > 0:
        return Validacion(
            Rechazo.BLOQUEO,
            f"an exit that the agent did not decide blocks {lado} entries for {velas} more candles, "
            "or until the action changes sign",
        )
    if techo is not None and actual != 0.0 and abs(actual + sum(cantidades)) > techo * (1.0 + _DUDA):
        return Validacion(
            Rechazo.BLOQUEO,
            f"a reduction that the agent did not decide left {techo}: no more than that until flat",
        )
    return VALIDA
