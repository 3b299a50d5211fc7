"""Breakers and modes from a daemon's journal to the store's tables, and how they are read there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from src.nucleo.disyuntores import ClaseDisyuntor, EstadoDisyuntor, ReglaDisyuntor
from src.nucleo.errores import SolicitudInvalida
from src.nucleo.riesgo import ModoRiesgo
from src.produccion.almacen.conexion import escribir, leer
from src.produccion.almacen.disyuntores import (
    buscar_disyuntor,
    cerrar_el_de_ejecuciones,
    historia_disyuntores,
    listar_disyuntores,
    modos_de,
)
from src.produccion.almacen.esquema import ahora_bd, alerts
from src.produccion.almacen.ingesta import ingerir
from src.produccion.almacen.tipos_disyuntor import leer_id
from src.produccion.diario.diario import DiarioSqlite
from src.produccion.monitor.reglas import leer_disyuntor, tras_un_resultado
from src.produccion.riesgo.cuadro import Cuadro
from tests.constructores import INICIO_MS
from tests.produccion.almacen.diarios_de_prueba import TITULAR
from tests.produccion.falsos import RelojFalso

LATENCY, VOLATILITY = ClaseDisyuntor.LATENCY, ClaseDisyuntor.VOLATILITY
REGLAS = {LATENCY: ReglaDisyuntor(500.0, 1, 60_000, 1), VOLATILITY: ReglaDisyuntor(0.05, 1, 60_000, 1)}


class Demonio:
    """A board on a real journal, which is fed to a store."""

    def __init__(self, carpeta: Path, almacen: Engine) -> None:
        self.ruta, self.almacen = carpeta / "diario.sqlite", almacen
        self.diario, self.reloj = DiarioSqlite(self.ruta), RelojFalso(INICIO_MS)

    def un_cuadro(self, reglas: Any = REGLAS) -> Cuadro:
        cuadro = Cuadro(self.diario, self.reloj, lambda *_: None, ("binance", "BTCUSDT"), reglas)
        cuadro.anunciar()
        return cuadro

    def alimentar(self) -> None:
        self.diario.cerrar()
        ingerir(self.almacen, self.ruta, "j", TITULAR)
        self.diario = DiarioSqlite(self.ruta)


@pytest.fixture
def demonio(tmp_path: Path, motor: Engine) -> Any:
    suyo = Demonio(tmp_path, motor)
    yield suyo
    suyo.diario.cerrar()


def las_alertas(almacen: Engine) -> list[tuple[str, str, str]]:
    with leer(almacen) as conexion:
        filas = conexion.execute(
            select(alerts.c.level, alerts.c.kind, alerts.c.message).order_by(alerts.c.id)
        )
        return [tuple(fila) for fila in filas]


def test_se_ven_todos_tambien_los_que_nunca_se_abrieron(demonio: Demonio, motor: Engine):
    demonio.un_cuadro()
    demonio.alimentar()

    vistos = listar_disyuntores(motor)

    assert [(d.kind, d.state, d.limit_value, d.value, d.changed_at_ms) for d in vistos] == [
        (LATENCY, EstadoDisyuntor.CLOSED, 500.0, None, None),
        (VOLATILITY, EstadoDisyuntor.CLOSED, 0.05, None, None),
    ]
    assert vistos[0].id == "sim-1:binance:BTCUSDT:latency"
    assert [(d.detiene, d.hasta_ms, d.como_se_cierra) for d in vistos] == [(False, None, "")] * 2


def test_uno_abierto_dice_hasta_cuando_y_como_se_cierra(demonio: Demonio, motor: Engine):
    demonio.un_cuadro().medir(LATENCY, 900.0, INICIO_MS)
    demonio.alimentar()

    latency, _ = listar_disyuntores(motor)

    assert (latency.detiene, latency.hasta_ms) == (True, INICIO_MS + 60_000)
    assert latency.como_se_cierra.endswith(
        "timonel breakers reset latency --symbol BTCUSDT --account sim-1 --reason WHY"
    )


def test_el_de_la_perdida_no_tiene_plazo_ni_se_cierra_a_mano(demonio: Demonio, motor: Engine):
    perdida = ClaseDisyuntor.DRAWDOWN
    demonio.un_cuadro({perdida: ReglaDisyuntor(0.02, 1, None, 1)}).medir(perdida, 0.03, INICIO_MS)
    demonio.alimentar()

    (suyo,) = listar_disyuntores(motor)

    assert (suyo.detiene, suyo.hasta_ms, "timonel" in suyo.como_se_cierra) == (True, None, False)
    assert suyo.como_json()["cool_down_ms"] is None


def test_un_nombre_se_lee_por_sus_partes():
    assert leer_id("a:b:binance:BTCUSDT:spread") == ("a:b", "binance", "BTCUSDT", "spread")
    assert leer_id("::BTCUSDT:stop_execution") == ("", "", "BTCUSDT", "stop_execution")
    assert leer_id("BTCUSDT:spread") is None


def test_cada_cambio_es_estado_historia_y_alerta(demonio: Demonio, motor: Engine):
    cuadro = demonio.un_cuadro()
    cuadro.medir(LATENCY, 812.4, INICIO_MS)
    cuadro.medir(LATENCY, 100.0, INICIO_MS + 60_000)
    cuadro.medir(VOLATILITY, 0.08, INICIO_MS + 60_001)
    demonio.alimentar()

    latency, volatility = listar_disyuntores(motor)
    assert (latency.state, latency.value, latency.opened_at_ms) == (EstadoDisyuntor.CLOSED, 100.0, None)
    assert (volatility.state, volatility.value, volatility.opened_at_ms) == (
        EstadoDisyuntor.OPEN,
        0.08,
        INICIO_MS + 60_001,
    )
    historia = historia_disyuntores(motor, kind="latency")
    assert [(c.previous_state, c.state, c.value, c.limit_value, c.unit) for c in historia] == [
        ("HALF_OPEN", "CLOSED", 100.0, 500.0, "ms"),
        ("OPEN", "HALF_OPEN", None, 500.0, "ms"),
        ("CLOSED", "OPEN", 812.4, 500.0, "ms"),
    ]
    assert historia[-1].reason == "812.4 ms: 1 sample in a row reached 500 ms"
    assert las_alertas(motor) == [
        (
            "WARNING",
            "BREAKER_OPENED",
            "the latency breaker of BTCUSDT is open, entries wait:"
            " 812.4 ms: 1 sample in a row reached 500 ms",
        ),
        (
            "INFO",
            "BREAKER_HALF_OPEN",
            "the latency breaker of BTCUSDT is on trial, entries wait:"
            " 60 s are over; 1 sample below the limit close it",
        ),
        (
            "INFO",
            "BREAKER_CLOSED",
            "the latency breaker of BTCUSDT is closed again: 100 ms: 1 sample in a row below 500 ms",
        ),
        (
            "WARNING",
            "BREAKER_OPENED",
            "the volatility breaker of BTCUSDT is open, entries wait: 8.00%: 1 sample in a row reached 5.00%",
        ),
    ]


def test_una_prueba_y_su_fracaso_son_alertas_de_otra_clase(demonio: Demonio, motor: Engine):
    """What comes and goes is told, and never in the place of a breaker that opens anew."""
    cuadro = demonio.un_cuadro()
    for i in range(2):
        cuadro.medir(LATENCY, 900.0, INICIO_MS + i * 60_000)
    demonio.alimentar()

    assert [(nivel, clase) for nivel, clase, _ in las_alertas(motor)] == [
        ("WARNING", "BREAKER_OPENED"),
        ("INFO", "BREAKER_HALF_OPEN"),
        ("INFO", "BREAKER_REOPENED"),
    ]
    assert las_alertas(motor)[-1][2] == (
        "the latency breaker of BTCUSDT is open again, entries wait: 900 ms on trial: 500 ms is reached again"
    )


def test_cada_prueba_que_fracasa_es_historia(demonio: Demonio, motor: Engine):
    cuadro = demonio.un_cuadro()
    for i in range(3):
        cuadro.medir(LATENCY, 900.0, INICIO_MS + i * 60_000)
    demonio.alimentar()

    assert [c.state for c in historia_disyuntores(motor)] == [
        "OPEN",
        "HALF_OPEN",
        "OPEN",
        "HALF_OPEN",
        "OPEN",
    ]


def test_un_reinicio_con_otras_reglas_conserva_el_estado_y_quita_lo_apagado(demonio: Demonio, motor: Engine):
    demonio.un_cuadro().medir(LATENCY, 900.0, INICIO_MS)
    demonio.un_cuadro({LATENCY: REGLAS[LATENCY]._replace(limite=400.0)})
    demonio.alimentar()

    (unico,) = listar_disyuntores(motor)

    assert (unico.kind, unico.state, unico.limit_value) == (LATENCY, EstadoDisyuntor.OPEN, 400.0)


def test_la_historia_va_por_paginas(demonio: Demonio, motor: Engine):
    cuadro = demonio.un_cuadro()
    for i in range(3):
        cuadro.medir(LATENCY, 900.0, INICIO_MS + i * 120_000)
        cuadro.medir(LATENCY, 1.0, INICIO_MS + i * 120_000 + 60_000)
    demonio.alimentar()

    primera = historia_disyuntores(motor, limite=4)
    segunda = historia_disyuntores(motor, limite=100, antes_de=primera[-1].id)

    assert [len(primera), len(segunda)] == [4, 5]
    assert [*primera, *segunda] == historia_disyuntores(motor)


def test_nadie_ve_los_de_otro_inquilino(demonio: Demonio, motor: Engine):
    demonio.un_cuadro().medir(LATENCY, 900.0, INICIO_MS)
    demonio.alimentar()

    assert listar_disyuntores(motor, "vecino") == []
    assert historia_disyuntores(motor, "vecino") == []
    assert buscar_disyuntor(motor, "vecino", "sim-1:binance:BTCUSDT:latency") is None
    encontrado = buscar_disyuntor(motor, "default", "sim-1:binance:BTCUSDT:latency")
    assert encontrado is not None
    assert encontrado.state is EstadoDisyuntor.OPEN


def test_el_modo_se_ve_con_quien_y_por_que(demonio: Demonio, motor: Engine):
    for modo in ("HALTED", "ACTIVE"):
        demonio.diario.anotar_luego(
            "risk", "RISK_MODE", INICIO_MS, {"mode": modo, "reason": "news", "by": "ana"}
        )
    demonio.alimentar()

    with leer(motor) as conexion:
        (modo,) = modos_de(conexion, "default")

    assert (modo.mode, modo.reason, modo.requested_by) == (ModoRiesgo.ACTIVE, "news", "ana")
    assert [(nivel, texto) for nivel, _, texto in las_alertas(motor)] == [
        ("WARNING", "risk mode HALTED for BTCUSDT, set by ana: news"),
        ("INFO", "risk mode ACTIVE for BTCUSDT, set by ana: news"),
    ]


class TestDeEjecuciones:
    def fallar(self, motor: Engine, hace_ms: int = 0) -> None:
        with escribir(motor) as conexion:
            ahora_ms = conexion.execute(select(ahora_bd())).scalar_one() - hace_ms
            for _ in range(3):
                tras_un_resultado(conexion, "casa", "BTCUSDT", ahora_ms, bien=False)

    def cerrar(self, motor: Engine) -> EstadoDisyuntor:
        with escribir(motor) as conexion:
            return cerrar_el_de_ejecuciones(conexion, "casa", "BTCUSDT", "the key was renewed", "ana")

    def test_esta_entre_los_demas(self, motor: Engine):
        self.fallar(motor)

        (suyo,) = listar_disyuntores(motor, "casa", exchange="binance")

        assert (suyo.kind, suyo.state, suyo.failures) == (
            ClaseDisyuntor.STOP_EXECUTION,
            EstadoDisyuntor.OPEN,
            3,
        )
        assert suyo.opened_at_ms is not None
        assert suyo.hasta_ms == suyo.opened_at_ms + 300_000

    def test_enfriado_deja_entrar_a_prueba(self, motor: Engine):
        self.fallar(motor, hace_ms=300_000)

        (suyo,) = listar_disyuntores(motor, "casa")

        assert (suyo.state, suyo.detiene, suyo.hasta_ms) == (EstadoDisyuntor.HALF_OPEN, False, None)

    def test_se_cierra_sin_demonio_con_motivo_y_nombre(self, motor: Engine):
        self.fallar(motor)

        assert self.cerrar(motor) is EstadoDisyuntor.OPEN

        with leer(motor) as conexion:
            assert leer_disyuntor(conexion, "casa", "BTCUSDT").estado is EstadoDisyuntor.CLOSED
        ultimo = historia_disyuntores(motor, "casa")[0]
        assert (ultimo.state, ultimo.reason, ultimo.requested_by) == ("CLOSED", "the key was renewed", "ana")
        assert las_alertas(motor)[-1][1] == "BREAKER_CLOSED"

    def test_su_historia_dice_por_que_cuanto_y_desde_que_estado(self, motor: Engine):
        """Opened, tried and opened again, tried and closed: every change with what was counted."""
        with escribir(motor) as conexion:
            for instante_ms, bien in ((1, False), (2, False), (3, False), (300_003, False), (900_000, True)):
                tras_un_resultado(conexion, "casa", "BTCUSDT", instante_ms, bien=bien)

        historia = historia_disyuntores(motor, "casa")[::-1]

        assert [(c.previous_state, c.state, c.value, c.occurred_at_ms) for c in historia] == [
            ("CLOSED", "OPEN", 3.0, 3),
            ("OPEN", "HALF_OPEN", 3.0, 300_003),
            ("HALF_OPEN", "OPEN", 4.0, 300_003),
            ("OPEN", "HALF_OPEN", 4.0, 600_003),
            ("HALF_OPEN", "CLOSED", 0.0, 900_000),
        ]
        assert [c.reason for c in historia] == [
            "3 executions failed in a row",
            "300 s are over; an execution that succeeds closes it",
            "4 executions failed in a row, the last one on trial",
            "300 s are over; an execution that succeeds closes it",
            "an execution succeeded",
        ]
        assert {(c.limit_value, c.unit) for c in historia} == {(3.0, "failures")}

    def test_uno_cerrado_a_mano_dice_que_era(self, motor: Engine):
        self.fallar(motor, hace_ms=300_000)

        assert self.cerrar(motor) is EstadoDisyuntor.HALF_OPEN

        assert [(c.previous_state, c.state, c.requested_by) for c in historia_disyuntores(motor, "casa")] == [
            ("HALF_OPEN", "CLOSED", "ana"),
            ("OPEN", "HALF_OPEN", None),
            ("CLOSED", "OPEN", None),
        ]

    def test_uno_cerrado_no_se_cierra_otra_vez(self, motor: Engine):
        with pytest.raises(SolicitudInvalida, match="closed already"):
            self.cerrar(motor)
