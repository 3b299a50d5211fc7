from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, Engine, insert

from src.nucleo.alertas import Regla
from src.produccion.alertas import respuestas
from src.produccion.alertas.bandeja import Destino, entregada, juntar, repartir, tomar
from src.produccion.almacen.conexion import escribir, leer
from src.produccion.almacen.demonios import DemonioNuevo, presentarse
from src.produccion.almacen.esquema import breakers, daemons, positions, risk_modes, trades
from src.produccion.almacen.ingesta import ingerir
from src.produccion.monitor.reglas import pausar, tras_un_resultado
from tests.produccion.alertas.apoyo import adelantar, avisar
from tests.produccion.almacen.diarios_de_prueba import (
    ABIERTA_MS,
    AGENTE,
    APERTURA,
    TITULAR,
    anadir,
    escribir_sesion,
    filas,
)

DIA_MS = 86_400_000


def decir(
    motor: Engine, respuesta: Callable[..., str], *argumento: str, client_id: str = "default"
) -> list[str]:
    def contestar(conexion: Connection) -> str:
        return respuesta(conexion, client_id, *argumento)

    with leer(motor) as conexion:
        return contestar(conexion).splitlines()


def una_sesion(motor: Engine, ruta: Path) -> None:
    ingerir(motor, escribir_sesion(ruta / "diario.sqlite"), "d", TITULAR)


def un_trade(
    motor: Engine,
    hace_dias: int,
    pnl: str,
    comision: str = "0",
    operacion: str = "cerrar_long",
    cuenta: str = "sim-1",
) -> None:
    valores = TITULAR._asdict() | {
        "account_id": cuenta,
        "operation": operacion,
        "status": "ok",
        "side": "SELL",
        "quantity": 1,
        "realized_pnl": pnl,
        "commission": comision,
        "executed_at_ms": time.time_ns() // 1_000_000 - hace_dias * DIA_MS,
    }
    with escribir(motor) as conexion:
        conexion.execute(insert(trades).values(valores))


def test_una_posicion_abierta_se_dice_con_lo_que_la_protege(motor: Engine, tmp_path: Path):
    nivel = {"operation": ABIERTA_MS, "quantity": 0.5, "entry": 100.2, "level": 90.0}
    abierta = filas(APERTURA, cuenta=[1_000.0, 0.5, 100.2])
    anadir(tmp_path / "d.sqlite", (AGENTE, "ROWS", abierta), ("protection", "LEVEL_SET", nivel))
    ingerir(motor, tmp_path / "d.sqlite", "d", TITULAR)

    assert decir(motor, respuestas.situacion) == [
        "BTCUSDT long 0.5 from 100.2 (sim-1)",
        "  at 100: +1.50",
        "  stop 90 (catastrophe)  target unknown",
    ]
    assert decir(motor, respuestas.situacion, client_id="ajeno") == ["no open positions"]


def test_una_posicion_que_nadie_protege_se_dice(motor: Engine):
    with escribir(motor) as conexion:
        quien = {"account_id": "sim-1", "symbol": "X", "client_id": "default", "user_id": "default"}
        conexion.execute(insert(positions).values(**quien, quantity=-2, updated_at_ms=1))
        pausar(conexion, "default", "holidays", 1)

    assert decir(motor, respuestas.situacion) == [
        "entries are paused: holidays",
        "X short 2 from unknown (sim-1)",
        "  at unknown: unknown; no stop is known",
    ]


def test_lo_ganado_se_suma_por_tramos_y_sin_perder_decimales(motor: Engine):
    for hace_dias, pnl in ((0, "0.1"), (0, "0.2"), (3, "-1"), (20, "10"), (400, "100")):
        un_trade(motor, hace_dias, pnl, "0.01")
    un_trade(motor, 0, "0", "0.05", "abrir_long")

    assert decir(motor, respuestas.ganancia) == [
        "sim:",
        "today             +0.23",
        "7 days            -0.78",
        "30 days           +9.21",
        "in all          +109.20",
        "5 positions closed, 80% won",
        "after commission, before funding",
    ]


def test_lo_ganado_en_un_ensayo_no_se_suma_al_dinero(motor: Engine):
    """A dry run beside a real account: neither total holds anything of the other."""
    un_trade(motor, 0, "1000", cuenta="sim-1")
    un_trade(motor, 0, "-1", cuenta="live-1")
    un_trade(motor, 0, "-2", cuenta="live-2")
    un_trade(motor, 400, "7", cuenta="testnet-1")

    dicho = decir(motor, respuestas.ganancia)
    assert [linea for linea in dicho if linea.endswith(":")] == ["live:", "sim:", "testnet:"]
    assert [linea.split()[-1] for linea in dicho if linea.startswith("today")] == [
        "-3.00",
        "+1000.00",
        "+0.00",
    ]
    assert next(linea for linea in dicho if "closed" in linea) == "2 positions closed, 0% won"
    assert [linea.split()[1:2] for linea in decir(motor, respuestas.dias, "1")] == [
        [],
        ["-3.00"],
        [],
        ["+1000.00"],
    ]


def test_sin_fills_no_hay_nada_que_sumar(motor: Engine):
    assert decir(motor, respuestas.ganancia) == ["nothing has been filled"]
    assert decir(motor, respuestas.dias, "3")[0].startswith("nothing has been filled since ")


def test_los_dias_salen_del_ultimo_al_primero(motor: Engine):
    un_trade(motor, 0, "3", "1")
    un_trade(motor, 1, "-1")
    un_trade(motor, 1, "-1")

    tres = decir(motor, respuestas.dias, "3")

    assert tres[0] == "sim:"
    assert [linea.split()[1:] for linea in tres[1:]] == [
        ["+2.00", "1", "fills"],
        ["-2.00", "2", "fills"],
        ["+0.00", "0", "fills"],
    ]
    assert [len(decir(motor, respuestas.dias, n)) for n in ("", "-1", "0", "99999999999", "500")] == [
        8,
        8,
        2,
        8,
        32,
    ]


def test_los_saldos_son_los_ultimos_de_cada_cuenta(motor: Engine, tmp_path: Path):
    una_sesion(motor, tmp_path)

    assert decir(motor, respuestas.saldos) == [
        "sim-1 BTCUSDT",
        "  balance 1000.00  equity 1001.50  2023-11-14 22:20:00",
    ]
    assert decir(motor, respuestas.saldos, client_id="ajeno") == ["no balance is known"]


def test_se_dice_todo_lo_que_impide_entrar(motor: Engine, tmp_path: Path):
    una_sesion(motor, tmp_path)
    ahora_ms = time.time_ns() // 1_000_000
    with escribir(motor) as conexion:
        pausar(conexion, "default", "holidays", ahora_ms)
        for _ in range(3):
            tras_un_resultado(conexion, "default", "ETHUSDT", ahora_ms, bien=False)

    assert decir(motor, respuestas.cerrojos) == [
        "tenant paused: holidays; undo: /startentry",
        "circuit breaker ETHUSDT stop_execution OPEN: 3 executions failed in a row; 300 s to cool down;"
        " an exit that succeeds closes it; by hand:"
        " timonel breakers reset stop_execution --symbol ETHUSDT --reason WHY",
        'latch sim-1 BTCUSDT: drawdown; on its machine: timonel live --train-id ID --unlock "reason"',
    ]
    abierto = ("risk", "UNLOCKED", {"reason": "checked", "by": "eva", "at": 1})
    anadir(tmp_path / "diario.sqlite", abierto)
    ingerir(motor, tmp_path / "diario.sqlite", "d", TITULAR)
    assert len(decir(motor, respuestas.cerrojos)) == 2


def test_los_disyuntores_medidos_y_los_modos_que_pone_alguien_se_dicen(motor: Engine):
    suyo = {"account_id": "sim-1", "symbol": "BTCUSDT", "client_id": "default"}
    modo = {"user_id": "default", "requested_by": "eva", "changed_at_ms": 1, "reason": "news"}
    clases = {"volatility": "OPEN", "spread": "CLOSED"}
    with escribir(motor) as conexion:
        for clase, estado in clases.items():
            valores = suyo | {"exchange": "sim", "kind": clase, "state": estado, "updated_at_ms": 1}
            conexion.execute(insert(breakers).values(valores | {"reason": "too much of it"}))
        conexion.execute(insert(risk_modes).values(suyo | modo | {"mode": "HALTED"}))
        conexion.execute(insert(risk_modes).values(suyo | modo | {"mode": "ACTIVE", "symbol": "ETHUSDT"}))

    assert decir(motor, respuestas.cerrojos) == [
        "risk mode sim-1 BTCUSDT HALTED: set by eva: news;"
        " timonel risk mode ACTIVE --symbol BTCUSDT --account sim-1 --reason WHY",
        "circuit breaker sim-1 BTCUSDT volatility OPEN: too much of it; healthy samples close it;"
        " by hand: timonel breakers reset volatility --symbol BTCUSDT --account sim-1 --reason WHY",
    ]
    assert decir(motor, respuestas.cerrojos, client_id="ajeno") == ["nothing is locked"]


def test_un_demonio_callado_se_nota(motor: Engine):
    presentarse(motor, DemonioNuevo("sim-1", "BTCUSDT", 1, "aqui"))
    avisar(motor, "espera")
    assert decir(motor, respuestas.salud) == [
        "BTCUSDT (sim-1) lives, last sign 0 s ago",
        "alerts of 24 h: 0 sent, 1 waiting, 0 given up",
    ]
    with escribir(motor) as conexion:
        conexion.execute(daemons.update().values(heartbeat_ms=daemons.c.heartbeat_ms - 60_000))
    assert decir(motor, respuestas.salud)[0] == "BTCUSDT (sim-1) SILENT, last sign 60 s ago"
    assert decir(motor, respuestas.salud, client_id="ajeno") == [
        "no daemon is known",
        "alerts of 24 h: 0 sent, 0 waiting, 0 given up",
    ]


def test_el_reparto_que_se_dice_es_el_del_inquilino(motor: Engine):
    """What one channel was told of two tenants is counted for each, and a digest for neither."""
    regla, todos = Regla(por_clase=1, ventana_ms=1_000), Destino("telegram:eva")
    avisar(motor, "uno", "dos", "tres")
    avisar(motor, "ajeno", client_id="ajeno", clase="shutdown")
    repartir(motor, [todos], regla)
    while (entrega := tomar(motor, todos, regla)) is not None:
        entregada(motor, entrega)
    adelantar(motor, 2_000)
    juntar(motor, todos)
    avisar(motor, "luego", client_id="ajeno")

    assert decir(motor, respuestas.salud)[-1] == "alerts of 24 h: 1 sent, 0 waiting, 0 given up"
    assert decir(motor, respuestas.salud, client_id="ajeno")[-1] == (
        "alerts of 24 h: 1 sent, 1 waiting, 0 given up"
    )


def test_los_ultimos_avisos_son_los_del_inquilino(motor: Engine):
    avisar(motor, *(f"m{i}" for i in range(12)))
    avisar(motor, "secreto", client_id="ajeno")

    dichos = decir(motor, respuestas.ultimos_avisos, "")

    assert len(dichos) == 10
    assert dichos[-1] == "2023-11-14 22:13:20 INFO BTCUSDT startup: m11"
    assert decir(motor, respuestas.ultimos_avisos, "2")[0].endswith("m10")
