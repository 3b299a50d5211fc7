from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import Engine

from src.nucleo.errores import DatosInvalidos
from src.produccion.almacen.conexion import leer
from src.produccion.almacen.operaciones import (
    EstadoOperacion,
    LadoOperacion,
    OperacionGuardada,
    StopPuesto,
    anotar_revision,
    cerrar_operacion,
    ficha_stop,
    guardar_operacion,
    id_operacion,
    leer_operacion,
    operaciones_activas,
    poner_stop,
)

ID = id_operacion("sim-1", "BTCUSDT", 1_000)
OPERACION = OperacionGuardada(ID, "sim-1", "BTCUSDT", LadoOperacion.BUY, 0.25, "40000.1", 1_000)


def guardar(motor: Engine, operacion: OperacionGuardada) -> OperacionGuardada:
    with motor.begin() as conexion:
        guardar_operacion(conexion, operacion)
        guardada = leer_operacion(conexion, operacion.operation_id)
    assert guardada is not None
    return guardada


def test_una_operacion_se_lee_como_se_guardo(motor: Engine):
    guardada = guardar(motor, OPERACION)

    assert (guardada.side, guardada.status) == (LadoOperacion.BUY, EstadoOperacion.ACTIVE)
    assert (guardada.quantity, guardada.average_entry_price) == (Decimal("0.25"), Decimal("40000.1"))
    assert guardada.created_at_ms is not None
    assert (guardada.resident_stop, guardada.stop_check_count) == (False, 0)


def test_el_stop_inicial_se_queda_para_siempre(motor: Engine):
    guardar(motor, OPERACION._replace(initial_stop_price=39_000, stop_price=39_000))
    guardada = guardar(motor, OPERACION._replace(initial_stop_price=39_500, stop_price=39_500))

    assert (guardada.initial_stop_price, guardada.stop_price) == (Decimal(39_000), Decimal(39_500))


def test_un_stop_puesto_recuerda_el_anterior(motor: Engine):
    guardar(motor, OPERACION)
    with motor.begin() as conexion:
        poner_stop(conexion, ID, StopPuesto(39_000, 2_000, "initial"))
        token = poner_stop(conexion, ID, StopPuesto(Decimal("39500.50"), 3_000, "break_even", resident=True))
        guardada = leer_operacion(conexion, ID)

    assert guardada is not None
    assert token == f"{ID}:39500.5:3000" == guardada.stop_execution_token == ficha_stop(ID, 39_500.5, 3_000)
    assert (guardada.stop_price, guardada.ts_previous_stop) == (Decimal("39500.5"), Decimal(39_000))
    assert (guardada.ts_level_applied, guardada.ts_previous_level) == ("break_even", "initial")
    assert (guardada.initial_stop_price, guardada.resident_stop) == (Decimal(39_000), True)


def test_una_operacion_cerrada_ya_no_esta_activa_ni_toma_stops(motor: Engine):
    guardar(motor, OPERACION)
    guardar(motor, OPERACION._replace(operation_id="otra", client_id="eva", opened_at_ms=900))
    with leer(motor) as conexion:
        assert [o.operation_id for o in operaciones_activas(conexion)] == ["otra", ID]
        assert [o.operation_id for o in operaciones_activas(conexion, "eva")] == ["otra"]
        assert operaciones_activas(conexion, symbol="ETHUSDT") == []

    with motor.begin() as conexion:
        assert cerrar_operacion(conexion, ID, 4_000)
        assert not cerrar_operacion(conexion, ID, 5_000)
        assert poner_stop(conexion, ID, StopPuesto(1, 2, "x")) is None
        cerrada = leer_operacion(conexion, ID)

    assert cerrada is not None
    assert (cerrada.status, cerrada.closed_at_ms) == (EstadoOperacion.CLOSED, 4_000)


def test_las_revisiones_se_cuentan(motor: Engine):
    guardar(motor, OPERACION)
    with motor.begin() as conexion:
        anotar_revision(conexion, [ID], 7_000)
        anotar_revision(conexion, [ID], 8_000)
        revisada = leer_operacion(conexion, ID)

    assert revisada is not None
    assert (revisada.stop_check_count, revisada.last_stop_check_at_ms) == (2, 8_000)


@pytest.mark.parametrize("precio", [float("nan"), float("inf"), "x", 1e30])
def test_un_numero_que_no_lo_es_se_rechaza_con_palabras(motor: Engine, precio):
    with pytest.raises(DatosInvalidos, match="must be a finite number"):
        guardar(motor, OPERACION._replace(stop_price=precio))
