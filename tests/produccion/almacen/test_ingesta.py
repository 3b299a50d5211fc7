from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import orjson
import pytest
from sqlalchemy import Engine, delete, func, insert, select, text
from sqlalchemy.exc import DBAPIError

from src.nucleo.errores import DiarioCorrupto
from src.nucleo.frenos import apretar, nuevo_freno
from src.nucleo.tipos import EscalaPrecio
from src.produccion.almacen import ingesta
from src.produccion.almacen.conexion import leer
from src.produccion.almacen.ejecuciones import EstadoEjecucion
from src.produccion.almacen.esquema import (
    alerts,
    balance_snapshots,
    journal_cursors,
    order_events,
    orders,
    positions,
    stop_events,
    stop_executions,
    stop_orders,
    trades,
)
from src.produccion.almacen.eventos_stop import (
    EventoStopNuevo,
    FuenteStop,
    TipoEventoStop,
    anotar_evento,
    ejecucion_de,
)
from src.produccion.almacen.ingesta import ingerir
from src.produccion.almacen.lectura_diario import nombre_diario
from src.produccion.almacen.operaciones import (
    EstadoOperacion,
    id_operacion,
    operaciones_activas,
    ultima_operacion,
)
from src.produccion.almacen.proyecciones import reconstruir
from src.produccion.diario.reparacion_diario import reparar
from tests.produccion.almacen.diarios_de_prueba import (
    ABIERTA_MS,
    AGENTE,
    PROTEGIDA,
    TITULAR,
    anadir,
    escribir_sesion,
    filas,
    una_fila,
)
from tests.produccion.diarios import sin_disparadores

OPERACION = id_operacion("sim-1", "BTCUSDT", ABIERTA_MS)
FRENO = nuevo_freno(100.2, 95.0, 110.0, 100.2, 0, largo=True)
NIVEL = {"operation": ABIERTA_MS + 1, "quantity": 0.5, "entry": 100.2, "level": 90.0}
A_MANO = apretar(FRENO, 97.0, 99.0, EscalaPrecio(1, 10), "break_even")


@pytest.fixture
def ruta(tmp_path: Path) -> Path:
    return escribir_sesion(tmp_path / "sim-1" / "BTCUSDT" / "diario.sqlite")


def alimentar(motor: Engine, ruta: Path, limite: int = 500) -> int:
    return ingerir(motor, ruta, nombre_diario(ruta, "sim-1/BTCUSDT"), TITULAR, limite)


def contar(motor: Engine) -> dict[str, int]:
    with leer(motor) as conexion:
        return {
            tabla.name: conexion.execute(select(func.count()).select_from(tabla)).scalar_one()
            for tabla in (orders, trades, balance_snapshots, positions, stop_events, alerts)
        }


def test_cada_paso_de_una_orden_es_un_suceso_con_su_numero(motor: Engine, ruta: Path):
    alimentar(motor, ruta, limite=3)
    alimentar(motor, ruta)
    alimentar(motor, ruta)

    with leer(motor) as conexion:
        sucesos = conexion.execute(select(order_events).order_by(order_events.c.id)).mappings().all()
        orden = conexion.execute(select(orders)).mappings().one()
    assert [(s["status"], s["attempts"], s["average_price"]) for s in sucesos] == [
        ("INTENT", 0, None),
        ("SENT", 1, None),
        ("FILLED", 1, Decimal("100.2")),
    ]
    assert {campo: sucesos[-1][campo] for campo in orden} == dict(orden)


def test_una_sesion_entera_llega_a_cada_tabla(motor: Engine, ruta: Path):
    assert alimentar(motor, ruta) == 11

    with leer(motor) as conexion:
        orden = conexion.execute(select(orders)).mappings().one()
        posicion = conexion.execute(select(positions)).mappings().one()
        abierto, cerrado = conexion.execute(select(trades).order_by(trades.c.id)).mappings()
        operacion = ultima_operacion(conexion, "sim-1", "BTCUSDT")
        avisos = conexion.execute(select(alerts).order_by(alerts.c.id)).mappings().all()
        assert operacion is not None
        assert operacion.stop_execution_token is not None
        ejecucion = ejecucion_de(conexion, operacion.stop_execution_token)
    assert (orden["status"], orden["exchange_order_id"], orden["average_price"]) == (
        "FILLED",
        7,
        Decimal("100.2"),
    )
    assert (orden["attempts"], orden["created_at_ms"]) == (1, ABIERTA_MS - 200)
    assert (posicion["quantity"], posicion["entry_price"]) == (0, None)
    assert (abierto["price"], abierto["side"], abierto["operation_id"]) == (
        Decimal("100.2"),
        "BUY",
        OPERACION,
    )
    assert (cerrado["price"], cerrado["side"], cerrado["operation_id"]) == (
        Decimal("94.9"),
        "SELL",
        OPERACION,
    )
    assert cerrado["executed_at_ms"] == 1_700_000_400_000
    assert (operacion.status, operacion.closed_at_ms) == (EstadoOperacion.CLOSED, ABIERTA_MS + 40)
    assert (operacion.initial_stop_price, operacion.stop_price) == (Decimal(90), Decimal(95))
    assert operacion.stop_execution_token == f"{OPERACION}:95:{ABIERTA_MS + 10}"
    assert ejecucion is not None
    assert (ejecucion.status, ejecucion.source) == (EstadoEjecucion.EXECUTED, "ws")
    assert (ejecucion.fill_price, ejecucion.quantity, ejecucion.side) == (
        Decimal("94.9"),
        Decimal("0.5"),
        "SELL",
    )
    assert ejecucion.exchange_order_id == "9"
    assert [(aviso["level"], aviso["kind"], aviso["message"]) for aviso in avisos] == [
        ("INFO", "startup", "session s has started"),
        ("INFO", "position_opened", "opened long 0.5 at 100.2"),
        (
            "INFO",
            "position_closed",
            "closed long 0.5 at 94.9: -2.67 after commission for the whole position (proteccion)",
        ),
        ("CRITICAL", "LATCHED", "drawdown"),
    ]


def test_cada_stop_tiene_su_fila_con_lo_ultimo_que_se_supo(motor: Engine, ruta: Path):
    ficha = {"token": "r", "side": "SELL", "trigger": 95.5, "quantity": None, "type": "STOP_MARKET"}
    meta = ficha | {"trigger": 110.0, "quantity": 0.5, "type": "TAKE_PROFIT_MARKET"}
    anadir(
        ruta,
        ("stop:tm-a", "STOP_INTENT", ficha),
        ("stop:tm-a", "STOP_PLACED", {"algo_id": 3}),
        ("stop:tm-a", "STOP_TRIGGERED", {"order_id": 12}),
        ("stop:tm-b", "STOP_INTENT", meta),
        ("stop:tm-b", "STOP_REJECTED", {"code": -2021, "reason": "would trigger at once"}),
        ("stop:tm-hallado", "STOP_PLACED", ficha | {"algo_id": 4}),
    )
    alimentar(motor, ruta)

    with leer(motor) as conexion:
        filas_ = conexion.execute(select(stop_orders)).mappings().all()
    vistas = {f["client_order_id"]: f for f in filas_}
    disparado, negada, hallado = vistas["tm-a"], vistas["tm-b"], vistas["tm-hallado"]
    assert (disparado["status"], disparado["exchange_order_id"]) == ("TRIGGERED", 12)
    assert (disparado["trigger_price"], disparado["quantity"]) == (Decimal("95.5"), None)
    assert (negada["status"], negada["code"], negada["quantity"]) == ("REJECTED", -2021, Decimal("0.5"))
    assert (negada["type"], negada["reason"]) == ("TAKE_PROFIT_MARKET", "would trigger at once")
    assert (hallado["status"], hallado["account_id"]) == ("ACCEPTED", "sim-1")


def test_una_posicion_que_se_cierra_por_no_tener_stop_es_una_alerta(motor: Engine, ruta: Path):
    motivo = "no stop could be placed at 88.5: refused (code -1111)"
    contenido = {"session": "s", "reason": motivo, "quantity": -0.5, "entry": 80.0, "stop": 88.5}
    anadir(ruta, (AGENTE, "PROTECTION_LOST", contenido))
    alimentar(motor, ruta)

    with leer(motor) as conexion:
        perdida = alerts.c.kind == "PROTECTION_LOST"
        alerta = conexion.execute(select(alerts).where(perdida)).mappings().one()
    assert (alerta["level"], alerta["symbol"]) == ("CRITICAL", "BTCUSDT")
    assert alerta["message"] == (
        "the position of -0.5 BTCUSDT is closed at market, its protection failed: no stop could be placed at"
        " 88.5: refused (code -1111)"
    )
    assert orjson.loads(alerta["payload_json"]) == contenido


def test_en_lotes_o_de_una_vez_o_dos_veces_sale_lo_mismo(motor: Engine, ruta: Path):
    while alimentar(motor, ruta, limite=2):
        pass

    assert contar(motor) == {
        "orders": 1,
        "trades": 2,
        "balance_snapshots": 2,
        "positions": 1,
        "stop_events": 2,
        "alerts": 4,
    }
    assert alimentar(motor, ruta) == 0


def test_muerto_a_mitad_de_un_lote_no_queda_nada_de_el(
    motor: Engine, ruta: Path, monkeypatch: pytest.MonkeyPatch
):
    alimentar(motor, ruta, limite=4)
    antes = contar(motor)

    def morir(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as parche:
        parche.setattr(ingesta, "_ESCRITORES", {**ingesta._ESCRITORES, "STOP_TRIGGERED": (morir,)})
        with pytest.raises(KeyboardInterrupt):
            alimentar(motor, ruta)

    assert contar(motor) == antes
    with leer(motor) as conexion:
        assert conexion.execute(select(journal_cursors.c.last_seq)).scalar() == 4
    assert alimentar(motor, ruta) == 7
    assert contar(motor)["stop_events"] == 2


def test_una_base_reiniciada_a_mitad_de_un_lote_no_pierde_ni_repite(motor: Engine, ruta: Path, monkeypatch):
    if motor.dialect.name == "sqlite":
        pytest.skip("there is no server to restart")

    def reiniciar(conexion, *_: object) -> None:
        pid = conexion.execute(text("SELECT pg_backend_pid()")).scalar()
        with motor.connect() as otra:
            otra.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        conexion.execute(text("SELECT 1"))

    with monkeypatch.context() as parche:
        parche.setattr(ingesta, "_ESCRITORES", {**ingesta._ESCRITORES, "STOP_TRIGGERED": (reiniciar,)})
        with pytest.raises(DBAPIError):
            alimentar(motor, ruta)
    assert sum(contar(motor).values()) == 0

    assert alimentar(motor, ruta) == 11
    assert contar(motor)["trades"] == 2


def test_un_apunte_que_no_cabe_en_ninguna_fila_se_dice_y_lo_demas_llega(motor: Engine, ruta: Path, bitacora):
    anadir(
        ruta, ("protection", "LEVEL_SET", {"operation": "x"}), ("order:tm-9", "ORDER_INTENT", {"symbol": "X"})
    )
    anadir(ruta, ("risk", "UNLOCKED", {"reason": "checked", "by": "eva", "at": 1}))

    assert alimentar(motor, ruta) == 14

    assert [e["seq"] for e in bitacora if e["event"] == "apunte_sin_fila"] == [12, 13]
    assert contar(motor)["alerts"] == 5


@pytest.mark.parametrize(
    "apunte",
    [
        ("ROWS", filas(una_fila(operacion="abrir_long", cantidad=0.0), cuenta=[1.0])),
        ("ROWS", filas(PROTEGIDA | {"cantidad": 0.0}, cuenta=[1.0])),
        ("LEVEL_SET", NIVEL | {"brake": "x"}),
        ("LEVEL_SET", NIVEL | {"operation": 2**63}),
    ],
    ids=["fill of nothing", "stop of nothing", "brake without fields", "beyond 64 bits"],
)
def test_ningun_apunte_detiene_a_los_que_le_siguen(
    motor: Engine, ruta: Path, bitacora, apunte: tuple[str, dict[str, object]]
):
    anadir(ruta, ("x", *apunte), ("risk", "UNLOCKED", {"reason": "checked", "by": "eva", "at": 1}))

    assert alimentar(motor, ruta) == 13

    assert [e["seq"] for e in bitacora if e["event"] == "apunte_sin_fila"] == [12]
    assert contar(motor)["alerts"] == 5


@pytest.mark.parametrize("nombre", ["break_even", A_MANO.nivel])
@pytest.mark.parametrize(("nivel", "puesto"), [(90.0, ("97", "break_even")), (98.0, ("98", "catastrophe"))])
def test_el_stop_de_una_operacion_es_el_que_el_mercado_encuentra_antes(
    motor: Engine, tmp_path: Path, nombre: str, nivel: float, puesto: tuple[str, str]
):
    freno = {"long": True, "initial": 95.0, "stop": 97.0, "target": 110.0, "name": nombre}
    contenido = {"operation": ABIERTA_MS, "quantity": 0.5, "entry": 100.2, "level": nivel, "brake": freno}
    ruta = tmp_path / "diario.sqlite"
    anadir(ruta, ("protection", "LEVEL_SET", contenido))

    assert alimentar(motor, ruta) == 1

    with leer(motor) as conexion:
        operacion = ultima_operacion(conexion, "sim-1", "BTCUSDT")
    assert operacion is not None
    assert operacion.target_price == 110
    assert (str(operacion.stop_price), operacion.ts_level_applied) == puesto


def test_un_diario_alterado_no_se_toma(motor: Engine, ruta: Path):
    sin_disparadores(ruta, "UPDATE events SET payload_json = '{}' WHERE seq = 3")

    with pytest.raises(DiarioCorrupto, match="record 3"):
        alimentar(motor, ruta)

    assert sum(contar(motor).values()) == 0


def test_los_diarios_de_dos_simulaciones_de_la_misma_cuenta_son_dos(tmp_path: Path):
    primero, segundo = (escribir_sesion(tmp_path / carpeta / "diario.sqlite") for carpeta in "ab")

    nombre = nombre_diario(primero, "sim-1/BTCUSDT")

    assert nombre == nombre_diario(primero, "sim-1/BTCUSDT") != nombre_diario(segundo, "sim-1/BTCUSDT")
    assert nombre.startswith("sim-1/BTCUSDT#")
    assert sorted(ruta.name for ruta in (tmp_path / "a").iterdir()) == ["diario.id", "diario.sqlite"]


def test_un_diario_mas_corto_que_su_cursor_sigue_desde_su_final(motor: Engine, ruta: Path, bitacora):
    diario = nombre_diario(ruta, "sim-1/BTCUSDT")
    with motor.begin() as conexion:
        conexion.execute(insert(journal_cursors).values(journal=diario, last_seq=99))

    assert alimentar(motor, ruta) == 0
    anadir(ruta, ("risk", "UNLOCKED", {"reason": "checked", "by": "eva", "at": 1}))

    assert alimentar(motor, ruta) == 1
    assert [e["cursor"] for e in bitacora if e["event"] == "diario_mas_corto"] == [99]


def anadir_compras(ruta: Path, *nombres: str) -> None:
    """One record each, in two aggregates by turns."""
    compras = [
        filas(una_fila(operacion="abrir_long", cantidad=0.5, trade_id=n), cuenta=[1.0]) for n in nombres
    ]
    anadir(ruta, *((f"agent:{i % 2}", "ROWS", compra) for i, compra in enumerate(compras)))


@pytest.mark.parametrize("tocado", ["UPDATE events SET payload_json = '{}'", "DELETE FROM events"])
@pytest.mark.parametrize(
    ("leidos", "esperados"),
    [
        (0, "1 2 3 4 6 8"),
        (4, "1 2 3 4 6 8"),
        (6, "1 2 3 4 5 6 8"),
        (7, "1 2 3 4 5 6 7 8"),
        (9, "1 2 3 4 5 6 7 8 9"),
    ],
)
def test_tras_una_reparacion_cada_apunte_llega_una_vez(
    motor: Engine, tmp_path: Path, tocado: str, leidos: int, esperados: str
):
    """However much had been fed before it, and though the daemon writes before the feeder's first turn."""
    ruta = tmp_path / "estado" / "sim-1" / "BTCUSDT" / "diario.sqlite"
    anadir_compras(ruta, *"123456789")
    if leidos:
        alimentar(motor, ruta, limite=leidos)
    sin_disparadores(ruta, f"{tocado} WHERE seq = 5")
    reparar(ruta)  # 5, 7 and 9 are lost
    anadir_compras(ruta, *"abcde")

    while alimentar(motor, ruta, limite=3):
        pass

    with leer(motor) as conexion:
        llegados = conexion.execute(select(trades.c.trade_id).order_by(trades.c.id)).scalars().all()
    assert llegados == [*esperados.split(), *"abcde"]


def test_de_un_diario_perdido_no_queda_cursor(motor: Engine, ruta: Path):
    alimentar(motor, ruta)
    ruta.write_bytes(b"")
    reparar(ruta)

    assert alimentar(motor, ruta) == 1

    with leer(motor) as conexion:
        niveles = conexion.execute(select(alerts.c.message).order_by(alerts.c.id)).scalars().all()
    assert niveles[-1] == "journal_repaired"


MEDIA = PROTEGIDA | {"cantidad": 0.2, "precio_salida": 94.0, "operacion": "reducir_long"}
RESTO = PROTEGIDA | {"cantidad": 0.3, "precio_salida": 93.0}


def un_stop(ruta: Path, *apuntes: tuple[str, str, dict[str, object]]) -> Path:
    """A position of 0.5 with a stop at 95, and what came then."""
    nivel = {"operation": ABIERTA_MS, "quantity": 0.5, "entry": 100.2, "level": 95.0}
    apertura = una_fila(operacion="abrir_long", cantidad=0.5, precio_entrada=100.2)
    anadir(
        ruta,
        (AGENTE, "ROWS", filas(apertura, cuenta=[1_000.0, 0.5, 100.2])),
        ("protection", "LEVEL_SET", nivel),
        *apuntes,
        ("protection", "LEVEL_CLEARED", {}),
    )
    return ruta


def ejecuciones_de(motor: Engine) -> tuple[list[tuple[int, Decimal]], Decimal, Decimal, Decimal]:
    """Attempt and quantity of each execution of the one stop; quantity, price and slippage of all."""
    with leer(motor) as conexion:
        consulta = select(stop_events).where(stop_events.c.event_type == TipoEventoStop.EXECUTED.value)
        eventos = conexion.execute(consulta.order_by(stop_events.c.version)).mappings().all()
        todas = conexion.execute(select(stop_executions)).mappings().one()
    cada_una = [(evento["attempt"], evento["quantity"]) for evento in eventos]
    return cada_una, todas["quantity"], todas["fill_price"], round(todas["slippage_pct"], 9)


def enviada_por_otro(*, ejecutada: str | None, id_cliente: str = "tm-monitor") -> list[EventoStopNuevo]:
    """What a monitor tells of its order."""
    token = f"{OPERACION}:95:{ABIERTA_MS + 100}"
    enviada = EventoStopNuevo(
        token, TipoEventoStop.EXECUTION_SUBMITTED, ABIERTA_MS, "BTCUSDT", FuenteStop.CRON, OPERACION
    )
    enviada = enviada._replace(quantity="0.5", payload={"client_order_id": id_cliente})
    hecha = enviada._replace(
        tipo=TipoEventoStop.EXECUTED, quantity=ejecutada, fill_price=94, slippage_pct=1, payload={}
    )
    return [enviada] if ejecutada is None else [enviada, hecha]


def anotar(motor: Engine, *eventos: EventoStopNuevo) -> None:
    with motor.begin() as conexion:
        for evento in eventos:
            anotar_evento(conexion, evento)


def test_un_stop_que_se_ejecuta_en_dos_veces_las_suma(motor: Engine, tmp_path: Path):
    """Half is booked, the rest is closed; fed twice they are the same two."""
    ruta = un_stop(
        tmp_path / "diario.sqlite",
        (AGENTE, "ROWS", filas(MEDIA, cuenta=[999.0, 0.3, 100.2])),
        (AGENTE, "ROWS", filas(RESTO, cuenta=[997.0])),
    )

    for _ in range(2):
        alimentar(motor, ruta)
        with motor.begin() as conexion:
            conexion.execute(delete(journal_cursors))

    assert ejecuciones_de(motor) == (
        [(1, Decimal("0.2")), (2, Decimal("0.3"))],
        Decimal("0.5"),
        Decimal("93.4"),
        Decimal("1.684210526"),
    )
    assert reconstruir(motor).distintas == 0


@pytest.mark.parametrize("movido", [False, True], ids=["level as it was", "level moved"])
@pytest.mark.parametrize(
    ("cuenta", "tamano"),
    [
        ([999.0, 0.3, 100.2], ("0.3", "100.2")),
        ([999.0, 0.8, 101.5], ("0.8", "101.5")),
        ([999.0, -0.3, 99.0], ("0.5", "100.2")),  # of the other side: another operation, named later
    ],
    ids=["reducida", "aumentada", "del otro lado"],
)
def test_la_operacion_mide_lo_que_queda_abierto_haga_lo_que_haga_su_nivel(
    motor: Engine, tmp_path: Path, cuenta: list[float], tamano: tuple[str, str], movido: bool
):
    ruta = tmp_path / "diario.sqlite"
    nivel = {"operation": ABIERTA_MS, "quantity": 0.5, "entry": 100.2, "level": 95.0}
    decidida = una_fila(operacion="reducir_long", cantidad=0.2, precio_entrada=100.2, precio_salida=101.0)
    anadir(
        ruta,
        ("protection", "LEVEL_SET", nivel),
        (AGENTE, "ROWS", filas(decidida, cuenta=cuenta)),
        *([("protection", "LEVEL_SET", nivel | {"level": 99.0})] if movido else []),
    )

    alimentar(motor, ruta)

    with leer(motor) as conexion:
        (operacion,) = operaciones_activas(conexion)
    assert (operacion.quantity, operacion.average_entry_price) == tuple(map(Decimal, tamano))


def test_una_vuelta_que_no_pasa_por_plana_acaba_con_la_operacion_anterior(motor: Engine, tmp_path: Path):
    ruta = tmp_path / "diario.sqlite"
    nivel = {"operation": ABIERTA_MS, "quantity": 0.5, "entry": 100.2, "level": 95.0}
    corta = {"operation": ABIERTA_MS + 1, "quantity": -0.3, "entry": 101.0, "level": 106.0}
    anadir(ruta, ("protection", "LEVEL_SET", nivel), ("protection", "LEVEL_SET", corta))

    alimentar(motor, ruta)

    with leer(motor) as conexion:
        activas = operaciones_activas(conexion)
    assert [(una.side, una.quantity) for una in activas] == [("SELL", Decimal("0.3"))]


def test_dos_ordenes_en_un_apunte_son_dos_ejecuciones(motor: Engine, tmp_path: Path):
    apunte = filas(MEDIA, MEDIA, RESTO, cuenta=[997.0], ordenes=["hija", "hija", "tm-propia"])
    alimentar(motor, un_stop(tmp_path / "diario.sqlite", (AGENTE, "ROWS", apunte)))

    assert ejecuciones_de(motor)[:2] == ([(1, Decimal("0.4")), (2, Decimal("0.3"))], Decimal("0.7"))


def test_a_lo_que_ejecuto_un_monitor_se_suma_lo_demas(motor: Engine, tmp_path: Path):
    anotar(motor, *enviada_por_otro(ejecutada="0.2"))
    apuntes = [
        (AGENTE, "ROWS", filas(MEDIA, cuenta=[999.0, 0.3, 100.2], ordenes=["tm-monitor"])),
        (AGENTE, "ROWS", filas(RESTO, cuenta=[997.0], ordenes=["tm-propia"])),
    ]
    alimentar(motor, un_stop(tmp_path / "diario.sqlite", *apuntes))

    assert ejecuciones_de(motor)[:3] == (
        [(1, Decimal("0.2")), (2, Decimal("0.3"))],
        Decimal("0.5"),
        Decimal("93.4"),
    )
    assert reconstruir(motor).distintas == 0


def test_lo_que_un_monitor_cuenta_tarde_no_se_suma_otra_vez(motor: Engine, tmp_path: Path):
    anotar(motor, *enviada_por_otro(ejecutada=None))
    apuntes = [
        (AGENTE, "ROWS", filas(fila, cuenta=[999.0], ordenes=["tm-monitor"])) for fila in (MEDIA, RESTO)
    ]
    alimentar(motor, un_stop(tmp_path / "diario.sqlite", *apuntes))

    anotar(motor, *enviada_por_otro(ejecutada="0.5"))

    assert ejecuciones_de(motor)[:2] == ([(1, Decimal("0.2")), (2, Decimal("0.3"))], Decimal("0.5"))


def test_el_disparo_precede_a_la_ejecucion(motor: Engine, ruta: Path):
    alimentar(motor, ruta)

    with leer(motor) as conexion:
        ejecucion = conexion.execute(select(stop_executions)).mappings().one()
    assert ejecucion["triggered_at_ms"] == ABIERTA_MS + 20 < ejecucion["executed_at_ms"]
