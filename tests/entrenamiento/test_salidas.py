"""What triggers between two prices, at which price and with how many orders."""

from __future__ import annotations

import pytest

from src.entrenamiento.salidas import Disparo, buscar_disparo
from src.nucleo.frenos import nuevo_freno
from src.nucleo.proteccion import SIN_PROTECCION, EstadoProteccion
from src.nucleo.tipos import EstadoCuenta
from tests.constructores import un_mercado, una_cuenta, unos_filtros

MERCADO = un_mercado()
FRENO = nuevo_freno(30_000.0, 29_400.0, 31_200.0, 30_000.0, 0, largo=True)
CON_FRENO = EstadoProteccion(26_000.0, FRENO)


def buscar(
    precio: float,
    estado: EstadoProteccion = CON_FRENO,
    cuenta: EstadoCuenta | None = None,
    *,
    salto: bool = False,
) -> Disparo | None:
    return buscar_disparo(estado, cuenta or una_cuenta(cantidad=0.5), precio, MERCADO, salto=salto)


@pytest.mark.parametrize(
    ("precio", "salto", "disparo"),
    [
        (29_400.1, False, None),
        (29_400.0, False, 29_400.0),
        (29_000.0, False, 29_400.0),
        (29_000.0, True, 29_000.0),
        (31_199.9, False, None),
        (31_200.0, False, 31_200.0),
        (31_500.0, False, 31_200.0),
        (31_500.0, True, 31_500.0),
    ],
)
def test_en_el_camino_a_su_precio_y_tras_un_salto_donde_cae(precio, salto, disparo):
    hallado = buscar(precio, salto=salto)

    assert hallado == (None if disparo is None else Disparo(disparo, (-0.5,)))


def test_el_stop_de_catastrofe_es_una_orden_y_los_demas_las_que_pida_el_lote():
    mercado = un_mercado(filtros=unos_filtros(cantidad_max_mercado="0.2"))
    cuenta = una_cuenta(cantidad=0.5)

    def trozos(precio: float, estado: EstadoProteccion) -> tuple[float, ...]:
        return buscar_disparo(estado, cuenta, precio, mercado, salto=False).cantidades

    assert trozos(25_000.0, EstadoProteccion(26_000.0)) == (-0.5,)
    assert trozos(25_000.0, EstadoProteccion(29_400.0, FRENO)) == (-0.5,)
    assert trozos(29_000.0, CON_FRENO) == (-0.167, -0.167, -0.166)
    assert trozos(31_200.0, CON_FRENO) == (-0.167, -0.167, -0.166)


def test_sin_posicion_o_sin_nada_que_la_proteja_no_hay_disparo():
    assert buscar(20_000.0, cuenta=una_cuenta()) is None
    assert buscar(20_000.0, SIN_PROTECCION) is None


def test_donde_ya_no_hay_mantenimiento_la_bolsa_liquida_antes():
    assert buscar(26_000.0, cuenta=una_cuenta(cantidad=3.0), salto=True) is None
    assert buscar(26_000.0, cuenta=una_cuenta(cantidad=3.0)) == Disparo(29_400.0, (-3.0,))
