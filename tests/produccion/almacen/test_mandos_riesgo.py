"""Commands about breakers and risk modes: what they hold and whom they reach."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from src.nucleo.disyuntores import ClaseDisyuntor
from src.nucleo.errores import SolicitudInvalida
from src.nucleo.riesgo import ModoRiesgo
from src.produccion.almacen.demonios import DemonioNuevo, presentarse
from src.produccion.almacen.mandos import EstadoMando, terminar_mando, tomar_mandos
from src.produccion.almacen.mandos_riesgo import (
    PeticionCierre,
    PeticionModo,
    demonios_de,
    esperar_desenlace,
    leer_cierre,
    leer_modo,
    pedir_cierre,
    pedir_modo,
)

CIERRE = PeticionCierre(ClaseDisyuntor.LATENCY, "the proxy was slow")


@pytest.fixture
def almacen(motor: Engine) -> Engine:
    """Two daemons of one tenant, one of another."""
    for cuenta, simbolo, cliente in (
        ("sim-1", "BTCUSDT", "casa"),
        ("sim-1", "ETHUSDT", "casa"),
        ("sim-2", "BTCUSDT", "vecino"),
    ):
        presentarse(motor, DemonioNuevo(cuenta, simbolo, 1, "host", client_id=cliente, user_id="u"))
    return motor


def test_se_llega_a_los_demonios_que_se_nombran(almacen: Engine):
    def nombres(*de: str | None) -> list[tuple[str, str]]:
        return [(d.account_id, d.symbol) for d in demonios_de(almacen, *de)]

    assert nombres("casa") == [("sim-1", "BTCUSDT"), ("sim-1", "ETHUSDT")]
    assert nombres("casa", "BTCUSDT") == [("sim-1", "BTCUSDT")]
    assert nombres(None, "BTCUSDT", "sim-2") == [("sim-2", "BTCUSDT")]
    assert len(nombres()) == 3
    assert nombres("nadie") == []


def test_lo_pedido_es_lo_leido(almacen: Engine):
    (demonio,) = demonios_de(almacen, "casa", "BTCUSDT")
    modo = PeticionModo(ModoRiesgo.HALTED, "news")
    pedir_cierre(almacen, demonio, CIERRE, "ana")
    pedir_modo(almacen, demonio, modo, "ana")

    cierre_, modo_ = tomar_mandos(almacen, "u", "BTCUSDT", "d", account_id="sim-1", client_id="casa")

    assert (cierre_.action, leer_cierre(cierre_.payload)) == ("breaker.reset", CIERRE)
    assert (modo_.action, leer_modo(modo_.payload), modo_.requested_by) == ("risk.mode", modo, "ana")


def test_con_la_misma_clave_es_el_mismo_mando(almacen: Engine):
    (demonio,) = demonios_de(almacen, "casa", "BTCUSDT")
    uno, otro = (pedir_cierre(almacen, demonio, CIERRE, "ana", "k") for _ in range(2))
    assert uno.id == otro.id


def test_se_espera_hasta_saber_que_fue_de_el(almacen: Engine):
    (demonio,) = demonios_de(almacen, "casa", "BTCUSDT")
    mando = pedir_cierre(almacen, demonio, CIERRE, "ana")
    tomar_mandos(almacen, "u", "BTCUSDT", "d", account_id="sim-1", client_id="casa")
    terminar_mando(almacen, mando.id, True, {"success": True})

    acabado = esperar_desenlace(almacen, mando)

    assert (acabado.status, acabado.outcome) == (EstadoMando.DONE, {"success": True})


@pytest.mark.parametrize(
    ("leer", "contenido", "porque"),
    [
        (leer_cierre, {"kind": "weather", "reason": "x"}, "no 'weather' breaker; kinds: latency"),
        (leer_cierre, {"reason": "x"}, "no 'None' breaker"),
        (leer_cierre, {"kind": "latency"}, "a reason is needed"),
        (leer_cierre, {"kind": "latency", "reason": "   "}, "a reason is needed"),
        (leer_cierre, {"kind": "latency", "reason": 3}, "a reason is needed"),
        (leer_cierre, {"kind": "latency", "reason": "x" * 501}, "500 characters"),
        (leer_modo, {"mode": "halted", "reason": "x"}, "no risk mode 'halted'; modes: ACTIVE"),
        (leer_modo, {"mode": "HALTED"}, "a reason is needed"),
    ],
)
def test_lo_que_no_se_entiende_se_nombra(leer: Any, contenido: dict[str, object], porque: str):
    with pytest.raises(SolicitudInvalida, match=porque):
        leer(contenido)
