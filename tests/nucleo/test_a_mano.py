"""What a person may order by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from src.nucleo.a_mano import OrdenPedida, planificar_a_mano
from src.nucleo.errores import SolicitudInvalida
from src.nucleo.ordenes import LimitesPlan
from src.nucleo.tipos import LadoOrden, Operacion
from tests.constructores import unos_filtros

LIMITES = LimitesPlan(unos_filtros(), 2.0, 50_000.0)


def pedida(cantidad: str, lado: LadoOrden = LadoOrden.BUY) -> OrdenPedida:
    return OrdenPedida(lado, Decimal(cantidad))


@pytest.mark.parametrize(
    ("lado", "operacion", "signo"),
    [(LadoOrden.BUY, Operacion.ABRIR_LONG, 1), (LadoOrden.SELL, Operacion.ABRIR_SHORT, -1)],
)
def test_la_cantidad_baja_al_paso_y_lleva_su_signo(lado: LadoOrden, operacion: Operacion, signo: int):
    plan = planificar_a_mano(pedida("0.0129999", lado), 30_000.0, LIMITES)

    assert (plan.operacion, plan.cantidades, plan.solo_reduce) == (operacion, (signo * 0.012,), False)


def test_lo_que_ya_esta_en_el_paso_no_pierde_uno():
    """0.3 / 0.001 is 299.99… in floats."""
    assert planificar_a_mano(pedida("0.3"), 30_000.0, LIMITES).cantidades == (0.3,)


@pytest.mark.parametrize(
    ("cantidad", "precio", "motivo"),
    [
        ("0.0009", 30_000.0, "below the symbol's minimum 0.001"),
        ("0.001", 1_000.0, "worth 1.00, below the symbol's minimum"),
        ("121", 30.0, "the most that one market order may have"),
        ("2", 30_000.0, "worth 60000.00, above 50000, the most that the exchange allows at a leverage of 2"),
    ],
)
def test_lo_que_la_bolsa_no_tomaria_se_niega_antes(cantidad: str, precio: float, motivo: str):
    with pytest.raises(SolicitudInvalida, match=motivo):
        planificar_a_mano(pedida(cantidad), precio, LIMITES)
