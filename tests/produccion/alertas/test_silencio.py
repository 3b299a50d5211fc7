from __future__ import annotations

from sqlalchemy import Engine, select, update

from src.produccion.alertas.silencio import avisar_silencios
from src.produccion.almacen.conexion import escribir, leer
from src.produccion.almacen.demonios import DemonioNuevo, despedirse, latir, presentarse
from src.produccion.almacen.esquema import alerts, daemons, outbox


def callar(motor: Engine, ms: int) -> None:
    with escribir(motor) as conexion:
        conexion.execute(update(daemons).values(heartbeat_ms=daemons.c.heartbeat_ms - ms))


def avisos(motor: Engine) -> list[tuple[str, str, str]]:
    with leer(motor) as conexion:
        consulta = select(alerts.c.level, alerts.c.kind, alerts.c.symbol).order_by(alerts.c.id)
        return [tuple(fila) for fila in conexion.execute(consulta)]


def test_cada_silencio_se_dice_una_vez(motor: Engine):
    presentarse(motor, DemonioNuevo("sim-1", "BTCUSDT", 12, "casa", client_id="ajeno"))
    assert avisar_silencios(motor, 60.0) == 0

    callar(motor, 61_000)
    assert [avisar_silencios(motor, 60.0) for _ in range(3)] == [1, 0, 0]
    assert avisos(motor) == [("CRITICAL", "daemon_silent", "BTCUSDT")]
    with leer(motor) as conexion:
        fila = conexion.execute(select(alerts)).mappings().one()
        assert len(conexion.execute(select(outbox)).all()) == 1
    assert fila["client_id"] == "ajeno"
    assert "on casa (process 12) has given no sign of life for 61 s" in fila["message"]

    latir(motor, "sim-1", "BTCUSDT")
    assert avisar_silencios(motor, 60.0) == 0
    callar(motor, 70_000)
    assert avisar_silencios(motor, 60.0) == 1


def test_quien_se_despide_no_calla(motor: Engine):
    presentarse(motor, DemonioNuevo("sim-1", "BTCUSDT", 12, "casa"))
    callar(motor, 61_000)
    despedirse(motor, "sim-1", "BTCUSDT")

    assert avisar_silencios(motor, 60.0) == 0
