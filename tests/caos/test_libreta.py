"""What the exchange forgets between two looks is kept."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from caos.libreta import Libreta
from caos.pruebas import StopBolsa, Tramo


def unos_libros(*fills: int, vivos: tuple[tuple[str, str], ...] = (), tramos: Any = ()) -> dict[str, Any]:
    return {
        "wallet": "100.5",
        "positions": [{"quantity": "-2", "entry": "50", "naked_ms": {"spans": list(tramos)}}],
        "orders": [
            {
                "orderId": i,
                "clientOrderId": f"tm-{i}",
                "origQty": "1",
                "executedQty": "1",
                "reduceOnly": False,
                "time": i,
            }
            for i in fills
        ],
        "open_orders": [],
        "fills": [
            {
                "id": i,
                "orderId": i,
                "side": "SELL",
                "qty": "1",
                "price": "50",
                "commission": "0.1",
                "realizedPnl": "0",
                "time": i,
            }
            for i in fills
        ],
        "income": [{"tranId": i, "incomeType": "COMMISSION", "income": "-0.1", "time": i} for i in fills],
        "algo_orders": [{"actualOrderId": "7"}, {"actualOrderId": ""}],
        "open_algo_orders": [
            {"clientAlgoId": i, "algoStatus": estado, "orderType": "STOP_MARKET", "closePosition": True}
            for i, estado in vivos
        ],
    }


def test_lo_olvidado_se_conserva_y_lo_repetido_no_se_dobla():
    libreta = Libreta()
    libreta.tomar(unos_libros(1, 2))
    libreta.tomar(unos_libros(2, 3))

    libros = libreta.cerrar(())

    assert [fill.id for fill in libros.fills] == [1, 2, 3]
    assert [orden.id for orden in libros.ordenes] == [1, 2, 3]
    assert len(libros.ingresos) == 3
    assert libros.fills[0].cantidad == Decimal(-1)
    assert (libros.saldo, libros.cantidad) == (Decimal("100.5"), Decimal(-2))
    assert libros.hijas == {7}


def test_un_stop_que_se_quedo_disparandose_no_espera():
    libreta = Libreta()
    libreta.tomar(unos_libros(vivos=(("a", "NEW"), ("b", "TRIGGERING"))))

    assert libreta.cerrar(()).stops_vivos == [StopBolsa("a", "STOP_MARKET", True)]


def test_solo_se_disculpa_lo_que_cabe_en_la_disculpa():
    libreta = Libreta()
    libreta.tomar(unos_libros(tramos=[[10, 20], [30, 90]]))

    assert libreta.cerrar([(5, 40)]).desnuda == [Tramo(30, 90)]
