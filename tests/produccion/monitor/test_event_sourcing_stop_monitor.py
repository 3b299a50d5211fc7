"""What an execution of a stop promises, on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections import deque
from decimal import Decimal

from sqlalchemy import Engine

from src.nucleo.disparos import Disparo, token_de
from src.nucleo.errores import OrdenRechazada
from src.nucleo.ordenes import Orden
from src.produccion.almacen.alimentador import Titular
from src.produccion.almacen.conexion import escribir
from src.produccion.almacen.eventos_stop import (
    EstadoEjecucion,
    EventoStopNuevo,
    FuenteStop,
    TipoEventoStop,
    anotar_evento,
)
from src.produccion.almacen.operaciones import EstadoOperacion, LadoOperacion
from src.produccion.cierre_reclamado import CierreReclamado
from src.produccion.monitor.relleno import por_rellenar, rellenar
from src.produccion.monitor.tipos import Final
from src.produccion.ordenes.ejecutor import id_cliente_de
from src.produccion.supervision.cortesia import Cortesia
from tests.constructores import INICIO_MS
from tests.produccion.falsos import Pierde
from tests.produccion.monitor import fabrica as f

RED = True


def _sin_stop(i: int, **cambios: object):
    return f.una_operacion(
        **{
            "opened_at_ms": INICIO_MS + i,
            "stop_price": None,
            "initial_stop_price": None,
            "stop_set_at_ms": None,
        }
        | {"stop_loss_percent": 2}
        | cambios
    )


def test_backfill_stop_price_calculates_correctly(motor: Engine):
    """BUY entry·(1−p/100), SELL entry·(1+p/100), exactly; a second run finds nothing to do."""
    largo, corto, exacto = (
        _sin_stop(1),
        _sin_stop(2, side=LadoOperacion.SELL, stop_loss_percent="1.5"),
        _sin_stop(3, average_entry_price="0.1234567", stop_loss_percent="3.3"),
    )
    f.guardar(motor, largo, corto, exacto)

    ensayados = [lote.actualizadas for lote in rellenar(motor, 77, lote=2, ensayo=True)]
    assert (ensayados, por_rellenar(motor)) == ([2, 1], 3)
    lotes = list(rellenar(motor, 77, lote=2))

    assert [(lote.numero, lote.desde, lote.total, lote.actualizadas) for lote in lotes] == [
        (1, 1, 3, 2),
        (2, 3, 3, 1),
    ]
    stops = [f.operacion(motor, o.operation_id).stop_price for o in (largo, corto, exacto)]
    assert stops == [Decimal(88_200), Decimal(91_350), Decimal("0.1234567") * Decimal("0.967")]
    guardada = f.operacion(motor, largo.operation_id)
    assert guardada.stop_execution_token == token_de(largo.operation_id, 88_200, 77)
    assert guardada.initial_stop_price == guardada.stop_price
    assert list(rellenar(motor, 99)) == []
    assert f.operacion(motor, largo.operation_id) == guardada


def test_backfill_validates_stop_direction(motor: Engine):
    """A percentage that would put the stop on the winning side is refused, and does not stop the rest."""
    mala, otra, buena = (
        _sin_stop(1, stop_loss_percent=-2),
        _sin_stop(2, stop_loss_percent=100),
        _sin_stop(3, side=LadoOperacion.SELL, stop_loss_percent=100),
    )
    f.guardar(motor, mala, otra, buena)

    (lote,) = rellenar(motor, 77)

    assert [fila.stop for fila in lote.filas] == [None, None, Decimal(180_000)]
    assert "wrong side" in lote.filas[0].motivo
    assert f.operacion(motor, mala.operation_id).stop_price is None
    assert por_rellenar(motor) == 2


def test_execution_token_prevents_duplicate_events(motor: Engine):
    """The same event of the same token and attempt is written once; another attempt is another event."""
    token = token_de("op-1", f.STOP, INICIO_MS)
    evento = EventoStopNuevo(token, TipoEventoStop.STOP_TRIGGERED, INICIO_MS, "BTCUSDT", FuenteStop.CRON)

    with escribir(motor) as conexion:
        escritos = [
            anotar_evento(conexion, evento),
            anotar_evento(conexion, evento._replace(source=FuenteStop.WS, occurred_at_ms=INICIO_MS + 5)),
            anotar_evento(conexion, evento._replace(attempt=2)),
        ]

    assert escritos == [True, False, True]
    assert [(e["version"], e["attempt"], e["source"]) for e in f.eventos(motor)] == [
        (1, 1, "cron"),
        (2, 2, "cron"),
    ]


async def test_stop_executor_idempotency_prevents_duplicate_execution(motor: Engine, bitacora):
    """Whoever comes second, while or after the first executes, sends nothing and says so."""
    (operacion,) = f.guardar(motor, f.una_operacion())
    bolsa = f.una_bolsa(88_000.0)
    bolsa.demora_envio_s = 0.2
    uno, otro = f.un_ejecutor(motor, bolsa, "uno"), f.un_ejecutor(motor, bolsa, "otro")

    primera, segunda = await asyncio.gather(*(e.ejecutar(f.disparada(operacion)) for e in (uno, otro)))
    bolsa.operar(0.01, f.ENTRADA)  # a person opens again; the operation is over all the same
    tercera = await uno.ejecutar(f.disparada(operacion))

    assert sorted([primera.final, segunda.final]) == [Final.DUPLICATE, Final.EXECUTED]
    assert tercera.final is Final.DUPLICATE
    assert len(bolsa.enviadas) == 1
    assert [e for e in bitacora if e["event"] == "Duplicate execution prevented"]


async def test_stop_executor_emits_events_on_success(motor: Engine):
    """Triggered, submitted under the token's own client id, executed; then the operation is closed."""
    (operacion,) = f.guardar(motor, f.una_operacion())
    bolsa = f.una_bolsa(88_000.0)

    resultado = await f.un_ejecutor(motor, bolsa).ejecutar(f.disparada(operacion))

    assert (resultado.final, resultado.cantidad, resultado.precio) == (Final.EXECUTED, 0.01, 88_000.0)
    assert f.tipos(motor, operacion.token) == ["STOP_TRIGGERED", "EXECUTION_SUBMITTED", "EXECUTED"]
    (orden,) = bolsa.enviadas
    assert (orden.solo_reduce, orden.id_cliente) == (True, id_cliente_de(operacion.token or ""))
    hecho = f.eventos(motor, operacion.token)[-1]
    assert hecho["exchange_order_id"] == str(resultado.id_bolsa)
    assert (hecho["fill_price"], hecho["quantity"], hecho["side"]) == (88_000, Decimal("0.01"), "SELL")
    assert abs(hecho["slippage_pct"] - Decimal(200) / Decimal(882)) < Decimal("1e-6")
    assert f.operacion(motor, operacion.operation_id).status is EstadoOperacion.CLOSED


async def test_stop_executor_updates_projection(motor: Engine):
    """One row for the token tells how it ended."""
    (operacion,) = f.guardar(motor, f.una_operacion())

    await f.un_ejecutor(motor, f.una_bolsa(88_000.0)).ejecutar(f.disparada(operacion))

    fila = f.ejecucion(motor, operacion.token)
    assert fila is not None
    assert (fila.status, fila.attempt, fila.retry_count, fila.source) == (
        EstadoEjecucion.EXECUTED,
        1,
        0,
        "cron",
    )
    assert (fila.stop_price, fila.trigger_price, fila.quantity) == (88_200, 88_000, Decimal("0.01"))
    assert fila.triggered_at_ms is not None
    assert fila.executed_at_ms is not None
    assert fila.triggered_at_ms <= fila.executed_at_ms


async def test_stop_executor_emits_failed_event_on_error(motor: Engine):
    """A definite refusal is a FAILED event with the exchange's words; the stop is not given up."""
    (operacion,) = f.guardar(motor, f.una_operacion())
    bolsa = f.una_bolsa(88_000.0, fallos=deque([OrdenRechazada("Margin is insufficient.", codigo=-2019)] * 3))

    resultado = await f.un_ejecutor(motor, bolsa).ejecutar(f.disparada(operacion))

    assert (resultado.final, resultado.motivo) == (Final.FAILED, "Margin is insufficient.")
    fallos = [e for e in f.eventos(motor, operacion.token) if e["event_type"] == "FAILED"]
    assert [(e["attempt"], e["error_message"]) for e in fallos] == [
        (i, "Margin is insufficient.") for i in (1, 2, 3)
    ]
    fila = f.ejecucion(motor, operacion.token)
    assert fila is not None
    assert (fila.status, fila.failed_at_ms is not None) == (EstadoEjecucion.FAILED, True)
    assert f.operacion(motor, operacion.operation_id).status is EstadoOperacion.ACTIVE
    assert f.alertas(motor).count("stop_failed") == 3
    assert "circuit_breaker" in f.alertas(motor)


async def test_simultaneous_ws_and_cron_triggers_deduplicated(motor: Engine):
    """A daemon that hears the market and two crons see the same overdue stop at once: one order closes it."""
    (operacion,) = f.guardar(motor, f.una_operacion(resident_stop=True))
    bolsa = f.una_bolsa(88_000.0)
    bolsa.demora_envio_s = 0.1
    demonio = CierreReclamado(motor, Titular(f.CUENTA, "BTCUSDT"), bolsa, "demonio", Cortesia())
    crones = [f.un_ejecutor(motor, bolsa, quien) for quien in ("uno", "otro")]

    async def cerrar_si_no_lo_hizo_otro() -> None:
        if not await demonio.lo_hizo_otro(operacion.abierta_ms):
            await bolsa.enviar(Orden("BTCUSDT", operacion.lado_salida, 0.01, True, "tm-cierre"))
            demonio.hecho()

    await asyncio.gather(
        cerrar_si_no_lo_hizo_otro(), *(cron.ejecutar(f.disparada(operacion)) for cron in crones)
    )
    await demonio.cerrar()

    assert len(bolsa.enviadas) == 1
    assert bolsa.estado.posicion is None


async def test_price_monitor_uses_absolute_stop_price(motor: Engine):
    """The stored price decides; the percentage beside it, which says otherwise, is never recomputed."""
    f.guardar(motor, f.una_operacion(stop_price=85_000.0, stop_loss_percent=2))
    bolsa = f.una_bolsa(85_000.5)
    monitor = f.un_monitor(motor, bolsa)

    antes = await monitor.revisar()
    bolsa.precio_actual = 85_000.0
    despues = await monitor.revisar()

    assert antes.resultados == ()
    (resultado,) = despues.resultados
    assert (resultado.final, resultado.disparada.disparo) == (Final.EXECUTED, Disparo.STOP_LOSS)
    assert resultado.disparada.esperado == 85_000.0


async def test_price_monitor_skips_operation_without_stop_price(motor: Engine):
    """It is looked at, and nothing is made of its percentage."""
    operacion = f.una_operacion(
        stop_price=None, initial_stop_price=None, target_price=None, stop_loss_percent=2
    )
    f.guardar(motor, operacion)
    bolsa = f.una_bolsa(1_000.0)

    ronda = await f.un_monitor(motor, bolsa).revisar()

    assert (ronda.miradas, ronda.resultados, bolsa.enviadas) == (1, (), [])
    assert f.operacion(motor, operacion.operation_id).stop_check_count == 1


async def test_retry_after_failed(motor: Engine):
    """A new attempt has a new client id and events of its own; the claim passes on at once."""
    (operacion,) = f.guardar(motor, f.una_operacion())
    rechazo = OrdenRechazada("no", codigo=-2019)
    bolsa = f.una_bolsa(88_000.0, fallos=deque([rechazo] * 3))

    await f.un_ejecutor(motor, bolsa, "uno").ejecutar(f.disparada(operacion))
    resultado = await f.un_ejecutor(motor, bolsa, "otro").ejecutar(f.disparada(operacion))

    assert resultado.final is Final.EXECUTED
    token = operacion.token or ""
    fichas = [token, f"{token}#2", f"{token}#3", f"{token}#4"]
    assert [orden.id_cliente for orden in bolsa.enviadas] == [id_cliente_de(ficha) for ficha in fichas]
    fila = f.ejecucion(motor, operacion.token)
    assert fila is not None
    assert (fila.status, fila.retry_count) == (EstadoEjecucion.EXECUTED, 3)
    versiones = [e["version"] for e in f.eventos(motor, operacion.token)]
    assert versiones == list(range(1, len(versiones) + 1))


async def test_una_respuesta_perdida_no_se_envia_otra_vez(motor: Engine):
    """The exchange executed it and its answer was lost: it is looked up by the client id."""
    (operacion,) = f.guardar(motor, f.una_operacion())
    bolsa = f.una_bolsa(88_000.0, fallos=deque([Pierde.DESPUES]), consultas_ausentes=2)

    resultado = await f.un_ejecutor(motor, bolsa).ejecutar(f.disparada(operacion))

    assert (resultado.final, resultado.cantidad, len(bolsa.enviadas)) == (Final.EXECUTED, 0.01, 1)


async def test_un_id_repetido_es_una_orden_que_ya_esta(motor: Engine):
    """-4116 proves no failure: the order of that name is asked for, and no other is sent."""
    (operacion,) = f.guardar(motor, f.una_operacion())
    repetido = OrdenRechazada("ClientOrderId is duplicated. (code -4116)", codigo=-4116)
    bolsa = f.una_bolsa(88_000.0, fallos=deque([repetido]))
    bolsa.al_enviar = lambda: bolsa.operar(-0.01, id_cliente=bolsa.enviadas[-1].id_cliente)

    resultado = await f.un_ejecutor(motor, bolsa).ejecutar(f.disparada(operacion))

    assert (resultado.final, resultado.cantidad, len(bolsa.enviadas)) == (Final.EXECUTED, 0.01, 1)
    assert f.tipos(motor, operacion.token) == ["STOP_TRIGGERED", "EXECUTION_SUBMITTED", "EXECUTED"]
