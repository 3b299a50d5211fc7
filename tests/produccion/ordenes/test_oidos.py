"""What the user stream told of fills is kept once, and not for ever."""

from __future__ import annotations

from src.produccion.ordenes.oidos import FillsOidos
from src.produccion.puertos import Transaccion


def un_fill(clave: int, id_orden: int = 7) -> Transaccion:
    return Transaccion(clave, id_orden, 0.1, 30_000.0, 1.2, 0.0, 900, listada=False)


def test_cada_fill_esta_una_vez_con_su_orden_y_el_nombre_de_ella():
    oidos = FillsOidos()
    for fill, nombre in ((un_fill(1), "tm-A"), (un_fill(2, 8), "web_1"), (un_fill(1), "tm-A")):
        oidos.oir(fill, nombre)

    assert oidos.de_orden(7) == {1: un_fill(1)}
    assert oidos.desde(2) == {2: un_fill(2, 8)}
    assert oidos.id_cliente_de(un_fill(2, 8)) == "web_1"
    assert oidos.id_cliente_de(un_fill(3)) is None


def test_solo_se_recuerdan_los_mas_nuevos():
    oidos = FillsOidos()
    for clave in range(1, 1_001):
        oidos.oir(un_fill(clave), "tm-A")

    assert list(oidos.desde(0)) == list(range(501, 1_001))
    assert oidos.id_cliente_de(un_fill(500)) is None
