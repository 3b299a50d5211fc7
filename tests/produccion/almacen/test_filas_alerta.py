from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from sqlalchemy import Engine, select

from src.nucleo.ordenes import Plan
from src.nucleo.riesgo import Anclas, validar_escalones
from src.nucleo.tipos import Operacion
from src.produccion.almacen.conexion import leer
from src.produccion.almacen.esquema import alerts, balance_snapshots, outbox
from src.produccion.almacen.ingesta import ingerir
from tests.produccion.almacen.diarios_de_prueba import (
    ABIERTA_MS,
    AGENTE,
    APERTURA,
    PROTEGIDA,
    TITULAR,
    anadir,
    filas,
    una_fila,
)

NIVEL = {"operation": ABIERTA_MS, "quantity": 0.5, "entry": 100.2, "level": 90.0}
REDUCCION = una_fila(
    operacion="reducir_long",
    cantidad=0.2,
    precio_entrada=100.2,
    precio_salida=98.0,
    pnl_parcial=-0.44,
    comision=0.01,
    trade_id="t1",
)


def avisos(motor: Engine, ruta: Path, *apuntes: tuple[str, str, dict[str, object]], perdida: float = 0.02):
    anadir(ruta, *apuntes)
    ingerir(motor, ruta, "d", TITULAR, perdida_grande=perdida)
    with leer(motor) as conexion:
        return conexion.execute(select(alerts).order_by(alerts.c.id)).mappings().all()


def de_filas(*filas_: dict[str, object]) -> tuple[str, str, dict[str, object]]:
    return AGENTE, "ROWS", filas(*filas_, cuenta=[1_000.0])


@pytest.fixture
def ruta(tmp_path: Path) -> Path:
    return tmp_path / "diario.sqlite"


def test_el_cierre_dice_lo_que_gano_la_posicion_entera(motor: Engine, ruta: Path):
    apertura, cierre = de_filas(APERTURA), de_filas(PROTEGIDA)
    hechos = avisos(motor, ruta, apertura, ("protection", "LEVEL_SET", NIVEL), de_filas(REDUCCION), cierre)

    assert [a["kind"] for a in hechos] == ["position_opened", "position_closed"]
    assert orjson.loads(hechos[1]["payload_json"])["net"] == pytest.approx(-2.65 - 0.44 - 0.02 - 0.01)
    assert hechos[1]["message"] == (
        "closed long 0.5 at 94.9: -3.12 after commission for the whole position (proteccion)"
    )


def test_sin_saber_de_que_operacion_es_el_cierre_no_habla_de_la_posicion_entera(motor: Engine, ruta: Path):
    hechos = avisos(motor, ruta, de_filas(PROTEGIDA))

    assert hechos[0]["message"] == "closed long 0.5 at 94.9: -2.65 after commission (proteccion)"


def test_lo_que_se_cierra_al_salir_dice_que_fue_por_eso(motor: Engine, ruta: Path):
    """Its row is `manual`, as those of a person's trade are; only its order tells them apart."""

    def cerrada(orden: str) -> tuple[str, str, dict[str, object]]:
        return AGENTE, "ROWS", filas(PROTEGIDA | {"status": "manual"}, cuenta=[1_000.0], ordenes=[orden])

    def intencion(motivo: str) -> dict[str, object]:
        ficha = {"token": f"{motivo}:{TITULAR.agent_id}:1:s-1:0:0", "symbol": "BTCUSDT", "side": "SELL"}
        return ficha | {"quantity": 0.5, "reduce_only": True, "position": 0.5}

    hechos = avisos(
        motor,
        ruta,
        ("order:tm-salida", "ORDER_INTENT", intencion("exit")),
        cerrada("tm-salida"),
        ("order:tm-pedida", "ORDER_INTENT", intencion("guardian")),
        cerrada("tm-pedida"),
        cerrada("de-otro"),
        perdida=0.001,
    )

    assert [(a["kind"], a["message"].rpartition("(")[2]) for a in hechos] == [
        *(("position_closed", "on exit)"), ("large_loss", "on exit)")),
        *(("position_closed", "manual)"), ("large_loss", "manual)")) * 2,
    ]


@pytest.mark.parametrize(("perdida", "grandes"), [(0.002, 1), (0.003, 0)])
def test_una_perdida_es_grande_desde_la_fraccion_que_se_pide(
    motor: Engine, ruta: Path, perdida: float, grandes: int
):
    hechos = avisos(motor, ruta, de_filas(PROTEGIDA), perdida=perdida)

    assert [a["kind"] for a in hechos].count("large_loss") == grandes
    if grandes:
        assert (hechos[1]["level"], hechos[1]["message"]) == (
            "ERROR",
            "lost 2.65, 0.26% of the equity, with long 0.5 at 94.9 (proteccion)",
        )
        assert [(a["journal"], a["seq"]) for a in hechos] == [("d", 1), (None, None)]


def test_varias_filas_de_un_apunte_dan_sus_avisos_y_no_pierden_las_demas(motor: Engine, ruta: Path):
    hechos = avisos(motor, ruta, de_filas(PROTEGIDA, APERTURA, una_fila()), perdida=0.001)

    assert [a["kind"] for a in hechos] == ["position_closed", "large_loss", "position_opened"]
    with leer(motor) as conexion:
        assert len(conexion.execute(select(balance_snapshots)).all()) == 1


def test_una_perdida_que_pausa_las_entradas_se_dice_una_vez_por_plazo(motor: Engine, ruta: Path):
    plan = Plan(Operacion.ABRIR_LONG, (1.0,), False)
    dia, mes = Anclas(0, 1_000.0, 0, 1.0), Anclas(0, 1.0, 0, 1_000.0)
    rechazos = [validar_escalones(plan, 940.0, anclas, 0.1) for anclas in (dia, dia, mes)]
    rechazadas = [
        una_fila(status="rechazada", error=f"{rechazo.rechazo.value}: {rechazo.detalle}")
        for rechazo in rechazos
    ]
    otra = una_fila(status="rechazada", error="entries_blocked: liquidation is near")

    hechos = avisos(motor, ruta, *(de_filas(fila) for fila in (*rechazadas, otra)))

    assert [(a["level"], a["kind"], orjson.loads(a["payload_json"])["tier"]) for a in hechos] == [
        ("WARNING", "risk_limit", "daily"),
        ("WARNING", "risk_limit", "monthly"),
    ]
    assert hechos[0]["message"].endswith("no entries until 1970-01-02T00:00Z")


def test_el_principio_la_vuelta_y_el_fin_de_una_sesion_se_dicen(motor: Engine, ruta: Path):
    sesion = {"session": "s", "train_id": "x"}
    hechos = avisos(
        motor,
        ruta,
        (AGENTE, "SESSION_STARTED", sesion),
        (AGENTE, "SESSION_RESUMED", sesion),
        (AGENTE, "SESSION_ENDED", {**sesion, "reason": "interrupted"}),
    )

    assert [(a["level"], a["kind"], a["message"]) for a in hechos] == [
        ("INFO", "startup", "session s has started"),
        ("WARNING", "startup", "session s goes on; it had been cut short"),
        ("INFO", "shutdown", "session s has ended: interrupted"),
    ]


def test_cada_alerta_pide_su_entrega_en_la_misma_transaccion(motor: Engine, ruta: Path):
    hechos = avisos(motor, ruta, de_filas(APERTURA), de_filas(PROTEGIDA))

    with leer(motor) as conexion:
        pedidas = conexion.execute(select(outbox.c.topic, outbox.c.key).order_by(outbox.c.id)).all()
    assert [tuple(pedida) for pedida in pedidas] == [("alerts", str(a["id"])) for a in hechos]


def test_una_bolsa_que_no_se_alcanza_es_un_aviso_y_otro_cuando_vuelve(motor: Engine, ruta: Path):
    caida = {"link": "user_stream", "since_ms": 1, "gap_s": 30.4, "reason": "ClientError: no route"}
    hechos = avisos(
        motor,
        ruta,
        ("exchange", "EXCHANGE_DISCONNECTED", caida),
        ("exchange", "EXCHANGE_CONNECTED", caida | {"gap_s": 81.9}),
    )

    assert [(a["level"], a["kind"], a["message"]) for a in hechos] == [
        (
            "ERROR",
            "exchange_disconnected",
            "the user stream of the exchange has been down for 30 s: ClientError: no route",
        ),
        ("INFO", "exchange_connected", "the user stream of the exchange is back after 82 s"),
    ]
