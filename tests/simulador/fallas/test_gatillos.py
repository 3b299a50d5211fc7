"""Faults of stops whose trigger is met."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulador.banco import planas
from tests.simulador.fallas.banco import Bolsa, recibir, una_bolsa

CAIDA = planas(20_000.0, 20_000.0, 18_000.0, 17_900.0, 17_800.0)


async def caer(guion: Any) -> tuple[Bolsa, list[Any]]:
    """Buy, place a stop, and let the price fall through it; the user events of the fall."""
    async with una_bolsa(CAIDA, guion) as bolsa:
        await bolsa.comprar()
        await bolsa.poner_stop("19000", clientAlgoId="mio")
        enchufe = await bolsa.oir_cuenta()
        for _ in range(2):
            bolsa.simulacion.avanzar()
        await bolsa.cliente.firmado("POST", "/v1/leverage", symbol="BTCUSDT", leverage=7)
        eventos = []
        while (evento := await recibir(enchufe))["e"] != "ACCOUNT_CONFIG_UPDATE":
            eventos.append(evento)
        return bolsa, eventos


def estados(eventos: list[Any]) -> list[str]:
    """What the events say of stop and child, in their order."""
    return [
        evento["o"]["X"] if evento["e"] == "ALGO_UPDATE" else f"child {evento['o']['X']}"
        for evento in eventos
        if evento["e"] in ("ALGO_UPDATE", "ORDER_TRADE_UPDATE")
    ]


SANA = ["TRIGGERING", "TRIGGERED", "child NEW", "child FILLED", "FINISHED"]


@pytest.mark.parametrize(
    ("kind", "vistos", "posicion"),
    [
        (None, SANA, 0),
        ("stop_stuck", ["TRIGGERING"], 0.1),
        ("stop_child_expired", ["TRIGGERING", "TRIGGERED", "child NEW", "child EXPIRED", "FINISHED"], 0.1),
        (
            "stop_child_partial",
            [
                "TRIGGERING",
                "TRIGGERED",
                "child NEW",
                "child PARTIALLY_FILLED",
                "child EXPIRED",
                "FINISHED",
            ],
            0.05,
        ),
        ("stop_ignored", [], 0.1),
    ],
)
async def test_cada_falla_deja_al_stop_donde_dice(kind, vistos, posicion):
    bolsa, eventos = await caer({"faults": [{"kind": kind}]} if kind else None)

    assert estados(eventos) == vistos
    assert float(await bolsa.posicion()) == posicion


async def test_la_hija_se_cuenta_antes_que_su_disparo():
    bolsa, eventos = await caer({"faults": [{"kind": "algo_reorder", "at": {"trigger": 1}}]})

    vistos = estados(eventos)

    assert vistos.index("child FILLED") < vistos.index("TRIGGERED")
    assert sorted(vistos) == sorted(SANA)
    assert float(await bolsa.posicion()) == 0


async def test_la_falla_espera_a_su_disparo():
    _, eventos = await caer({"faults": [{"kind": "stop_stuck", "at": {"trigger": 2}}]})
    assert estados(eventos) == SANA
