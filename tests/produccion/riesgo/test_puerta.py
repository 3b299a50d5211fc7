"""The gate: what holds entries, and that nothing ever holds an exit."""

from __future__ import annotations

import pytest

from src.nucleo.errores import DisyuntorAbierto, LimiteDeRiesgo
from src.nucleo.ordenes import Plan
from src.nucleo.riesgo import EstadoRiesgo, ModoRiesgo, Rechazo
from src.nucleo.tipos import EstadoCuenta, Operacion
from src.nucleo.veto import Veto
from src.produccion.riesgo.puerta import Bloqueo, Puerta
from tests.constructores import un_mercado, una_cuenta, unos_limites

ABRE = Plan(Operacion.ABRIR_LONG, (0.1,), False)
ABRE_CORTO = Plan(Operacion.ABRIR_SHORT, (-0.1,), False)
AUMENTA = Plan(Operacion.AUMENTAR_LONG, (0.1,), False)
REDUCE = Plan(Operacion.REDUCIR_LONG, (-0.1,), True)
CIERRA = Plan(Operacion.CERRAR_LONG, (-0.1,), True)


def una_puerta() -> Puerta:
    return Puerta(un_mercado(), unos_limites(), 0.2, fraccion_fuera_max=1.0, escalones=False)


def rechazo(puerta: Puerta, plan: Plan, cuenta: EstadoCuenta) -> Rechazo:
    precio = 30_000.0
    return puerta.validar(plan, cuenta, 10_000.0, precio, precio, EstadoRiesgo(10_000.0), None).rechazo


@pytest.mark.parametrize("bloqueo", list(Bloqueo))
def test_cada_motivo_detiene_las_entradas_y_ninguno_las_salidas(bloqueo: Bloqueo):
    puerta, plana, larga = una_puerta(), una_cuenta(), una_cuenta(cantidad=0.1)
    puerta.fijar(bloqueo, activo=True)

    assert rechazo(puerta, ABRE, plana) is rechazo(puerta, AUMENTA, larga) is Rechazo.BLOQUEO
    assert rechazo(puerta, REDUCE, larga) is rechazo(puerta, CIERRA, larga) is Rechazo.NINGUNO
    puerta.fijar(bloqueo, activo=False)
    assert rechazo(puerta, ABRE, plana) is Rechazo.NINGUNO


def test_el_veto_detiene_las_entradas_de_su_lado():
    puerta, plana = una_puerta(), una_cuenta()
    puerta.veto = Veto(largo=True, velas=2, techo=None)

    assert rechazo(puerta, ABRE, plana) is Rechazo.BLOQUEO
    assert rechazo(puerta, ABRE_CORTO, plana) is Rechazo.NINGUNO


def test_bajo_su_techo_se_aumenta_y_por_encima_no():
    puerta = una_puerta()
    puerta.veto = Veto(largo=True, velas=0, techo=0.2)

    assert rechazo(puerta, AUMENTA, una_cuenta(cantidad=0.1)) is Rechazo.NINGUNO
    assert rechazo(puerta, AUMENTA, una_cuenta(cantidad=0.15)) is Rechazo.BLOQUEO


def test_el_veto_no_detiene_ninguna_salida():
    puerta, larga = una_puerta(), una_cuenta(cantidad=0.1)
    puerta.veto = Veto(largo=True, velas=9, techo=0.01)

    assert rechazo(puerta, REDUCE, larga) is rechazo(puerta, CIERRA, larga) is Rechazo.NINGUNO


class TestExigir:
    def test_sin_nada_en_contra_se_puede_entrar(self):
        una_puerta().exigir()

    @pytest.mark.parametrize(
        ("bloqueos", "clase"),
        [
            ({Bloqueo.SPREAD, Bloqueo.LATENCIA}, DisyuntorAbierto),
            ({Bloqueo.SPREAD, Bloqueo.MARGEN}, LimiteDeRiesgo),
        ],
    )
    def test_se_dice_lo_que_esta_en_contra(self, bloqueos: set[Bloqueo], clase: type[Exception]):
        puerta = una_puerta()
        puerta.bloqueos |= bloqueos

        with pytest.raises(LimiteDeRiesgo, match="the spread breaker is open") as fallo:
            puerta.exigir()

        assert type(fallo.value) is clase

    @pytest.mark.parametrize("modo", [ModoRiesgo.REDUCING, ModoRiesgo.HALTED])
    def test_el_modo_va_por_delante(self, modo: ModoRiesgo):
        puerta = una_puerta()
        puerta.modo = modo

        with pytest.raises(LimiteDeRiesgo, match=f"risk mode {modo.value}"):
            puerta.exigir()
