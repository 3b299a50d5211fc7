"""What the stop commands print: the words of the trade, and the same for programs."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from src.cli import adjust_trailing_stops, adopt, monitor_stops
from src.cli.app import app
from src.cli.comun_cuenta import activo_cotizado, precio_escrito
from src.nucleo.disparos import Disparo
from src.produccion.almacen.conexion import abrir_almacen, escribir
from src.produccion.almacen.eventos_stop import EventoStopNuevo, FuenteStop, TipoEventoStop, anotar_evento
from src.produccion.monitor.adopcion import Adoptada
from src.produccion.monitor.arrastre import Arrastrada, Hecho
from src.produccion.monitor.libro import vigilada_de
from src.produccion.monitor.tipos import Final, Resultado
from tests.produccion.monitor import fabrica as f

ENTORNO = {"TIMONEL_EXCHANGE_URL": "", "TIMONEL_DB_URL": "", "COLUMNS": "200"}
OPERACION = vigilada_de(f.una_operacion(operation_id="123", symbol="BTCUSDC"))
DISPARADA = f.disparada(OPERACION)
CABECERA = ["STOP_LOSS: Op#123 BTCUSDC @ 88000.00", "  Expected PnL: -20.00 USDC"]


def correr(*orden: str, espera: int = 0) -> str:
    hecho = CliRunner().invoke(app, list(orden), env=ENTORNO)
    assert hecho.exit_code == espera, hecho.output
    return hecho.output


@pytest.fixture
def motor(tmp_path: Path) -> Engine:
    motor = abrir_almacen(None, tmp_path)
    motor.dispose()
    return motor


class TestMonitorStops:
    def test_el_ejemplo_de_la_semilla(self):
        assert monitor_stops.lineas(Resultado(DISPARADA, Final.DRY_RUN)) == CABECERA

    @pytest.mark.parametrize(
        ("resultado", "ultima"),
        [
            (
                Resultado(DISPARADA, Final.EXECUTED, 0.01, 87_868.0, 0.15, 67890),
                "  STOP_LOSS executed: Order 67890, PnL: -21.32, Slippage: 0.15%",
            ),
            (
                Resultado(DISPARADA, Final.DUPLICATE),
                "  Execution token collision for Operation 123:"
                " Another process already claimed this execution",
            ),
            (Resultado(DISPARADA, Final.FAILED, motivo="no"), "  STOP_LOSS not executed yet (FAILED): no"),
            (Resultado(DISPARADA, Final.CLOSED, motivo="gone"), "  Nothing to execute: gone"),
        ],
    )
    def test_lo_que_paso_va_debajo(self, resultado: Resultado, ultima: str):
        assert monitor_stops.lineas(resultado) == [*CABECERA, ultima]

    def test_un_objetivo_se_llama_take_profit(self):
        linea = monitor_stops.lineas(
            Resultado(f.disparada(OPERACION, 93_600.0, disparo=Disparo.TAKE_PROFIT), Final.DRY_RUN)
        )
        assert linea == ["TAKE_PROFIT: Op#123 BTCUSDC @ 93600.00", "  Expected PnL: 36.00 USDC"]

    def test_sin_base_de_datos_no_empieza(self, tmp_path: Path):
        entorno = ENTORNO | {"TIMONEL_DB_URL": "postgresql://root@127.0.0.1:1/nada"}
        orden = ["monitor_stops", "--exchange-url", "http://127.0.0.1:1", "--state-dir", str(tmp_path)]
        hecho = CliRunner().invoke(app, orden, env=entorno)
        assert (hecho.exit_code, "cannot be reached" in hecho.output) == (2, True)

    def test_sin_bolsa_tampoco(self, tmp_path: Path):
        orden = ("monitor_stops", "--exchange-url", "http://127.0.0.1:1", "--state-dir", str(tmp_path))
        ajustes = tmp_path / "timonel.yaml"
        ajustes.write_text("exchange: {read_attempts: 1}\n")
        assert "does not answer" in correr(*orden, "--config", str(ajustes), espera=6)


class TestBackfill:
    def test_dice_lo_que_dice_la_semilla(self, motor: Engine, tmp_path: Path):
        sin_stop = {"stop_price": None, "initial_stop_price": None, "stop_set_at_ms": None}
        f.guardar(
            motor,
            f.una_operacion(operation_id="1", stop_loss_percent=2, **sin_stop),
            f.una_operacion(operation_id="2", stop_loss_percent="1.5", **sin_stop),
        )
        motor.dispose()

        ensayo = correr("backfill_stop_price", "--dry-run", "--state-dir", str(tmp_path))

        assert ensayo == (
            "Starting stop_price backfill...\n"
            "   DRY RUN MODE (no changes will be made)\n"
            "   Batch size: 1000\n\n"
            "Found 2 operations to backfill\n\n"
            "Processing batch 1 (1-2 of 2)...\n"
            "  Op#1: stop_price=88200.00 (from 2.0%)\n"
            "  Op#2: stop_price=88650.00 (from 1.5%)\n"
            "  Batch complete: 2 updated\n\n"
            "========================================\n"
            "Backfill complete!\n"
            "   Total operations processed: 2\n"
            "   Successfully updated: 2\n"
            "   DRY RUN: No changes were made\n"
        )
        assert f.operacion(motor, "1").stop_price is None
        motor.dispose()
        correr("backfill_stop_price", "--batch-size", "1", "--state-dir", str(tmp_path))
        assert f.operacion(motor, "1").stop_price == Decimal(88_200)
        motor.dispose()
        assert "Found 0" in correr("backfill_stop_price", "--state-dir", str(tmp_path))

    def test_lo_que_no_puede_ser_se_nombra_y_se_salta(self, motor: Engine, tmp_path: Path):
        sin_stop = {"stop_price": None, "initial_stop_price": None, "stop_set_at_ms": None}
        f.guardar(motor, f.una_operacion(operation_id="9", stop_loss_percent=-1, **sin_stop))
        motor.dispose()

        dicho = correr("backfill_stop_price", "--state-dir", str(tmp_path), espera=1)

        assert "Op#9: skipped" in dicho
        assert "   Skipped: 1\n" in dicho
        assert "--batch-size 0" in correr(
            "backfill_stop_price", "--batch-size", "0", "--state-dir", str(tmp_path), espera=2
        )


class TestReport:
    def test_cuenta_por_estado_y_mide(self, motor: Engine, tmp_path: Path):
        ahora_ms = time.time_ns() // 1_000_000
        _ejecucion(motor, "a", ahora_ms - 10_000, 250, "0.1")
        _ejecucion(motor, "b", ahora_ms - 10_000, 750, "0.3")
        _ejecucion(motor, "vieja", ahora_ms - 100_000_000, 9_000, "9")
        with escribir(motor) as conexion:
            fallo = _evento("c", TipoEventoStop.FAILED, ahora_ms - 1_000, error_message="[no]")
            anotar_evento(conexion, _evento("c", TipoEventoStop.STOP_TRIGGERED, ahora_ms - 2_000))
            anotar_evento(conexion, fallo)
        motor.dispose()

        informe = json.loads(correr("stops", "report", "--json", "--state-dir", str(tmp_path)))

        assert {k: v for k, v in informe["executions"].items() if v} == {"EXECUTED": 2, "FAILED": 1}
        assert informe["latency_ms"] == {"count": 2, "avg": 500.0, "p99": 750.0, "max": 750.0}
        assert informe["slippage_pct"] == {"count": 2, "avg": 0.2, "p99": 0.3, "max": 0.3}
        assert [(x["error_message"], x["retry_count"]) for x in informe["failures"]] == [("[no]", 0)]
        todo = json.loads(correr("stops", "report", "--json", "--hours", "0", "--state-dir", str(tmp_path)))
        assert todo["executions"]["EXECUTED"] == 3
        texto = correr("stops", "report", "--state-dir", str(tmp_path))
        assert "Failures: 1" in texto
        assert "[no]" in texto

    def test_lo_que_queda_fuera_de_la_ventana_se_dice(self, motor: Engine, tmp_path: Path):
        """A replayed market has old dates: zeros alone would say that nothing was ever executed."""
        ahora_ms = time.time_ns() // 1_000_000
        _ejecucion(motor, "a", ahora_ms - 10_000, 250, "0.1")
        _ejecucion(motor, "vieja", ahora_ms - 100_000_000, 9_000, "9")
        motor.dispose()
        orden = ("stops", "report", "--state-dir", str(tmp_path))

        assert "1 older execution: --hours 0 shows all\n" in correr(*orden)
        assert "2 older executions: --hours 0 shows all\n" in correr(*orden, "--hours", "0.001")
        assert "older" not in correr(*orden, "--hours", "0")
        assert "older" not in correr(*orden, "--json")


def _evento(token: str, tipo: TipoEventoStop, instante_ms: int, **cambios: object) -> EventoStopNuevo:
    evento = EventoStopNuevo(token, tipo, instante_ms, "BTCUSDT", FuenteStop.CRON, operation_id=token)
    return evento._replace(**cambios)


def _ejecucion(motor: Engine, token: str, desde_ms: int, tarda_ms: int, slippage: str) -> None:
    with escribir(motor) as conexion:
        anotar_evento(conexion, _evento(token, TipoEventoStop.STOP_TRIGGERED, desde_ms))
        anotar_evento(conexion, _evento(token, TipoEventoStop.EXECUTION_SUBMITTED, desde_ms + 1))
        hecho = _evento(token, TipoEventoStop.EXECUTED, desde_ms + tarda_ms, slippage_pct=slippage)
        anotar_evento(conexion, hecho)


def test_adopt_dice_que_protege():
    con = Adoptada(OPERACION._replace(residente=True), 90_100.0, objetivo_puesto=True)
    assert adopt.lineas(con)[2:] == [
        "  Stop:      88200.00, at the exchange, closes the whole position",
        "  Target:    93600.00, at the exchange, reduce-only",
        "  Trailing:  by levels (adjust_trailing_stops)",
    ]
    sin = adopt.lineas(con._replace(operacion=OPERACION._replace(objetivo=None)))
    assert sin[3:] == ["  Target:    none", "  Trailing:  by spans (adjust_trailing_stops)"]
    assert "NOT at the exchange" in adopt.lineas(con._replace(objetivo_puesto=False))[3]


@pytest.mark.parametrize(
    ("hecho", "linea"),
    [
        (Hecho.ADJUSTED, "Op#123 BTCUSDC: 88200.00 -> 90135.00 (break_even)"),
        (Hecho.UNCHANGED, "Op#123 BTCUSDC: stop stays at 88200.00"),
        (Hecho.CLOSED, "Op#123 BTCUSDC: the position has gone; operation closed"),
        (Hecho.BUSY, "Op#123 BTCUSDC: another process is at work on it"),
    ],
)
def test_adjust_trailing_stops_dice_que_hizo(hecho: Hecho, linea: str):
    arrastrada = Arrastrada(OPERACION, hecho, 88_200.0, 90_135.0, "break_even")
    assert adjust_trailing_stops.linea(arrastrada) == linea


@pytest.mark.parametrize(
    ("hecho", "linea"),
    [
        (Hecho.CLOSED, "Op#123 BTCUSDC: the position has gone; operation would be closed"),
        (
            Hecho.REARMED,
            "Op#123 BTCUSDC: stop stays at 88200.00; what the exchange had lost would be placed again",
        ),
    ],
)
def test_un_ensayo_no_dice_hecho_lo_que_no_hizo(hecho: Hecho, linea: str):
    arrastrada = Arrastrada(OPERACION, hecho, 88_200.0, None)
    assert adjust_trailing_stops.linea(arrastrada, ensayo=True) == linea


def test_precios_y_activos():
    assert [precio_escrito(p) for p in (88_000.0, 0.1234, 1e-7, 100_000.5)] == [
        "88000.00",
        "0.1234",
        "0.0000001",
        "100000.50",
    ]
    assert [activo_cotizado(s) for s in ("BTCUSDT", "BTCUSDC", "RARO")] == ["USDT", "USDC", ""]
