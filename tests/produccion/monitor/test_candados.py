"""What stands against an entry, as the store knows it."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, insert, select

from src.produccion.almacen.conexion import escribir, leer
from src.produccion.almacen.esquema import ahora_bd, breakers
from src.produccion.almacen.eventos_stop import EventoStopNuevo, FuenteStop, TipoEventoStop, anotar_evento
from src.produccion.almacen.inquilinos import cambiar_config
from src.produccion.monitor.candados import Candado, ClaseCandado, candados_de


def candados(motor: Engine, client_id: str = "casa") -> list[Candado]:
    with leer(motor) as conexion:
        return candados_de(conexion, client_id)


def un_disyuntor(motor: Engine, estado: str, clase: str = "latency") -> None:
    quien = {"client_id": "casa", "account_id": "sim-1", "exchange": "binance", "symbol": "BTCUSDT"}
    medido = {"opened_at_ms": 1_000, "changed_at_ms": 1_000, "updated_at_ms": 1_000, "cool_down_ms": 60_000}
    with escribir(motor) as conexion:
        conexion.execute(insert(breakers).values(quien | medido | {"kind": clase, "state": estado}))


def test_sin_nada_en_contra_no_hay_candados(motor: Engine):
    un_disyuntor(motor, "CLOSED")

    assert candados(motor) == []


@pytest.mark.parametrize(("estado", "hasta_ms"), [("OPEN", 61_000), ("HALF_OPEN", None)])
def test_un_disyuntor_detiene_tambien_mientras_esta_a_prueba(
    motor: Engine, estado: str, hasta_ms: int | None
):
    un_disyuntor(motor, estado)

    (uno,) = candados(motor)

    assert (uno.clase, uno.que, uno.estado, uno.hasta_ms) == (
        ClaseCandado.DISYUNTOR,
        "latency",
        estado,
        hasta_ms,
    )
    assert uno.texto == f"circuit breaker sim-1 BTCUSDT latency {estado}: no reason told"
    assert candados(motor, "vecino") == []


def test_demasiadas_ejecuciones_son_un_candado_del_inquilino(motor: Engine):
    with escribir(motor) as conexion:
        cambiar_config(conexion, "casa", {"max_executions_per_minute": 2})
        ahora_ms = conexion.execute(select(ahora_bd())).scalar_one()
        for i in range(2):
            evento = EventoStopNuevo(
                f"o:1:{i}",
                TipoEventoStop.EXECUTION_SUBMITTED,
                ahora_ms,
                "BTCUSDT",
                FuenteStop.WS,
                client_id="casa",
            )
            anotar_evento(conexion, evento)

    (uno,) = candados(motor)

    assert (uno.clase, uno.account_id, uno.symbol) == (ClaseCandado.RITMO, None, None)
    assert "2 exits a minute" in uno.motivo
