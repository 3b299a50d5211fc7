from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from sqlalchemy import Engine, delete, select, text, update
from sqlalchemy.exc import DBAPIError

from src.produccion.almacen.conexion import leer
from src.produccion.almacen.esquema import stop_events, stop_executions
from src.produccion.almacen.eventos_stop import (
    EstadoEjecucion,
    EventoStopNuevo,
    FuenteStop,
    TipoEventoStop,
    anotar_evento,
    ejecucion_de,
    eventos_de,
)

TOKEN = "sim-1:BTCUSDT:1000:90:2000"


def un_evento(tipo: TipoEventoStop, **otros: object) -> EventoStopNuevo:
    evento = EventoStopNuevo(
        TOKEN, tipo, 5_000, "BTCUSDT", FuenteStop.WS, "sim-1:BTCUSDT:1000", stop_price=90.5, side="SELL"
    )
    return evento._replace(**otros)


def anotar(motor: Engine, evento: EventoStopNuevo) -> bool:
    with motor.begin() as conexion:
        return anotar_evento(conexion, evento)


def test_un_stop_disparado_enviado_y_ejecutado_deja_su_rastro_y_su_estado(motor: Engine):
    anotar(motor, un_evento(TipoEventoStop.STOP_TRIGGERED, trigger_price="90.4"))
    anotar(motor, un_evento(TipoEventoStop.EXECUTION_SUBMITTED, occurred_at_ms=5_001))
    anotar(motor, un_evento(TipoEventoStop.EXECUTED, occurred_at_ms=5_002, fill_price=Decimal("90.39")))

    with leer(motor) as conexion:
        ejecucion, eventos = ejecucion_de(conexion, TOKEN), eventos_de(conexion, TOKEN)
    assert ejecucion is not None
    assert ejecucion.status is EstadoEjecucion.EXECUTED
    assert (ejecucion.triggered_at_ms, ejecucion.submitted_at_ms, ejecucion.executed_at_ms) == (
        5_000,
        5_001,
        5_002,
    )
    assert (ejecucion.trigger_price, ejecucion.fill_price) == (Decimal("90.4"), Decimal("90.39"))
    assert [evento["version"] for evento in eventos] == [1, 2, 3]
    assert eventos[0]["stop_price"] == Decimal("90.5")


def test_el_mismo_evento_del_mismo_intento_se_anota_una_vez(motor: Engine):
    assert anotar(motor, un_evento(TipoEventoStop.EXECUTED))
    assert not anotar(motor, un_evento(TipoEventoStop.EXECUTED, source=FuenteStop.CRON))

    with leer(motor) as conexion:
        assert len(eventos_de(conexion, TOKEN)) == 1


def test_tras_un_fallo_sigue_un_intento_nuevo(motor: Engine):
    anotar(motor, un_evento(TipoEventoStop.STOP_TRIGGERED))
    anotar(motor, un_evento(TipoEventoStop.FAILED, error_message="no margin"))
    anotar(motor, un_evento(TipoEventoStop.EXECUTION_SUBMITTED, attempt=2))
    anotar(motor, un_evento(TipoEventoStop.EXECUTED, attempt=2))

    with leer(motor) as conexion:
        ejecucion = ejecucion_de(conexion, TOKEN)
    assert ejecucion is not None
    assert (ejecucion.status, ejecucion.attempt, ejecucion.retry_count) == (EstadoEjecucion.EXECUTED, 2, 1)
    assert ejecucion.error_message is None


@pytest.mark.parametrize("cambio", [delete(stop_events), update(stop_events).values(symbol="X")])
def test_la_base_misma_rechaza_cambiar_y_borrar_eventos(motor: Engine, cambio):
    anotar(motor, un_evento(TipoEventoStop.STOP_TRIGGERED))

    with pytest.raises(DBAPIError, match="append-only"), motor.begin() as conexion:
        conexion.execute(cambio)


def test_la_base_misma_rechaza_vaciar_y_reemplazar(motor: Engine):
    anotar(motor, un_evento(TipoEventoStop.STOP_TRIGGERED))
    orden = "TRUNCATE stop_events"
    if motor.dialect.name == "sqlite":
        orden = "INSERT OR REPLACE INTO stop_events SELECT * FROM stop_events"

    with pytest.raises(DBAPIError, match="append-only"), motor.begin() as conexion:
        conexion.execute(text(orden))


def test_cuatro_escritores_a_la_vez_dejan_versiones_sin_huecos(motor: Engine):
    def escribir(escritor: int) -> None:
        for i in range(10):
            anotar(motor, un_evento(TipoEventoStop.STALE_PRICE, attempt=1 + 10 * escritor + i))

    with ThreadPoolExecutor(4) as hilos:
        list(hilos.map(escribir, range(4)))

    with leer(motor) as conexion:
        eventos = eventos_de(conexion, TOKEN)
        assert conexion.execute(select(stop_executions)).first() is None  # nothing was triggered
    assert [evento["version"] for evento in eventos] == list(range(1, 41))
    assert sorted(eventos, key=lambda e: e["event_seq"]) == list(eventos)


def test_un_evento_de_una_transaccion_deshecha_no_deja_nada(motor: Engine):
    with motor.connect() as conexion:
        assert anotar_evento(conexion, un_evento(TipoEventoStop.STOP_TRIGGERED))
        conexion.rollback()

    with leer(motor) as conexion:
        assert ejecucion_de(conexion, TOKEN) is None
        assert not eventos_de(conexion, TOKEN)
