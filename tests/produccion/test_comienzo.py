"""What is told before the first candle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from src.produccion.comienzo import Comienzo, Reanudada, lineas
from src.produccion.config.config import Modo
from tests.constructores import INICIO_MS


def un_comienzo(**cambios: Any) -> Comienzo:
    valores: dict[str, Any] = {
        "train_id": "train_x",
        "simbolo": "BTCUSDT",
        "intervalo": "1h",
        "cuenta_id": "testnet-0123456789ab",
        "usuario": None,
        "modo": Modo.TESTNET,
        "direccion": "https://testnet.binancefuture.com",
        "posicion": "0.05, stop at 29400",
        "estado": Path("estado/testnet-0123456789ab/BTCUSDT"),
        "bitacora": Path("entrenamientos/train_x/produccion/produccion_1.log"),
        "siguiente_ms": INICIO_MS + 3_600_000,
    }
    return Comienzo(**valores | cambios)


def test_dice_quien_opera_que_donde_y_que_espera():
    assert lineas(un_comienzo()) == (
        "TESTNET: train_x trades BTCUSDT 1h",
        "  account   testnet-0123456789ab",
        "  exchange  https://testnet.binancefuture.com",
        "  position  0.05, stop at 29400",
        "  state     estado/testnet-0123456789ab/BTCUSDT",
        "  log       entrenamientos/train_x/produccion/produccion_1.log",
        "waiting for the next candle: it closes at 2024-01-01 01:00:00 UTC, market time",
    )


@pytest.mark.parametrize(
    ("modo", "dicho"), [(Modo.SIMULADO, "SIMULATED:"), (Modo.TESTNET, "TESTNET:"), (Modo.REAL, "LIVE:")]
)
def test_el_modo_va_delante(modo: Modo, dicho: str):
    assert lineas(un_comienzo(modo=modo))[0].startswith(dicho)


def test_la_cuenta_nombrada_lleva_su_nombre():
    assert lineas(un_comienzo(usuario="User_1"))[1] == "  account   testnet-0123456789ab (User_1)"


def test_lo_secreto_de_una_direccion_no_se_dice():
    dicho = "\n".join(lineas(un_comienzo(direccion="http://yo:secreto@127.0.0.1:8899")))

    assert "http://127.0.0.1:8899" in dicho
    assert "secreto" not in dicho


def test_una_sesion_reanudada_dice_cual_y_lo_que_faltaba():
    dichas = lineas(un_comienzo(reanudada=Reanudada("20240131_080000", 1_200, 2)))

    assert dichas[3] == (
        "  resumed   session 20240131_080000: 1,200 rows, 2 more booked for what was cut short or missed"
    )


def test_si_antes_operaba_otro_agente_se_dice_cual():
    dichas = lineas(un_comienzo(antes="train_y"))

    assert dichas[1] == "  instead of train_y, which traded this account and symbol last"
